// Builds the data blocks of a table (FORMAT §6.1). All state lies in the builder structure and the regions it
// names: the open block's entries behind BUILDER_OUT_USED, its restart offsets at the very end of the output
// region, its last key behind BUILDER_KEYS_USED (or, when it is also its first key, there). An entry is only
// taken when the block it is in can still be finished: output, block entry and last key have room.
import { copyBytes } from './bytes'
import { placedChecksum, xxh64 } from './hash'
import { equalKeys, sharedPrefix } from './keys'
import {
  BLOCK_ENTRY_ENTRIES,
  BLOCK_ENTRY_FIRST_KEY,
  BLOCK_ENTRY_FIRST_KEY_LENGTH,
  BLOCK_ENTRY_LAST_KEY,
  BLOCK_ENTRY_LAST_KEY_LENGTH,
  BLOCK_ENTRY_LENGTH,
  BLOCK_ENTRY_OFFSET,
  BLOCK_ENTRY_PAYLOAD,
  BLOCK_ENTRY_SIZE,
  BLOCK_TRAILER,
  BUILDER_BASE_VERSION,
  BUILDER_BLOCKS,
  BUILDER_BLOCKS_CAPACITY,
  BUILDER_BLOCK_COUNT,
  BUILDER_BLOCK_SIZE,
  BUILDER_EARLIEST_EXPIRY,
  BUILDER_ENTRIES,
  BUILDER_FILE_NUMBER,
  BUILDER_FILE_OFFSET,
  BUILDER_HASHES,
  BUILDER_HASHES_CAPACITY,
  BUILDER_HASH_COUNT,
  BUILDER_KEYS,
  BUILDER_KEYS_CAPACITY,
  BUILDER_KEYS_USED,
  BUILDER_KEY_BYTES,
  BUILDER_LARGEST_VERSION,
  BUILDER_LATEST_EXPIRY,
  BUILDER_OPEN,
  BUILDER_OUT,
  BUILDER_OUT_CAPACITY,
  BUILDER_OUT_USED,
  BUILDER_SALT,
  BUILDER_SMALLEST_VERSION,
  BUILDER_STOP_AT_BLOCK,
  BUILDER_TOMBSTONES,
  BUILDER_VALUE_BYTES,
  DESC_EXPIRES_AT,
  DESC_FLAGS,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_LAZY,
  DESC_META,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  KIND_DELETE,
  KIND_MASK,
  TAG_EXPIRY,
  TAG_META,
} from './layout'

const RESTART_INTERVAL: u32 = 16

// Private fields, from BUILDER_OPEN on.
const OPEN_BYTES: u32 = BUILDER_OPEN
const OPEN_ENTRIES: u32 = BUILDER_OPEN + 4
const OPEN_RESTARTS: u32 = BUILDER_OPEN + 8
const LAST_KEY: u32 = BUILDER_OPEN + 12
const LAST_KEY_LENGTH: u32 = BUILDER_OPEN + 16
/** A key before the first one: of a length no key has. */
const NO_KEY: u64 = 0xffff_ffff_0000_0000
const STOPPED: u32 = BUILDER_OPEN + 20
/** Payload length of a block that was closed and not yet sealed. */
const CLOSED: u32 = BUILDER_OPEN + 24

const STOPPED_OUT: u32 = 1
const STOPPED_LIST: u32 = 2
const STOPPED_ALONE: u32 = 3
const STOPPED_BLOCK: u32 = 4

@inline
function get(builder: usize, field: u32): u32 {
  return load<u32>(builder + field)
}

@inline
function set(builder: usize, field: u32, value: u32): void {
  store<u32>(builder + field, value)
}

@inline
function add(builder: usize, field: u32, value: u32): void {
  set(builder, field, get(builder, field) + value)
}

@inline
function add64(builder: usize, field: u32, value: u64): void {
  store<u64>(builder + field, load<u64>(builder + field) + value)
}

export function builderStart(builder: usize): void {
  memory.fill(builder + BUILDER_OUT_USED, 0, BUILDER_STOP_AT_BLOCK - BUILDER_OUT_USED)
}

