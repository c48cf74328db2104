// The heads of a merge's sources, in order. Each call of a merge sorts them into slots, one in the private
// bytes of each source structure; slot 0 is the next entry. Forward order is key ascending, version
// descending; reverse is its mirror.
import { compareKeys } from './keys'
import {
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_PREFIX,
  DESC_SIZE,
  DESC_VERSION,
  MERGE_REVERSE,
  MERGE_SOURCES,
  MERGE_SOURCE_COUNT,
  MERGE_WANTED,
  SOURCE_END,
  SOURCE_LAST,
  SOURCE_NEXT,
  SOURCE_SIZE,
} from './layout'

// A slot, 16 of the private bytes of the source structure of the same index.
const SLOT: u32 = 16
export const SLOT_PREFIX: u32 = 16
export const SLOT_HEAD: u32 = 24
const SLOT_SOURCE: u32 = 28
/** With more heads than this, the place of a new one is searched by halves. */
const LINEAR_MAX: u32 = 6

/** Order of two heads with equal prefixes; the earlier source first when even the versions are equal. */
function headComesFirst(
  head: usize,
  source: usize,
  other: usize,
  otherSource: usize,
  reverse: u32,
): bool {
  const length = load<u32>(head + DESC_KEY_LENGTH)
  const otherLength = load<u32>(other + DESC_KEY_LENGTH)
  const skip: u32 = min<u32>(length, otherLength) >= 8 ? 8 : 0
  const order = compareKeys(
    load<u32>(head + DESC_KEY) + skip,
    length - skip,
    load<u32>(other + DESC_KEY) + skip,
    otherLength - skip,
  )
  if (order != 0) return reverse != 0 ? order > 0 : order < 0
  const version = load<u64>(head + DESC_VERSION)
  const otherVersion = load<u64>(other + DESC_VERSION)
  if (version != otherVersion) return (reverse != 0) == version < otherVersion
  return source < otherSource
}

/** Whether a head comes before the one in `slot`. */
@inline
function comesFirst(prefix: u64, head: usize, source: usize, slot: usize, reverse: u32): bool {
  const other = load<u64>(slot + SLOT_PREFIX)
  if (prefix != other) return (reverse != 0) != prefix < other
  return headComesFirst(
    head,
    source,
    load<u32>(slot + SLOT_HEAD),
    load<u32>(slot + SLOT_SOURCE),
    reverse,
  )
}

@inline
function setSlot(slot: usize, source: usize, head: usize, prefix: u64): void {
  store<u32>(slot + SLOT_SOURCE, <u32>source)
  store<u32>(slot + SLOT_HEAD, <u32>head)
  store<u64>(slot + SLOT_PREFIX, prefix)
}

@inline
function moveSlot(to: usize, from: usize): void {
  v128.store(to, v128.load(from, SLOT), SLOT)
}

/** The slot among [low, high) before which a new head of `source` belongs; `high` when behind them all. */
function placeAmong(
  first: usize,
  low: u32,
  high: u32,
  source: usize,
  head: usize,
  prefix: u64,
  reverse: u32,
): u32 {
  while (low < high) {
    const middle = high - low > LINEAR_MAX ? (low + high) >> 1 : low
    if (comesFirst(prefix, head, source, first + SOURCE_SIZE * middle, reverse)) high = middle
    else low = middle + 1
  }
  return low
}

/** Sorts the heads into the slots. Returns how many there are, or -1 when a source wants a refill. */
export function openHeads(state: usize): i32 {
  const first = <usize>load<u32>(state + MERGE_SOURCES)
  const count = load<u32>(state + MERGE_SOURCE_COUNT)
  const reverse = load<u32>(state + MERGE_REVERSE)
  let live: u32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const source = first + SOURCE_SIZE * i
    const head = <usize>load<u32>(source + SOURCE_NEXT)
    if (head == <usize>load<u32>(source + SOURCE_END)) {
      if (load<u32>(source + SOURCE_LAST) != 0) continue
      store<u32>(state + MERGE_WANTED, i)
      return -1
    }
    const prefix = load<u64>(head + DESC_PREFIX)
    const place = first + SOURCE_SIZE * placeAmong(first, 0, live, source, head, prefix, reverse)
    for (let slot = first + SOURCE_SIZE * live; slot > place; slot -= SOURCE_SIZE) {
      moveSlot(slot, slot - SOURCE_SIZE)
    }
    setSlot(place, source, head, prefix)
    live++
  }
  return <i32>live
}

/** Puts the new head of the source of slot 0 in its place, which is not slot 0. */
function sink(first: usize, live: u32, head: usize, prefix: u64, reverse: u32): void {
  const source = <usize>load<u32>(first + SLOT_SOURCE)
  const place = placeAmong(first, 2, live, source, head, prefix, reverse)
  const last = first + SOURCE_SIZE * (place - 1)
  for (let slot = first; slot < last; slot += SOURCE_SIZE) moveSlot(slot, slot + SOURCE_SIZE)
  setSlot(last, source, head, prefix)
}

/** Takes the entry in slot 0. Returns how many sources still have one, or -1: its source wants a refill. */
@inline
export function takeHead(state: usize, first: usize, live: u32, head: usize, reverse: u32): i32 {
  const source = <usize>load<u32>(first + SLOT_SOURCE)
  const next = head + DESC_SIZE
  store<u32>(source + SOURCE_NEXT, <u32>next)
  if (next == <usize>load<u32>(source + SOURCE_END)) {
    return endOfSource(state, first, live, source)
  }
  const prefix = load<u64>(next + DESC_PREFIX)
  if (live == 1 || comesFirst(prefix, next, source, first + SOURCE_SIZE, reverse)) {
    store<u32>(first + SLOT_HEAD, <u32>next)
    store<u64>(first + SLOT_PREFIX, prefix)
  } else {
    sink(first, live, next, prefix, reverse)
  }
  return <i32>live
}

function endOfSource(state: usize, first: usize, live: u32, source: usize): i32 {
  if (load<u32>(source + SOURCE_LAST) == 0) {
    store<u32>(state + MERGE_WANTED, <u32>(source - first) / SOURCE_SIZE)
    return -1
  }
  for (let i: u32 = 1; i < live; i++) {
    const slot = first + SOURCE_SIZE * i
    moveSlot(slot - SOURCE_SIZE, slot)
  }
  return <i32>live - 1
}
