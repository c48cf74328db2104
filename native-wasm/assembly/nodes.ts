// Nodes of the memtable's B+tree: layout, search, and the lock a reader checks. README.md tells the
// protocol.
//
//  +0 u32 version, odd while the one writer changes it   +4 u16 n  +6 u8 level  +7 u8 skip (0..32)
//  +8 u32 next leaf   +16 u8 common[32]: the `skip` bytes that every key of this node starts with
//  +48 u64 prefix[64]: 8 key bytes after `skip`, as a big-endian number   +560 u32 record[64]
//  +816 u32 child[65], inner nodes only: entries of child i < record[i] <= those of child i + 1
//
// A search may run over a node that is being changed: it stays inside the arena, and its answer
// counts only after the reader found the version unchanged. Each slot is moved by one aligned
// store, so a slot never holds half an address.
import {
  ARENA_END,
  ARENA_HEADER,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  RECORD_KEY_LENGTH,
  RECORD_TAG,
  RECORD_VERSION,
  TAG_EXPIRY,
} from './layout'
import { atomicFence } from './atomic-fence'
import { compareKeys, keyPrefix } from './keys'

export const SLOTS: u32 = 64
export const SKIP_MAX: u32 = 32
export const LEAF_SIZE: u32 = 816
export const INNER_SIZE: u32 = 1080

export const NODE_META: usize = 4
export const NODE_NEXT: usize = 8
export const NODE_COMMON: usize = 16
export const NODE_PREFIX: usize = 48
export const NODE_RECORD: usize = 560
export const NODE_CHILD: usize = 816

/** Arena header, kernel-private. */
export const ARENA_BUMP: usize = 16
export const ARENA_FIRST_LEAF: usize = 20
export const ARENA_TAIL_LEAF: usize = 24
/** Entries once the run under way is linked. */
export const ARENA_LINKED: usize = 28
/** Leaves of the records that are linked together, GROUP of them; then what was seen of them. */
export const ARENA_GROUP: usize = 32
export const GROUP: u32 = 7
export const ARENA_SEEN: usize = 60

// n, level and skip travel as one word, so that they change together.
@inline
export function metaOf(n: u32, level: u32, skip: u32): u32 {
  return n | (level << 16) | (skip << 24)
}

/** Clamped, since a reader may act on it before it knows the word was whole. */
@inline
export function countOf(meta: u32): u32 {
  return min<u32>(meta & 0xffff, SLOTS)
}

@inline
export function levelOf(meta: u32): u32 {
  return (meta >> 16) & 0xff
}

@inline
export function skipOf(meta: u32): u32 {
  return min<u32>(meta >> 24, SKIP_MAX)
}

// Loads for memtableGet. As sequentially consistent loads they come before the check of the version
// without a fence, which costs 100 ns on x64, where it keeps the processor from overlapping one get
// with the next.
@inline
function word32(address: usize, ordered: bool): u32 {
  return ordered ? atomic.load<u32>(address) : load<u32>(address)
}

@inline
function word64(address: usize, ordered: bool): u64 {
  return ordered ? atomic.load<u64>(address) : load<u64>(address)
}

@inline
function byteOf(address: usize, ordered: bool): u32 {
  return ordered ? <u32>atomic.load<u8>(address) : <u32>load<u8>(address)
}

@inline
export function recordAt(node: usize, i: u32): usize {
  return <usize>load<u32>(node + <usize>i * 4, NODE_RECORD)
}

@inline
export function prefixAt(node: usize, i: u32): u64 {
  return load<u64>(node + <usize>i * 8, NODE_PREFIX)
}

@inline
export function childAt(node: usize, i: u32): usize {
  return <usize>load<u32>(node + <usize>i * 4, NODE_CHILD)
}

@inline
export function recordKey(record: usize): usize {
  const expires = load<u8>(record, RECORD_TAG) & <u8>TAG_EXPIRY
  return record + (expires ? RECORD_HEADER_WITH_EXPIRY : RECORD_HEADER)
}

@inline
export function recordKeyLength(record: usize): u32 {
  return <u32>load<u16>(record, RECORD_KEY_LENGTH)
}

@inline
export function recordVersion(record: usize): u64 {
  return load<u64>(record, RECORD_VERSION)
}

/** Waits until no change is under way; the version to check later. */
@inline
export function readVersion(node: usize): u32 {
  let version = atomic.load<u32>(node)
  while (version & 1) version = atomic.load<u32>(node)
  return version
}

/** True when nothing read since readVersion() can be half of a change. */
@inline
export function unchanged(node: usize, version: u32): bool {
  atomicFence()
  return atomic.load<u32>(node) == version
}

/** The same after ordered loads only. */
@inline
export function unchangedSince(node: usize, version: u32): bool {
  return atomic.load<u32>(node) == version
}

@inline
export function lock(node: usize): void {
  store<u32>(node, load<u32>(node) + 1)
  atomicFence()
}

@inline
export function unlock(node: usize): void {
  atomic.store<u32>(node, load<u32>(node) + 1)
}

