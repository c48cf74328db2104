// Entries of data blocks (FORMAT §6.1). The bytes are verified by checksum elsewhere, yet nothing here trusts
// them: each read is checked against the payload, so any bytes give a value or the damaged code.
// `limit` is the end of the payload, `end` that of its entries; at least 8 bytes lie between the two.
import { KIND_MASK, KIND_POINTER, TAG_EXPIRY, TAG_META } from '../layout'

export const VERSION_END: u64 = 1 << 53
export const KEY_LENGTH_MAX: u32 = 65_535
const TOP_BITS: u64 = 0x8080808080808080
/** No lengths of an entry: shared and other key bytes would exceed a key's. */
export const DAMAGED_LENGTHS: u64 = u64.MAX_VALUE
export const DAMAGED: i32 = -1
// Value pointers (FORMAT §9).
const VALUE_POINTER_BYTES: u32 = 24
const FILE_HEADER_BYTES: u64 = 64
const VALUE_LENGTH_MAX: u32 = 1 << 30
const PART_HEADER_BYTES: u64 = 32
const PART_PAYLOAD_BITS: u32 = 20
/** What no tag of a table has. */
const OTHER_BITS: u32 = 0xc0

/** Length of the entries, which the restart array follows; 0 = damaged. */
@inline
export function entriesLength(block: usize, length: u32): u32 {
  if (length < 4) return 0
  const count = load<u32>(block + length - 4)
  if (count == 0 || count > length >> 2) return 0
  const tail: u32 = 4 + 4 * count
  if (tail >= length || load<u32>(block + length - tail) != 0) return 0
  return length - tail
}

@inline
export function restartCount(block: usize, length: u32): u32 {
  return load<u32>(block + length - 4)
}

/** A varint of at most 8 bytes, or u64.MAX_VALUE. */
export function readVarint(at: usize, end: usize): u64 {
  let value: u64 = 0
  for (let shift: u64 = 0; shift < 56; shift += 7) {
    if (at >= end) return u64.MAX_VALUE
    const part = <u64>load<u8>(at++)
    value |= (part & 127) << shift
    if (part < 128) return value
  }
  return u64.MAX_VALUE
}

/** End of a varint that was read before. */
export function skipVarint(at: usize): usize {
  while (load<u8>(at) >= 128) at++
  return at + 1
}

/** The entry's three lengths: shared key bytes | other key bytes << 16 | value length << 32. */
@inline
export function lengthsAt(at: usize, end: usize): u64 {
  const word = load<u32>(at)
  if ((word & 0x808080) != 0) return longLengthsAt(at, end)
  return <u64>(word & 0xff) | (<u64>(word & 0xff00) << 8) | (<u64>(word & 0xff0000) << 16)
}

function longLengthsAt(at: usize, end: usize): u64 {
  const shared = readVarint(at, end)
  if (shared > KEY_LENGTH_MAX) return DAMAGED_LENGTHS
  at = skipVarint(at)
  const other = readVarint(at, end)
  if (other > KEY_LENGTH_MAX) return DAMAGED_LENGTHS
  const value = readVarint(skipVarint(at), end)
  if (value > u32.MAX_VALUE) return DAMAGED_LENGTHS
  return shared | (other << 16) | (value << 32)
}

/** Where the tag of an entry lies whose lengths were read. */
@inline
export function tagAt(at: usize): usize {
  return (load<u32>(at) & 0x808080) == 0
    ? at + 3
    : skipVarint(skipVarint(skipVarint(at)))
}

/** 8 bytes, zeros behind the payload. */
@inline
export function load8(at: usize, limit: usize): u64 {
  return at + 8 <= limit ? load<u64>(at) : loadLess(at, limit)
}

function loadLess(at: usize, limit: usize): u64 {
  let value: u64 = 0
  for (let shift: u64 = 0; at < limit; shift += 8) value |= <u64>load<u8>(at++) << shift
  return value
}

