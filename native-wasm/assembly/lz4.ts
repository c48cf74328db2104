// LZ4 blocks (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md): a greedy compressor with one hash
// probe per position, as LZ4's own fast mode, and a decoder for bytes nobody vouches for: it demands the exact
// length, and neither reads nor writes outside what it is given. Both may run in place as FORMAT §6.7 says.
import { copyBytes } from './bytes'

const MIN_MATCH: u32 = 4
/** The last bytes of a block are literals, and no match begins closer to the end than this (block format, "End of
 * block conditions"). */
const LAST_LITERALS: u32 = 5
const NO_MATCH_TAIL: u32 = 12
const OFFSET_MAX: usize = 65_535
const HASH_BITS: u64 = 12
/** The multiplier of LZ4's five-byte hash (lz4.c). */
const HASH_PRIME: u64 = 889_523_592_379
/** After so many misses (2^n) the steps grow longer. LZ4 has 6; in blocks of 4 KiB 5 takes half to all of the time for
 * the same length on JSON and on values that are half noise, 4 costs four per cent of length (bench:micro). */
const SKIP_TRIGGER: u32 = 5
/** The slots of a block up to this length hold its positions as u16: half the memory to clear and to keep in the
 * cache. */
const SHORT_MAX: u32 = 65_536

@inline
function slotOf<T>(table: usize, word: u64): usize {
  const slot = <usize>(((word << 24) * HASH_PRIME) >> (64 - HASH_BITS))
  return table + slot * sizeof<T>()
}

/** How many bytes from `a` on, up to `end`, are those from `b` on; b < a. */
@inline
function matchLength(a: usize, b: usize, end: usize): u32 {
  const start = a
  while (a + 8 <= end) {
    const other = load<u64>(a) ^ load<u64>(b)
    if (other != 0) return <u32>(a - start) + (<u32>ctz<u64>(other) >> 3)
    a += 8
    b += 8
  }
  while (a < end && load<u8>(a) == load<u8>(b)) {
    a++
    b++
  }
  return <u32>(a - start)
}

/** Bytes behind the token for a length of `count`. */
@inline
function extraBytes(count: u32): u32 {
  return count < 15 ? 0 : (count - 15) / 255 + 1
}

function putExtra(at: usize, count: u32): usize {
  let rest = count - 15
  while (rest >= 255) {
    store<u8>(at++, 255)
    rest -= 255
  }
  store<u8>(at, <u8>rest)
  return at + 1
}

/** Writes token and literals, with the low half of the token left 0; returns where they end. */
@inline
function putLiterals(out: usize, from: usize, count: u32): usize {
  store<u8>(out, <u8>(min<u32>(count, 15) << 4))
  let at = out + 1
  if (count >= 15) at = putExtra(at, count)
  copyBytes(at, from, count)
  return at + count
}

/** An empty slot says position 0: to look there as well costs less than to know that it is empty, which no processor
 * foresees. */
