// Reads data blocks (FORMAT §6.1). The bytes are verified by checksum elsewhere, yet nothing here trusts
// them: each read is checked against the payload, so any bytes give a value or the damaged code.
// `limit` is the end of the payload, `end` that of its entries; at least 8 bytes lie between the two.
import { copyBytes } from './bytes'
import { compareKeys, keyPrefix, sharedPrefix } from './keys'
import {
  DESC_EXPIRES_AT,
  DESC_FLAGS,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_PREFIX,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  KIND_MASK,
  KIND_POINTER,
  TAG_EXPIRY,
  TAG_META,
} from './layout'

const VERSION_END: u64 = 1 << 53
const KEY_LENGTH_MAX: u32 = 65_535
const TOP_BITS: u64 = 0x8080808080808080
/** No lengths of an entry: shared and other key bytes would exceed a key's. */
const DAMAGED_LENGTHS: u64 = u64.MAX_VALUE
const DAMAGED: i32 = -1
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
function entriesLength(block: usize, length: u32): u32 {
  if (length < 4) return 0
  const count = load<u32>(block + length - 4)
  if (count == 0 || count > length >> 2) return 0
  const tail: u32 = 4 + 4 * count
  if (tail >= length || load<u32>(block + length - tail) != 0) return 0
  return length - tail
}

@inline
function restartCount(block: usize, length: u32): u32 {
  return load<u32>(block + length - 4)
}

