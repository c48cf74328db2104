// By which time readers see entries expire, and by which time jobs may leave out what has. Main thread. Invariant: no
// reader begins before a time that a job was told, so a clock that is set back changes nothing any reader sees.
import type { Clock } from '../base/clock.ts'

/** A wall clock that has gained more than this on the time since the database was opened may be wrong: what it says
 * hides entries, but nothing is thrown away for it. */
const AHEAD_MS = 5 * 60_000

export class ReadTime {
  readonly #clock: Pick<Clock, 'wallMs' | 'monotonicMs'>
  /** Wall time when the monotonic clock began. */
  readonly #began: number
  #passed = 0

  constructor(clock: Pick<Clock, 'wallMs' | 'monotonicMs'>) {
    this.#clock = clock
    this.#began = clock.wallMs() - clock.monotonicMs()
  }

  /** ms since 1970, whole; what expires at or before it is hidden from a reader that begins now. */
  now(): number {
    return Math.max(this.#passed, Math.floor(this.#clock.wallMs()))
  }

  /** A time that has surely passed, at most now(); from here on now() never gives anything less. */
  pass(): number {
    const likely = Math.floor(this.#began + this.#clock.monotonicMs() + AHEAD_MS)
    this.#passed = Math.max(this.#passed, Math.min(this.now(), likely))
    return this.#passed
  }
}
