// What may lie hidden: values that deeper tables point to although something newer, or a delete, hides them become
// garbage only when a merge drops their pointers. Where that could be much it is brought about, if it is cheap. Pure.
// Each plan takes tables down, so it comes to an end.
import { storedBytes, weightOf } from '../../format/table-meta.ts'
import type { Levels } from '../../manifest/levels.ts'
import type { Readers } from '../../mvcc/pins.ts'
import { expiredBytes, expiredOf } from '../expiry.ts'
import type { InFlight } from '../in-flight.ts'
import { bytesOf, levelBytes } from '../level-targets.ts'
import { planDeeper } from '../pick-deeper.ts'
import { planLevel0 } from '../pick-level0.ts'
import type { PickMoment, PickOptions } from '../pick-options.ts'
import type { CompactionPlan } from '../plan.ts'
import { SPACE_BOUND } from './doom.ts'

/** While there are writes, all files may take so many times what the deepest level holds; at rest no more than the
 * bound. */
const BUSY_BOUND = 1.75
/** Then it is looked into when this share of the deepest level may be hidden, and so many bytes for each byte of tables
 * that are rewritten for it, at most. */
const BUSY_SHARE = 0.25
const BUSY_WORTH = 4

/** Takes what lies above the deepest level down, if the bound on space can only so be known to hold. */
export function planShadows(
  levels: Levels,
  options: PickOptions & { readonly base: number },
  inFlight: InFlight,
  { values: moment, readers }: PickMoment,
): CompactionPlan | undefined {
  if (moment === undefined) return undefined
  const { space, rest } = moment
  const deepest = levels.findLastIndex((tables) => tables.length > 0)
  if (deepest < 0) return undefined
  // Nothing lies above a level 0 without others, but its tables hide each other.
  const alone = deepest === 0
  const above = alone ? levels[0]!.slice(0, -1) : levels.slice(0, deepest).flat()
  const bottom = alone ? levels[0]!.slice(-1) : levels[deepest]!
  const { weigh } = options
  const held = alone ? largestOf(levels[0]!) : levelBytes(levels, deepest, weigh)
  const seen = Math.max(0, held - expiredBytes([bottom], readers))
  const values = bytesOf(above, weigh) - storedBytes(above)
  const dead = seen * deletedShare(above, bottom, readers)
  if (values + dead < storedBytes(levels.flat()) * (rest ? 1 : BUSY_WORTH)) return undefined
  if (space.bytes <= (rest ? SPACE_BOUND : BUSY_BOUND) * (seen - dead)) return undefined
  if (!rest && values + dead < BUSY_SHARE * seen) return undefined
  const upper = levels.findIndex((tables) => tables.length > 0)
  if (upper > 0) return planDeeper(levels, upper, options, inFlight)
  return planLevel0(levels, options.base, inFlight, options.tableSize)
}

/** Of the bottom, what is hidden by tombstones above it, and by what has expired there, if each hides an entry. */
function deletedShare(
  above: Levels[number],
  bottom: Levels[number],
  readers: Readers | undefined,
): number {
  const entries = bottom.reduce((sum, table) => sum + table.entries, 0)
  const hiding = above.reduce(
    (sum, table) => sum + table.tombstones + expiredOf(table, readers).entries,
    0,
  )
  return entries === 0 ? 0 : Math.min(1, hiding / entries)
}

function largestOf(tables: Levels[number]): number {
  return tables.reduce((most, table) => Math.max(most, weightOf(table)), 0)
}
