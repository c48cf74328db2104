// Merges sorted runs of descriptors (FORMAT §4 order): scans and compaction. All state between two calls lies
// in the merge state and its key scratch.
import { copyBytes } from './bytes'
import { openHeads, SLOT_HEAD, SLOT_PREFIX, takeHead } from './heads'
import { compareKeys, equalKeys, keyPrefix } from './keys'
import {
  DESC_EXPIRES_AT,
  DESC_FLAGS,
  DESC_IN_PLACE,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_LAZY,
  DESC_PREFIX,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  MERGE_DONE,
  MERGE_DROP_TOMBSTONES,
  MERGE_DROPPED,
  MERGE_DROPPED_VERSION,
  MERGE_FULL,
  MERGE_HORIZONS,
  MERGE_KEYS_ONLY,
  MERGE_KEY_SCRATCH,
  MERGE_LOWER,
  MERGE_LOWER_INCLUSIVE,
  MERGE_LOWER_LENGTH,
  MERGE_NOW,
  MERGE_OUT,
  MERGE_OUT_CAPACITY,
  MERGE_OUT_COUNT,
  MERGE_PRIVATE,
  MERGE_PRIVATE_2,
  MERGE_READ_VERSION,
  MERGE_REFILL,
  MERGE_REVERSE,
  MERGE_SLAB,
  MERGE_SLAB_CAPACITY,
  MERGE_SLAB_USED,
  MERGE_SNAPSHOTS,
  MERGE_SNAPSHOT_COUNT,
  MERGE_SOURCES,
  MERGE_UPPER,
  MERGE_UPPER_INCLUSIVE,
  MERGE_UPPER_LENGTH,
} from './layout'

// MERGE_PRIVATE: length of the key in the scratch and these flags.
const KEY_LENGTH_BITS: u32 = 0x1ffff
/** An entry inside the near bound was seen: no later one can lie outside it. */
const INSIDE: u32 = 1 << 17
/** Reverse scan: slot OUT_COUNT and the slab behind SLAB_USED hold an entry that a newer version of its key
 * may still replace; MERGE_PRIVATE_2 is the address of that slot. */
const CANDIDATE: u32 = 1 << 18
const ENDED: u32 = 1 << 19
/** There is a key in the scratch. */
const HAS_KEY: u32 = 1 << 20
/** Length of the key before the first one; no key has it. */
const NO_KEY: u32 = u32.MAX_VALUE

const NO_ROOM: u32 = u32.MAX_VALUE

@inline
function keptLength(flags: u32): u32 {
  return (flags & HAS_KEY) != 0 ? flags & KEY_LENGTH_BITS : NO_KEY
}

/** Ends a call: keeps the key it is at, which may lie in a source, in the scratch. */
function leave(state: usize, flags: u32, key: usize, keyLength: u32, status: u32): u32 {
  const scratch = <usize>load<u32>(state + MERGE_KEY_SCRATCH)
  if (keyLength == NO_KEY) {
    store<u32>(state + MERGE_PRIVATE, flags)
    return status
  }
  if (key != scratch && keyLength > 0) copyBytes(scratch, key, keyLength)
  store<u32>(state + MERGE_PRIVATE, flags | HAS_KEY | keyLength)
  return status
}

@inline
function outSlot(state: usize): usize {
  return load<u32>(state + MERGE_OUT) + DESC_SIZE * load<u32>(state + MERGE_OUT_COUNT)
}

@inline
function outIsFull(state: usize): bool {
  return load<u32>(state + MERGE_OUT_COUNT) >= load<u32>(state + MERGE_OUT_CAPACITY)
}

@inline
function addToOut(state: usize, bytes: u32): void {
  store<u32>(state + MERGE_OUT_COUNT, load<u32>(state + MERGE_OUT_COUNT) + 1)
  store<u32>(state + MERGE_SLAB_USED, load<u32>(state + MERGE_SLAB_USED) + bytes)
}

/** Whether the key of `head` lies on the inner side of a bound; `sign` 1: a lower bound, -1: an upper. */
function insideBound(head: usize, bound: usize, length: u32, inclusive: u32, sign: i32): bool {
  const keyLength = load<u32>(head + DESC_KEY_LENGTH)
  const order = compareKeys(load<u32>(head + DESC_KEY), keyLength, bound, length) * sign
  return order > 0 || (order == 0 && inclusive != 0)
}

