// Which key ranges of which levels a running compaction owns. Main thread. Invariant: no two reservations share a
// table, nor a key on a level below level 0; on level 0 a merge that stays there never overtakes, nor is
// overtaken by, what overlaps it.

import { assert } from '../base/assert.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import { bytesOf } from './level-targets.ts'
import {
  buildPlan,
  type CompactionPlan,
  hullOf,
  type KeyRange,
  type PlanInputs,
  rangesOverlap,
} from './plan.ts'

interface Reservation {
  readonly range: KeyRange
  readonly inputLevel: number
  readonly outputLevel: number
  readonly numbers: ReadonlySet<number>
  /** Bytes of each of the two levels, values included. */
  readonly inputBytes: number
  readonly outputBytes: number
  /** Versions of its tables of the input level. */
  readonly oldest: number
  readonly newest: number
}

export class InFlight {
  readonly #reserved = new Set<Reservation>()

  /** Compactions that hold a reservation. */
  get count(): number {
    return this.#reserved.size
  }

  /** True when a running compaction reads this table. */
  holds(table: TableMeta): boolean {
    for (const { numbers } of this.#reserved) if (numbers.has(table.number)) return true
    return false
  }

  /** True when a running compaction merges this table of level 0 into another one of level 0. */
  mergesInside(table: TableMeta): boolean {
    for (const { outputLevel, numbers } of this.#reserved) {
      if (outputLevel === 0 && numbers.has(table.number)) return true
    }
    return false
  }

  /** Bytes of a level, values included, in tables that running compactions read. */
  heldBytes(level: number): number {
    let bytes = 0
    for (const { inputLevel, outputLevel, inputBytes, outputBytes } of this.#reserved) {
      if (inputLevel === level) bytes += inputBytes
      if (outputLevel === level) bytes += outputBytes
    }
    return bytes
  }

  /** True when the plan would meet one that runs. */
  conflicts(plan: CompactionPlan): boolean {
    const wanted = reservationOf(plan)
    for (const other of this.#reserved) if (!compatible(wanted, other)) return true
    return false
  }

  /** Returns the idempotent release. */
  reserve(plan: CompactionPlan): () => void {
    assert(!this.conflicts(plan), 'a compaction starts only where none runs')
    const reservation = reservationOf(plan)
    this.#reserved.add(reservation)
    return () => void this.#reserved.delete(reservation)
  }
}

function reservationOf(plan: CompactionPlan): Reservation {
  const { inputLevel, outputLevel, inputs } = plan
  const tables = plan.sources.flat()
  // Sources and inputs come in the same order: the upper tables first.
  const upper = tables.filter((_, i) => inputs[i]!.level === inputLevel)
  const inputBytes = bytesOf(upper)
  return {
    range: hullOf(tables),
    inputLevel,
    outputLevel,
    numbers: new Set(inputs.map(({ number }) => number)),
    inputBytes,
    outputBytes: bytesOf(tables) - inputBytes,
    oldest: upper.reduce((least, table) => Math.min(least, table.smallestVersion), Infinity),
    newest: upper.reduce((most, table) => Math.max(most, table.largestVersion), 0),
  }
}

function compatible(a: Reservation, b: Reservation): boolean {
  if (a.inputLevel > b.outputLevel || b.inputLevel > a.outputLevel) return true
  if (!rangesOverlap(a.range, b.range)) return true
  if (a.outputLevel > 0 && b.outputLevel > 0) return false
  // One of them stays in level 0. What goes down must be older than it; another that stays, older or newer.
  const [stays, other] = a.outputLevel === 0 ? [a, b] : [b, a]
  if (stays.oldest > other.newest) return true
  return other.outputLevel === 0 && stays.newest < other.oldest
}

/** The plan for these tables, unless it would meet a running one. */
export function unlessInTheWay(
  levels: Levels,
  chosen: PlanInputs,
  inFlight: InFlight,
): CompactionPlan | undefined {
  const plan = buildPlan(levels, chosen)
  return inFlight.conflicts(plan) ? undefined : plan
}
