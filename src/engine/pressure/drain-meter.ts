// What one kind of background work achieved lately, in bytes of commits per ms. Counts only time in which there was
// something to do; what is long ago fades. Time is passed in, so that the same calls give the same answers.
import type { Drain } from './write-rate.ts'

/** Of what happened so much working time ago, 1 / e still counts. */
const MEMORY_MS = 15_000
/** A piece is expected to take a little longer than usual: too little room for its end is worse than too much. */
const CAUTION = 0.9
/** Of one that takes longer still, so much counts as left. */
const LEFT_MIN = 0.1

export class DrainMeter {
  #bytes = 0
  #ms = 0
  /** When the piece of work under way began; undefined: there is none. */
  #since: number | undefined
  #piece = 0

  /** There is work: a piece of `bytes` is under way, unless one was already. */
  work(now: number, bytes: number): void {
    if (this.#since !== undefined) return
    this.#since = now
    this.#piece = bytes
  }

  /** There is none any more. */
  rest(): void {
    this.#since = undefined
  }

  /** The piece under way is done, with so many bytes. What nobody waited for is not counted. */
  done(now: number, bytes: number): void {
    if (this.#since === undefined) return
    const took = now - this.#since
    const kept = Math.exp(-took / MEMORY_MS)
    this.#bytes = this.#bytes * kept + bytes
    this.#ms = this.#ms * kept + took
    this.#since = undefined
  }

  /** `guess`: bytes per ms while nothing was done yet. */
  drain(now: number, guess: number = Number.POSITIVE_INFINITY): Drain {
    const usual = this.#ms === 0 ? guess : this.#bytes / this.#ms
    const running = this.#since === undefined ? 0 : now - this.#since
    if (running === 0) return { bytesPerMs: usual, left: 1 }
    // At best the piece is done this very moment.
    const atBest = (this.#bytes + this.#piece) / (this.#ms + running)
    const left = Math.max(LEFT_MIN, 1 - (running * usual * CAUTION) / this.#piece)
    return { bytesPerMs: Math.min(usual, atBest), left }
  }
}
