// Compaction of a range on request, one step at a time: level by level downwards until the range
// lies in its last level and nothing droppable is left in it. Pure; called again with the new
// levels after each step.
import { compareBytes } from '../base/bytes.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import { hasExpired } from './expiry.ts'
import type { InFlight } from './in-flight.ts'
import { levelTargets } from './level-targets.ts'
import { type PickOptions, planLevel0, unlessInTheWay } from './pick.ts'
import { type CompactionPlan, hullOf, overlapping, tableOverlaps } from './plan.ts'

/** Tables of the upper level that one step takes. */
const STEP_TABLES = 4

export interface RangeRequest {
  /** Inclusive; undefined: unbounded. */
  readonly start: Uint8Array | undefined
  readonly end: Uint8Array | undefined
  /** Tables that steps of this request wrote or moved: not rewritten again. */
  readonly done: ReadonlySet<number>
  /** Level-0 tables with this number or a higher one came later and are left alone. */
  readonly before?: number
}

/** The next step, or undefined: nothing is left, or what is left waits for running compactions. */
export function planRange(
  levels: Levels,
  request: RangeRequest,
  options: PickOptions,
  inFlight: InFlight,
): CompactionPlan | undefined {
  const { base } = levelTargets(levels, options)
  const inRange = levels.map((tables) => tables.filter((table) => touches(table, request)))
  const { before = Number.POSITIVE_INFINITY } = request
  if (inRange[0]!.some(({ number }) => number < before)) {
    const plan = planLevel0(levels, base, inFlight, options.tableSize)
    if (plan !== undefined) return plan
  }
  const bottom = inRange.findLastIndex((tables) => tables.length > 0)
  for (let level = base; level < bottom; level += 1) {
    const plan = planDown(levels, level, inRange[level]!, inFlight)
    if (plan !== undefined) return plan
  }
  if (bottom < 1) return undefined
  const droppable = (table: TableMeta): boolean =>
    table.tombstones > 0 || hasExpired(table, options.readers)
  for (const table of aloneAtBottom(inRange, bottom, request.done).filter(droppable)) {
    const chosen = { inputLevel: bottom, outputLevel: bottom, upper: [table], lower: [] }
    const plan = unlessInTheWay(levels, chosen, inFlight)
    if (plan !== undefined) return plan
  }
  return undefined
}

function touches(table: TableMeta, { start, end }: RangeRequest): boolean {
  return (
    (start === undefined || compareBytes(table.largestKey, start) >= 0) &&
    (end === undefined || compareBytes(table.smallestKey, end) <= 0)
  )
}

/** Takes some of the range's tables one level down. */
function planDown(
  levels: Levels,
  level: number,
  tables: readonly TableMeta[],
  inFlight: InFlight,
): CompactionPlan | undefined {
  for (let from = 0; from < tables.length; from += STEP_TABLES) {
    const upper = tables.slice(from, from + STEP_TABLES)
    const lower = overlapping(levels[level + 1]!, hullOf(upper))
    const chosen = { inputLevel: level, outputLevel: level + 1, upper, lower }
    const plan = unlessInTheWay(levels, chosen, inFlight)
    if (plan !== undefined) return plan
  }
  return undefined
}

/** Tables of the last level that were not rewritten yet and have nothing above them any more. */
function aloneAtBottom(
  inRange: Levels,
  bottom: number,
  done: ReadonlySet<number>,
): readonly TableMeta[] {
  const above = inRange.slice(1, bottom).flat()
  return inRange[bottom]!.filter((table) => {
    if (done.has(table.number)) return false
    return !above.some((other) => tableOverlaps(other, hullOf([table])))
  })
}
