// The memtable's reader side: lock-free beside the one writer, on any thread. A node's answer counts only when
// its version did not change meanwhile; otherwise the step is taken again, so an answer is never a guess.
//
// Leaves only ever hand entries to a new leaf on their right, and a leaf's least entry stays in it. So
// whoever reaches a leaf that has been split since finds what he seeks by going on to the right.
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
  FOUND_EXACT,
  FOUND_KEY,
  NODE_META,
  NODE_NEXT,
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
  unchanged,
} from './nodes'

export const MODE_FROM_START: u32 = 0
export const MODE_INCLUSIVE: u32 = 1

/** The leaf in which, or right of which, the first entry at or after the target lies. `before`: the leaf with
 * the last entry before the target, or one left of it. */
function findLeaf(
  arena: usize,
  key: usize,
  keyLength: u32,
  version: u64,
  before: bool,
): usize {
  let node = <usize>atomic.load<u32>(arena, ARENA_ROOT)
  while (true) {
    const nodeVersion = readVersion(node)
    // The level of a node never changes.
    if (levelOf(load<u32>(node, NODE_META)) == 0) return node
    const found = search(arena, node, key, keyLength, version)
    const child = childAt(node, before ? found >> POSITION_SHIFT : childIndex(found))
    if (!unchanged(node, nodeVersion)) {
      // Perhaps split: from the root again, so as not to walk in from far left.
      node = <usize>atomic.load<u32>(arena, ARENA_ROOT)
      continue
    }
    if (!nodeInside(arena, child)) unreachable()
    node = child
  }
}

export function memtableGet(arena: usize, key: usize, keyLength: u32, maxVersion: f64): usize {
  const version = <u64>maxVersion
  let leaf = findLeaf(arena, key, keyLength, version, false)
  while (true) {
    const nodeVersion = readVersion(leaf)
    const found = search(arena, leaf, key, keyLength, version)
    const at = found >> POSITION_SHIFT
    const past = at >= countOf(load<u32>(leaf, NODE_META))
    const next = <usize>load<u32>(leaf, NODE_NEXT)
    const record = recordAt(leaf, min<u32>(at, SLOTS - 1))
    if (!unchanged(leaf, nodeVersion)) continue
    if (!past) return select<usize>(record, 0, (found & FOUND_KEY) != 0)
    if (next == 0) return 0
    if (!nodeInside(arena, next)) unreachable()
    leaf = next
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
  let filled: u32 = 0
  while (true) {
    const nodeVersion = readVersion(leaf)
    const n = countOf(load<u32>(leaf, NODE_META))
    let from: u32 = 0
    if (seek) {
      const found = search(arena, leaf, key, keyLength, version)
      from = found >> POSITION_SHIFT
      if (mode != MODE_INCLUSIVE && (found & FOUND_EXACT) != 0) from++
    }
    let to = filled
    for (let i = from; i < n && to < capacity; i++) {
      store<u32>(out + <usize>to * DESC_SIZE, <u32>recordAt(leaf, i), DESC_KEY)
      to++
    }
    const next = <usize>load<u32>(leaf, NODE_NEXT)
    if (!unchanged(leaf, nodeVersion)) continue
    describe(out, filled, to)
    // Past this leaf all entries lie behind the target, unless the leaf had none to give.
    if (to > filled) seek = false
    filled = to
    if (filled == capacity || next == 0) return filled
    if (!nodeInside(arena, next)) unreachable()
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

/** Stores the records of one leaf that lie before (inclusive: at or before) the target, last first, in the key
 * fields of the descriptors at `out`; returns how many. 0 only when nothing lies before the target. */
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
  let leaf = toEnd ? lastLeaf(arena) : findLeaf(arena, key, keyLength, version, !inclusive)
  while (true) {
    const nodeVersion = readVersion(leaf)
    const n = countOf(load<u32>(leaf, NODE_META))
    const at = toEnd ? n : endBefore(arena, leaf, inclusive, key, keyLength, version)
    const next = <usize>load<u32>(leaf, NODE_NEXT)
    let got: u32 = 0
    for (let i = min<u32>(at, n); i > 0 && got < capacity; i--) {
      store<u32>(out + <usize>got * DESC_SIZE, <u32>recordAt(leaf, i - 1), DESC_KEY)
      got++
    }
    if (!unchanged(leaf, nodeVersion)) continue
    if (at < n || next == 0) return got
    if (!nodeInside(arena, next)) unreachable()
    // All of this leaf lies before the target; perhaps, after a split, some of the next one does too.
    if (!toEnd && !startsBefore(arena, next, inclusive, key, keyLength, version)) return got
    leaf = next
  }
}

/** How many entries of the leaf lie before (inclusive: at or before) the target. */
@inline
function endBefore(
  arena: usize,
  leaf: usize,
  inclusive: bool,
  key: usize,
  keyLength: u32,
  version: u64,
): u32 {
  const found = search(arena, leaf, key, keyLength, version)
  return (found >> POSITION_SHIFT) + <u32>(inclusive && (found & FOUND_EXACT) != 0)
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
    const at = endBefore(arena, leaf, inclusive, key, keyLength, version)
    if (unchanged(leaf, nodeVersion)) return at > 0
  }
}

function lastLeaf(arena: usize): usize {
  let node = <usize>atomic.load<u32>(arena, ARENA_ROOT)
  while (true) {
    const nodeVersion = readVersion(node)
    const meta = load<u32>(node, NODE_META)
    if (levelOf(meta) == 0) return node
    const child = childAt(node, countOf(meta))
    if (!unchanged(node, nodeVersion)) continue
    if (!nodeInside(arena, child)) unreachable()
    node = child
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
