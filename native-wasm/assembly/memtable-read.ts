// The memtable's reader side: lock-free beside the one writer, on any thread. What a leaf says
// counts only when its version did not change meanwhile; otherwise it is read again, so an answer
// is never a guess.
//
// Inner nodes only guide. Leaves hand entries to a new leaf on their right and to no other, and a
// leaf's least entry stays in it. So a leaf proves by its own entries that it is not too far right,
// and whoever is too far left finds what he seeks by going on to the right: inner nodes may be read
// without fences.
import {
  ARENA_ROOT,
  DESC_EXPIRES_AT,
  DESC_FLAGS,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_META,
  DESC_PREFIX,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  RECORD_HEADER,
  RECORD_META,
  RECORD_TAG,
  RECORD_VALUE_LENGTH,
  TAG_COMMIT_END,
  TAG_EXPIRY,
} from './layout'
import { keyPrefix } from './keys'
import {
  ARENA_FIRST_LEAF,
  ARENA_TAIL_LEAF,
  FOUND_EXACT,
  FOUND_KEY,
  NODE_META,
  NODE_NEXT,
  NODE_RECORD,
  POSITION_SHIFT,
  SLOTS,
  childAt,
  childIndex,
  countOf,
  levelOf,
  nodeInside,
  readVersion,
  recordAt,
  recordKey,
  recordKeyLength,
  recordVersion,
  search,
  searchOrdered,
  unchanged,
  unchangedSince,
} from './nodes'

export const MODE_FROM_START: u32 = 0
export const MODE_INCLUSIVE: u32 = 1

/** Steps to the right after which a walk starts over: inner nodes lead to the leaf or right beside
 * it, unless they were read in the middle of a change. */
const HOPS_MAX: u32 = 4

/** The leaf to look in for the first entry at or after the target; `before`: for the last entry
 * before it. Only a hint, since inner nodes are read without a fence: far too left costs steps to
 * the right, and whoever finds it too far right (tooFarRight) must ask again. */
function findLeaf(
  arena: usize,
  key: usize,
  keyLength: u32,
  version: u64,
  before: bool,
): usize {
  let leaf: usize = 0
  while (leaf == 0) leaf = descend(arena, key, keyLength, version, before)
  return leaf
}

/** One try of findLeaf; 0 when it met a change. */
function descend(
  arena: usize,
  key: usize,
  keyLength: u32,
  version: u64,
  before: bool,
): usize {
  let node = <usize>atomic.load<u32>(arena, ARENA_ROOT)
  let level = levelOf(load<u32>(node, NODE_META))
  while (level > 0) {
    const nodeVersion = readVersion(node)
    const found = search(arena, node, key, keyLength, version)
    const child = childAt(node, before ? found >> POSITION_SHIFT : childIndex(found))
    if (!unchangedSince(node, nodeVersion) || !nodeInside(arena, child)) return 0
    // Levels never change and fall by one, so the way down ends.
    level--
    if (levelOf(load<u32>(child, NODE_META)) != level) return 0
    node = child
  }
  return node
}

/** In a leaf where nothing lies before the target, the left neighbour may hold what is sought; not
 * left of the first leaf, nor when the walk came from that neighbour. */
@inline
function tooFarRight(arena: usize, leaf: usize, before: u32, hops: u32): bool {
  return before == 0 && hops == 0 && leaf != <usize>load<u32>(arena, ARENA_FIRST_LEAF)
}

/** How many entries of the leaf lie before the target, one more when `inclusive` and the target is
 * there. */
@inline
function entriesBefore(found: u32, inclusive: bool): u32 {
  return (found >> POSITION_SHIFT) + <u32>(inclusive && (found & FOUND_EXACT) != 0)
}

export function memtableGet(arena: usize, key: usize, keyLength: u32, maxVersion: f64): usize {
  const version = <u64>maxVersion
  let leaf = findLeaf(arena, key, keyLength, version, false)
  let hops: u32 = 0
  while (true) {
    const nodeVersion = readVersion(leaf)
    const found = searchOrdered(arena, leaf, key, keyLength, version)
    const at = found >> POSITION_SHIFT
    const past = at >= countOf(atomic.load<u32>(leaf, NODE_META))
    const next = <usize>atomic.load<u32>(leaf, NODE_NEXT)
    const slot = leaf + <usize>min<u32>(at, SLOTS - 1) * 4
    const record = <usize>atomic.load<u32>(slot, NODE_RECORD)
    if (!unchangedSince(leaf, nodeVersion)) continue
    if (tooFarRight(arena, leaf, entriesBefore(found, true), hops) || hops > HOPS_MAX) {
      leaf = findLeaf(arena, key, keyLength, version, false)
      hops = 0
      continue
    }
    if (!past) return select<usize>(record, 0, (found & FOUND_KEY) != 0)
    if (next == 0) return 0
    leaf = next
    hops++
  }
}

export function memtablePage(
  arena: usize,
  mode: u32,
  key: usize,
  keyLength: u32,
  version: f64,
  reverse: u32,
  out: usize,
  capacity: u32,
): u32 {
  if (capacity == 0) return 0
  return reverse
    ? pageReverse(arena, mode, key, keyLength, <u64>version, out, capacity)
    : pageForward(arena, mode, key, keyLength, <u64>version, out, capacity)
}