/** Writes an entry to slot OUT_COUNT and its bytes behind SLAB_USED. Returns how many, or NO_ROOM. */
function writeOut(state: usize, head: usize): u32 {
  const capacity = load<u32>(state + MERGE_SLAB_CAPACITY)
  const used = load<u32>(state + MERGE_SLAB_USED)
  const keyLength = load<u32>(head + DESC_KEY_LENGTH)
  let value = load<u32>(head + DESC_VALUE)
  let valueLength = load<u32>(head + DESC_VALUE_LENGTH)
  let flags = load<u32>(head + DESC_FLAGS) & DESC_LAZY
  let copied: u32 = 0
  const target = load<u32>(state + MERGE_SLAB) + used
  if (load<u32>(state + MERGE_KEYS_ONLY) != 0) {
    value = 0
    valueLength = 0
    flags = 0
  } else if (flags == 0) {
    if (valueLength > capacity >> 2 || keyLength + valueLength > capacity) flags = DESC_IN_PLACE
    else copied = valueLength
  }
  if (keyLength + copied > capacity - used) return NO_ROOM
  copyBytes(target, load<u32>(head + DESC_KEY), keyLength)
  if (copied > 0) copyBytes(target + keyLength, value, copied)
  if (flags == 0 && load<u32>(state + MERGE_KEYS_ONLY) == 0) value = target + keyLength
  const slot = outSlot(state)
  store<u64>(slot + DESC_PREFIX, load<u64>(head + DESC_PREFIX))
  store<u32>(slot + DESC_KEY, target)
  store<u32>(slot + DESC_KEY_LENGTH, keyLength)
  store<u32>(slot + DESC_VALUE, value)
  store<u32>(slot + DESC_VALUE_LENGTH, valueLength)
  store<u64>(slot + DESC_VERSION, load<u64>(head + DESC_VERSION))
  store<u64>(slot + DESC_EXPIRES_AT, load<u64>(head + DESC_EXPIRES_AT))
  store<u32>(slot + DESC_TAG, load<u32>(head + DESC_TAG))
  store<u32>(slot + DESC_FLAGS, flags)
  return keyLength + copied
}

/** Whether an entry has a value, in its place or in a segment. */
@inline
function hasValue(descriptor: usize): bool {
  const kind = <u32>load<u8>(descriptor + DESC_TAG) & KIND_MASK
  return kind == KIND_PUT || kind == KIND_POINTER
}

@inline
function isShown(head: usize, now: u64): bool {
  if (!hasValue(head)) return false
  const expiresAt = load<u64>(head + DESC_EXPIRES_AT)
  return expiresAt == 0 || expiresAt > now
}

export function mergeScan(state: usize): u32 {
  if (load<u32>(state + MERGE_REVERSE) != 0) {
    moveCandidate(state)
    return scanBackward(state)
  }
  return scanForward(state)
}

function scanForward(state: usize): u32 {
  let flags = load<u32>(state + MERGE_PRIVATE)
  if ((flags & ENDED) != 0) return MERGE_DONE
  if (outIsFull(state)) return MERGE_FULL
  let left = openHeads(state)
  if (left < 0) return MERGE_REFILL
  const first = <usize>load<u32>(state + MERGE_SOURCES)
  const readVersion = load<u64>(state + MERGE_READ_VERSION)
  const now = load<u64>(state + MERGE_NOW)
  const far = <usize>load<u32>(state + MERGE_UPPER)
  const farLength = load<u32>(state + MERGE_UPPER_LENGTH)
  const farInclusive = load<u32>(state + MERGE_UPPER_INCLUSIVE)
  const farPrefix = keyPrefix(far, farLength, 0)
  const near = <usize>load<u32>(state + MERGE_LOWER)
  const nearLength = load<u32>(state + MERGE_LOWER_LENGTH)
  let key = <usize>load<u32>(state + MERGE_KEY_SCRATCH)
  let keyLength = keptLength(flags)
  let prefix = keyPrefix(key, keyLength, 0)
  flags &= ~(KEY_LENGTH_BITS | HAS_KEY)
  if (nearLength == 0) flags |= INSIDE
  while (left > 0) {
    const head = <usize>load<u32>(first + SLOT_HEAD)
    const headPrefix = load<u64>(first + SLOT_PREFIX)
    if ((flags & INSIDE) == 0) {
      const inclusive = load<u32>(state + MERGE_LOWER_INCLUSIVE)
      if (insideBound(head, near, nearLength, inclusive, 1)) flags |= INSIDE
    }
    if ((flags & INSIDE) != 0) {
      if (farLength > 0 && headPrefix >= farPrefix) {
        if (!insideBound(head, far, farLength, farInclusive, -1)) break
      }
      if (load<u64>(head + DESC_VERSION) <= readVersion) {
        const headKey = <usize>load<u32>(head + DESC_KEY)
        const headLength = load<u32>(head + DESC_KEY_LENGTH)
        if (headPrefix != prefix || !equalKeys(headKey, headLength, key, keyLength)) {
          if (isShown(head, now)) {
            const bytes = writeOut(state, head)
            if (bytes == NO_ROOM) return leave(state, flags, key, keyLength, MERGE_FULL)
            addToOut(state, bytes)
          }
          key = headKey
          keyLength = headLength
          prefix = headPrefix
        }
      }
    }
    left = takeHead(state, first, left, head, 0)
    if (outIsFull(state)) return leave(state, flags, key, keyLength, MERGE_FULL)
    if (left < 0) return leave(state, flags, key, keyLength, MERGE_REFILL)
  }
  return leave(state, flags | ENDED, key, keyLength, MERGE_DONE)
}