/** The varint in the low bytes of a word; it ends there. */
@inline
export function varintIn(word: u64): u64 {
  if ((word & 0x80) == 0) return word & 0x7f
  const stop = ~word & TOP_BITS
  let value = word & (stop ^ (stop - 1)) & ~TOP_BITS
  value = (value & 0x007f007f007f007f) | ((value & 0x7f007f007f007f00) >> 1)
  value = (value & 0x00003fff00003fff) | ((value & 0x3fff00003fff0000) >> 2)
  return (value & 0x0fffffff) | ((value & 0x0fffffff00000000) >> 4)
}

/** Checks tag, version, meta byte, expiry and a value pointer; where the key bytes begin, or 0 = damaged. */
@inline
export function keyAt(tag: usize, end: usize, limit: usize, base: u64, lengths: u64): usize {
  if (tag >= end) return 0
  const bits = <u32>load<u8>(tag)
  // A put or delete without flags and a version of at most four bytes: most entries.
  const stop = ~load<u32>(tag + 1) & 0x80808080
  if (bits - 1 < 2 && stop != 0 && base < VERSION_END / 2) {
    return tag + 2 + (<usize>ctz<u32>(stop) >> 3)
  }
  return longKeyAt(tag, end, limit, base, lengths)
}

function longKeyAt(tag: usize, end: usize, limit: usize, base: u64, lengths: u64): usize {
  const bits = <u32>load<u8>(tag)
  const pointer = (bits & KIND_MASK) == KIND_POINTER
  if ((bits & OTHER_BITS) != 0 || (!pointer && (bits & KIND_MASK) - 1 >= 2)) return 0
  let at = tag + 1
  const word = load8(at, limit)
  const stop = ~word & TOP_BITS
  if (stop == 0 || base + varintIn(word) >= VERSION_END) return 0
  at += 1 + (<usize>ctz<u64>(stop) >> 3)
  if ((bits & TAG_META) != 0) at++
  if ((bits & TAG_EXPIRY) != 0) {
    if (at >= end || readVarint(at, end) >= VERSION_END) return 0
    at = skipVarint(at)
  }
  if (!pointer) return at
  const other = <u32>(lengths >> 16) & 0xffff
  if (at > end || other + VALUE_POINTER_BYTES > <u32>(end - at)) return 0
  return isPointer(at + other, lengths >> 32) ? at : 0
}

/** Whether a value of that length is a well-formed pointer; its bytes are readable. */
export function isPointer(at: usize, bytes: u64): bool {
  if (bytes != VALUE_POINTER_BYTES) return false
  const segment = load<u64>(at)
  const offset = load<u64>(at + 8)
  const length = load<u32>(at + 16)
  const stored = load<u32>(at + 20)
  if (segment == 0 || segment >= VERSION_END) return false
  if (offset < FILE_HEADER_BYTES || offset >= VERSION_END || (offset & 7) != 0) return false
  if (length > VALUE_LENGTH_MAX || (stored & 7) != 0) return false
  return stored >= storedMin(length) && stored <= storedMax(length)
}

/** No part but an empty one is stored in less than a byte. */
@inline
function storedMin(length: u64): u64 {
  return partCount(length) * (PART_HEADER_BYTES + (length == 0 ? 0 : 8))
}

@inline
function storedMax(length: u64): u64 {
  return partCount(length) * PART_HEADER_BYTES + ((length + 7) & ~7)
}

@inline
function partCount(length: u64): u64 {
  return max<u64>(1, (length + (1 << PART_PAYLOAD_BITS) - 1) >> PART_PAYLOAD_BITS)
}

/** Whether key and value lengths are possible after a key of `previous` bytes. */
@inline
export function lengthsFit(lengths: u64, previous: u32, key: usize, end: usize): bool {
  const shared = <u32>lengths & 0xffff
  const other = <u32>(lengths >> 16) & 0xffff
  if (shared > previous || shared + other > KEY_LENGTH_MAX || key > end) return false
  return <u64>other + (lengths >> 32) <= <u64>(end - key)
}