function pageForward(
  arena: usize,
  mode: u32,
  key: usize,
  keyLength: u32,
  version: u64,
  out: usize,
  capacity: u32,
): u32 {
  let seek = mode != MODE_FROM_START
  let leaf = seek
    ? findLeaf(arena, key, keyLength, version, false)
    : <usize>load<u32>(arena, ARENA_FIRST_LEAF)
  let hops: u32 = 0
  let filled: u32 = 0
  while (true) {
    const nodeVersion = readVersion(leaf)
    const n = countOf(load<u32>(leaf, NODE_META))
    const found = seek ? search(arena, leaf, key, keyLength, version) : 0
    let to = filled
    for (let i = entriesBefore(found, mode != MODE_INCLUSIVE); i < n && to < capacity; i++) {
      store<u32>(out + <usize>to * DESC_SIZE, <u32>recordAt(leaf, i), DESC_KEY)
      to++
    }
    const next = <usize>load<u32>(leaf, NODE_NEXT)
    if (!unchanged(leaf, nodeVersion)) continue
    if (seek) {
      if (tooFarRight(arena, leaf, entriesBefore(found, true), hops) || hops > HOPS_MAX) {
        leaf = findLeaf(arena, key, keyLength, version, false)
        hops = 0
        continue
      }
      // Behind a leaf that gave entries all lie behind the target.
      seek = to == filled
      hops++
    }
    describe(out, filled, to)
    filled = to
    if (filled == capacity || next == 0) return filled
    leaf = next
  }
}

function pageReverse(
  arena: usize,
  mode: u32,
  key: usize,
  keyLength: u32,
  version: u64,
  out: usize,
  capacity: u32,
): u32 {
  let toEnd = mode == MODE_FROM_START
  let inclusive = mode == MODE_INCLUSIVE
  let filled: u32 = 0
  while (true) {
    const got = leafReverse(
      arena, toEnd, inclusive, key, keyLength, version,
      out + <usize>filled * DESC_SIZE, capacity - filled,
    )
    describe(out, filled, filled + got)
    filled += got
    if (got == 0 || filled == capacity) return filled
    // Leaves know no left neighbour: seek what lies before the least entry given.
    const last = <usize>load<u32>(out + <usize>(filled - 1) * DESC_SIZE, DESC_KEY)
    const lastLength = load<u32>(out + <usize>(filled - 1) * DESC_SIZE, DESC_KEY_LENGTH)
    version = load<u64>(out + <usize>(filled - 1) * DESC_SIZE, DESC_VERSION)
    key = last
    keyLength = lastLength
    toEnd = false
    inclusive = false
  }
}

/** Stores the records of one leaf that lie before (inclusive: at or before) the target, last first,
 * in the key fields of the descriptors at `out`; returns how many. 0 only when nothing lies before
 * the target. */
function leafReverse(
  arena: usize,
  toEnd: bool,
  inclusive: bool,
  key: usize,
  keyLength: u32,
  version: u64,
  out: usize,
  capacity: u32,
): u32 {
  let leaf = toEnd
    ? <usize>load<u32>(arena, ARENA_TAIL_LEAF)
    : findLeaf(arena, key, keyLength, version, !inclusive)
  let hops: u32 = 0
  while (true) {
    const nodeVersion = readVersion(leaf)
    const n = countOf(load<u32>(leaf, NODE_META))
    const found = toEnd ? n << POSITION_SHIFT : search(arena, leaf, key, keyLength, version)
    const at = entriesBefore(found, inclusive)
    const next = <usize>load<u32>(leaf, NODE_NEXT)
    let got: u32 = 0
    for (let i = min<u32>(at, n); i > 0 && got < capacity; i--) {
      store<u32>(out + <usize>got * DESC_SIZE, <u32>recordAt(leaf, i - 1), DESC_KEY)
      got++
    }
    if (!unchanged(leaf, nodeVersion)) continue
    if (!toEnd && (tooFarRight(arena, leaf, at, hops) || hops > HOPS_MAX)) {
      leaf = findLeaf(arena, key, keyLength, version, !inclusive)
      hops = 0
      continue
    }
    if (at < n || next == 0) return got
    // All of this leaf lies before the target; perhaps, after a split, some of the next one does
    // too.
    if (!toEnd && !startsBefore(arena, next, inclusive, key, keyLength, version)) return got
    leaf = next
    hops++
  }
}

function startsBefore(
  arena: usize,
  leaf: usize,
  inclusive: bool,
  key: usize,
  keyLength: u32,
  version: u64,
): bool {
  while (true) {
    const nodeVersion = readVersion(leaf)
    const found = search(arena, leaf, key, keyLength, version)
    if (unchanged(leaf, nodeVersion)) return entriesBefore(found, inclusive) > 0
  }
}

/** Turns the record addresses in the key fields of descriptors [from, to) into descriptors. */
function describe(out: usize, from: u32, to: u32): void {
  for (let i = from; i < to; i++) {
    const at = out + <usize>i * DESC_SIZE
    const record = <usize>load<u32>(at, DESC_KEY)
    const key = recordKey(record)
    const keyLength = recordKeyLength(record)
    const tag = <u32>load<u8>(record, RECORD_TAG)
    store<u64>(at, keyPrefix(key, keyLength, 0), DESC_PREFIX)
    store<u32>(at, <u32>key, DESC_KEY)
    store<u32>(at, keyLength, DESC_KEY_LENGTH)
    store<u32>(at, <u32>key + keyLength, DESC_VALUE)
    store<u32>(at, load<u32>(record, RECORD_VALUE_LENGTH), DESC_VALUE_LENGTH)
    store<u64>(at, recordVersion(record), DESC_VERSION)
    const expiresAt = tag & TAG_EXPIRY ? load<u64>(record, RECORD_HEADER) : 0
    store<u64>(at, expiresAt, DESC_EXPIRES_AT)
    store<u32>(at, tag & ~TAG_COMMIT_END, DESC_TAG)
    store<u8>(at, load<u8>(record, RECORD_META), DESC_META)
    store<u32>(at, 0, DESC_FLAGS)
  }
}
