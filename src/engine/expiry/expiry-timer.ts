// Wakes compaction when the next table is worth dropping or rewriting because its entries expire, also in an idle
// database. Main thread. One timer at most, which keeps no process alive.
import type { Clock, TimerHandle } from '../../base/clock.ts'
import { expiryOutlook } from '../../compaction/expiry.ts'
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
    const { next = Number.POSITIVE_INFINITY, overdue } = expiryOutlook(levels, now)
    const heldBackMs = overdue ? HELD_BACK_MS : Number.POSITIVE_INFINITY
    const waitMs = Math.min(Math.max(next - now, LEAST_MS), heldBackMs)
    if (waitMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.min(waitMs, LONGEST_MS)
    this.#timer = this.#clock.after(delayMs, this.#wake)
    this.#timer.unref()
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
