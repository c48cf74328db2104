// What compaction does about entries that expire: tables that nobody sees anything of go unread, and tables of which
// much has expired are rewritten when nothing else is due. Pure. An expired entry still hides older versions of its
// key, so a table goes only where nothing older of its keys can lie below.
import type { Levels, TableMeta } from '../manifest/levels.ts'
import { horizonOf, type Readers } from '../mvcc/pins.ts'
import type { InFlight } from './in-flight.ts'
import { buildPlan, type CompactionPlan, hullOf, overlapping, tableOverlaps } from './plan.ts'

/** From this share of expired entries on, a table is worth rewriting although its level is not full. */
const EXPIRED_SHARE = 0.5

/** Whether some entry of the table has expired for all who could see it. */
export function hasExpired(table: TableMeta, readers: Readers | undefined): boolean {
  return expiredShare(table, readers, 1) > 0
}

/** Removes tables of one level in which everything has expired. */
export function planExpired(
  levels: Levels,
  readers: Readers | undefined,
  inFlight: InFlight,
): CompactionPlan | undefined {
  if (readers === undefined) return undefined
  for (const [level, tables] of levels.entries()) {
    const gone = tables.filter((table) => {
      const all = table.latestExpiry > 0 && table.latestExpiry <= horizon(table, readers)
      return all && !inFlight.holds(table) && nothingOlder(levels, level, table)
    })
    if (gone.length === 0) continue
    // All in one step, or, where a compaction runs between them, one by one.
    for (const upper of [gone, ...gone.map((table) => [table])]) {
      const merge = buildPlan(levels, { inputLevel: level, outputLevel: level, upper, lower: [] })
      const plan = { ...merge, dropTombstones: true, expired: true }
      if (!inFlight.conflicts(plan)) return plan
    }
  }
  return undefined
}

/** Rewrites the deepest table of which much has expired. */
export function planExpiring(
  levels: Levels,
  readers: Readers | undefined,
  inFlight: InFlight,
): CompactionPlan | undefined {
  if (readers === undefined) return undefined
  for (let level = levels.length - 1; level >= 1; level -= 1) {
    for (const table of levels[level]!) {
      if (expiredShare(table, readers, 0) < EXPIRED_SHARE) continue
      const upper = [table]
      const lower = overlapping(levels[level + 1] ?? [], hullOf(upper))
      const outputLevel = lower.length === 0 ? level : level + 1
      const plan = buildPlan(levels, { inputLevel: level, outputLevel, upper, lower })
      if (!inFlight.conflicts(plan)) return plan
    }
  }
  return undefined
}

/** When the next table will be worth dropping or rewriting, in ms since 1970; undefined: none ever by itself. */
export function nextExpiry(levels: Levels): number | undefined {
  let next: number | undefined
  for (const [level, tables] of levels.entries()) {
    for (const { earliestExpiry, latestExpiry } of tables) {
      if (latestExpiry === 0) continue
      const waited = level === 0 ? 1 : EXPIRED_SHARE
      const due = earliestExpiry + Math.ceil((latestExpiry - earliestExpiry) * waited)
      if (next === undefined || due < next) next = due
    }
  }
  return next
}

/**
 * Estimates how much of a table has expired for all who could see it, as if its entries expired evenly between the
 * first and the last. `mixed`: what is said of a table in which some have expired and others never will.
 */
function expiredShare(table: TableMeta, readers: Readers | undefined, mixed: number): number {
  const { earliestExpiry, latestExpiry } = table
  if (readers === undefined || earliestExpiry === 0) return 0
  const passed = horizon(table, readers)
  if (passed < earliestExpiry) return 0
  if (latestExpiry === 0) return mixed
  if (passed >= latestExpiry) return 1
  return Math.max((passed - earliestExpiry) / (latestExpiry - earliestExpiry), Number.EPSILON)
}

/** Up to when what lies in the table is expired for all who could see it. */
function horizon(table: TableMeta, readers: Readers): number {
  return horizonOf(readers, table.smallestVersion)
}

/** Whether no older version of a key in the table's range can lie elsewhere. */
function nothingOlder(levels: Levels, level: number, table: TableMeta): boolean {
  const range = hullOf([table])
  if (levels.slice(level + 1).some((tables) => overlapping(tables, range).length > 0)) return false
  if (level > 0) return true
  const older = levels[0]!.slice(levels[0]!.indexOf(table) + 1)
  return !older.some((other) => tableOverlaps(other, range))
}
