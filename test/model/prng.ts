// A small seeded generator (sfc32) for tests and harnesses: the same seed gives the same numbers on every
// machine. Any step of a run can be made alone from (seed, step), so a run can be cut at both ends.

export interface Prng {
  /** Uniform in [0, 2^32). */
  u32(): number
  /** Uniform integer in [0, bound). */
  below(bound: number): number
  /** True with the given probability. */
  chance(probability: number): boolean
}

/** Generator of one stream; `stream` tells apart the steps of one seed. */
export function prng(seed: number, stream: number = 0): Prng {
  let a = seed | 0
  let b = stream | 0
  let c = Math.floor(stream / 2 ** 32) ^ 0x9e3779b9
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let round = 0; round < 12; round++) next()
  return {
    u32: next,
    below: (bound) => Math.floor((next() / 2 ** 32) * bound),
    chance: (probability) => next() < probability * 2 ** 32,
  }
}

/** Deterministic bytes; cheap enough for values of 200 KiB. */
export function seededBytes(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let word = (seed ^ 0x6d2b79f5) >>> 0
  let at = 0
  for (; at + 4 <= length; at += 4) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0
    bytes.writeUInt32LE((word ^ (word >>> 15)) >>> 0, at)
  }
  for (; at < length; at++) bytes[at] = (word >>> (at & 3)) & 0xff
  return bytes
}
