// How one compaction is cut into parts by key, so that several workers share it. Pure. Invariant: the parts are
// disjoint, ascend, and hold every key together; a bound is a user key, so all versions of one lie in the same part.
import { compareBytes } from '../base/bytes.ts'
import { MIB } from '../base/limits.ts'
import { type Bounds, mayOverlap } from '../cursor/bounds.ts'
import type { WeighedKey } from '../format/sstable-index.ts'
import type { TableMeta } from '../manifest/levels.ts'

/** Bytes of input. */
export interface PartSizes {
  /** No part is to have less: each costs a job, and ends with a table that is not full. */
  readonly least: number
  /** With more there are more parts than lanes: workers that are busy yet join in when they are free, and between two
   * parts a flush gets its turn. */
  readonly most: number
}

/** Another way to split than the engine's own. For tests. */
export interface Splitting extends PartSizes {
  /** Jobs of a database at one time, however many threads there are. */
  readonly lanes: number
}

const LEAST_BYTES = 4 * MIB
/** A table of less counts as small (pick.ts), and is rewritten for that. */
const SMALL_SHARE = 8
/** A part of so much makes one table, nearly full. A part of the very size would leave a second one of scraps wherever
 * its cut is a little off. */
const MOST_SHARE = 15 / 16
/** Keys asked for per table. All that follows one counts as if it lay there, so parts are uneven by half of the bytes
 * between two. */
export const KEYS_PER_TABLE = 64

export function partSizes(tableSize: number): PartSizes {
  const least = Math.max(LEAST_BYTES, Math.ceil(tableSize / SMALL_SHARE))
  return { least, most: Math.max(2 * least, Math.floor(MOST_SHARE * tableSize)) }
}

/** How many parts a compaction of so many bytes is worth, when so many jobs may begin at once; 1: it stays in one
 * piece. */
export function partCount(bytes: number, lanes: number, { least, most }: PartSizes): number {
  const wanted = lanes * Math.ceil(bytes / (lanes * most))
  return Math.max(1, Math.min(wanted, Math.floor(bytes / least)))
}

/** Where parts begin, but for the first one: at most `parts - 1` ascending keys, about equal bytes apart. */
export function cutKeys(samples: readonly WeighedKey[], parts: number): readonly Uint8Array[] {
  const sorted = [...samples].sort((a, b) => compareBytes(a.key, b.key))
  const total = sorted.reduce((sum, { bytes }) => sum + bytes, 0)
  const cuts: Uint8Array[] = []
  let last = sorted[0]?.key
  let share = 0
  let before = 0
  for (const { key, bytes } of sorted) {
    const shares = Math.min(parts - 1, Math.floor((before * parts) / total))
    if (shares > share && last !== undefined && compareBytes(last, key) < 0) {
      cuts.push(key)
      last = key
      share = shares
    }
    before += bytes
  }
  return cuts
}

/** The parts between the cuts. */
export function boundsBetween(cuts: readonly Uint8Array[]): readonly Bounds[] {
  return [undefined, ...cuts].map((start, i) => {
    const end = cuts[i]
    return {
      ...(start !== undefined && { lower: { key: start, inclusive: true } }),
      ...(end !== undefined && { upper: { key: end, inclusive: false } }),
    }
  })
}

/** The tables of each source that may hold keys of the part; sources without one are left out. */
export function sourcesWithin(
  sources: readonly (readonly TableMeta[])[],
  bounds: Bounds,
): readonly (readonly TableMeta[])[] {
  return sources
    .map((tables) =>
      tables.filter(({ smallestKey, largestKey }) => mayOverlap(smallestKey, largestKey, bounds)),
    )
    .filter((tables) => tables.length > 0)
}