function compress<T>(
  source: usize,
  length: u32,
  target: usize,
  capacity: u32,
  table: usize,
): u32 {
  const end = source + length
  const limit = target + capacity
  let out = target
  let anchor = source
  if (length > NO_MATCH_TAIL) {
    memory.fill(table, 0, sizeof<T>() << <usize>HASH_BITS)
    const lastStart = end - NO_MATCH_TAIL
    const matchEnd = end - LAST_LITERALS
    // Position 0 is in its slot already, and has nothing before it.
    let at = source + 1
    let tries: u32 = (1 << SKIP_TRIGGER) + 1
    while (at <= lastStart) {
      let match: usize = 0
      do {
        const word = load<u64>(at)
        const slot = slotOf<T>(table, word)
        match = source + <usize>load<T>(slot)
        store<T>(slot, <T>(at - source))
        if (load<u32>(match) == <u32>word) {
          if (sizeof<T>() == 2 || at - match <= OFFSET_MAX) break
        }
        at += tries++ >> SKIP_TRIGGER
      } while (at <= lastStart)
      if (at > lastStart) break
      while (at > anchor && match > source && load<u8>(at - 1) == load<u8>(match - 1)) {
        at--
        match--
      }
      const literals = <u32>(at - anchor)
      const more = matchLength(at + MIN_MATCH, match + MIN_MATCH, matchEnd)
      const bytes = 3 + extraBytes(literals) + literals + extraBytes(more)
      if (<usize>bytes > limit - out) return 0
      const token = out
      out = putLiterals(out, anchor, literals)
      store<u16>(out, <u16>(at - match))
      out += 2
      store<u8>(token, load<u8>(token) | <u8>min<u32>(more, 15))
      if (more >= 15) out = putExtra(out, more)
      at += MIN_MATCH + more
      anchor = at
      if (at > lastStart) break
      store<T>(slotOf<T>(table, load<u64>(at - 2)), <T>(at - 2 - source))
      tries = 1 << SKIP_TRIGGER
    }
  }
  const literals = <u32>(end - anchor)
  if (<usize>(1 + extraBytes(literals) + literals) > limit - out) return 0
  out = putLiterals(out, anchor, literals)
  return <u32>(out - target)
}

export function lz4Compress(
  source: usize,
  length: u32,
  target: usize,
  capacity: u32,
  table: usize,
): u32 {
  return length <= SHORT_MAX
    ? compress<u16>(source, length, target, capacity, table)
    : compress<u32>(source, length, target, capacity, table)
}

/** Copies forward in steps of 16 bytes, each read before it is written: right when the target lies before the
 * source, or 16 bytes or more behind it. Writes up to 15 bytes too many where `room` (behind target) allows. */
@inline
function copySteps(target: usize, source: usize, length: u32, room: usize): void {
  let at: u32 = 0
  if (<usize>((length + 15) & ~15) <= room) {
    for (; at < length; at += 16) v128.store(target + at, v128.load(source + at))
    return
  }
  for (; at + 16 <= length; at += 16) v128.store(target + at, v128.load(source + at))
  for (; at < length; at++) store<u8>(target + at, load<u8>(source + at))
}

/** Copies a match that may overlap itself. */
@inline
function copyMatch(out: usize, offset: u32, length: u32, room: usize): void {
  if (offset >= 16) {
    copySteps(out, out - offset, length, room)
    return
  }
  // The least multiple of a short offset that is 16 or more repeats just as well.
  const period = offset * ((15 + offset) / offset)
  const first = min<u32>(length, period)
  for (let i: u32 = 0; i < first; i++) store<u8>(out + i, load<u8>(out + i - offset))
  if (length > period) copySteps(out + period, out, length - period, room - period)
}

export function lz4Decompress(source: usize, length: u32, target: usize, payload: u32): u32 {
  const end = source + length
  const targetEnd = target + payload
  let at = source
  let out = target
  while (at < end) {
    const token = <u32>load<u8>(at++)
    let literals = token >> 4
    if (literals == 15) {
      let part: u32 = 255
      while (part == 255) {
        if (at == end) return 0
        part = load<u8>(at++)
        literals += part
      }
    }
    if (<usize>literals > end - at || <usize>literals > targetEnd - out) return 0
    // Reading past the literals must stay in the input, too.
    copySteps(out, at, literals, min<usize>(targetEnd - out, end - at))
    at += literals
    out += literals
    if (at == end) return out == targetEnd ? 1 : 0
    if (end - at < 2) return 0
    const offset = <u32>load<u16>(at)
    at += 2
    let matched = token & 15
    if (matched == 15) {
      let part: u32 = 255
      while (part == 255) {
        if (at == end) return 0
        part = load<u8>(at++)
        matched += part
      }
    }
    matched += MIN_MATCH
    if (offset == 0 || <usize>offset > out - target) return 0
    if (<usize>matched > targetEnd - out) return 0
    copyMatch(out, offset, matched, targetEnd - out)
    out += matched
  }
  return 0
}
