// What a simulated program writes: first every key once, then keys that are there already, some of these writes
// deletes. Pure. All counts are expectations, so nothing here is random.

import { LINK_RESERVE } from '../../kernel/layout.ts'
import { type EntryBytes, type EntryShape, type EntrySizes, entrySizes } from './entry-sizes.ts'

export type Distribution = 'uniform' | 'zipf' | 'sequential'

export interface Workload extends EntryShape {
  /** Bytes of keys and values once every key was written. */
  readonly dataBytes: number
  /** `sequential`: in key order, the later writes too. Else the order of the load is random. */
  readonly distribution: Distribution
  /** Share of all writes that go to keys already there, 0 to below 1. */
  readonly overwriteShare: number
  /** Share of all writes that delete keys already there; both shares together stay below 1. */
  readonly deleteShare: number
}

/** Exponent of the zipf distribution: that of YCSB. */
const ZIPF_EXPONENT = 0.99
/** Ranks are taken together in classes whose bounds grow by this factor. */
const CLASS_GROWTH = 1.25
/** Zipf shares are looked up: from 2^-24 draws per key to 2^24, so many for each power of two. */
const OCTAVES = 24
const PER_OCTAVE = 32

interface PopularityClass {
  /** Share of the keys. */
  readonly share: number
  /** How often a key of the class is written, relative to the mean. */
  readonly rate: number
}

export class Traffic {
  readonly workload: Workload
  readonly keys: number
  readonly sizes: EntrySizes
  /** Writes to keys already there that are deletes. */
  readonly deletedShare: number
  readonly #zipf: Float64Array

  /** `valueThreshold`: of so many bytes or more, values lie in segments; Infinity: none does. */
  constructor(workload: Workload, valueThreshold: number) {
    const { dataBytes, keyBytes, valueBytes, overwriteShare, deleteShare } = workload
    const later = overwriteShare + deleteShare
    this.workload = workload
    this.keys = Math.max(1, Math.round(dataBytes / (keyBytes + valueBytes)))
    this.sizes = entrySizes(workload, valueThreshold)
    this.deletedShare = later === 0 ? 0 : deleteShare / later
    this.#zipf = workload.distribution === 'zipf' ? zipfShares(this.keys) : new Float64Array(0)
  }

  /** Values lie in segments. */
  get separates(): boolean {
    return this.sizes.put.segment > 0
  }

  /** Writes of the whole run. */
  get writes(): number {
    const { overwriteShare, deleteShare } = this.workload
    return Math.round(this.keys / (1 - overwriteShare - deleteShare))
  }

  /** Writes one memtable takes. */
  memtableWrites(memtableBytes: number, loading: boolean): number {
    const room = memtableBytes - LINK_RESERVE
    return Math.max(1, Math.floor(room / this.meanBytes('memtable', loading)))
  }

  /** Bytes of a write, on average. */
  meanBytes(of: keyof EntryBytes, loading: boolean): number {
    const { put, tombstone } = this.sizes
    const deleted = loading ? 0 : this.deletedShare
    return put[of] * (1 - deleted) + tombstone[of] * deleted
  }

  /** Expected share of keys that are among `draws` later writes per key. */
  drawnShare(draws: number): number {
    if (draws <= 0) return 0
    const { distribution } = this.workload
    if (distribution === 'sequential') return Math.min(1, draws)
    return distribution === 'uniform' ? -Math.expm1(-draws) : this.#zipfShare(draws)
  }

  /** Draws per key of which such a share of keys is expected, as drawnShare() has it. */
  drawsOf(share: number): number {
    const { distribution } = this.workload
    if (distribution === 'sequential') return share
    if (distribution === 'uniform') return share >= 1 ? Infinity : -Math.log1p(-share)
    const shares = this.#zipf
    if (share <= shares[0]!) return (share / shares[0]!) * 2 ** -OCTAVES
    let low = 0
    let high = shares.length - 1
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (shares[middle]! <= share) low = middle
      else high = middle
    }
    const place =
      low + (share - shares[low]!) / Math.max(Number.MIN_VALUE, shares[high]! - shares[low]!)
    return 2 ** (Math.min(place, high) / PER_OCTAVE - OCTAVES)
  }

  #zipfShare(draws: number): number {
    const shares = this.#zipf
    const place = (Math.log2(draws) + OCTAVES) * PER_OCTAVE
    // So few draws hardly meet.
    if (place <= 0) return (shares[0]! * draws) / 2 ** -OCTAVES
    const before = Math.min(Math.floor(place), shares.length - 2)
    const share = shares[before]! + (shares[before + 1]! - shares[before]!) * (place - before)
    return Math.min(1, share)
  }
}

/** The share of keys among 2^(i / PER_OCTAVE - OCTAVES) draws per key, at i. */
function zipfShares(keys: number): Float64Array {
  const classes = zipfClasses(keys)
  return Float64Array.from({ length: 2 * OCTAVES * PER_OCTAVE + 1 }, (_, i) => {
    const draws = 2 ** (i / PER_OCTAVE - OCTAVES)
    let share = 0
    for (const each of classes) share -= each.share * Math.expm1(-draws * each.rate)
    return share
  })
}

function zipfClasses(keys: number): PopularityClass[] {
  const classes: { share: number; weight: number }[] = []
  let total = 0
  for (let from = 1; from <= keys; ) {
    const to = Math.min(keys + 1, Math.max(from + 1, Math.floor(from * CLASS_GROWTH)))
    // The middle rank stands for its class.
    const weight = ((from + to - 1) / 2) ** -ZIPF_EXPONENT * (to - from)
    classes.push({ share: (to - from) / keys, weight })
    total += weight
    from = to
  }
  return classes.map(({ share, weight }) => ({ share, rate: weight / total / share }))
}
