// Which tables of a level that is over its size go down: those that cost the least. Pure.

import { compareBytes } from '../base/bytes.ts'
import { storedBytes } from '../format/table-meta.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import { type InFlight, unlessInTheWay } from './in-flight.ts'
import type { PickOptions } from './pick-options.ts'
import { type CompactionPlan, deepestFree, hullOf, overlapSpan, type PlanInputs } from './plan.ts'

/**
 * Input tables are added for free, while they need no further output table, up to this many table
 * sizes.
 */
const EXPANDED_TABLES = 8
/**
 * Neighbours that go down in one job, at most. At the ends of what a job takes down it rewrites more of the
 * next level than it has to, so two at once cost 5 % less in all (docs/COMPACTION.md); more of them make jobs
 * that are long in the way of level 0.
 */
const RUN_TABLES = 2
/**
 * Tables of a level that are looked at, evenly spread over it: the cheapest of so many costs hardly more
 * than the cheapest of all, and the thread that plans is the one that answers reads.
 */
const CANDIDATES_MAX = 512

/** The run that costs the least: fewest bytes rewritten below per byte moved down or freed. */
export function planDeeper(
  levels: Levels,
  level: number,
  options: PickOptions,
  inFlight: InFlight,
): CompactionPlan | undefined {
  const tables = levels[level]!
  for (const { from, to } of runsByCost(tables, levels[level + 1]!)) {
    const upper = tables.slice(from, to)
    if (upper.some((table) => inFlight.holds(table))) continue
    const outputLevel = deepestFree(levels, level + 1, hullOf(upper))
    const chosen =
      outputLevel > level + 1
        ? { inputLevel: level, outputLevel, upper, lower: [] }
        : expand(levels, { level, from, to }, options.tableSize)
    const plan = unlessInTheWay(levels, chosen, inFlight)
    if (plan !== undefined) return plan
  }
  return undefined
}

interface Run {
  readonly from: number
  readonly to: number
  /** Of its first table. */
  readonly number: number
  readonly cost: number
}

/** Cheapest first; of equal ones the oldest, and the shortest. */
function runsByCost(tables: readonly TableMeta[], below: readonly TableMeta[]): Run[] {
  const runs: Run[] = []
  for (const from of candidates(tables)) {
    const { number } = tables[from]!
    for (let to = from + 1; to <= Math.min(from + RUN_TABLES, tables.length); to += 1) {
      runs.push({ from, to, number, cost: costOf(tables.slice(from, to), below) })
    }
  }
  return runs.sort((a, b) => a.cost - b.cost || a.number - b.number || a.to - b.to)
}

/** Indexes; which ones changes with every table written, so that each has its turn. */
function candidates(tables: readonly TableMeta[]): number[] {
  const stride = Math.ceil(tables.length / CANDIDATES_MAX)
  const newest = tables.reduce((most, { number }) => Math.max(most, number), 0)
  const indexes: number[] = []
  for (let i = stride > 1 ? newest % stride : 0; i < tables.length; i += stride) indexes.push(i)
  return indexes
}

/**
 * Bytes of the next level that are read and written again, for each byte that leaves this one or that a
 * tombstone is expected to free there.
 */
function costOf(upper: readonly TableMeta[], below: readonly TableMeta[]): number {
  const { from, to } = overlapSpan(below, hullOf(upper))
  let bytes = 0
  let entries = 0
  for (let i = from; i < to; i += 1) {
    bytes += below[i]!.size
    entries += below[i]!.entries
  }
  if (bytes === 0) return 0
  const tombstones = upper.reduce((sum, table) => sum + table.tombstones, 0)
  const freed = Math.min(bytes, (tombstones * bytes) / entries)
  return bytes / (storedBytes(upper) + freed)
}

interface Span {
  readonly level: number
  readonly from: number
  readonly to: number
}

/**
 * Adds neighbours of the chosen tables as long as no further table of the next level is drawn in.
 */
function expand(levels: Levels, chosen: Span, tableSize: number): PlanInputs {
  const tables = levels[chosen.level]!
  const below = levels[chosen.level + 1]!
  let { from, to } = chosen
  const lower = overlapSpan(below, hullOf(tables.slice(from, to)))
  const lowerTables = below.slice(lower.from, lower.to)
  let bytes = storedBytes(lowerTables) + storedBytes(tables.slice(from, to))
  const fits = (table: TableMeta): boolean => {
    if (lowerTables.length === 0 || bytes + table.size > EXPANDED_TABLES * tableSize) return false
    const span = overlapSpan(below, hullOf([table]))
    return span.from === span.to || (span.from >= lower.from && span.to <= lower.to)
  }
  while (to < tables.length && fits(tables[to]!) && inside(tables[to]!, lowerTables)) {
    bytes += tables[to]!.size
    to += 1
  }
  while (from > 0 && fits(tables[from - 1]!) && inside(tables[from - 1]!, lowerTables)) {
    from -= 1
    bytes += tables[from]!.size
  }
  const upper = tables.slice(from, to)
  return { inputLevel: chosen.level, outputLevel: chosen.level + 1, upper, lower: lowerTables }
}

/** The table touches the span of tables that are rewritten anyway. */
function inside(table: TableMeta, lower: readonly TableMeta[]): boolean {
  const hull = hullOf(lower)
  return (
    compareBytes(table.smallestKey, hull.largest) <= 0 &&
    compareBytes(hull.smallest, table.largestKey) <= 0
  )
}