export function builderStopped(builder: usize): u32 {
  return get(builder, STOPPED)
}

@inline
function blockEntry(builder: usize, index: u32): usize {
  return get(builder, BUILDER_BLOCKS) + BLOCK_ENTRY_SIZE * index
}

@inline
function varintLength(value: u64): u32 {
  return value < 128 ? 1 : longVarintLength(value)
}

function longVarintLength(value: u64): u32 {
  return (70 - <u32>clz<u64>(value)) / 7
}

/** Writes a varint; returns where it ends. */
@inline
function putVarint(at: usize, value: u64): usize {
  if (value < 128) {
    store<u8>(at, <u8>value)
    return at + 1
  }
  return putLongVarint(at, value)
}

function putLongVarint(at: usize, value: u64): usize {
  while (value >= 128) {
    store<u8>(at++, <u8>(value | 128))
    value >>= 7
  }
  store<u8>(at, <u8>value)
  return at + 1
}

/** Bytes of the entry after its two key lengths and before its key. */
@inline
function middleLength(descriptor: usize, base: u64): u32 {
  const tag = <u32>load<u8>(descriptor + DESC_TAG)
  let length = varintLength(load<u32>(descriptor + DESC_VALUE_LENGTH)) + 1
  length += varintLength(load<u64>(descriptor + DESC_VERSION) - base)
  if ((tag & TAG_META) != 0) length++
  if ((tag & TAG_EXPIRY) != 0) length += varintLength(load<u64>(descriptor + DESC_EXPIRES_AT))
  return length
}

/** Bytes an entry takes; 64 bits, for a value may have any length. */
@inline
function entryLength(descriptor: usize, base: u64, shared: u32): u64 {
  const other = load<u32>(descriptor + DESC_KEY_LENGTH) - shared
  const fixed = varintLength(shared) + varintLength(other) + middleLength(descriptor, base)
  return <u64>(fixed + other) + <u64>load<u32>(descriptor + DESC_VALUE_LENGTH)
}

@inline
function writeEntry(at: usize, descriptor: usize, base: u64, shared: u32): void {
  const other = load<u32>(descriptor + DESC_KEY_LENGTH) - shared
  const valueLength = load<u32>(descriptor + DESC_VALUE_LENGTH)
  const tag = <u32>load<u8>(descriptor + DESC_TAG)
  at = putVarint(at, shared)
  at = putVarint(at, other)
  at = putVarint(at, valueLength)
  store<u8>(at, <u8>tag)
  at = putVarint(at + 1, load<u64>(descriptor + DESC_VERSION) - base)
  if ((tag & TAG_META) != 0) store<u8>(at++, load<u8>(descriptor + DESC_META))
  if ((tag & TAG_EXPIRY) != 0) at = putVarint(at, load<u64>(descriptor + DESC_EXPIRES_AT))
  copyBytes(at, load<u32>(descriptor + DESC_KEY) + shared, other)
  if (valueLength > 0) copyBytes(at + other, load<u32>(descriptor + DESC_VALUE), valueLength)
}

/** The user key before the next entry: its address and, in the upper half, its length; or NO_KEY. */
function lastKeyOf(builder: usize): u64 {
  if (get(builder, OPEN_BYTES) > 0) {
    return <u64>get(builder, LAST_KEY) | (<u64>get(builder, LAST_KEY_LENGTH) << 32)
  }
  const count = get(builder, BUILDER_BLOCK_COUNT)
  if (count == 0) return NO_KEY
  const block = blockEntry(builder, count - 1)
  const length = <u64>load<u32>(block + BLOCK_ENTRY_LAST_KEY_LENGTH)
  return <u64>load<u32>(block + BLOCK_ENTRY_LAST_KEY) | (length << 32)
}

/** Whether the block the entry would be in can be listed, with all it has to keep of the key. */
@inline
function listsHaveRoom(builder: usize, keyLength: u32, isNew: bool): bool {
  const capacity = get(builder, BUILDER_BLOCKS_CAPACITY)
  const blocks = get(builder, BUILDER_BLOCK_COUNT)
  if (!isNew) return blocks < capacity
  if (blocks + (capacity >> 3) >= capacity) return false
  if (get(builder, BUILDER_HASH_COUNT) >= get(builder, BUILDER_HASHES_CAPACITY)) return false
  return get(builder, BUILDER_KEYS_USED) + keyLength <= get(builder, BUILDER_KEYS_CAPACITY)
}

