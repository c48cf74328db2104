// The memtable's writer side: one thread links records into a B+tree whose nodes lie at the arena's
// end. Readers on other threads (memtable-read.ts) see every node either before or after a change.
import {
  ARENA_COUNT,
  ARENA_END,
  ARENA_HEADER,
  ARENA_NODE_START,
  ARENA_ROOT,
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  RECORD_HEADER,
  RECORD_META,
  RECORD_TAG,
  RECORD_VALUE_LENGTH,
  RECORD_VERSION,
  TAG_EXPIRY,
  TAG_META,
} from './layout'
import { atomicFence } from './atomic-fence'
import { isPointer } from './blocks/entry'
import { compareKeys, keyPrefix, sharedPrefix } from './keys'
import {
  ARENA_BUMP,
  ARENA_FIRST_LEAF,
  ARENA_GROUP,
  ARENA_LINKED,
  ARENA_SEEN,
  ARENA_TAIL_LEAF,
  FOUND_EXACT,
  GROUP,
  INNER_SIZE,
  LEAF_SIZE,
  NODE_CHILD,
  NODE_COMMON,
  NODE_META,
  NODE_NEXT,
  NODE_PREFIX,
  NODE_RECORD,
  POSITION_SHIFT,
  SKIP_MAX,
  SLOTS,
  childAt,
  childIndex,
  countOf,
  levelOf,
  lock,
  metaOf,
  prefixAt,
  recordAt,
  recordKey,
  recordKeyLength,
  recordVersion,
  search,
  skipOf,
  unlock,
} from './nodes'

// Node bytes for N entries never pass NODE_BYTES_PER_ENTRY * N + NODE_BYTES_BASE: every leaf but
// the last holds 32 entries or more, every inner node but the last of its level 32 children or
// more.
const NODE_BYTES_PER_ENTRY: u64 = 27
const NODE_BYTES_BASE: u64 = 8192

const MALFORMED: i32 = -2
const NO_SPACE: i32 = -1
const RESERVED_TAG_BIT: u32 = 0x40
const VERSION_BITS: u64 = 53

export function memtableInit(arena: usize, end: usize): void {
  memory.fill(arena, 0, ARENA_HEADER)
  store<u32>(arena, <u32>end, ARENA_END)
  store<u32>(arena, <u32>end, ARENA_BUMP)
  const leaf = newNode(arena, 0)
  store<u32>(arena, <u32>leaf, ARENA_FIRST_LEAF)
  store<u32>(arena, <u32>leaf, ARENA_TAIL_LEAF)
  store<u32>(arena, load<u32>(arena, ARENA_BUMP), ARENA_NODE_START)
  atomic.store<u32>(arena, <u32>leaf, ARENA_ROOT)
}

export function memtableLink(arena: usize, first: usize, end: usize): i32 {
  const walked = walkRun(arena, first, end)
  if (walked <= 0) return walked
  const entries = <u64>load<u32>(arena, ARENA_COUNT) + <u64>walked
  const arenaEnd = load<u32>(arena, ARENA_END)
  const needed = <u64>end + NODE_BYTES_PER_ENTRY * entries + NODE_BYTES_BASE
  if (needed > <u64>arenaEnd) return NO_SPACE
  const count = linkAll(arena, first, end)
  // What later splits may claim for the entries at hand counts as taken, so that a caller who keeps
  // its reserve below this address cannot be refused.
  const owed = (NODE_BYTES_PER_ENTRY * <u64>count + 7) & ~7
  const claimed = max<u64>(<u64>(arenaEnd - load<u32>(arena, ARENA_BUMP)), owed)
  store<u32>(arena, arenaEnd - <u32>claimed, ARENA_NODE_START)
  atomic.store<u32>(arena, count, ARENA_COUNT)
  return walked
}

