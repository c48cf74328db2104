// Compaction of a range on request, one step at a time: level by level downwards until the range
// lies in one level, the deepest that holds any of it or a deeper one that was asked for, and nothing
// droppable is left in it. Pure; called again with the new levels after each step.
import { compareBytes } from '../base/bytes.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import type { Readers } from '../mvcc/pins.ts'
import { hasExpired } from './expiry.ts'
import { type InFlight, unlessInTheWay } from './in-flight.ts'
import { levelTargets } from './level-targets.ts'
import { planLevel0 } from './pick-level0.ts'
import type { PickOptions } from './pick-options.ts'
import { type CompactionPlan, deepestFree, hullOf, overlapping, tableOverlaps } from './plan.ts'

/** Tables of the upper level that one step takes. */
const STEP_TABLES = 4

export interface RangeRequest {
  /** Inclusive; undefined: unbounded. */
  readonly start: Uint8Array | undefined
  readonly end: Uint8Array | undefined
  /** Tables that steps of this request wrote or moved: not rewritten again. */
  readonly done: ReadonlySet<number>
  /**
   * Level-0 tables of newer versions alone came later and are left alone. Not told by their numbers:
   * a merge inside level 0 gives old entries a new one.
   */
  readonly newestVersion?: number
  /** The range is to lie no higher than in this level. */
  readonly bottom?: number
  /** Who reads, and since when; undefined: nothing there is expires. */
  readonly readers?: Readers
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
  const { newestVersion = Number.POSITIVE_INFINITY } = request
  if (inRange[0]!.some(({ smallestVersion }) => smallestVersion <= newestVersion)) {
    const plan = planLevel0(levels, base, inFlight, options.tableSize)
    if (plan !== undefined) return plan
  }
  const filled = inRange.findLastIndex((tables) => tables.length > 0)
  // There may be fewer levels than when the request was made: tune() lowers their number.
  const bottom = Math.min(Math.max(filled, request.bottom ?? 0), levels.length - 1)
  for (let level = base; level < bottom; level += 1) {
    const plan = planDown({ levels, inFlight, bottom }, level, inRange[level]!)
    if (plan !== undefined) return plan
  }
  if (bottom < 1) return undefined
  const droppable = (table: TableMeta): boolean =>
    table.tombstones > 0 || hasExpired(table, request.readers)
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

interface Way {
  readonly levels: Levels
  readonly inFlight: InFlight
  readonly bottom: number
}

/** Takes some of the range's tables down: one level, or as far as nothing is in the way. */
function planDown(
  { levels, inFlight, bottom }: Way,
  level: number,
  tables: readonly TableMeta[],
): CompactionPlan | undefined {
  for (let from = 0; from < tables.length; from += STEP_TABLES) {
    const upper = tables.slice(from, from + STEP_TABLES)
    const range = hullOf(upper)
    const outputLevel = Math.min(bottom, deepestFree(levels, level + 1, range))
    const lower = overlapping(levels[outputLevel]!, range)
    const chosen = { inputLevel: level, outputLevel, upper, lower }
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