/** Lists the first key of a block. A key that goes on from the block before is kept already. */
function openBlock(builder: usize, key: usize, keyLength: u32, isNew: bool): void {
  const count = get(builder, BUILDER_BLOCK_COUNT)
  const block = blockEntry(builder, count)
  let kept: u32
  if (isNew) {
    kept = get(builder, BUILDER_KEYS) + get(builder, BUILDER_KEYS_USED)
    copyBytes(kept, key, keyLength)
    add(builder, BUILDER_KEYS_USED, keyLength)
  } else {
    kept = load<u32>(blockEntry(builder, count - 1) + BLOCK_ENTRY_LAST_KEY)
  }
  store<u32>(block + BLOCK_ENTRY_FIRST_KEY, kept)
  store<u32>(block + BLOCK_ENTRY_FIRST_KEY_LENGTH, keyLength)
}

/** Keeps the open block's last key: its bytes are its first key's, or wait behind BUILDER_KEYS_USED. */
function keepLastKey(builder: usize, key: usize, keyLength: u32): void {
  const block = blockEntry(builder, get(builder, BUILDER_BLOCK_COUNT))
  const first = load<u32>(block + BLOCK_ENTRY_FIRST_KEY)
  const firstLength = load<u32>(block + BLOCK_ENTRY_FIRST_KEY_LENGTH)
  let kept = first
  if (!equalKeys(first, firstLength, key, keyLength)) {
    kept = get(builder, BUILDER_KEYS) + get(builder, BUILDER_KEYS_USED)
    if (<usize>kept != key) copyBytes(kept, key, keyLength)
  }
  set(builder, LAST_KEY, kept)
  set(builder, LAST_KEY_LENGTH, keyLength)
}

/** Counts an entry for the table's properties. */
@inline
function countEntry(builder: usize, descriptor: usize): void {
  const version = load<u64>(descriptor + DESC_VERSION)
  const expiresAt = load<u64>(descriptor + DESC_EXPIRES_AT)
  const before = load<u64>(builder + BUILDER_ENTRIES)
  const smallest = load<u64>(builder + BUILDER_SMALLEST_VERSION)
  store<u64>(builder + BUILDER_ENTRIES, before + 1)
  if ((<u32>load<u8>(descriptor + DESC_TAG) & KIND_MASK) == KIND_DELETE) {
    add64(builder, BUILDER_TOMBSTONES, 1)
  }
  if (before == 0 || version < smallest) store<u64>(builder + BUILDER_SMALLEST_VERSION, version)
  if (version > load<u64>(builder + BUILDER_LARGEST_VERSION)) {
    store<u64>(builder + BUILDER_LARGEST_VERSION, version)
  }
  if (expiresAt == 0) store<u64>(builder + BUILDER_LATEST_EXPIRY, 0)
  else countExpiry(builder, expiresAt, before)
  add64(builder, BUILDER_KEY_BYTES, load<u32>(descriptor + DESC_KEY_LENGTH))
  add64(builder, BUILDER_VALUE_BYTES, load<u32>(descriptor + DESC_VALUE_LENGTH))
}

function countExpiry(builder: usize, expiresAt: u64, before: u64): void {
  const earliest = load<u64>(builder + BUILDER_EARLIEST_EXPIRY)
  const latest = load<u64>(builder + BUILDER_LATEST_EXPIRY)
  if (earliest == 0 || expiresAt < earliest) {
    store<u64>(builder + BUILDER_EARLIEST_EXPIRY, expiresAt)
  }
  if (before == 0 || (latest != 0 && expiresAt > latest)) {
    store<u64>(builder + BUILDER_LATEST_EXPIRY, expiresAt)
  }
}