/** A node address that lies in the arena; anything else was read from damaged memory. */
@inline
export function nodeInside(arena: usize, node: usize): bool {
  return (
    node >= arena + ARENA_HEADER &&
    node + LEAF_SIZE <= <usize>load<u32>(arena, ARENA_END) &&
    (node & 7) == 0
  )
}

/** Set in a search result: the entry at the position has the target's key / its key and version. */
export const FOUND_KEY: i32 = 1
export const FOUND_EXACT: i32 = 2
export const POSITION_SHIFT: u32 = 2

/** compareEntry for a record, of whose key the first `skip` bytes are known to be equal. 0 when the
 * address leads out of the arena: then it was read amid a change, and any answer does. */
function compareRecord(
  arena: usize,
  record: usize,
  skip: u32,
  key: usize,
  keyLength: u32,
  version: u64,
): i32 {
  const end = <usize>load<u32>(arena, ARENA_END)
  if (record < arena + ARENA_HEADER || record > end - RECORD_HEADER_WITH_EXPIRY) return 0
  const length = recordKeyLength(record)
  const bytes = recordKey(record)
  if (bytes + length > end || length < skip) return 0
  const order = compareKeys(bytes + skip, length - skip, key + skip, keyLength - skip)
  if (order != 0) return order < 0 ? -1 : 0
  const own = recordVersion(record)
  return own > version ? -1 : own == version ? FOUND_KEY | FOUND_EXACT : FOUND_KEY
}

/** Position of the first entry at or after (key, version), and what was found there. */
export function search(
  arena: usize,
  node: usize,
  key: usize,
  keyLength: u32,
  version: u64,
): u32 {
  return searchNode(arena, node, key, keyLength, version, false)
}

/** The same with ordered loads: unchangedSince() may follow without a fence. */
export function searchOrdered(
  arena: usize,
  node: usize,
  key: usize,
  keyLength: u32,
  version: u64,
): u32 {
  return searchNode(arena, node, key, keyLength, version, true)
}

@inline
function searchNode(
  arena: usize,
  node: usize,
  key: usize,
  keyLength: u32,
  version: u64,
  ordered: bool,
): u32 {
  const meta = word32(node + NODE_META, ordered)
  const n = countOf(meta)
  const skip = skipOf(meta)
  if (skip != 0) {
    const limit = min<u32>(skip, keyLength)
    const shared = sharedWithCommon(node + NODE_COMMON, key, limit, ordered)
    if (shared < limit) {
      const below = byteOf(node + NODE_COMMON + shared, ordered) < <u32>load<u8>(key + shared)
      return (below ? n : 0) << POSITION_SHIFT
    }
    if (keyLength < skip) return 0
  }
  if (n == 0) return 0
  const prefix = keyPrefix(key, keyLength, skip)
  const prefixes = node + NODE_PREFIX
  let at: u32 = 0
  // First prefix that is not below, without a branch that depends on the data.
  let length = n
  while (length > 1) {
    const half = length >> 1
    const probed = word64(prefixes + <usize>(at + half - 1) * 8, ordered)
    at += select<u32>(half, 0, probed < prefix)
    length -= half
  }
  at += <u32>(word64(prefixes + <usize>at * 8, ordered) < prefix)
  if (at == n || word64(prefixes + <usize>at * 8, ordered) != prefix) return at << POSITION_SHIFT
  // Usually one entry has this prefix; more when keys share more bytes, or versions pile up.
  const first = compareEntry(arena, node, at, skip, key, keyLength, version, ordered)
  if (first >= 0) return (at << POSITION_SHIFT) | <u32>first
  at++
  let found: u32 = 0
  let high = n
  while (at < high) {
    const middle = (at + high) >> 1
    let order: i32 = 0
    if (word64(prefixes + <usize>middle * 8, ordered) == prefix) {
      order = compareEntry(arena, node, middle, skip, key, keyLength, version, ordered)
    }
    if (order < 0) {
      at = middle + 1
    } else {
      high = middle
      found = <u32>order
    }
  }
  return (at << POSITION_SHIFT) | found
}

@inline
function sharedWithCommon(common: usize, key: usize, limit: u32, ordered: bool): u32 {
  let at: u32 = 0
  while (at + 8 <= limit) {
    const difference = word64(common + at, ordered) ^ load<u64>(key + at)
    if (difference != 0) return at + (<u32>ctz<u64>(difference) >> 3)
    at += 8
  }
  while (at < limit && byteOf(common + at, ordered) == <u32>load<u8>(key + at)) at++
  return at
}

/** -1 when entry `i` lies before the target, otherwise what it has in common with it: FOUND_… bits
 * or 0. */
@inline
function compareEntry(
  arena: usize,
  node: usize,
  i: u32,
  skip: u32,
  key: usize,
  keyLength: u32,
  version: u64,
  ordered: bool,
): i32 {
  const record = <usize>word32(node + NODE_RECORD + <usize>i * 4, ordered)
  return compareRecord(arena, record, skip, key, keyLength, version)
}

/** Child to descend into for the first entry at or after the target. */
@inline
export function childIndex(found: u32): u32 {
  return (found >> POSITION_SHIFT) + <u32>((found & FOUND_EXACT) != 0)
}