/** Bytes of an output entry in the slab, its value included when it lies there. */
@inline
function slabBytes(state: usize, slot: usize): u32 {
  const inSlab = load<u32>(slot + DESC_FLAGS) == 0 && load<u32>(state + MERGE_KEYS_ONLY) == 0
  return load<u32>(slot + DESC_KEY_LENGTH) + (inSlab ? load<u32>(slot + DESC_VALUE_LENGTH) : 0)
}

/** Moves the candidate to slot OUT_COUNT when the caller took the entries before it at a refill. */
function moveCandidate(state: usize): void {
  const from = <usize>load<u32>(state + MERGE_PRIVATE_2)
  const slot = outSlot(state)
  if ((load<u32>(state + MERGE_PRIVATE) & CANDIDATE) == 0 || from == slot) return
  const target = load<u32>(state + MERGE_SLAB) + load<u32>(state + MERGE_SLAB_USED)
  const keyLength = load<u32>(from + DESC_KEY_LENGTH)
  const inSlab = load<u32>(from + DESC_FLAGS) == 0 && load<u32>(state + MERGE_KEYS_ONLY) == 0
  memory.copy(target, load<u32>(from + DESC_KEY), slabBytes(state, from))
  memory.copy(slot, from, DESC_SIZE)
  store<u32>(slot + DESC_KEY, target)
  if (inSlab) store<u32>(slot + DESC_VALUE, target + keyLength)
  store<u32>(state + MERGE_PRIVATE_2, <u32>slot)
}

@inline
function finishCandidate(state: usize): void {
  addToOut(state, slabBytes(state, load<u32>(state + MERGE_PRIVATE_2)))
}

function scanBackward(state: usize): u32 {
  let flags = load<u32>(state + MERGE_PRIVATE)
  if ((flags & ENDED) != 0) return MERGE_DONE
  if (outIsFull(state)) return MERGE_FULL
  let left = openHeads(state)
  if (left < 0) return MERGE_REFILL
  const first = <usize>load<u32>(state + MERGE_SOURCES)
  const readVersion = load<u64>(state + MERGE_READ_VERSION)
  const now = load<u64>(state + MERGE_NOW)
  const far = <usize>load<u32>(state + MERGE_LOWER)
  const farLength = load<u32>(state + MERGE_LOWER_LENGTH)
  const farInclusive = load<u32>(state + MERGE_LOWER_INCLUSIVE)
  const farPrefix = keyPrefix(far, farLength, 0)
  const near = <usize>load<u32>(state + MERGE_UPPER)
  const nearLength = load<u32>(state + MERGE_UPPER_LENGTH)
  let key = <usize>load<u32>(state + MERGE_KEY_SCRATCH)
  let keyLength = keptLength(flags)
  let prefix = keyPrefix(key, keyLength, 0)
  flags &= ~(KEY_LENGTH_BITS | HAS_KEY)
  if (nearLength == 0) flags |= INSIDE
  while (left > 0) {
    const head = <usize>load<u32>(first + SLOT_HEAD)
    const headPrefix = load<u64>(first + SLOT_PREFIX)
    if ((flags & INSIDE) == 0) {
      const inclusive = load<u32>(state + MERGE_UPPER_INCLUSIVE)
      if (insideBound(head, near, nearLength, inclusive, -1)) flags |= INSIDE
    }
    if ((flags & INSIDE) != 0) {
      if (farLength > 0 && headPrefix <= farPrefix) {
        if (!insideBound(head, far, farLength, farInclusive, 1)) break
      }
      if (load<u64>(head + DESC_VERSION) <= readVersion) {
        const headKey = <usize>load<u32>(head + DESC_KEY)
        const headLength = load<u32>(head + DESC_KEY_LENGTH)
        if (headPrefix != prefix || !equalKeys(headKey, headLength, key, keyLength)) {
          key = headKey
          keyLength = headLength
          prefix = headPrefix
          if ((flags & CANDIDATE) != 0) {
            finishCandidate(state)
            flags &= ~CANDIDATE
            if (outIsFull(state)) return leave(state, flags, key, keyLength, MERGE_FULL)
          }
        }
        flags &= ~CANDIDATE
        if (isShown(head, now)) {
          if (writeOut(state, head) == NO_ROOM) {
            return leave(state, flags, key, keyLength, MERGE_FULL)
          }
          flags |= CANDIDATE
          store<u32>(state + MERGE_PRIVATE_2, <u32>outSlot(state))
        }
      }
    }
    left = takeHead(state, first, left, head, 1)
    if (left < 0) return leave(state, flags, key, keyLength, MERGE_REFILL)
  }
  if ((flags & CANDIDATE) != 0) finishCandidate(state)
  return leave(state, (flags & ~CANDIDATE) | ENDED, key, keyLength, MERGE_DONE)
}

