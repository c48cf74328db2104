// XXH64 in plain TypeScript, for small inputs off the hot paths and as the truth the kernel must
// equal. 64-bit words are pairs of 32-bit halves: many times faster than BigInt, which appears only
// at the border.

/** A mutable 64-bit word; both halves are kept as 32-bit integers of either sign. */
class Word {
  high: number
  low: number

  constructor(high: number, low: number) {
    this.high = high
    this.low = low
  }

  add(high: number, low: number): this {
    const sum = (this.low + low) | 0
    const carry = sum >>> 0 < low >>> 0 ? 1 : 0
    this.high = (this.high + high + carry) | 0
    this.low = sum
    return this
  }

  xor(high: number, low: number): this {
    this.high ^= high
    this.low ^= low
    return this
  }

  /** By a prime, so its halves are constants. */
  multiply(high: number, low: number): this {
    const product = Math.imul(this.low, low)
    this.high =
      (multiplyHigh(this.low, low) + Math.imul(this.low, high) + Math.imul(this.high, low)) | 0
    this.low = product
    return this
  }

  /** 0 < bits < 32 */
  rotateLeft(bits: number): this {
    const { high, low } = this
    this.high = (high << bits) | (low >>> (32 - bits))
    this.low = (low << bits) | (high >>> (32 - bits))
    return this
  }

  /** this ^= this >>> bits, 0 < bits < 64 */
  xorShiftRight(bits: number): this {
    if (bits < 32) {
      this.low ^= (this.low >>> bits) | (this.high << (32 - bits))
      this.high ^= this.high >>> bits
    } else {
      this.low ^= bits === 32 ? this.high : this.high >>> (bits - 32)
    }
    return this
  }

  /** One accumulator step: rotl(this + input * P2, 31) * P1. */
  round(high: number, low: number): this {
    const scaledLow = Math.imul(low, P2_LOW)
    const scaledHigh =
      (multiplyHigh(low, P2_LOW) + Math.imul(low, P2_HIGH) + Math.imul(high, P2_LOW)) | 0
    return this.add(scaledHigh, scaledLow).rotateLeft(31).multiply(P1_HIGH, P1_LOW)
  }

  /** Folds a finished accumulator into this. */
  mergeRound(lane: Word): this {
    const mixed = new Word(0, 0).round(lane.high, lane.low)
    return this.xor(mixed.high, mixed.low).multiply(P1_HIGH, P1_LOW).add(P4_HIGH, P4_LOW)
  }
}

const P1_HIGH = 0x9e3779b1
const P1_LOW = 0x85ebca87
const P2_HIGH = 0xc2b2ae3d
const P2_LOW = 0x27d4eb4f
const P3_HIGH = 0x165667b1
const P3_LOW = 0x9e3779f9
const P4_HIGH = 0x85ebca77
const P4_LOW = 0xc2b2ae63
const P5_HIGH = 0x27d4eb2f
const P5_LOW = 0x165667c5

/** Upper 32 bits of the unsigned 64-bit product of two 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const other = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + (Math.floor(middle / 0x10000) + Math.floor(other / 0x10000))) | 0
}

function word32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

/** XXH64 of `bytes`; `seed` is an unsigned 64-bit number, as is the result. */
export function hash64(bytes: Uint8Array, seed: bigint): bigint {
  const seedLow = Number(seed & 0xffffffffn) | 0
  const seedHigh = Number((seed >> 32n) & 0xffffffffn) | 0
  const { length } = bytes
  let at = 0
  let digest: Word
  if (length >= 32) {
    const one = new Word(seedHigh, seedLow).add(P1_HIGH, P1_LOW).add(P2_HIGH, P2_LOW)
    const two = new Word(seedHigh, seedLow).add(P2_HIGH, P2_LOW)
    const three = new Word(seedHigh, seedLow)
    // seed - P1 = seed + ~P1 + 1
    const four = new Word(seedHigh, seedLow).add(~P1_HIGH, ~P1_LOW).add(0, 1)
    for (; at + 32 <= length; at += 32) {
      one.round(word32(bytes, at + 4), word32(bytes, at))
      two.round(word32(bytes, at + 12), word32(bytes, at + 8))
      three.round(word32(bytes, at + 20), word32(bytes, at + 16))
      four.round(word32(bytes, at + 28), word32(bytes, at + 24))
    }
    digest = converge(one, two, three, four)
  } else {
    digest = new Word(seedHigh, seedLow).add(P5_HIGH, P5_LOW)
  }
  digest.add(Math.floor(length / 2 ** 32), length)
  mixTail(digest, bytes, at)
  digest
    .xorShiftRight(33)
    .multiply(P2_HIGH, P2_LOW)
    .xorShiftRight(29)
    .multiply(P3_HIGH, P3_LOW)
    .xorShiftRight(32)
  return (BigInt(digest.high >>> 0) << 32n) | BigInt(digest.low >>> 0)
}

function converge(one: Word, two: Word, three: Word, four: Word): Word {
  const digest = new Word(one.high, one.low).rotateLeft(1)
  let part = new Word(two.high, two.low).rotateLeft(7)
  digest.add(part.high, part.low)
  part = new Word(three.high, three.low).rotateLeft(12)
  digest.add(part.high, part.low)
  part = new Word(four.high, four.low).rotateLeft(18)
  digest.add(part.high, part.low)
  return digest.mergeRound(one).mergeRound(two).mergeRound(three).mergeRound(four)
}

/** Mixes in the last 0–31 bytes. */
function mixTail(digest: Word, bytes: Uint8Array, from: number): void {
  const { length } = bytes
  const part = new Word(0, 0)
  let at = from
  for (; at + 8 <= length; at += 8) {
    part.high = 0
    part.low = 0
    part.round(word32(bytes, at + 4), word32(bytes, at))
    digest.xor(part.high, part.low).rotateLeft(27).multiply(P1_HIGH, P1_LOW).add(P4_HIGH, P4_LOW)
  }
  if (at + 4 <= length) {
    part.high = 0
    part.low = word32(bytes, at)
    part.multiply(P1_HIGH, P1_LOW)
    digest.xor(part.high, part.low).rotateLeft(23).multiply(P2_HIGH, P2_LOW).add(P3_HIGH, P3_LOW)
    at += 4
  }
  for (; at < length; at += 1) {
    part.high = 0
    part.low = bytes[at]!
    part.multiply(P5_HIGH, P5_LOW)
    digest.xor(part.high, part.low).rotateLeft(11).multiply(P1_HIGH, P1_LOW)
  }
}
