// Latencies in buckets whose width grows with the value, as HdrHistogram has them: 64 to each power of two, so that a
// quantile read from them is at most 1.6 % off. Recording allocates nothing.

/** µs. `curve`: [quantile 0–1, µs] pairs, ascending, from 0 to 1, about 40 of them, denser towards 1. */
export interface LatencySummary {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly curve: readonly (readonly [quantile: number, microseconds: number])[]
}

const SUB_BUCKETS = 64
/** Bits of a value that is written out in full: below 128 ns every value has a bucket of its own. */
const EXACT_BITS = 7
/** Longer latencies share the last bucket. */
const HOUR_NS = 3_600_000_000_000
const WORD = 2 ** 32
const NS_PER_US = 1_000
const CURVE_DECADES = 4
const BUCKETS = bucketOf(HOUR_NS) + 1

/** 0, 0.1 … 0.8, 0.9, 0.91 … 0.9998, 0.9999, 0.99999, 1. */
const CURVE_QUANTILES: readonly number[] = [
  ...Array.from({ length: CURVE_DECADES }, (_, decade) =>
    Array.from({ length: 9 }, (_, step) => 1 - (10 - step) / 10 ** (decade + 1)),
  ).flat(),
  1 - 10 ** -CURVE_DECADES,
  1 - 10 ** -(CURVE_DECADES + 1),
  1,
].map((quantile) => Number(quantile.toFixed(CURVE_DECADES + 1)))

/** A value with `shift` bits too many loses those; what is left, 64 – 127, tells the bucket among its 64. */
function bucketOf(nanoseconds: number): number {
  if (nanoseconds < WORD) {
    const shift = Math.max(0, 32 - EXACT_BITS - Math.clz32(nanoseconds))
    return shift * SUB_BUCKETS + (nanoseconds >>> shift)
  }
  const shift = 64 - EXACT_BITS - Math.clz32(nanoseconds / WORD)
  return shift * SUB_BUCKETS + Math.floor(nanoseconds / 2 ** shift)
}

/** The middle of a bucket. */
function middleOf(bucket: number): number {
  const shift = Math.max(0, Math.floor(bucket / SUB_BUCKETS) - 1)
  const width = 2 ** shift
  return (bucket - shift * SUB_BUCKETS) * width + (width - 1) / 2
}

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = 0

  get count(): number {
    return this.#count
  }

  /** Throws a RangeError when `nanoseconds` is negative or not a number; fractions are cut off. */
  record(nanoseconds: number): void {
    if (!(nanoseconds >= 0)) throw new RangeError(`a latency of ${nanoseconds} ns`)
    const bucket = bucketOf(nanoseconds < HOUR_NS ? nanoseconds : HOUR_NS)
    this.#counts[bucket] = this.#counts[bucket]! + 1
    this.#count++
    this.#sum += nanoseconds
    if (nanoseconds < this.#min) this.#min = nanoseconds
    if (nanoseconds > this.#max) this.#max = nanoseconds
  }

  /** Takes over what `other` has recorded. */
  add(other: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      this.#counts[bucket] = this.#counts[bucket]! + other.#counts[bucket]!
    }
    this.#count += other.#count
    this.#sum += other.#sum
    this.#min = Math.min(this.#min, other.#min)
    this.#max = Math.max(this.#max, other.#max)
  }

  /** µs at each of `quantiles` (ascending, 0 – 1): the smallest value that so many of all values do not exceed. */
  #valuesAt(quantiles: readonly number[]): number[] {
    let bucket = -1
    let seen = 0
    return quantiles.map((quantile) => {
      if (quantile === 1) return this.#max / NS_PER_US
      if (quantile === 0) return this.#min / NS_PER_US
      const rank = Math.max(1, Math.ceil(quantile * this.#count))
      while (seen < rank) seen += this.#counts[++bucket]!
      return Math.min(this.#max, Math.max(this.#min, middleOf(bucket))) / NS_PER_US
    })
  }

  /** Of an empty histogram: zeros and an empty curve. */
  summary(): LatencySummary {
    if (this.#count === 0) {
      return { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, curve: [] }
    }
    const [p50 = 0, p90 = 0, p99 = 0, p999 = 0] = this.#valuesAt([0.5, 0.9, 0.99, 0.999])
    const values = this.#valuesAt(CURVE_QUANTILES)
    return {
      count: this.#count,
      mean: this.#sum / this.#count / NS_PER_US,
      p50,
      p90,
      p99,
      p999,
      max: this.#max / NS_PER_US,
      curve: CURVE_QUANTILES.map((quantile, at) => [quantile, values[at]!] as const),
    }
  }
}
