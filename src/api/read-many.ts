// Reads many keys at one version and time, letting the event loop turn in between. Main thread.

import type { TurnBudget } from '../base/turn-budget.ts'
import type { Data, Engine, ReadPoint } from '../engine/types.ts'

interface Reads<T> {
  readonly engine: Engine
  /** undefined: now, pinned for the duration. */
  readonly at: ReadPoint | undefined
  readonly budget: TurnBudget
  readonly read: (key: Data, at: ReadPoint) => T | Promise<T>
}

/** Results in the order of the keys. Version and time are taken before the first await. */
export async function readMany<T>(keys: readonly Data[], reads: Reads<T>): Promise<T[]> {
  const { engine, budget, read } = reads
  const pin = reads.at === undefined ? engine.pin() : undefined
  const at = reads.at ?? pin!
  try {
    const results = new Array<T>(keys.length)
    const late: Promise<void>[] = []
    const failures: unknown[] = []
    for (let i = 0; i < keys.length; i++) {
      const result = read(keys[i]!, at)
      if (result instanceof Promise) {
        // Both outcomes are taken at once: a rejection must not wait unhandled for the last key.
        const keep = (value: T): void => {
          results[i] = value
        }
        late.push(result.then(keep, (error: unknown) => void failures.push(error)))
      } else {
        results[i] = result
      }
      if (budget.spend(1)) await budget.turn()
    }
    await Promise.all(late)
    if (failures.length > 0) throw failures[0]
    return results
  } finally {
    pin?.release()
  }
}