/** Links every record of the run; returns the entries there are then. */
function linkAll(arena: usize, first: usize, end: usize): u32 {
  store<u32>(arena, load<u32>(arena, ARENA_COUNT), ARENA_LINKED)
  let record = first
  while (record + <usize>recordSize(record) < end) {
    record = appendRun(arena, record, end)
    if (record < end) record = insertGroup(arena, record, end)
    if (record == end) break
  }
  if (record < end && insert(arena, record)) countLinked(arena, 1)
  return load<u32>(arena, ARENA_LINKED)
}

@inline
function countLinked(arena: usize, entries: u32): void {
  store<u32>(arena, load<u32>(arena, ARENA_LINKED) + entries, ARENA_LINKED)
}

/** Links records at the end of the tree while they ascend and the last leaf has room, under one
 * lock: a fence for each would be a third of the work. Returns the first one that is not linked. */
function appendRun(arena: usize, first: usize, end: usize): usize {
  const tail = <usize>load<u32>(arena, ARENA_TAIL_LEAF)
  const had = countOf(load<u32>(tail, NODE_META))
  if (had == 0 || had == SLOTS || !comesAfter(first, recordAt(tail, had - 1))) return first
  let n = had
  let record = first
  let last: usize
  lock(tail)
  do {
    putAt(tail, n, record, 0)
    n++
    last = record
    record += <usize>recordSize(record)
  } while (n < SLOTS && record < end && comesAfter(record, last))
  unlock(tail)
  countLinked(arena, n - had)
  return record
}

/** Links some records, one at least. Their leaves are looked up, and brought into the caches, before
 * the first of them is changed, so that the processor waits for many at a time; two fences do for
 * all. Returns the first record that is not linked. */
function insertGroup(arena: usize, first: usize, end: usize): usize {
  const found = findLeaves(arena, first, end)
  if (found < 2) {
    if (insert(arena, first)) countLinked(arena, 1)
    return first + <usize>recordSize(first)
  }
  for (let i: u32 = 0; i < found; i++) {
    const leaf = groupLeaf(arena, i)
    store<u32>(leaf, load<u32>(leaf) | 1)
  }
  atomicFence()
  let record = first
  for (let i: u32 = 0; i < found; i++) {
    const leaf = groupLeaf(arena, i)
    // By another record of the group.
    if (countOf(load<u32>(leaf, NODE_META)) == SLOTS) break
    if (putInOrder(arena, leaf, record)) countLinked(arena, 1)
    record += <usize>recordSize(record)
  }
  atomicFence()
  for (let i: u32 = 0; i < found; i++) {
    const leaf = groupLeaf(arena, i)
    const version = load<u32>(leaf)
    store<u32>(leaf, version + (version & 1))
  }
  return record
}

@inline
function groupLeaf(arena: usize, i: u32): usize {
  return <usize>load<u32>(arena + <usize>i * 4, ARENA_GROUP)
}

/** Notes the leaves of records from `first` on; returns how many have one with room. */
function findLeaves(arena: usize, first: usize, end: usize): u32 {
  let n: u32 = 0
  let seen: u64 = 0
  for (let record = first; record < end && n < GROUP; record += <usize>recordSize(record)) {
    const leaf = leafOf(arena, record)
    if (countOf(load<u32>(leaf, NODE_META)) == SLOTS) break
    for (let at = NODE_PREFIX; at < <usize>LEAF_SIZE; at += 64) seen ^= load<u64>(leaf + at)
    store<u32>(arena + <usize>n * 4, <u32>leaf, ARENA_GROUP)
    n++
  }
  // Of no use to anybody: loads without one would be optimised away.
  store<u32>(arena, <u32>seen, ARENA_SEEN)
  return n
}

function leafOf(arena: usize, record: usize): usize {
  const key = recordKey(record)
  const keyLength = recordKeyLength(record)
  const version = recordVersion(record)
  let node = <usize>load<u32>(arena, ARENA_ROOT)
  while (levelOf(load<u32>(node, NODE_META)) > 0) {
    node = childAt(node, childIndex(search(arena, node, key, keyLength, version)))
  }
  return node
}

/** Puts a record into its leaf, which is locked and has room; false when it took the place of an
 * older copy of itself. */
