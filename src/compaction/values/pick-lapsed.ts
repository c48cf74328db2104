// What has expired among what has not: its bytes count as garbage at once, but are only freed where a merge drops the
// entries, so while the bound on space does not hold the tables with most of it are rewritten. Pure. Each plan rids its
// table of all that had expired, so it comes to an end.
import type { TableMeta } from '../../format/table-meta.ts'
import type { Levels } from '../../manifest/levels.ts'
import { type Expired, expiredOf, worthLapsing } from '../expiry.ts'
import { type InFlight, unlessInTheWay } from '../in-flight.ts'
import type { PickMoment } from '../pick-options.ts'
import type { CompactionPlan } from '../plan.ts'
import { overBound } from './doom.ts'

/** While there are writes a merge may meet it soon: then so many bytes for each byte of tables rewritten, and nothing
 * in level 0. */
const BUSY_WORTH = 4

interface Lapsed {
  readonly level: number
  readonly table: TableMeta
  readonly bytes: number
}

/** Rewrites a table where it is. */
export function planLapsed(
  levels: Levels,
  inFlight: InFlight,
  { readers, values }: PickMoment,
): CompactionPlan | undefined {
  if (values === undefined || readers === undefined || !overBound(values.space)) return undefined
  const worth = (level: number, table: TableMeta, expired: Expired): boolean => {
    if (values.rest) return worthLapsing(table, expired)
    return level > 0 && expired.bytes >= BUSY_WORTH * table.size
  }
  const lapsed: Lapsed[] = []
  levels.forEach((tables, level) => {
    for (const table of tables) {
      const expired = expiredOf(table, readers)
      if (worth(level, table, expired)) lapsed.push({ level, table, bytes: expired.bytes })
    }
  })
  lapsed.sort((a, b) => b.bytes - a.bytes || a.table.number - b.table.number)
  for (const { level, table } of lapsed) {
    if (inFlight.holds(table)) continue
    const place = { inputLevel: level, outputLevel: level, upper: [table], lower: [] }
    const plan = unlessInTheWay(levels, place, inFlight)
    if (plan !== undefined) return plan
  }
  return undefined
}