/** How many snapshots are older than the version. */
@inline
function olderSnapshots(snapshots: usize, count: u32, version: u64): u32 {
  let low: u32 = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (load<u64>(snapshots + 8 * middle) < version) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether nobody who sees the entry sees its value any more; `rank` snapshots are older than the entry. */
@inline
function isExpired(head: usize, horizons: usize, rank: u32): bool {
  if (!hasValue(head)) return false
  const expiresAt = load<u64>(head + DESC_EXPIRES_AT)
  return expiresAt != 0 && expiresAt <= load<u64>(horizons + 8 * rank)
}

/** An expired entry goes on as the deletion of its key at the same version: it hides what is older. */
@inline
function storeAsDelete(slot: usize): void {
  store<u32>(slot + DESC_VALUE, 0)
  store<u32>(slot + DESC_VALUE_LENGTH, 0)
  store<u64>(slot + DESC_EXPIRES_AT, 0)
  store<u32>(slot + DESC_TAG, KIND_DELETE)
  store<u32>(slot + DESC_FLAGS, 0)
}

/** Tells of a version that can no longer be read as it was written. */
@inline
function noteDropped(state: usize, version: u64): void {
  const highest = load<u64>(state + MERGE_DROPPED_VERSION)
  store<u64>(state + MERGE_DROPPED_VERSION, max<u64>(highest, version))
}

export function mergeCompact(state: usize): u32 {
  const flags = load<u32>(state + MERGE_PRIVATE)
  if ((flags & ENDED) != 0) return MERGE_DONE
  if (outIsFull(state)) return MERGE_FULL
  let left = openHeads(state)
  if (left < 0) return MERGE_REFILL
  const first = <usize>load<u32>(state + MERGE_SOURCES)
  const reverse = load<u32>(state + MERGE_REVERSE)
  const snapshots = <usize>load<u32>(state + MERGE_SNAPSHOTS)
  const count = load<u32>(state + MERGE_SNAPSHOT_COUNT)
  const horizons = <usize>load<u32>(state + MERGE_HORIZONS)
  const dropTombstones = load<u32>(state + MERGE_DROP_TOMBSTONES) != 0
  // The rank of the next newer version of this key. What lies between two snapshots has one rank: only the
  // newest of a rank can be seen by a snapshot.
  let newerRank = load<u32>(state + MERGE_PRIVATE_2)
  let key = <usize>load<u32>(state + MERGE_KEY_SCRATCH)
  let keyLength = keptLength(flags)
  let prefix = keyPrefix(key, keyLength, 0)
  while (left > 0) {
    const head = <usize>load<u32>(first + SLOT_HEAD)
    const headPrefix = load<u64>(first + SLOT_PREFIX)
    const headKey = <usize>load<u32>(head + DESC_KEY)
    const headLength = load<u32>(head + DESC_KEY_LENGTH)
    const same = headPrefix == prefix && equalKeys(headKey, headLength, key, keyLength)
    if (!same) newerRank = count + 1
    key = headKey
    keyLength = headLength
    prefix = headPrefix
    const version = load<u64>(head + DESC_VERSION)
    const rank = olderSnapshots(snapshots, count, version)
    const needed = rank == count || rank < newerRank
    // What is newer than all snapshots has no horizon: it stays as it is.
    const expired = horizons != 0 && rank < count && isExpired(head, horizons, rank)
    const deleted = expired || (<u32>load<u8>(head + DESC_TAG) & KIND_MASK) == KIND_DELETE
    newerRank = rank
    if (needed && !(deleted && rank == 0 && dropTombstones)) {
      const slot = outSlot(state)
      v128.store(slot, v128.load(head))
      v128.store(slot, v128.load(head, 16), 16)
      v128.store(slot, v128.load(head, 32), 32)
      if (expired) {
        storeAsDelete(slot)
        noteDropped(state, version)
      }
      addToOut(state, 0)
    } else {
      store<u64>(state + MERGE_DROPPED, load<u64>(state + MERGE_DROPPED) + 1)
      noteDropped(state, version)
    }
    left = takeHead(state, first, left, head, reverse)
    if (left < 0 || outIsFull(state)) {
      store<u32>(state + MERGE_PRIVATE_2, newerRank)
      return leave(state, 0, key, keyLength, outIsFull(state) ? MERGE_FULL : MERGE_REFILL)
    }
  }
  return leave(state, ENDED, key, keyLength, MERGE_DONE)
}
