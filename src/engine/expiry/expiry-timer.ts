// Wakes compaction when the next table is worth dropping or rewriting because its entries expire, also in an idle
// database. Main thread. One timer at most, which keeps no process alive.
import type { Clock, TimerHandle } from '../../base/clock.ts'
import { nextExpiry } from '../../compaction/expiry.ts'
import type { Levels } from '../../manifest/levels.ts'

/** What is due already waits for a reader or a running job: it is looked at again after this. */
const HELD_BACK_MS = 60_000
/** Each of many tables has its steps, and each look goes over all of them: what comes due so close together waits for
 * one look. */
const LEAST_MS = 1_000
/** Timers do not notice when the wall clock is set, or the machine sleeps. */
const LONGEST_MS = 3_600_000

export class ExpiryTimer {
  readonly #clock: Clock
  readonly #wake: () => void
  #timer: TimerHandle | undefined

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  /** These are the levels now. */
  arm(levels: Levels): void {
    this.cancel()
    const now = this.#clock.wallMs()
    const next = nextExpiry(levels, now)
    if (next === undefined) return
    const wait = next - now
    const delayMs = wait > 0 ? Math.min(Math.max(wait, LEAST_MS), LONGEST_MS) : HELD_BACK_MS
    this.#timer = this.#clock.after(delayMs, this.#wake)
    this.#timer.unref()
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
