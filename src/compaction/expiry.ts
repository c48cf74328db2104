// What compaction knows and does about entries that expire: what of a table has, which tables go unread because nobody
// sees anything of them, and which are rewritten when nothing else is due because half of them has expired (of which
// less has: values/pick-lapsed.ts). Pure. An expired entry still hides older versions of its key, so a table goes only
// where nothing older of its keys can lie below.
import { plainBytes, weightOf } from '../format/table-meta.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import { horizonOf, type Readers } from '../mvcc/pins.ts'
import type { InFlight } from './in-flight.ts'
import { buildPlan, type CompactionPlan, hullOf, overlapping, tableOverlaps } from './plan.ts'

/** From this share of expired entries on, a table is worth rewriting although its level is not full. */
const EXPIRED_SHARE = 0.5

/** While the bound on space does not hold, a table is worth rewriting for a tenth of its bytes, in it or in segments:
 * to free a byte nine are copied at most. */
const LAPSED_SHARE = 0.1

/** What of a table has expired for all who could see it. */
export interface Expired {
  readonly entries: number
  /** Of the table's file, and of the values these entries point to. */
  readonly bytes: number
}

const NOTHING: Expired = { entries: 0, bytes: 0 }

/** Whether some entry of the table has expired for all who could see it. */
export function hasExpired(table: TableMeta, readers: Readers | undefined): boolean {
  const { earliestExpiry } = table
  if (readers === undefined || earliestExpiry === 0) return false
  return earliestExpiry <= horizon(table, readers)
}

/** Never more than has: a step counts once its last entry has expired. */
export function expiredOf(table: TableMeta, readers: Readers | undefined): Expired {
  if (readers === undefined || !hasExpired(table, readers)) return NOTHING
  return expiredBy(table, horizon(table, readers))
}

/** Whether anything there is expires one day: who reads, and since when, matters only then. */
export function mayExpire(levels: Levels): boolean {
  return levels.some((tables) => tables.some(({ earliestExpiry }) => earliestExpiry > 0))
}

/** Of all tables. */
export function expiredBytes(levels: Levels, readers: Readers | undefined): number {
  if (readers === undefined) return 0
  let bytes = 0
  for (const table of levels.flat()) bytes += expiredOf(table, readers).bytes
  return bytes
}

/** Whether a table is worth rewriting for what has expired of it, while the bound on space does not hold. */
export function worthLapsing(table: TableMeta, { bytes }: Expired): boolean {
  return bytes > 0 && bytes >= LAPSED_SHARE * table.size
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
      if (!isDue(table, expiredOf(table, readers))) continue
      const upper = [table]
      const lower = overlapping(levels[level + 1] ?? [], hullOf(upper))
      const outputLevel = lower.length === 0 ? level : level + 1
      const plan = buildPlan(levels, { inputLevel: level, outputLevel, upper, lower })
      if (!inFlight.conflicts(plan)) return plan
    }
  }
  return undefined
}

export interface ExpiryOutlook {
  /** When the next table will be worth dropping or rewriting, in ms since 1970; undefined: none ever by itself. */
  readonly next: number | undefined
  /** Some table has been due before: a reader or a running job is in its way. */
  readonly overdue: boolean
}

/** After `now`; what is worth rewriting only for the bound on space counts, too, but is never overdue. */
export function expiryOutlook(levels: Levels, now: number): ExpiryOutlook {
  let next = Number.POSITIVE_INFINITY
  let overdue = false
  for (const [level, tables] of levels.entries()) {
    for (const table of tables) {
      if (table.earliestExpiry === 0) continue
      const due = dueAt(table, level)
      if (due <= now) overdue = true
      else next = Math.min(next, due)
      next = Math.min(next, lapsesAt(table, now))
    }
  }
  return { next: next === Number.POSITIVE_INFINITY ? undefined : next, overdue }
}

function dueAt(table: TableMeta, level: number): number {
  const { earliestExpiry, latestExpiry } = table
  const whole = latestExpiry === 0 ? Number.POSITIVE_INFINITY : latestExpiry
  if (level === 0) return whole
  if (table.expiring !== undefined) {
    return firstStep(table, (expired) => isDue(table, expired)) ?? whole
  }
  return earliestExpiry + Math.ceil((whole - earliestExpiry) * EXPIRED_SHARE)
}

function lapsesAt(table: TableMeta, now: number): number {
  const worth = (expired: Expired, until: number): boolean =>
    until > now && worthLapsing(table, expired)
  return firstStep(table, worth) ?? Number.POSITIVE_INFINITY
}

/** When the first step ends by which what has expired passes a test. */
function firstStep(
  table: TableMeta,
  passes: (expired: Expired, until: number) => boolean,
): number | undefined {
  let entries = 0
  let bytes = 0
  for (const step of table.expiring ?? []) {
    entries += step.entries
    bytes += ownBytes(table, step.bytes) + step.referred
    if (passes({ entries, bytes }, step.until)) return step.until
  }
  return undefined
}

function isDue({ entries }: TableMeta, expired: Expired): boolean {
  return expired.entries >= entries * EXPIRED_SHARE
}

/** What has expired at a time. Of a table from before it was counted it is estimated, as if all expired evenly between
 * the first and the last; nothing is known where some never do. */
function expiredBy(table: TableMeta, passed: number): Expired {
  const { earliestExpiry, latestExpiry, expiring } = table
  if (expiring === undefined) {
    if (latestExpiry === 0 || passed < earliestExpiry) return NOTHING
    const span = Math.max(1, latestExpiry - earliestExpiry)
    const share = passed >= latestExpiry ? 1 : (passed - earliestExpiry) / span
    return { entries: share * table.entries, bytes: share * weightOf(table) }
  }
  let entries = 0
  let plain = 0
  let referred = 0
  for (const step of expiring) {
    if (step.until > passed) break
    entries += step.entries
    plain += step.bytes
    referred += step.referred
  }
  return { entries, bytes: ownBytes(table, plain) + referred }
}

/** What so many bytes before compression take of the table's file. */
function ownBytes(table: TableMeta, plain: number): number {
  return Math.min(table.size, (plain * table.size) / plainBytes(table))
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
