// Keeps a loop of awaited calls from starving timers and I/O: after 2 ms of answers given without a turn of
// the event loop, answers are delivered after the next turn. Main thread; one for reads and one for writes.
import type { Clock } from './clock.ts'

const INLINE_MS = 2
/** The clock is read once per so much cost; a point read costs 1. */
const CHECK_EVERY = 16

export class TurnBudget {
  readonly #clock: Clock
  #armed = false
  #spent = false
  #cost = 0
  #startMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one answer; true when it must wait for `turn()`. */
  spend(cost: number): boolean {
    if (!this.#armed) {
      this.#arm()
      return false
    }
    this.#cost += cost
    if (this.#cost >= CHECK_EVERY) {
      this.#cost = 0
      this.#spent ||= this.#clock.monotonicMs() - this.#startMs >= INLINE_MS
    }
    return this.#spent
  }

  /** Resolves after the next turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.nextTurn(resolve))
  }

  #arm(): void {
    this.#armed = true
    this.#startMs = this.#clock.monotonicMs()
    this.#clock.nextTurn(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#armed = false
    this.#spent = false
    this.#cost = 0
  }
}
