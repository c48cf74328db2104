// What becomes of level 0: down into the base level, or, when that is busy and level 0 deep, merged into fewer
// tables where it is. Pure. Invariant: a table goes down or is merged only with or after what is older and overlaps
// it, so versions stay in order.
import { GIB } from '../base/limits.ts'
import { plainBytes, storedBytes } from '../format/table-meta.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import { type InFlight, unlessInTheWay } from './in-flight.ts'
import { deepLevel0, type PickOptions } from './pick-options.ts'
import { type CompactionPlan, deepestFree, hullOf, overlapSpan, type PlanInputs } from './plan.ts'

/** Level-0 tables merged by one job; more sources slow its merge more than a second job costs. */
const L0_TABLES_MAX = 32
/** A table below this fraction of the table size is small. */
const SMALL_SHARE = 8
/** A neighbour is taken along if it is at most so many times what it is merged with. */
const NEIGHBOUR_SHARE = 2
/** Fewer of them are left alone by tables that can be moved. */
const NEIGHBOURS_MIN = 4
/** Fewer tables are not worth to be written once more (RocksDB's and Badger's number). */
const INSIDE_TABLES_MIN = 4

/** The oldest level-0 tables no job holds, with what they meet in the base level. */
export function planLevel0(
  levels: Levels,
  base: number,
  inFlight: InFlight,
  tableSize: number,
): CompactionPlan | undefined {
  const level0 = levels[0]!
  // What is merged inside level 0 stays there: only older tables may pass it.
  const staying = level0.findLastIndex((table) => inFlight.mergesInside(table))
  const free = level0.slice(staying + 1).filter((table) => !inFlight.holds(table))
  const upper = free.slice(-L0_TABLES_MAX)
  if (upper.length === 0) return undefined
  const range = hullOf(upper)
  const outputLevel = deepestFree(levels, base, range)
  const lower = withSmallNeighbours(levels[outputLevel]!, upper, tableSize)
  return unlessInTheWay(levels, { inputLevel: 0, outputLevel, upper, lower }, inFlight)
}

/**
 * The tables that overlap those coming, and small ones next to them: flushes of little data, each of other
 * keys, would else leave a small table each for good. None much larger than what it is merged with, so an
 * entry is written again only as often as its table doubles; and where those coming need not be merged,
 * none until there are some.
 */
function withSmallNeighbours(
  tables: readonly TableMeta[],
  upper: readonly TableMeta[],
  tableSize: number,
): readonly TableMeta[] {
  const overlap = overlapSpan(tables, hullOf(upper))
  let { from, to } = overlap
  let bytes = storedBytes(upper)
  const joins = (table: TableMeta | undefined): boolean => {
    if (table === undefined || table.size >= tableSize / SMALL_SHARE) return false
    if (table.size > NEIGHBOUR_SHARE * bytes) return false
    bytes += table.size
    return true
  }
  while (joins(tables[from - 1])) from -= 1
  while (joins(tables[to])) to += 1
  const wouldMove = overlap.from === overlap.to
  return wouldMove && to - from < NEIGHBOURS_MIN ? [] : tables.slice(from, to)
}

/** Most bytes, before compression, of the one table that a merge inside level 0 makes: room for its writer is planned
 * by them. */
export function insideBytesMax(tableSize: number): number {
  return Math.min(8 * tableSize, GIB)
}

/**
 * Merges the newest tables into one, as long as each one more makes a table saved cheaper (RocksDB's
 * rule): so what was merged is not merged again for the sake of the next small table. One such merge
 * runs at a time.
 */
export function planInsideLevel0(
  levels: Levels,
  options: PickOptions,
  inFlight: InFlight,
): CompactionPlan | undefined {
  const level0 = levels[0]!
  if (level0.length < deepLevel0(options)) return undefined
  if (level0.some((table) => inFlight.mergesInside(table))) return undefined
  const from = level0.findIndex((table) => !inFlight.holds(table))
  if (from < 0) return undefined
  let to = from
  let bytes = 0
  let plain = 0
  let costPerSaved = Number.POSITIVE_INFINITY
  for (let at = from; at < level0.length; at += 1) {
    const table = level0[at]!
    const cost = at === from ? costPerSaved : (bytes + table.size) / (at - from)
    if (inFlight.holds(table) || cost > costPerSaved) break
    if (plain + plainBytes(table) > insideBytesMax(options.tableSize)) break
    bytes += table.size
    plain += plainBytes(table)
    costPerSaved = cost
    if (isVersionCut(level0, at + 1)) to = at + 1
  }
  if (to - from < INSIDE_TABLES_MIN || !isVersionCut(level0, from)) return undefined
  const upper = level0.slice(from, to)
  const chosen: PlanInputs = { inputLevel: 0, outputLevel: 0, upper, lower: [] }
  return unlessInTheWay(levels, chosen, inFlight)
}

/**
 * Every table before the index is newer than every one from it on: tables of one flush, whose versions
 * mingle, are not parted.
 */
function isVersionCut(level0: readonly TableMeta[], index: number): boolean {
  const newer = level0.slice(0, index).map(({ smallestVersion }) => smallestVersion)
  const older = level0.slice(index).map(({ largestVersion }) => largestVersion)
  return newer.length === 0 || older.length === 0 || Math.min(...newer) > Math.max(...older)
}