@inline
function addHash(builder: usize, key: usize, keyLength: u32): void {
  const count = get(builder, BUILDER_HASH_COUNT)
  store<u64>(get(builder, BUILDER_HASHES) + 8 * count, xxh64(key, keyLength, 0))
  set(builder, BUILDER_HASH_COUNT, count + 1)
}

export function builderAppend(builder: usize, descriptors: usize, count: u32): u32 {
  const blockSize = <u64>get(builder, BUILDER_BLOCK_SIZE)
  const out = <usize>get(builder, BUILDER_OUT)
  const outCapacity = <u64>get(builder, BUILDER_OUT_CAPACITY)
  const base = load<u64>(builder + BUILDER_BASE_VERSION)
  const stopAtBlock = get(builder, BUILDER_STOP_AT_BLOCK) != 0
  const last = lastKeyOf(builder)
  let lastKey = <usize><u32>last
  let lastLength = <u32>(last >> 32)
  let open = get(builder, OPEN_BYTES)
  let reason: u32 = 0
  let taken: u32 = 0
  for (; taken < count; taken++) {
    const descriptor = descriptors + DESC_SIZE * taken
    if ((load<u32>(descriptor + DESC_FLAGS) & DESC_LAZY) != 0) {
      reason = STOPPED_ALONE
      break
    }
    const key = <usize>load<u32>(descriptor + DESC_KEY)
    const keyLength = load<u32>(descriptor + DESC_KEY_LENGTH)
    const common = sharedPrefix(key, lastKey, min<u32>(keyLength, lastLength))
    const isNew = common != keyLength || keyLength != lastLength
    let restarts = get(builder, OPEN_RESTARTS)
    let restart = get(builder, OPEN_ENTRIES) % RESTART_INTERVAL == 0
    let shared = restart ? 0 : common
    if (restart) restarts++
    let length = entryLength(descriptor, base, shared)
    let payload = <u64>open + length + <u64>(4 * restarts + 4)
    if (payload > blockSize) {
      if (shared > 0) length = entryLength(descriptor, base, 0)
      if (length + 8 > blockSize) {
        reason = STOPPED_ALONE
        break
      }
      if (stopAtBlock) {
        reason = STOPPED_BLOCK
        break
      }
      keepLastKey(builder, lastKey, lastLength)
      set(builder, OPEN_BYTES, open)
      builderFinishBlock(builder)
      open = 0
      shared = 0
      restart = true
      restarts = 1
      payload = length + 8
    }
    if (!listsHaveRoom(builder, keyLength, isNew)) {
      reason = STOPPED_LIST
      break
    }
    const used = get(builder, BUILDER_OUT_USED)
    if (<u64>used + payload + <u64>(BLOCK_TRAILER + 4 * restarts) > outCapacity) {
      reason = STOPPED_OUT
      break
    }
    if (open == 0) openBlock(builder, key, keyLength, isNew)
    if (restart) {
      set(builder, OPEN_RESTARTS, restarts)
      store<u32>(out + <usize>outCapacity - 4 * restarts, open)
    }
    writeEntry(out + used + open, descriptor, base, shared)
    open += <u32>length
    add(builder, OPEN_ENTRIES, 1)
    if (isNew) addHash(builder, key, keyLength)
    countEntry(builder, descriptor)
    lastKey = key
    lastLength = keyLength
  }
  set(builder, OPEN_BYTES, open)
  if (open > 0) keepLastKey(builder, lastKey, lastLength)
  set(builder, STOPPED, reason)
  return taken
}

export function builderCloseBlock(builder: usize): u32 {
  const open = get(builder, OPEN_BYTES)
  if (open == 0) return 0
  const start = <usize>get(builder, BUILDER_OUT) + get(builder, BUILDER_OUT_USED)
  const end = <usize>get(builder, BUILDER_OUT) + get(builder, BUILDER_OUT_CAPACITY)
  const restarts = get(builder, OPEN_RESTARTS)
  let at = start + open
  for (let i: u32 = 1; i <= restarts; i++) {
    store<u32>(at, load<u32>(end - 4 * i))
    at += 4
  }
  store<u32>(at, restarts)
  const payload = <u32>(at + 4 - start)
  set(builder, CLOSED, payload)
  return payload
}

