// How long to wait before failed background work is tried again: longer each time, but never so long that writers
// who wait for it notice when the disk is well again.
import type { Clock, TimerHandle } from '../../base/clock.ts'

const FIRST_MS = 500
const LONGEST_MS = 5_000

/** How long; and for what nobody waits, no process is kept alive. */
export interface BackOffShape {
  readonly firstMs: number
  readonly longestMs: number
  readonly keepsAlive: boolean
}

const SHAPE: BackOffShape = { firstMs: FIRST_MS, longestMs: LONGEST_MS, keepsAlive: true }

export class BackOff {
  readonly #clock: Clock
  readonly #shape: BackOffShape
  #delayMs: number
  #timer: TimerHandle | undefined

  constructor(clock: Clock, shape: BackOffShape = SHAPE) {
    this.#clock = clock
    this.#shape = shape
    this.#delayMs = shape.firstMs
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
    if (!this.#shape.keepsAlive) this.#timer.unref()
    this.#delayMs = Math.min(this.#delayMs * 2, this.#shape.longestMs)
  }

  /** The work was done: the next failure is a first one. */
  succeeded(): void {
    this.#delayMs = this.#shape.firstMs
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
