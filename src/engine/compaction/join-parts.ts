// Makes one result of the results of a merge's parts. Pure. Invariant: together they took every entry of the inputs
// once, and no part wrote a key of another's.
import { assert } from '../../base/assert.ts'
import { type Bounds, inBounds } from '../../cursor/bounds.ts'
import type { TablesResult } from '../../jobs/job.ts'
import type { CompactionPart } from '../types.ts'

export interface PartResult {
  readonly bounds: Bounds
  readonly result: TablesResult
  readonly fromMs: number
  readonly toMs: number
}

export interface MergeResult extends TablesResult {
  /** By key. */
  readonly parts: readonly CompactionPart[]
}

/** `parts` by key; `entries`: what the inputs hold, by the manifest. Throws SETT_INTERNAL when the sums disagree. */
export function joinParts(parts: readonly PartResult[], entries: number): MergeResult {
  for (const { bounds, result } of parts) {
    const within = result.tables.every(
      ({ smallestKey, largestKey }) =>
        inBounds(smallestKey, bounds) && inBounds(largestKey, bounds),
    )
    assert(within, 'the outputs of a part lie within it')
  }
  const results = parts.map(({ result }) => result)
  const sum = (count: (result: TablesResult) => number): number =>
    results.reduce((all, result) => all + count(result), 0)
  const entriesIn = sum((result) => result.entriesIn)
  assert(entriesIn === entries, 'the parts together took every entry of the inputs once')
  return {
    kind: 'tables',
    tables: results.flatMap(({ tables }) => tables),
    segments: results.flatMap(({ segments }) => segments),
    entriesIn,
    entriesOut: sum(({ entriesOut }) => entriesOut),
    entriesDropped: sum(({ entriesDropped }) => entriesDropped),
    droppedVersion: results.reduce((most, result) => Math.max(most, result.droppedVersion), 0),
    bytesRead: sum(({ bytesRead }) => bytesRead),
    bytesWritten: sum(({ bytesWritten }) => bytesWritten),
    parts: parts.map(({ fromMs, toMs, result: { bytesRead, bytesWritten } }) => {
      return { fromMs, toMs, bytesRead, bytesWritten }
    }),
  }
}
