// What a compaction is to do, as plain data, and the key ranges plans are made of. Pure.
import { compareBytes } from '../base/bytes.ts'
import type { TablePlace } from '../format/manifest-edit.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'

export interface CompactionPlan {
  readonly inputLevel: number
  readonly outputLevel: number
  /** Newest first: each level-0 table is a source of its own, each deeper level one. */
  readonly sources: readonly (readonly TableMeta[])[]
  /** All tables of the sources. */
  readonly inputs: readonly TablePlace[]
  /**
   * Nothing older of these keys lies deeper: no table below the output level overlaps. Never of a
   * merge inside level 0, whose older tables stay where they are.
   */
  readonly dropTombstones: boolean
  /** The tables go to the output level as they are. */
  readonly trivialMove: boolean
  /** Segments of the value log that are to become free: what the tables point to in them is copied elsewhere. */
  readonly relocate?: readonly SegmentMeta[]
  /** One table is rewritten where it is, for the sake of `relocate` alone. */
  readonly collects?: boolean
  /** The tables hold nothing anybody sees and hide nothing: they are removed unread. */
  readonly expired?: boolean
}

/** Inclusive at both ends. */
export interface KeyRange {
  readonly smallest: Uint8Array
  readonly largest: Uint8Array
}

/** The smallest range that holds all tables; there is at least one. */
export function hullOf(tables: readonly TableMeta[]): KeyRange {
  const first = tables[0]!
  let smallest = first.smallestKey
  let largest = first.largestKey
  for (const table of tables) {
    if (compareBytes(table.smallestKey, smallest) < 0) smallest = table.smallestKey
    if (compareBytes(table.largestKey, largest) > 0) largest = table.largestKey
  }
  return { smallest, largest }
}

export function rangesOverlap(a: KeyRange, b: KeyRange): boolean {
  return compareBytes(a.smallest, b.largest) <= 0 && compareBytes(b.smallest, a.largest) <= 0
}

export function tableOverlaps(table: TableMeta, range: KeyRange): boolean {
  return (
    compareBytes(table.smallestKey, range.largest) <= 0 &&
    compareBytes(range.smallest, table.largestKey) <= 0
  )
}

/** [from, to) of the tables of a sorted, disjoint level that overlap the range. */
export function overlapSpan(
  tables: readonly TableMeta[],
  range: KeyRange,
): { readonly from: number; readonly to: number } {
  const from = firstWhere(tables, (table) => compareBytes(table.largestKey, range.smallest) >= 0)
  const to = firstWhere(tables, (table) => compareBytes(table.smallestKey, range.largest) > 0)
  return { from, to: Math.max(from, to) }
}

export function overlapping(tables: readonly TableMeta[], range: KeyRange): readonly TableMeta[] {
  const { from, to } = overlapSpan(tables, range)
  return tables.slice(from, to)
}

/** No table of a sorted, disjoint level overlaps the range. */
export function isFree(tables: readonly TableMeta[], range: KeyRange): boolean {
  const { from, to } = overlapSpan(tables, range)
  return from === to
}

/**
 * Where tables that leave a level may go at once: `first`, or, while neither it nor the level below
 * holds anything of the range, deeper. What is loaded in order is so written once.
 */
export function deepestFree(levels: Levels, first: number, range: KeyRange): number {
  let level = first
  while (
    level + 1 < levels.length &&
    isFree(levels[level]!, range) &&
    isFree(levels[level + 1]!, range)
  ) {
    level += 1
  }
  return level
}

/**
 * Index of the first table that passes a test no table before it passes; the length if none does.
 */
function firstWhere(tables: readonly TableMeta[], passes: (table: TableMeta) => boolean): number {
  let low = 0
  let high = tables.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (passes(tables[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}

export interface PlanInputs {
  readonly inputLevel: number
  readonly outputLevel: number
  /** Tables of the input level; level 0: newest first. */
  readonly upper: readonly TableMeta[]
  /** Tables of the output level that overlap them, unless the levels are the same. */
  readonly lower: readonly TableMeta[]
}

export function buildPlan(levels: Levels, chosen: PlanInputs): CompactionPlan {
  const { inputLevel, outputLevel, upper, lower } = chosen
  const tables = [...upper, ...lower]
  const range = hullOf(tables)
  const deeper = levels.slice(outputLevel + 1)
  const dropTombstones = outputLevel > 0 && deeper.every((level) => isFree(level, range))
  // Moving droppable tombstones to where nothing is ever compacted again would keep them for good.
  const tombstones = upper.some((table) => table.tombstones > 0)
  const trivialMove =
    inputLevel !== outputLevel &&
    lower.length === 0 &&
    !(tombstones && dropTombstones) &&
    (inputLevel > 0 || disjoint(upper))
  const above = inputLevel === 0 ? upper.map((table) => [table]) : [upper]
  return {
    inputLevel,
    outputLevel,
    sources: lower.length === 0 ? above : [...above, lower],
    inputs: [
      ...upper.map(({ number }) => ({ level: inputLevel, number })),
      ...lower.map(({ number }) => ({ level: outputLevel, number })),
    ],
    dropTombstones,
    trivialMove,
  }
}

function disjoint(tables: readonly TableMeta[]): boolean {
  const sorted = [...tables].sort((a, b) => compareBytes(a.smallestKey, b.smallestKey))
  return sorted.every(
    (table, i) => i === 0 || compareBytes(sorted[i - 1]!.largestKey, table.smallestKey) < 0,
  )
}
