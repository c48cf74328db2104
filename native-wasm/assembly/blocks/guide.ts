// Guides to data blocks that lie in a cache: some bytes of every so-manyth key and where its entry lies, in one
// piece, so that a lookup in a block that is not in the processor's own caches waits for a few lines of memory
// instead of one per step. A guide only says where to begin: what lies there is checked and compared as ever. It is
// never on disk.
import {
  DAMAGED_LENGTHS,
  entriesLength,
  keyAt,
  lengthsAt,
  lengthsFit,
  restartCount,
  tagAt,
} from './entry'
import { keyPrefix, sharedPrefix } from '../keys'
import { GUIDE_COMMON, GUIDE_FIRST_KEY, GUIDE_HEADER, GUIDE_LEAD, GUIDE_SAMPLES } from '../layout'

/** Offsets are u16. */
const LENGTH_MAX: u32 = 65_536
/** Entries of each restart interval but the last, in every block a writer made (FORMAT §6.1). */
const RESTART_INTERVAL: u32 = 16
/** With more samples alike than this the restarts tell more. */
const ALIKE_MAX: u32 = 4
const DAMAGED_TAIL: u64 = u64.MAX_VALUE
/** No place to begin at. */
export const UNGUIDED: u64 = u64.MAX_VALUE

/** Samples are searched four at a time. */
@inline
function offsetsOf(guide: usize, samples: u32): usize {
  return guide + GUIDE_HEADER + 4 * ((samples + 3) & ~3)
}

/** The first four of `length` bytes as a big-endian number, zero padded. */
@inline
function headAt(key: usize, length: u32): u32 {
  return <u32>(keyPrefix(key, length, 0) >> 32)
}

/** What all keys of a block begin with: bytes the first one shares with the last restart's and with all behind it. In
 * the upper half the number of entries from that restart on. DAMAGED_TAIL: they do not parse. */
function readTail(block: usize, length: u32, entries: u32): u64 {
  const end = block + entries
  const limit = block + length
  const last = load<u32>(end + 4 * (restartCount(block, length) - 1))
  if (last >= entries) return DAMAGED_TAIL
  const first = lengthsAt(block, end)
  if (first == DAMAGED_LENGTHS) return DAMAGED_TAIL
  const firstKey = keyAt(tagAt(block), end, limit, 0, first)
  if (firstKey == 0 || !lengthsFit(first, 0, firstKey, end)) return DAMAGED_TAIL
  let common = <u32>(first >> 16) & 0xffff
  let count: u32 = 0
  let previous: u32 = 0
  let at = block + last
  while (at < end) {
    const lengths = lengthsAt(at, end)
    if (lengths == DAMAGED_LENGTHS) return DAMAGED_TAIL
    const found = keyAt(tagAt(at), end, limit, 0, lengths)
    if (found == 0 || !lengthsFit(lengths, previous, found, end)) return DAMAGED_TAIL
    const shared = <u32>lengths & 0xffff
    const other = <u32>(lengths >> 16) & 0xffff
    count++
    if (shared < common) {
      common = shared + sharedPrefix(found, firstKey + shared, min<u32>(other, common - shared))
    }
    previous = shared + other
    at = found + other + <u32>(lengths >> 32)
  }
  return <u64>common | (<u64>count << 32)
}

/** The head of a key after the one before it had `head`. */
@inline
function nextHead(head: u32, common: u32, shared: u32, other: usize, keyLength: u32): u32 {
  if (shared >= common + 4) return head
  const from = max<u32>(shared, common)
  const tail = headAt(other + (from - shared), keyLength - from)
  const kept = 8 * (from - common)
  return kept == 0 ? tail : (head & ~(<u32>0xffff_ffff >> kept)) | (tail >> kept)
}

