// By which time readers see entries expire. Main thread. Invariant: no reader begins at a time before one by which a
// job was told it may leave out what had expired, so a clock that is set back changes nothing any reader sees.
import type { Clock } from '../base/clock.ts'

export class ReadTime {
  readonly #clock: Pick<Clock, 'wallMs'>
  #passed = 0

  constructor(clock: Pick<Clock, 'wallMs'>) {
    this.#clock = clock
  }

  /** ms since 1970, whole; what expires at or before it is hidden from a reader that begins now. */
  now(): number {
    return Math.max(this.#passed, Math.floor(this.#clock.wallMs()))
  }

  /** now(); from here on it never gives anything less. */
  pass(): number {
    this.#passed = this.now()
    return this.#passed
  }
}