function putInOrder(arena: usize, leaf: usize, record: usize): bool {
  const key = recordKey(record)
  const found = search(arena, leaf, key, recordKeyLength(record), recordVersion(record))
  const at = found >> POSITION_SHIFT
  if (found & FOUND_EXACT) {
    atomic.store<u32>(leaf + <usize>at * 4, <u32>record, NODE_RECORD)
    return false
  }
  putAt(leaf, at, record, 0)
  return true
}

@inline
function comesAfter(record: usize, before: usize): bool {
  return isAfter(before, recordKey(record), recordKeyLength(record), recordVersion(record))
}

/** Whole size of a record, padding included; its header is readable. */
@inline
function recordSize(record: usize): u64 {
  const header = recordKey(record) - record
  const value = <u64>load<u32>(record, RECORD_VALUE_LENGTH)
  return (<u64>header + <u64>recordKeyLength(record) + value + 7) & ~7
}

/** Records in [first, end), or MALFORMED. */
function walkRun(arena: usize, first: usize, end: usize): i32 {
  if ((first & 7) != 0 || first < arena + ARENA_HEADER) return MALFORMED
  if (end > <usize>load<u32>(arena, ARENA_END)) return MALFORMED
  let walked = 0
  let record = first
  while (record < end) {
    const rest = <u64>(end - record)
    if (rest < RECORD_HEADER || !plausible(record)) return MALFORMED
    const size = recordSize(record)
    if (size > rest || !pointsWell(record)) return MALFORMED
    record += <usize>size
    walked++
  }
  return record == end ? walked : MALFORMED
}

/** Header fields of a record: legal, apart from its size. */
function plausible(record: usize): bool {
  const tag = <u32>load<u8>(record, RECORD_TAG)
  const kind = tag & KIND_MASK
  if (kind != KIND_PUT && kind != KIND_DELETE && kind != KIND_POINTER) return false
  if ((tag & RESERVED_TAG_BIT) != 0) return false
  if ((tag & TAG_META) == 0 && load<u8>(record, RECORD_META) != 0) return false
  if (load<u64>(record, RECORD_VERSION) >> VERSION_BITS != 0) return false
  return (tag & TAG_EXPIRY) == 0 || load<u64>(record, RECORD_HEADER) >> VERSION_BITS == 0
}

/** Whether what stands as a value pointer is one; the record is readable. */
@inline
function pointsWell(record: usize): bool {
  if ((<u32>load<u8>(record, RECORD_TAG) & KIND_MASK) != KIND_POINTER) return true
  const value = recordKey(record) + recordKeyLength(record)
  return isPointer(value, load<u32>(record, RECORD_VALUE_LENGTH))
}

/** A node nobody sees yet, with no entries. */
function newNode(arena: usize, level: u32): usize {
  const size = level == 0 ? LEAF_SIZE : INNER_SIZE
  const node = <usize>(load<u32>(arena, ARENA_BUMP) - size)
  store<u32>(arena, <u32>node, ARENA_BUMP)
  // Zeros: a reader that sees a count before its slot must not take old bytes for an address.
  memory.fill(node, 0, size)
  store<u32>(node, metaOf(0, level, 0), NODE_META)
  return node
}

/** Links one record; false when it took the place of an older copy of itself. */
function insert(arena: usize, record: usize): bool {
  const key = recordKey(record)
  const keyLength = recordKeyLength(record)
  const version = recordVersion(record)
  const tail = <usize>load<u32>(arena, ARENA_TAIL_LEAF)
  const tailCount = countOf(load<u32>(tail, NODE_META))
  const append = tailCount > 0 && isAfter(recordAt(tail, tailCount - 1), key, keyLength, version)
  if (append && tailCount < SLOTS) {
    insertAt(tail, tailCount, record, 0)
    return true
  }
  let node = rootWithRoom(arena)
  while (levelOf(load<u32>(node, NODE_META)) > 0) {
    const meta = load<u32>(node, NODE_META)
    let i = countOf(meta)
    if (!append) i = childIndex(search(arena, node, key, keyLength, version))
    const child = childAt(node, i)
    if (countOf(load<u32>(child, NODE_META)) < SLOTS) {
      node = child
      continue
    }
    if (append && levelOf(meta) == 1) {
      appendLeaf(arena, node, child, record)
      return true
    }
    const right = split(arena, node, i, append)
    node = append || !isBefore(recordAt(node, i), key, keyLength, version) ? right : child
  }
  const found = search(arena, node, key, keyLength, version)
  const at = found >> POSITION_SHIFT
  if (found & FOUND_EXACT) {
    atomic.store<u32>(node + <usize>at * 4, <u32>record, NODE_RECORD)
    return false
  }
  insertAt(node, at, record, 0)
  return true
}