/** A varint of at most 8 bytes, or u64.MAX_VALUE. */
function readVarint(at: usize, end: usize): u64 {
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
function skipVarint(at: usize): usize {
  while (load<u8>(at) >= 128) at++
  return at + 1
}

/** The entry's three lengths: shared key bytes | other key bytes << 16 | value length << 32. */
@inline
function lengthsAt(at: usize, end: usize): u64 {
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
function tagAt(at: usize): usize {
  return (load<u32>(at) & 0x808080) == 0
    ? at + 3
    : skipVarint(skipVarint(skipVarint(at)))
}

/** 8 bytes, zeros behind the payload. */
@inline
function load8(at: usize, limit: usize): u64 {
  return at + 8 <= limit ? load<u64>(at) : loadLess(at, limit)
}

function loadLess(at: usize, limit: usize): u64 {
  let value: u64 = 0
  for (let shift: u64 = 0; at < limit; shift += 8) value |= <u64>load<u8>(at++) << shift
  return value
}

/** The varint in the low bytes of a word; it ends there. */
@inline
function varintIn(word: u64): u64 {
  if ((word & 0x80) == 0) return word & 0x7f
  const stop = ~word & TOP_BITS
  let value = word & (stop ^ (stop - 1)) & ~TOP_BITS
  value = (value & 0x007f007f007f007f) | ((value & 0x7f007f007f007f00) >> 1)
  value = (value & 0x00003fff00003fff) | ((value & 0x3fff00003fff0000) >> 2)
  return (value & 0x0fffffff) | ((value & 0x0fffffff00000000) >> 4)
}

/** Checks tag, version, meta byte, expiry and a value pointer; where the key bytes begin, or 0 = damaged. */
@inline
function keyAt(tag: usize, end: usize, limit: usize, base: u64, lengths: u64): usize {
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
function lengthsFit(lengths: u64, previous: u32, key: usize, end: usize): bool {
  const shared = <u32>lengths & 0xffff
  const other = <u32>(lengths >> 16) & 0xffff
  if (shared > previous || shared + other > KEY_LENGTH_MAX || key > end) return false
  return <u64>other + (lengths >> 32) <= <u64>(end - key)
}

/** Writes what a checked entry holds beside its key. */
@inline
function fillEntry(out: usize, tag: usize, limit: usize, base: u64, value: usize): void {
  const bits = <u32>load<u8>(tag)
  const word = load8(tag + 1, limit)
  store<u64>(out + DESC_VERSION, base + varintIn(word))
  store<u32>(out + DESC_VALUE, <u32>value)
  store<u64>(out + DESC_EXPIRES_AT, 0)
  store<u32>(out + DESC_TAG, bits)
  store<u32>(out + DESC_FLAGS, 0)
  if ((bits & (TAG_META | TAG_EXPIRY)) != 0) fillExtras(out, skipVarint(tag + 1), limit, bits)
}

function fillExtras(out: usize, at: usize, limit: usize, bits: u32): void {
  if ((bits & TAG_META) != 0) store<u32>(out + DESC_TAG, bits | (<u32>load<u8>(at++) << 8))
  if ((bits & TAG_EXPIRY) != 0) store<u64>(out + DESC_EXPIRES_AT, readVarint(at, limit))
}

/** Whether the restart entry at `at` comes before (key, version): 1, 0, or -1 = damaged. */
function comesBefore(
  at: usize,
  end: usize,
  limit: usize,
  base: u64,
  key: usize,
  keyLength: u32,
  version: u64,
): i32 {
  const lengths = lengthsAt(at, end)
  if (lengths == DAMAGED_LENGTHS) return DAMAGED
  const tag = tagAt(at)
  const found = keyAt(tag, end, limit, base, lengths)
  if (found == 0 || !lengthsFit(lengths, 0, found, end)) return DAMAGED
  const order = compareKeys(found, <u32>(lengths >> 16) & 0xffff, key, keyLength)
  if (order != 0) return order < 0 ? 1 : 0
  return base + varintIn(load8(tag + 1, limit)) > version ? 1 : 0
}

/** Last restart that comes before (key, version), 0 when none does, or -1 = damaged. */
function searchRestarts(
  block: usize,
  length: u32,
  entries: u32,
  base: u64,
  key: usize,
  keyLength: u32,
  version: u64,
): i32 {
  const end = block + entries
  let low: u32 = 0
  let high = restartCount(block, length) - 1
  let lowOffset: u32 = 0
  let highOffset = entries
  while (low < high) {
    const middle = (low + high + 1) >> 1
    const offset = load<u32>(end + 4 * middle)
    if (offset <= lowOffset || offset >= highOffset) return DAMAGED
    const before = comesBefore(block + offset, end, block + length, base, key, keyLength, version)
    if (before < 0) return DAMAGED
    if (before != 0) {
      low = middle
      lowOffset = offset
    } else {
      high = middle - 1
      highOffset = offset
    }
  }
  return <i32>low
}

export function blockRestarts(block: usize, length: u32): i32 {
  const entries = entriesLength(block, length)
  if (entries == 0) return DAMAGED
  const count = restartCount(block, length)
  let last: u32 = 0
  for (let i: u32 = 1; i < count; i++) {
    const offset = load<u32>(block + entries + 4 * i)
    if (offset <= last) return DAMAGED
    last = offset
  }
  return last < entries ? <i32>count : DAMAGED
}

export function blockSeek(block: usize, length: u32, key: usize, keyLength: u32): i32 {
  const entries = entriesLength(block, length)
  if (entries == 0) return DAMAGED
  return searchRestarts(block, length, entries, 0, key, keyLength, u64.MAX_VALUE)
}

@inline
function toVersion(version: f64): u64 {
  return version < <f64>VERSION_END ? <u64>version : VERSION_END
}

export function blockGet(
  block: usize,
  length: u32,
  baseVersion: f64,
  key: usize,
  keyLength: u32,
  maxVersion: f64,
  out: usize,
): i32 {
  const entries = entriesLength(block, length)
  if (entries == 0) return DAMAGED
  const base = <u64>baseVersion
  const version = toVersion(maxVersion)
  const start = searchRestarts(block, length, entries, base, key, keyLength, version)
  if (start < 0) return DAMAGED
  const end = block + entries
  const limit = block + length
  let at = block + load<u32>(end + 4 * start)
  let previous: u32 = 0
  // The entry before shares its first `match` bytes with the key and lies at `order` to it. No key is
  // built: an entry that shares more than that differs from the key where the one before did.
  let match: u32 = 0
  let order: i32 = -1
  while (at < end) {
    const lengths = lengthsAt(at, end)
    if (lengths == DAMAGED_LENGTHS) return DAMAGED
    const tag = tagAt(at)
    const found = keyAt(tag, end, limit, base, lengths)
    if (found == 0 || !lengthsFit(lengths, previous, found, end)) return DAMAGED
    const shared = <u32>lengths & 0xffff
    const other = <u32>(lengths >> 16) & 0xffff
    previous = shared + other
    if (shared <= match) {
      const compared = min<u32>(other, keyLength - shared)
      const same =
        compared > 0 && load<u8>(found) == load<u8>(key + shared)
          ? sharedPrefix(found, key + shared, compared)
          : 0
      match = shared + same
      if (same < compared) order = <i32>load<u8>(found + same) - <i32>load<u8>(key + match)
      else order = <i32>previous - <i32>keyLength
      if (order > 0) return 0
      if (order == 0 && base + varintIn(load8(tag + 1, limit)) <= version) {
        store<u64>(out + DESC_PREFIX, keyPrefix(key, keyLength, 0))
        store<u32>(out + DESC_KEY, <u32>key)
        store<u32>(out + DESC_KEY_LENGTH, keyLength)
        store<u32>(out + DESC_VALUE_LENGTH, <u32>(lengths >> 32))
        fillEntry(out, tag, limit, base, found + other)
        return 1
      }
    }
    at = found + other + <u32>(lengths >> 32)
  }
  return order == 0 ? 2 : 0
}

/** Decodes the entries in [at, end), a restart interval, to [slot, slotsEnd), their keys to [keyTop, keysEnd).
 * Returns the end of the descriptors: `slot` when they do not fit, 0 = damaged. */
function decodeInterval(
  at: usize,
  end: usize,
  limit: usize,
  base: u64,
  slot: usize,
  slotsEnd: usize,
  keyTop: usize,
  keysEnd: usize,
): usize {
  const first = slot
  let previous: u32 = 0
  let key: usize = 0
  let prefix: u64 = 0
  while (at < end) {
    if (slot == slotsEnd) return first
    const lengths = lengthsAt(at, end)
    if (lengths == DAMAGED_LENGTHS) return 0
    const tag = tagAt(at)
    const found = keyAt(tag, end, limit, base, lengths)
    if (found == 0 || !lengthsFit(lengths, previous, found, end)) return 0
    const shared = <u32>lengths & 0xffff
    const other = <u32>(lengths >> 16) & 0xffff
    // A further version of the same key shares the key's bytes.
    if (shared != previous || other != 0) {
      previous = shared + other
      if (<usize>previous > keysEnd - keyTop) return first
      copyBytes(keyTop, key, shared)
      copyBytes(keyTop + shared, found, other)
      key = keyTop
      keyTop += previous
      if (shared < 8) prefix = keyPrefix(key, previous, 0)
    }
    store<u64>(slot + DESC_PREFIX, prefix)
    store<u32>(slot + DESC_KEY, <u32>key)
    store<u32>(slot + DESC_KEY_LENGTH, previous)
    store<u32>(slot + DESC_VALUE_LENGTH, <u32>(lengths >> 32))
    fillEntry(slot, tag, limit, base, found + other)
    slot += DESC_SIZE
    at = found + other + <u32>(lengths >> 32)
  }
  return slot
}

export function blockDecode(
  block: usize,
  length: u32,
  baseVersion: f64,
  from: u32,
  to: u32,
  reverse: u32,
  out: usize,
  capacity: u32,
  keys: usize,
  keysCapacity: u32,
  stopped: usize,
): i32 {
  const entries = entriesLength(block, length)
  if (entries == 0) return DAMAGED
  const base = <u64>baseVersion
  const restarts = block + entries
  const count = restartCount(block, length)
  const slotsEnd = out + DESC_SIZE * capacity
  let top = min<u32>(to, count)
  let bottom = from
  let slot = out
  let keyTop = keys
  while (bottom < top) {
    const index = reverse != 0 ? top - 1 : bottom
    const start = load<u32>(restarts + 4 * index)
    const stop = index + 1 == count ? entries : load<u32>(restarts + 4 * index + 4)
    if (start >= stop || stop > entries) return DAMAGED
    const next = decodeInterval(
      block + start,
      block + stop,
      block + length,
      base,
      slot,
      slotsEnd,
      keyTop,
      keys + keysCapacity,
    )
    if (next == 0) return DAMAGED
    if (next == slot) break
    keyTop = load<u32>(next - DESC_SIZE + DESC_KEY) + load<u32>(next - DESC_SIZE + DESC_KEY_LENGTH)
    if (reverse != 0) {
      reverseDescriptors(slot, next)
      top--
    } else {
      bottom++
    }
    slot = next
  }
  store<u32>(stopped, reverse != 0 ? top : bottom)
  return slot == out && bottom < top ? -2 : <i32>((slot - out) / DESC_SIZE)
}

function reverseDescriptors(first: usize, end: usize): void {
  let low = first
  let high = end - DESC_SIZE
  while (low < high) {
    for (let at: u32 = 0; at < DESC_SIZE; at += 16) {
      const moved = v128.load(low + at)
      v128.store(low + at, v128.load(high + at))
      v128.store(high + at, moved)
    }
    low += DESC_SIZE
    high -= DESC_SIZE
  }
}
