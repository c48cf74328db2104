// tune(): changes options of an open database, all or none, and makes the parts that wait for something look again.
// Everybody else reads the options where they are needed. Main thread.
import { SettError } from '../../base/errors.ts'
import type { LiveOptions } from '../../base/live-options.ts'
import type { ResolvedOptions } from '../../base/options.ts'
import { scratchBytes, TUNING_BYTES } from '../memory-plan.ts'

export interface TuningParts {
  readonly live: LiveOptions
  /** Durability, or its interval, is another. */
  readonly durabilityChanged: () => void
  readonly scrubIntervalChanged: () => void
  /** Jobs that were not due may be, and writers that wait may go on. */
  readonly changed: () => void
}

export class Tuning {
  readonly #parts: TuningParts

  constructor(parts: TuningParts) {
    this.#parts = parts
  }

  tune(changes: object): void {
    const { live, durabilityChanged, scrubIntervalChanged, changed } = this.#parts
    const before = { ...live.current }
    live.tune(changes, (next) => checkMemory(live.opened, next))
    if (live.current.durability !== before.durability) durabilityChanged()
    if (live.current.scrubInterval !== before.scrubInterval) scrubIntervalChanged()
    changed()
  }
}

/** Memory was laid out when the database was opened: the cache by its blocks, the heap by the scratch of its jobs. */
function checkMemory(opened: ResolvedOptions, next: ResolvedOptions): void {
  if (next.blockSize > opened.blockSize) {
    throw new SettError(
      'SETT_INVALID_OPTION',
      `Option 'blockSize' can be lowered while the database is open, to ${opened.blockSize} at most here: the ` +
        'cache has no room for larger blocks. Close it and open it with the new value.',
    )
  }
  const growth = scratchBytes(next) - scratchBytes(opened)
  const room = opened.memoryBudget / 4 + TUNING_BYTES
  if (growth > room) {
    throw new SettError(
      'SETT_INVALID_OPTION',
      `Options 'tableSize', 'blockSize', 'bloomFalsePositiveRate', 'compression' and 'memtableCount' would have ` +
        `background jobs take ${growth} bytes more; ${room} are left for that. Change them less, or close the ` +
        'database and open it with the new values.',
    )
  }
}