/** Is the target behind `record` in order? */
@inline
function isAfter(record: usize, key: usize, keyLength: u32, version: u64): bool {
  const order = compareKeys(key, keyLength, recordKey(record), recordKeyLength(record))
  return order > 0 || (order == 0 && version < recordVersion(record))
}

/** Is the target before `record` in order? */
@inline
function isBefore(record: usize, key: usize, keyLength: u32, version: u64): bool {
  const order = compareKeys(key, keyLength, recordKey(record), recordKeyLength(record))
  return order < 0 || (order == 0 && version > recordVersion(record))
}

/** The root, under a new one if it was full: splits need room in the parent. */
function rootWithRoom(arena: usize): usize {
  const root = <usize>load<u32>(arena, ARENA_ROOT)
  const meta = load<u32>(root, NODE_META)
  if (countOf(meta) < SLOTS) return root
  const grown = newNode(arena, levelOf(meta) + 1)
  store<u32>(grown, <u32>root, NODE_CHILD)
  atomic.store<u32>(arena, <u32>grown, ARENA_ROOT)
  return grown
}

/** A new last leaf holding only `record`: sequential loads leave full leaves behind. */
function appendLeaf(arena: usize, parent: usize, tail: usize, record: usize): void {
  const leaf = newNode(arena, 0)
  // The next records will likely share with this one what the tail's first did.
  const skip = sharedKeyPrefix(recordAt(tail, 0), record)
  setCommon(leaf, record, skip)
  setSlot(leaf, 0, record, skip)
  store<u32>(leaf, metaOf(1, 0, skip), NODE_META)
  insertAt(parent, countOf(load<u32>(parent, NODE_META)), record, leaf)
  lock(tail)
  store<u32>(tail, <u32>leaf, NODE_NEXT)
  unlock(tail)
  store<u32>(arena, <u32>leaf, ARENA_TAIL_LEAF)
}

/** Splits full child `i` of `parent`; returns the new right half. It becomes reachable before the
 * left half lets go of its entries, so a reader finds every entry at every moment. */
function split(arena: usize, parent: usize, i: u32, append: bool): usize {
  const left = childAt(parent, i)
  const meta = load<u32>(left, NODE_META)
  const level = levelOf(meta)
  const right = newNode(arena, level)
  let keep = SLOTS / 2
  let separator: usize
  if (level == 0) {
    separator = recordAt(left, keep)
    fill(right, left, keep)
    store<u32>(right, load<u32>(left, NODE_NEXT), NODE_NEXT)
  } else {
    // The separator moves up. Appending leaves the right half one child and no record.
    if (append) keep = SLOTS - 1
    separator = recordAt(left, keep)
    for (let j = keep + 1; j <= SLOTS; j++) {
      store<u32>(right + <usize>(j - keep - 1) * 4, <u32>childAt(left, j), NODE_CHILD)
    }
    fill(right, left, keep + 1)
  }
  insertAt(parent, i, separator, right)
  lock(left)
  store<u32>(left, metaOf(keep, level, skipOf(meta)), NODE_META)
  if (level == 0) store<u32>(left, <u32>right, NODE_NEXT)
  const skip = sharedKeyPrefix(recordAt(left, 0), recordAt(left, keep - 1))
  if (skip != skipOf(meta)) setSkip(left, keep, skip)
  unlock(left)
  if (<usize>load<u32>(arena, ARENA_TAIL_LEAF) == left) {
    store<u32>(arena, <u32>right, ARENA_TAIL_LEAF)
  }
  return right
}

