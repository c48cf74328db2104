// What is worth a compaction although nothing is too large: tombstones. Pure. Each plan moves tombstones deeper or
// drops them, so it comes to an end.
import type { Levels, TableMeta } from '../manifest/levels.ts'
import { type InFlight, unlessInTheWay } from './in-flight.ts'
import type { PickMoment } from './pick-options.ts'
import { type CompactionPlan, deepestFree, hullOf, isFree, overlapping } from './plan.ts'

/** From this share of tombstones on, a table is worth moving down although its level is not full. */
const DENSE_SHARE = 0.5
/**
 * From this share on, a table with nothing below it is worth rewriting without them: each hides a version
 * or none, so a quarter of its entries is the most that can be saved.
 */
const BOTTOM_SHARE = 1 / 8

/** The deepest table first. */
export function planGarbage(
  levels: Levels,
  base: number,
  inFlight: InFlight,
  moment: PickMoment,
): CompactionPlan | undefined {
  for (let level = levels.length - 1; level >= base; level -= 1) {
    for (const table of levels[level]!) {
      const plan = planTable(levels, level, table, { inFlight, moment })
      if (plan !== undefined) return plan
    }
  }
  return undefined
}

function planTable(
  levels: Levels,
  level: number,
  table: TableMeta,
  { inFlight, moment }: { readonly inFlight: InFlight; readonly moment: PickMoment },
): CompactionPlan | undefined {
  const { tombstones, entries } = table
  if (tombstones === 0 || tombstones < entries * BOTTOM_SHARE) return undefined
  const upper = [table]
  if (isBottom(levels, level, table)) {
    if (!isGarbage(table, moment)) return undefined
    const chosen = { inputLevel: level, outputLevel: level, upper, lower: [] }
    return unlessInTheWay(levels, chosen, inFlight)
  }
  if (tombstones < entries * DENSE_SHARE) return undefined
  const outputLevel = deepestFree(levels, level + 1, hullOf(upper))
  const lower = overlapping(levels[outputLevel]!, hullOf(upper))
  return unlessInTheWay(levels, { inputLevel: level, outputLevel, upper, lower }, inFlight)
}

/** Nothing older of its keys lies deeper, so tombstones hide nothing but what is in the table. */
function isBottom(levels: Levels, level: number, table: TableMeta): boolean {
  const range = hullOf([table])
  return levels.slice(level + 1).every((deeper) => isFree(deeper, range))
}

/** No reader needs any of its tombstones: one that is needed would be written again for nothing. */
function isGarbage({ largestVersion }: TableMeta, { oldestSnapshot }: PickMoment): boolean {
  return largestVersion <= oldestSnapshot
}

/**
 * The snapshot version from which on a rewrite that `pickCompaction` holds back would drop something;
 * undefined: nothing is held back.
 */
export function garbageHeldBack(levels: Levels, moment: PickMoment): number | undefined {
  let least: number | undefined
  levels.forEach((tables, level) => {
    if (level === 0) return
    for (const table of tables) {
      const { tombstones, entries, largestVersion } = table
      if (tombstones === 0 || tombstones < entries * BOTTOM_SHARE) continue
      if (isGarbage(table, moment) || !isBottom(levels, level, table)) continue
      if (least === undefined || largestVersion < least) least = largestVersion
    }
  })
  return least
}
