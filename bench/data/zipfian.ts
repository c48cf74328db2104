// Skewed choices as YCSB makes them: J. Gray et al., "Quickly generating billion-record synthetic databases" (1994).
// Rank 0 is the most popular, rank r is chosen (r + 1)^-θ times as often.

/** YCSB draws ranks among so many and folds them onto the items, so that the skew does not depend on their number. */
const SCRAMBLED_RANKS = 10_000_000_000
const EXACT_TERMS = 10_000
const THETA = 0.99
const WORD = 2 ** 32
const FNV_BASIS_HIGH = 0xcbf29ce4
const FNV_BASIS_LOW = 0x84222325
/** The prime is 2^40 + 0x1b3. */
const FNV_PRIME_LOW = 0x1b3

/** Σ i^-θ for i = 1 … items; beyond 10,000 terms by Euler and Maclaurin's formula, 13 digits of it right. */
export function zeta(items: number, theta: number): number {
  const exact = Math.min(items, EXACT_TERMS)
  let sum = 0
  for (let item = exact; item >= 1; item--) sum += item ** -theta
  if (items === exact) return sum
  const integral = (items ** (1 - theta) - exact ** (1 - theta)) / (1 - theta)
  const slope = (theta / 12) * (exact ** (-theta - 1) - items ** (-theta - 1))
  return sum + integral + (items ** -theta - exact ** -theta) / 2 + slope
}

/** 0 ≤ u < 1 with 53 bits. */
function uniform(random: () => number): number {
  return (random() * 2 ** 21 + (random() >>> 11)) / 2 ** 53
}

class ZipfianRanks {
  readonly #random: () => number
  readonly #theta: number
  #items = 0
  #zeta = 0
  #eta = 0

  constructor(items: number, random: () => number, theta: number) {
    if (!(theta > 0 && theta < 1)) throw new RangeError(`theta must lie between 0 and 1: ${theta}`)
    this.#random = random
    this.#theta = theta
    this.grow(items)
  }

  /** Throws a RangeError when there are fewer `items` than before, or none. */
  grow(items: number): void {
    if (items === this.#items) return
    if (!Number.isSafeInteger(items) || items < Math.max(1, this.#items)) {
      throw new RangeError(`${items} items, after ${this.#items}`)
    }
    if (items - this.#items < EXACT_TERMS) {
      for (let item = this.#items + 1; item <= items; item++) this.#zeta += item ** -this.#theta
    } else {
      this.#zeta = zeta(items, this.#theta)
    }
    this.#items = items
    const ofTwo = 1 + 2 ** -this.#theta
    this.#eta = (1 - (2 / items) ** (1 - this.#theta)) / (1 - ofTwo / this.#zeta)
  }

  next(): number {
    const u = uniform(this.#random)
    const scaled = u * this.#zeta
    if (scaled < 1) return 0
    if (scaled < 1 + 2 ** -this.#theta) return 1
    const rank = this.#items * (this.#eta * u - this.#eta + 1) ** (1 / (1 - this.#theta))
    return Math.min(this.#items - 1, Math.floor(rank))
  }
}

/** FNV-1a over the 8 bytes of `value`, little-endian; the low 53 of its 64 bits. */
function fnv(value: number): number {
  let low = FNV_BASIS_LOW
  let high = FNV_BASIS_HIGH
  for (let at = 0, rest = value; at < 8; at++, rest = Math.floor(rest / 256)) {
    low = (low ^ (rest & 0xff)) >>> 0
    const product = low * FNV_PRIME_LOW
    high = (high * FNV_PRIME_LOW + Math.floor(product / WORD) + low * 256) >>> 0
    low = product >>> 0
  }
  return (high & 0x1fffff) * WORD + low
}

/** Items 0 … items − 1, the popular ones scattered among all. */
export class ScrambledZipfian {
  readonly #items: number
  readonly #ranks: ZipfianRanks

  /** `random` gives 32-bit words. Throws a RangeError when there are no items or `theta` is not between 0 and 1. */
  constructor(items: number, random: () => number, theta: number = THETA) {
    if (!Number.isSafeInteger(items) || items < 1) throw new RangeError(`${items} items`)
    this.#items = items
    this.#ranks = new ZipfianRanks(SCRAMBLED_RANKS, random, theta)
  }

  next(): number {
    return fnv(this.#ranks.next()) % this.#items
  }
}

/** Items 0 … newest, the newest the most popular. */
export class LatestZipfian {
  readonly #ranks: ZipfianRanks

  /** `random` gives 32-bit words. */
  constructor(random: () => number, theta: number = THETA) {
    this.#ranks = new ZipfianRanks(1, random, theta)
  }

  /** `newest` may not become smaller from call to call (RangeError). */
  next(newest: number): number {
    this.#ranks.grow(newest + 1)
    return newest - this.#ranks.next()
  }
}