export function blockGuide(block: usize, length: u32, guide: usize, room: u32): u32 {
  if (length > LENGTH_MAX || room < GUIDE_HEADER + 18) return 0
  const entries = entriesLength(block, length)
  if (entries == 0) return 0
  const tail = readTail(block, length, entries)
  if (tail == DAMAGED_TAIL) return 0
  const common = <u32>tail
  const count = (restartCount(block, length) - 1) * RESTART_INTERVAL + <u32>(tail >> 32)
  // With the most padding there can be.
  const capacity = (room - GUIDE_HEADER - 12) / 6
  const stride = (count + capacity - 1) / capacity
  const heads = guide + GUIDE_HEADER
  // Offsets wait behind room for all heads until these are counted.
  const offsets = offsetsOf(guide, capacity)
  const end = block + entries
  const limit = block + length
  let firstKey: usize = 0
  let samples: u32 = 0
  let until: u32 = 1
  let head: u32 = 0
  let before: u32 = 0
  let previous: u32 = 0
  let at = block
  while (at < end) {
    const lengths = lengthsAt(at, end)
    if (lengths == DAMAGED_LENGTHS) return 0
    const found = keyAt(tagAt(at), end, limit, 0, lengths)
    if (found == 0 || !lengthsFit(lengths, previous, found, end)) return 0
    const shared = <u32>lengths & 0xffff
    const other = <u32>(lengths >> 16) & 0xffff
    previous = shared + other
    if (firstKey == 0) firstKey = found
    if (shared < common) {
      const missing = common - shared
      if (other < missing || sharedPrefix(found, firstKey + shared, missing) != missing) return 0
    }
    head = nextHead(head, common, shared, found, previous)
    if (--until == 0) {
      if (samples == capacity || head < before) return 0
      store<u32>(heads + 4 * samples, head)
      store<u16>(offsets + 2 * samples, <u16>(at - block))
      samples++
      before = head
      until = stride
    }
    at = found + other + <u32>(lengths >> 32)
  }
  for (let i = samples; i < ((samples + 3) & ~3); i++) store<u32>(heads + 4 * i, u32.MAX_VALUE)
  memory.copy(offsetsOf(guide, samples), offsets, 2 * samples)
  store<u16>(guide + GUIDE_SAMPLES, <u16>samples)
  store<u16>(guide + GUIDE_COMMON, <u16>common)
  store<u32>(guide + GUIDE_FIRST_KEY, <u32>(firstKey - block))
  const firstLength = <u32>(lengthsAt(block, end) >> 16) & 0xffff
  store<u64>(guide + GUIDE_LEAD, keyPrefix(firstKey, firstLength, 0))
  return 1
}

/** Whether the key begins as all keys of the block do. */
@inline
function beginsAlike(guide: usize, block: usize, common: u32, key: usize, keyLength: u32): bool {
  if (keyLength < common) return false
  if (common == 0) return true
  const differing = load<u64>(guide + GUIDE_LEAD) ^ keyPrefix(key, keyLength, 0)
  if (common <= 8) return differing >> <u64>(64 - 8 * common) == 0
  const firstKey = block + load<u32>(guide + GUIDE_FIRST_KEY)
  return differing == 0 && sharedPrefix(firstKey + 8, key + 8, common - 8) == common - 8
}

/** How many of the samples lie before a head. */
@inline
function samplesBefore(heads: usize, samples: u32, head: u32): u32 {
  const wanted = i32x4.splat(<i32>head)
  let sum = i32x4.splat(0)
  for (let i: u32 = 0; i < samples; i += 4) {
    sum = i32x4.sub(sum, i32x4.lt_u(v128.load(heads + 4 * i), wanted))
  }
  return (
    i32x4.extract_lane(sum, 0) +
    i32x4.extract_lane(sum, 1) +
    i32x4.extract_lane(sum, 2) +
    i32x4.extract_lane(sum, 3)
  )
}

/** Offset of an entry before the first one of the key, and in the upper half how many bytes the two keys share; or
 * UNGUIDED. */
@inline
export function guidedStart(guide: usize, block: usize, key: usize, keyLength: u32): u64 {
  const samples = <u32>load<u16>(guide + GUIDE_SAMPLES)
  const common = <u32>load<u16>(guide + GUIDE_COMMON)
  if (!beginsAlike(guide, block, common, key, keyLength)) return UNGUIDED
  const head = <u32>(keyPrefix(key, keyLength, common) >> 32)
  const heads = guide + GUIDE_HEADER
  const low = samplesBefore(heads, samples, head)
  if (low + ALIKE_MAX < samples && load<u32>(heads + 4 * (low + ALIKE_MAX)) == head) return UNGUIDED
  if (low == 0) return 0
  const same = clz<u32>(load<u32>(heads + 4 * (low - 1)) ^ head) >> 3
  const offset = load<u16>(offsetsOf(guide, samples) + 2 * (low - 1))
  return <u64>offset | (<u64>(common + same) << 32)
}
