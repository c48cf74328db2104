// Which key ranges of which levels a running compaction owns. Main thread. Invariant: no two
// reservations share a key on a level, so parallel compactions never read or write the same tables.
import { assert } from '../base/assert.ts'
import type { TableMeta } from '../manifest/levels.ts'
import { type CompactionPlan, hullOf, type KeyRange, rangesOverlap } from './plan.ts'

interface Reservation {
  readonly range: KeyRange
  readonly inputLevel: number
  readonly outputLevel: number
  readonly numbers: ReadonlySet<number>
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

  /** True when the plan would meet one that runs. */
  conflicts(plan: CompactionPlan): boolean {
    const range = hullOf(plan.sources.flat())
    for (const other of this.#reserved) {
      const shareLevel =
        plan.inputLevel <= other.outputLevel && other.inputLevel <= plan.outputLevel
      if (shareLevel && rangesOverlap(range, other.range)) return true
    }
    return false
  }

  /** Returns the idempotent release. */
  reserve(plan: CompactionPlan): () => void {
    assert(!this.conflicts(plan), 'a compaction starts only where none runs')
    const reservation: Reservation = {
      range: hullOf(plan.sources.flat()),
      inputLevel: plan.inputLevel,
      outputLevel: plan.outputLevel,
      numbers: new Set(plan.inputs.map(({ number }) => number)),
    }
    this.#reserved.add(reservation)
    return () => void this.#reserved.delete(reservation)
  }
}
