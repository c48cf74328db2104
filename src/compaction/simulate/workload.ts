// What a simulated program writes: first every key once, then keys that are there already, some of these writes
// deletes. Pure. All counts are expectations, so nothing here is random.

import { LINK_RESERVE, RECORD_HEADER } from '../../kernel/layout.ts'

export type Distribution = 'uniform' | 'zipf' | 'sequential'

export interface Workload {
  /** Bytes of keys and values once every key was written. */
  readonly dataBytes: number
  readonly keyBytes: number
  readonly valueBytes: number
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
/** What a record takes in a memtable beside key and value: header, share of the tree, padding on average. */
const MEMTABLE_OVERHEAD: number = RECORD_HEADER + 24 + 4
/** What an entry takes in a table beside key and value: lengths, tag, version, its share of index and filter, less
 * what it shares of its key with the one before. */
const TABLE_OVERHEAD = 6

interface PopularityClass {
  /** Share of the keys. */
  readonly share: number
  /** How often a key of the class is written, relative to the mean. */
  readonly rate: number
}

export class Traffic {
  readonly workload: Workload
  readonly keys: number
  readonly putBytes: number
  readonly tombstoneBytes: number
  /** Writes to keys already there that are deletes. */
  readonly deletedShare: number
  readonly #classes: readonly PopularityClass[]

  constructor(workload: Workload) {
    const { dataBytes, keyBytes, valueBytes, overwriteShare, deleteShare } = workload
    const later = overwriteShare + deleteShare
    this.workload = workload
    this.keys = Math.max(1, Math.round(dataBytes / (keyBytes + valueBytes)))
    this.putBytes = keyBytes + valueBytes + TABLE_OVERHEAD
    this.tombstoneBytes = keyBytes + TABLE_OVERHEAD
    this.deletedShare = later === 0 ? 0 : deleteShare / later
    this.#classes = workload.distribution === 'zipf' ? zipfClasses(this.keys) : []
  }

  /** Writes of the whole run. */
  get writes(): number {
    const { overwriteShare, deleteShare } = this.workload
    return Math.round(this.keys / (1 - overwriteShare - deleteShare))
  }

  /** Writes one memtable takes. */
  memtableWrites(memtableBytes: number, loading: boolean): number {
    const { keyBytes, valueBytes } = this.workload
    const value = loading ? valueBytes : valueBytes * (1 - this.deletedShare)
    const room = memtableBytes - LINK_RESERVE
    return Math.max(1, Math.floor(room / (keyBytes + value + MEMTABLE_OVERHEAD)))
  }

  /** Bytes of key and value of so many writes. */
  givenBytes(writes: number, loading: boolean): number {
    const { keyBytes, valueBytes } = this.workload
    return writes * (keyBytes + (loading ? valueBytes : valueBytes * (1 - this.deletedShare)))
  }

  /** Expected share of keys that are among `draws` later writes per key. */
  drawnShare(draws: number): number {
    if (draws <= 0) return 0
    const { distribution } = this.workload
    if (distribution === 'sequential') return Math.min(1, draws)
    if (distribution === 'uniform') return -Math.expm1(-draws)
    let share = 0
    for (const each of this.#classes) share -= each.share * Math.expm1(-draws * each.rate)
    return share
  }
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
