// Byte strings as ordered keys: unsigned bytes ascending, the shorter first when one is a prefix of the other. And the
// order of entries (FORMAT §6.1): key ascending, then version descending.
import { DESC_KEY, DESC_KEY_LENGTH, DESC_PREFIX, DESC_SIZE, DESC_VERSION } from './layout'

/** The first 8 bytes of [key, key + length) from `skip` on, as a big-endian number, zero padded.
 * Reads only inside the key when it has 8 bytes; of a shorter key also bytes before it, never
 * behind it. */
@inline
export function keyPrefix(key: usize, length: u32, skip: u32): u64 {
  return length >= skip + 8 ? bswap<u64>(load<u64>(key + skip)) : shortPrefix(key, length, skip)
}

function shortPrefix(key: usize, length: u32, skip: u32): u64 {
  if (length <= skip) return 0
  const have = length - skip
  const end = key + length
  if (end >= 8) return bswap<u64>(load<u64>(end - 8) >> (<u64>(8 - have) * 8))
  let value: u64 = 0
  for (let i: u32 = 0; i < have; i++) {
    value |= <u64>load<u8>(key + skip + i) << (<u64>(7 - i) * 8)
  }
  return value
}

/** Length of the prefix [a, a + limit) and [b, b + limit) share. */
export function sharedPrefix(a: usize, b: usize, limit: u32): u32 {
  let at: u32 = 0
  while (at + 8 <= limit) {
    const difference = load<u64>(a + at) ^ load<u64>(b + at)
    if (difference != 0) return at + (<u32>ctz<u64>(difference) >> 3)
    at += 8
  }
  while (at < limit && load<u8>(a + at) == load<u8>(b + at)) at++
  return at
}

/** Negative, zero or positive. */
export function compareKeys(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const limit = min<u32>(aLength, bLength)
  let at: u32 = 0
  while (at + 8 <= limit) {
    const x = load<u64>(a + at)
    const y = load<u64>(b + at)
    if (x != y) return bswap<u64>(x) < bswap<u64>(y) ? -1 : 1
    at += 8
  }
  while (at < limit) {
    const x = <i32>load<u8>(a + at)
    const y = <i32>load<u8>(b + at)
    if (x != y) return x - y
    at++
  }
  return aLength == bLength ? 0 : aLength < bLength ? -1 : 1
}

@inline
export function equalKeys(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  return aLength == bLength && compareKeys(a, aLength, b, bLength) == 0
}

@inline
function comesBefore(a: usize, b: usize): bool {
  const prefix = load<u64>(a + DESC_PREFIX)
  const other = load<u64>(b + DESC_PREFIX)
  if (prefix != other) return prefix < other
  const key = load<u32>(a + DESC_KEY)
  const otherKey = load<u32>(b + DESC_KEY)
  const length = load<u32>(a + DESC_KEY_LENGTH)
  const otherLength = load<u32>(b + DESC_KEY_LENGTH)
  // Versions of a key share its bytes.
  if (key != otherKey || length != otherLength) {
    const order = compareKeys(key, length, otherKey, otherLength)
    if (order != 0) return order < 0
  }
  return load<u64>(a + DESC_VERSION) > load<u64>(b + DESC_VERSION)
}

export function entriesAscend(first: usize, count: u32): u32 {
  for (let i: u32 = 1; i < count; i++) {
    const at = first + DESC_SIZE * i
    if (!comesBefore(at - DESC_SIZE, at)) return 0
  }
  return 1
}
