// How long to wait before failed background work is tried again: longer each time, but never so long that writers
// who wait for it notice when the disk is well again.
import type { Clock, TimerHandle } from '../../base/clock.ts'

const FIRST_MS = 500
const LONGEST_MS = 5_000

export class BackOff {
  readonly #clock: Clock
  #delayMs = FIRST_MS
  #timer: TimerHandle | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A try is due later on. */
  get waiting(): boolean {
    return this.#timer !== undefined
  }

  /** Does nothing while a try is due already. */
  later(run: () => void): void {
    if (this.#timer !== undefined) return
    this.#timer = this.#clock.after(this.#delayMs, () => {
      this.#timer = undefined
      run()
    })
    this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_MS)
  }

  /** The work was done: the next failure is a first one. */
  succeeded(): void {
    this.#delayMs = FIRST_MS
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