/** Copies the entries of full `from`, starting at `first`, into a node nobody sees yet. */
function fill(node: usize, from: usize, first: u32): void {
  const n = SLOTS - first
  const meta = load<u32>(from, NODE_META)
  const skip = skipOf(meta)
  for (let j: u32 = 0; j < n; j++) {
    store<u64>(node + <usize>j * 8, prefixAt(from, first + j), NODE_PREFIX)
    store<u32>(node + <usize>j * 4, <u32>recordAt(from, first + j), NODE_RECORD)
  }
  store<u32>(node, metaOf(n, levelOf(meta), skip), NODE_META)
  if (n == 0) return
  const shared = sharedKeyPrefix(recordAt(node, 0), recordAt(node, n - 1))
  // Other prefixes are needed, at the price of a look at every key, only if the half shares more.
  if (shared != skip) setSkip(node, n, shared)
  else setCommon(node, recordAt(node, 0), skip)
}

/** Prefix bytes two records' keys share, as far as a node may skip. */
function sharedKeyPrefix(a: usize, b: usize): u32 {
  const limit = min<u32>(min<u32>(recordKeyLength(a), recordKeyLength(b)), SKIP_MAX)
  return sharedPrefix(recordKey(a), recordKey(b), limit)
}

@inline
function setSlot(node: usize, i: u32, record: usize, skip: u32): void {
  const prefix = keyPrefix(recordKey(record), recordKeyLength(record), skip)
  store<u64>(node + <usize>i * 8, prefix, NODE_PREFIX)
  store<u32>(node + <usize>i * 4, <u32>record, NODE_RECORD)
}

function setCommon(node: usize, record: usize, skip: u32): void {
  const key = recordKey(record)
  for (let i: u32 = 0; i < skip; i++) store<u8>(node + i, load<u8>(key + i), NODE_COMMON)
}

/** Gives the first `n` > 0 entries another skip. The node is locked, or nobody's yet. */
function setSkip(node: usize, n: u32, skip: u32): void {
  setCommon(node, recordAt(node, 0), skip)
  for (let i: u32 = 0; i < n; i++) setSlot(node, i, recordAt(node, i), skip)
  const meta = load<u32>(node, NODE_META)
  store<u32>(node, (meta & 0x00ffffff) | (skip << 24), NODE_META)
}

/** Puts a record into slot `i` of a node with room; `child` (inner nodes) lies to its right. */
function insertAt(node: usize, i: u32, record: usize, child: usize): void {
  lock(node)
  putAt(node, i, record, child)
  unlock(node)
}

/** The same in a node that is locked. */
function putAt(node: usize, i: u32, record: usize, child: usize): void {
  const meta = load<u32>(node, NODE_META)
  const n = countOf(meta)
  const key = recordKey(record)
  const keyLength = recordKeyLength(record)
  let skip = skipOf(meta)
  if (n == 0) {
    skip = min<u32>(keyLength, SKIP_MAX)
    setCommon(node, record, skip)
  } else if (skip > 0) {
    const shared = sharedPrefix(node + NODE_COMMON, key, min<u32>(skip, keyLength))
    if (shared < skip) {
      skip = shared
      setSkip(node, n, skip)
    }
  }
  for (let j = n; j > i; j--) {
    store<u64>(node + <usize>j * 8, prefixAt(node, j - 1), NODE_PREFIX)
    store<u32>(node + <usize>j * 4, <u32>recordAt(node, j - 1), NODE_RECORD)
  }
  if (child != 0) {
    for (let j = n + 1; j > i + 1; j--) {
      store<u32>(node + <usize>j * 4, <u32>childAt(node, j - 1), NODE_CHILD)
    }
    store<u32>(node + <usize>(i + 1) * 4, <u32>child, NODE_CHILD)
  }
  setSlot(node, i, record, skip)
  store<u32>(node, metaOf(n + 1, levelOf(meta), skip), NODE_META)
}
