// Chooses the next compaction: levels → plan, or nothing. Pure: the same levels and reservations
// give the same plan.
import { compareBytes } from '../base/bytes.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import type { Readers } from '../mvcc/pins.ts'
import { planExpired, planExpiring } from './expiry.ts'
import type { InFlight } from './in-flight.ts'
import { levelTargets, type TargetOptions } from './level-targets.ts'
import {
  buildPlan,
  type CompactionPlan,
  hullOf,
  type KeyRange,
  overlapping,
  overlapSpan,
  type PlanInputs,
} from './plan.ts'
import { type LevelScore, levelScores } from './score.ts'

export interface PickOptions extends TargetOptions {
  readonly l0CompactTrigger: number
  /** Stored bytes of one output table. */
  readonly tableSize: number
  /** Who reads, and when they began; without it nothing has expired. */
  readonly readers?: Readers
}

/** Level-0 tables merged by one job; more sources slow its merge more than a second job costs. */
const L0_TABLES_MAX = 32
/**
 * This many times over the trigger, level 0 goes before everything else: writers are about to
 * stall.
 */
const L0_URGENT = 2
/**
 * Input tables are added for free, while they need no further output table, up to this many table
 * sizes.
 */
const EXPANDED_TABLES = 8
/**
 * From this share of tombstones on, a table is worth moving down although its level is not full.
 */
const TOMBSTONE_SHARE = 0.5
/** A table below this fraction of the table size is small. */
const SMALL_SHARE = 8

export function pickCompaction(
  levels: Levels,
  options: PickOptions,
  inFlight: InFlight,
): CompactionPlan | undefined {
  const expired = planExpired(levels, options.readers, inFlight)
  if (expired !== undefined) return expired
  const targets = levelTargets(levels, options)
  const scores = levelScores(levels, targets, options.l0CompactTrigger, inFlight)
  const due = scores.filter(({ score }) => score >= 1).sort(mostUrgentFirst)
  let l0Blocked = false
  for (const { level } of due) {
    // A level 0 that waits for its range must get it: nothing new may start where it will write.
    if (l0Blocked && level === targets.base) continue
    const plan =
      level === 0
        ? planLevel0(levels, targets.base, inFlight, options.tableSize)
        : planDeeper(levels, level, options, inFlight)
    if (plan !== undefined) return plan
    if (level === 0) l0Blocked = true
  }
  if (l0Blocked) return undefined
  const tombstones = planTombstones(levels, targets.base, inFlight)
  return tombstones ?? planExpiring(levels, options.readers, inFlight)
}

function mostUrgentFirst(a: LevelScore, b: LevelScore): number {
  const urgent = (score: LevelScore): number =>
    score.level === 0 && score.score >= L0_URGENT ? Number.POSITIVE_INFINITY : score.adjusted
  const difference = urgent(b) - urgent(a)
  return difference === 0 || Number.isNaN(difference) ? a.level - b.level : difference
}

/** The oldest level-0 tables no job holds, with what they meet in the base level. */
export function planLevel0(
  levels: Levels,
  base: number,
  inFlight: InFlight,
  tableSize: number,
): CompactionPlan | undefined {
  const free = levels[0]!.filter((table) => !inFlight.holds(table))
  const upper = free.slice(-L0_TABLES_MAX)
  if (upper.length === 0) return undefined
  const lower = withSmallNeighbours(levels[base]!, hullOf(upper), tableSize)
  return unlessInTheWay(levels, { inputLevel: 0, outputLevel: base, upper, lower }, inFlight)
}

/**
 * The tables that overlap the range, and small ones next to them: flushes of little data, each of other
 * keys, would else leave a small table each for good.
 */
function withSmallNeighbours(
  tables: readonly TableMeta[],
  range: KeyRange,
  tableSize: number,
): readonly TableMeta[] {
  let { from, to } = overlapSpan(tables, range)
  const isSmall = (table: TableMeta | undefined): boolean =>
    table !== undefined && table.size < tableSize / SMALL_SHARE
  while (isSmall(tables[from - 1])) from -= 1
  while (isSmall(tables[to])) to += 1
  return tables.slice(from, to)
}

/** The table that costs the least: fewest bytes rewritten below per byte moved down. */
function planDeeper(
  levels: Levels,
  level: number,
  options: PickOptions,
  inFlight: InFlight,
): CompactionPlan | undefined {
  const tables = levels[level]!
  const below = levels[level + 1]!
  const sums = [0]
  for (const { size } of below) sums.push(sums.at(-1)! + size)
  const costs = tables.map((table, index) => {
    const { from, to } = overlapSpan(below, hullOf([table]))
    return { index, number: table.number, cost: (sums[to]! - sums[from]!) / table.size }
  })
  costs.sort((a, b) => a.cost - b.cost || a.number - b.number)
  for (const { index } of costs) {
    if (inFlight.holds(tables[index]!)) continue
    const chosen = expand(levels, { level, from: index, to: index + 1 }, options.tableSize)
    const plan = unlessInTheWay(levels, chosen, inFlight)
    if (plan !== undefined) return plan
  }
  return undefined
}

interface Span {
  readonly level: number
  readonly from: number
  readonly to: number
}

/**
 * Adds neighbours of the chosen tables as long as no further table of the next level is drawn in.
 */
export function expand(levels: Levels, chosen: Span, tableSize: number): PlanInputs {
  const tables = levels[chosen.level]!
  const below = levels[chosen.level + 1]!
  let { from, to } = chosen
  const lower = overlapSpan(below, hullOf(tables.slice(from, to)))
  const lowerTables = below.slice(lower.from, lower.to)
  let bytes = bytesOf(lowerTables) + bytesOf(tables.slice(from, to))
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

function bytesOf(tables: readonly TableMeta[]): number {
  return tables.reduce((sum, { size }) => sum + size, 0)
}

/** Nothing is too large: moves the deepest table that is mostly tombstones one level down. */
function planTombstones(
  levels: Levels,
  base: number,
  inFlight: InFlight,
): CompactionPlan | undefined {
  for (let level = levels.length - 2; level >= base; level -= 1) {
    for (const table of levels[level]!) {
      if (table.tombstones < table.entries * TOMBSTONE_SHARE || table.tombstones === 0) continue
      const upper = [table]
      const lower = overlapping(levels[level + 1]!, hullOf(upper))
      const chosen = { inputLevel: level, outputLevel: level + 1, upper, lower }
      const plan = unlessInTheWay(levels, chosen, inFlight)
      if (plan !== undefined) return plan
    }
  }
  return undefined
}

export function unlessInTheWay(
  levels: Levels,
  chosen: PlanInputs,
  inFlight: InFlight,
): CompactionPlan | undefined {
  const plan = buildPlan(levels, chosen)
  return inFlight.conflicts(plan) ? undefined : plan
}
