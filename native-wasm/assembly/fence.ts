// Block index of a table (FORMAT §6.2): search by the last keys, and the check that makes the
// search safe.
import { BLOCK_TRAILER } from './layout'
import { compareKeys, keyPrefix, sharedPrefix } from './keys'

const HEADER: u64 = 16
const FILE_HEADER: u64 = 64
const KEY_LENGTH_MAX: u32 = 65535
/** Of src/base/limits.ts. */
const PACKED_PAYLOAD_MAX: u32 = 1 << 20

@inline
function boundaryAt(index: usize, n: usize, i: usize): u32 {
  return load<u32>(index + 16 + n * 20 + i * 4)
}

/** Address of the key bytes. */
@inline
function keysOf(index: usize, n: usize): usize {
  return index + ((16 + n * 20 + (n * 2 + 1) * 4 + 7) & ~7)
}

@inline
function prefixOf(index: usize, i: u32): u64 {
  return load<u64>(index + <usize>i * 8, 16)
}

/** Order of last key i against the key. */
@inline
function compareLast(index: usize, n: u32, i: u32, key: usize, keyLength: u32): i32 {
  return compareBoundary(index, n, i * 2 + 1, key, keyLength)
}

/** Order of the key between boundaries i and i + 1 against the key. */
function compareBoundary(index: usize, n: u32, i: u32, key: usize, keyLength: u32): i32 {
  const start = boundaryAt(index, n, i)
  const end = boundaryAt(index, n, i + 1)
  return compareKeys(keysOf(index, n) + start, end - start, key, keyLength)
}

/** First block whose last key is >= the key; n when there is none. */
function firstNotBelow(index: usize, n: u32, key: usize, keyLength: u32): u32 {
  const common = load<u32>(index, 8)
  const shortest = min<u32>(common, keyLength)
  const sample = keysOf(index, n) + boundaryAt(index, n, 1)
  const shared = sharedPrefix(sample, key, shortest)
  if (shared < shortest) return load<u8>(sample + shared) < load<u8>(key + shared) ? n : 0
  if (keyLength < common) return 0
  const prefix = keyPrefix(key, keyLength, common)
  let low: u32 = 0
  let length = n
  while (length > 1) {
    const half = length >> 1
    low += select<u32>(half, 0, prefixOf(index, low + half - 1) < prefix)
    length -= half
  }
  low += <u32>(prefixOf(index, low) < prefix)
  // Full compares only among equal prefixes, by halves: there may be many.
  if (low == n || prefixOf(index, low) != prefix) return low
  if (compareLast(index, n, low, key, keyLength) >= 0) return low
  let high = n
  low++
  while (low < high) {
    const middle = (low + high) >> 1
    const below =
      prefixOf(index, middle) == prefix && compareLast(index, n, middle, key, keyLength) < 0
    if (below) low = middle + 1
    else high = middle
  }
  return low
}

export function fenceSearch(index: usize, key: usize, keyLength: u32): i32 {
  const n = load<u32>(index)
  if (n == 0) return -1
  const i = firstNotBelow(index, n, key, keyLength)
  if (i == n || compareBoundary(index, n, i * 2, key, keyLength) > 0) return -<i32>(i + 1)
  return i
}

export function fenceValidate(index: usize, length: u32, fileLimit: f64): u32 {
  if (length < HEADER || !(fileLimit >= 0)) return 0
  const n = load<u32>(index)
  const keyBytes = load<u32>(index, 4)
  const withPayloads = load<u32>(index, 12)
  if (withPayloads > 1) return 0
  const tableEnd = HEADER + <u64>n * 20 + (<u64>n * 2 + 1) * 4
  const keysStart = (tableEnd + 7) & ~7
  const keysEnd = keysStart + <u64>keyBytes
  const payloads = (keysEnd + 3) & ~3
  if ((withPayloads == 0 ? keysEnd : payloads + <u64>n * 4) != <u64>length) return 0
  for (let at = tableEnd; at < keysStart; at++) {
    if (load<u8>(index + <usize>at) != 0) return 0
  }
  return boundariesRight(index, n, keyBytes) && blocksRight(index, n, <u64>fileLimit)
    && keysRight(index, n) && (withPayloads == 0 || payloadsRight(index, n, keysEnd)) ? 1 : 0
}

/** Each block is stored as it is, or saves an eighth of a payload that a reader has room for. */
function payloadsRight(index: usize, n: u32, keysEnd: u64): bool {
  const lengths = index + 16 + <usize>n * 16
  let at = <usize>keysEnd
  while ((at & 3) != 0) if (load<u8>(index + at++) != 0) return false
  for (let i: u32 = 0; i < n; i++) {
    const stored = load<u32>(lengths + <usize>i * 4) - BLOCK_TRAILER
    const payload = load<u32>(index + at + <usize>i * 4)
    if (payload == stored) continue
    if (payload > PACKED_PAYLOAD_MAX || stored > payload - (payload >> 3)) return false
  }
  return true
}

/** Boundaries start at 0, end at `keyBytes`, and leave every key at most KEY_LENGTH_MAX bytes. */
function boundariesRight(index: usize, n: u32, keyBytes: u32): bool {
  let before = boundaryAt(index, n, 0)
  if (before != 0) return false
  for (let i: u32 = 1; i <= n * 2; i++) {
    const boundary = boundaryAt(index, n, i)
    if (boundary < before || boundary > keyBytes) return false
    if (boundary - before > KEY_LENGTH_MAX) return false
    before = boundary
  }
  return before == keyBytes
}

/** Blocks ascend without overlap inside [64, fileLimit). */
function blocksRight(index: usize, n: u32, fileLimit: u64): bool {
  const offsets = index + 16 + <usize>n * 8
  const lengths = index + 16 + <usize>n * 16
  let free = FILE_HEADER
  for (let i: u32 = 0; i < n; i++) {
    const offset = load<u64>(offsets + <usize>i * 8)
    const stored = <u64>load<u32>(lengths + <usize>i * 4)
    if (offset < free || offset > fileLimit) return false
    if (stored <= BLOCK_TRAILER || stored > fileLimit - offset) return false
    free = offset + stored
  }
  return true
}

/** first <= last <= next first, `common` is what all last keys share, prefixes follow from it.
 * Boundaries are right. */
function keysRight(index: usize, n: u32): bool {
  if (n == 0) return load<u32>(index, 8) == 0
  const keys = keysOf(index, n)
  for (let i: u32 = 1; i < n * 2; i++) {
    const start = boundaryAt(index, n, i)
    const end = boundaryAt(index, n, i + 1)
    if (compareBoundary(index, n, i - 1, keys + start, end - start) > 0) return false
  }
  // The keys ascend: what the first and the last share, all share.
  const low = boundaryAt(index, n, 1)
  const lowLength = boundaryAt(index, n, 2) - low
  const high = boundaryAt(index, n, n * 2 - 1)
  const highLength = boundaryAt(index, n, n * 2) - high
  const common = load<u32>(index, 8)
  if (common != sharedPrefix(keys + low, keys + high, min<u32>(lowLength, highLength))) return false
  for (let i: u32 = 0; i < n; i++) {
    const start = boundaryAt(index, n, i * 2 + 1)
    const end = boundaryAt(index, n, i * 2 + 2)
    if (prefixOf(index, i) != keyPrefix(keys + start, end - start, common)) return false
  }
  return true
}