export function builderSealBlock(builder: usize, codec: u32, stored: u32): void {
  const used = get(builder, BUILDER_OUT_USED)
  const payload = get(builder, CLOSED)
  const start = <usize>get(builder, BUILDER_OUT) + used
  const trailer = start + stored
  store<u32>(trailer, codec == 0 ? 0 : codec | (stored << 8))
  store<u32>(trailer + 4, payload)
  const position = load<u64>(builder + BUILDER_FILE_OFFSET) + used
  const salt = load<u64>(get(builder, BUILDER_SALT))
  const fileNumber = load<u64>(builder + BUILDER_FILE_NUMBER)
  store<u64>(trailer + 8, placedChecksum(start, stored + 8, salt, fileNumber, position))
  listBlock(builder, position, stored + BLOCK_TRAILER, payload)
  set(builder, BUILDER_OUT_USED, used + stored + BLOCK_TRAILER)
  set(builder, OPEN_BYTES, 0)
  set(builder, OPEN_ENTRIES, 0)
  set(builder, OPEN_RESTARTS, 0)
  set(builder, CLOSED, 0)
}

export function builderFinishBlock(builder: usize): void {
  const payload = builderCloseBlock(builder)
  if (payload > 0) builderSealBlock(builder, 0, payload)
}

/** Completes the open block's entry; its last key becomes part of the key area. */
function listBlock(builder: usize, position: u64, length: u32, payload: u32): void {
  const block = blockEntry(builder, get(builder, BUILDER_BLOCK_COUNT))
  const lastKey = get(builder, LAST_KEY)
  store<u64>(block + BLOCK_ENTRY_OFFSET, position)
  store<u32>(block + BLOCK_ENTRY_LENGTH, length)
  store<u32>(block + BLOCK_ENTRY_PAYLOAD, payload)
  store<u32>(block + BLOCK_ENTRY_LAST_KEY, lastKey)
  store<u32>(block + BLOCK_ENTRY_LAST_KEY_LENGTH, get(builder, LAST_KEY_LENGTH))
  store<u32>(block + BLOCK_ENTRY_ENTRIES, get(builder, OPEN_ENTRIES))
  // An empty first key takes no byte, so that the last key may begin at its address.
  const lastLength = get(builder, LAST_KEY_LENGTH)
  const sameKey =
    lastKey == load<u32>(block + BLOCK_ENTRY_FIRST_KEY) &&
    lastLength == load<u32>(block + BLOCK_ENTRY_FIRST_KEY_LENGTH)
  if (!sameKey) add(builder, BUILDER_KEYS_USED, lastLength)
  add(builder, BUILDER_BLOCK_COUNT, 1)
}

export function builderDrained(builder: usize): void {
  const out = <usize>get(builder, BUILDER_OUT)
  const used = get(builder, BUILDER_OUT_USED)
  memory.copy(out, out + used, get(builder, OPEN_BYTES))
  add64(builder, BUILDER_FILE_OFFSET, used)
  set(builder, BUILDER_OUT_USED, 0)
}

export function builderAlone(
  builder: usize,
  descriptor: usize,
  storedLength: u32,
  payload: u32,
): u32 {
  const key = <usize>load<u32>(descriptor + DESC_KEY)
  const keyLength = load<u32>(descriptor + DESC_KEY_LENGTH)
  const last = lastKeyOf(builder)
  const isNew = !equalKeys(key, keyLength, <usize><u32>last, <u32>(last >> 32))
  if (!listsHaveRoom(builder, keyLength, isNew)) return 0
  openBlock(builder, key, keyLength, isNew)
  keepLastKey(builder, key, keyLength)
  set(builder, OPEN_ENTRIES, 1)
  const position = load<u64>(builder + BUILDER_FILE_OFFSET)
  listBlock(builder, position, storedLength, payload)
  set(builder, OPEN_ENTRIES, 0)
  store<u64>(builder + BUILDER_FILE_OFFSET, position + storedLength)
  if (isNew) addHash(builder, key, keyLength)
  countEntry(builder, descriptor)
  return 1
}
