// Waiting for a shared word to change without blocking the calling thread. The waiter keeps the value it
// saw last and passes it in: reloading the word just before waiting would lose a wake-up.
import type { Clock } from '../base/clock.ts'

/** Polling interval where Atomics.waitAsync is missing. */
const POLL_MS = 4

export interface ChangeWait {
  readonly clock: Clock
  /** True once nobody cares any more; looked at by polling only (a notify ends the other wait). */
  readonly stopped: () => boolean
}

/**
 * Resolves once the word differs from `seen` and its writer notified; undefined = it differs already. A
 * pending wait does not keep the process alive: the caller holds a reference elsewhere while it matters.
 * It may also resolve without a change, when somebody notified to end it.
 */
export function whenChanged(
  words: Int32Array,
  index: number,
  seen: number,
  wait: ChangeWait,
): Promise<void> | undefined {
  if (Atomics.load(words, index) !== seen) return undefined
  if (typeof Atomics.waitAsync !== 'function') return polled(words, index, seen, wait)
  const { async, value } = Atomics.waitAsync(words, index, seen)
  return async ? value.then(() => undefined) : undefined
}

/** The same without Atomics.waitAsync. */
export function polled(
  words: Int32Array,
  index: number,
  seen: number,
  wait: ChangeWait,
): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (wait.stopped() || Atomics.load(words, index) !== seen) resolve()
      else wait.clock.after(POLL_MS, look).unref()
    }
    look()
  })
}
