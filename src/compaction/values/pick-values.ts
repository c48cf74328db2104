// How doomed segments become free: a table that points into them is rewritten where it is, with every version and
// tombstone it has, and its values copied; and a merge that is due anyway copies what its inputs have there. Pure.
// Nothing goes through the write path, so nothing that was deleted can come back.
import type { TableMeta } from '../../format/table-meta.ts'
import type { Levels } from '../../manifest/levels.ts'
import type { InFlight } from '../in-flight.ts'
import { bytesOf } from '../level-targets.ts'
import { buildPlan, type CompactionPlan } from '../plan.ts'
import type { Doomed } from './doom.ts'

/** Rewrites the table that holds most of what is doomed; those of level 0, whose merge that would hold up, last. */
export function planValues(
  levels: Levels,
  doomed: Doomed,
  inFlight: InFlight,
): CompactionPlan | undefined {
  for (const { level, table } of mostDoomedFirst(levels, doomed)) {
    if (inFlight.holds(table)) continue
    const place = { inputLevel: level, outputLevel: level, upper: [table], lower: [] }
    const plan: CompactionPlan = {
      ...buildPlan(levels, place),
      dropTombstones: false,
      relocate: doomed.of([table]),
      collects: true,
    }
    if (!inFlight.conflicts(plan)) return plan
  }
  return undefined
}

interface Place {
  readonly level: number
  readonly table: TableMeta
  readonly bytes: number
}

function mostDoomedFirst(levels: Levels, doomed: Doomed): readonly Place[] {
  const places: Place[] = []
  levels.forEach((tables, level) => {
    for (const table of tables) {
      const bytes = doomed.bytesOf(table)
      if (bytes > 0) places.push({ level, table, bytes })
    }
  })
  return places.sort(
    (a, b) =>
      Number(a.level === 0) - Number(b.level === 0) ||
      b.bytes - a.bytes ||
      a.table.number - b.table.number,
  )
}

/**
 * The plan, which copies what its inputs have in doomed segments: they are rewritten anyway. Not out of level 0, which
 * writers wait for, when that were more than what comes down.
 */
export function withRelocation(plan: CompactionPlan, doomed: Doomed): CompactionPlan {
  if (plan.trivialMove || plan.expired === true || plan.relocate !== undefined) return plan
  const tables = plan.sources.flat()
  const relocate = doomed.of(tables)
  if (relocate.length === 0) return plan
  if (plan.inputLevel === 0) {
    const bytes = tables.reduce((sum, table) => sum + doomed.bytesOf(table), 0)
    const upper = tables.filter((_, i) => plan.inputs[i]!.level === 0)
    if (bytes > bytesOf(upper)) return plan
  }
  return { ...plan, relocate }
}

/** Bytes of values the plan copies. */
export function relocatedBytes({ relocate, sources }: CompactionPlan): number {
  if (relocate === undefined) return 0
  const numbers = new Set(relocate.map(({ number }) => number))
  let bytes = 0
  for (const { segments = [] } of sources.flat()) {
    for (const use of segments) if (numbers.has(use.number)) bytes += use.bytes
  }
  return bytes
}
