// Searches and decodes data blocks (FORMAT §6.1), whose entries entry.ts reads and checks.
import { copyBytes } from '../bytes'
import {
  DAMAGED,
  DAMAGED_LENGTHS,
  KEY_LENGTH_MAX,
  VERSION_END,
  entriesLength,
  keyAt,
  lengthsAt,
  lengthsFit,
  load8,
  readVarint,
  restartCount,
  skipVarint,
  tagAt,
  varintIn,
} from './entry'
import { UNGUIDED, guidedStart } from './guide'
import { compareKeys, keyPrefix, sharedPrefix } from '../keys'
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
  TAG_EXPIRY,
  TAG_META,
} from '../layout'

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
  guide: usize,
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
  const end = block + entries
  const limit = block + length
  let at = block
  let previous: u32 = 0
  // The entry before shares its first `match` bytes with the key and lies at `order` to it. No key is
  // built: an entry that shares more than that differs from the key where the one before did.
  let match: u32 = 0
  let order: i32 = -1
  const guided = guide == 0 ? UNGUIDED : guidedStart(guide, block, key, keyLength)
  if (guided == UNGUIDED) {
    const start = searchRestarts(block, length, entries, base, key, keyLength, version)
    if (start < 0) return DAMAGED
    at += load<u32>(end + 4 * start)
  } else if (<u32>guided != 0) {
    // An entry that comes before the key stands for the one before itself.
    at += <u32>guided
    match = <u32>(guided >> 32)
    previous = KEY_LENGTH_MAX
  }
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
