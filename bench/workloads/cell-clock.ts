// The clock of one cell: hands out operations until their number or the time is up, takes latencies, keeps throughput
// windows. Loops that use it: `awaited` for promises, `sampled` for synchronous calls.
import { setImmediate } from 'node:timers/promises'
import { Histogram } from '../data/histogram.ts'

export interface CellLimits {
  /** Infinity: as many as fit into `seconds`. */
  readonly operations: number
  /** Infinity: until `operations` are done. */
  readonly seconds: number
}

export interface CellKeeping {
  /** Operations done in each 100 ms. */
  readonly windows?: boolean
  /**
   * The event loop turns every millisecond between two calls, for engines whose promises resolve without it: else their
   * blocking calls would add up to one block as long as the cell.
   */
  readonly turns?: boolean
}

export const WINDOW_MS = 100
const TURN_MS = 1
/** A clock reading costs 50 ns and more, a synchronous read 300: so one call of eight is timed. */
const SAMPLE_EVERY = 8

export class CellClock {
  readonly limits: CellLimits
  readonly latency: Histogram = new Histogram()
  readonly #windows: number[] | undefined
  readonly #turns: boolean
  #turned = performance.now()
  #turning: Promise<number> | undefined
  #started = performance.now()
  #deadline = Number.POSITIVE_INFINITY
  #last = this.#started
  #begun = 0
  #operations = 0

  constructor(limits: CellLimits, { windows = false, turns = false }: CellKeeping = {}) {
    this.limits = limits
    this.#windows = windows ? [] : undefined
    this.#turns = turns
    this.start()
  }

  /** Starts again at zero ms. */
  start(): void {
    this.#started = performance.now()
    this.#last = this.#started
    this.#turned = this.#started
    this.#deadline = this.#started + this.limits.seconds * 1_000
  }

  /** Operations handed out: the place of the next one in its order. */
  get begun(): number {
    return this.#begun
  }

  /** Operations done. */
  get operations(): number {
    return this.#operations
  }

  get elapsedMs(): number {
    return performance.now() - this.#started
  }

  get over(): boolean {
    return this.#last >= this.#deadline || this.#operations >= this.limits.operations
  }

  /** How many of `count` operations may begin now; 0: the cell is over. */
  take(count = 1): number {
    if (this.#last >= this.#deadline) return 0
    const granted = Math.min(count, this.limits.operations - this.#begun)
    this.#begun += granted
    return granted
  }

  /** `operations` ended with one call begun at `from` (performance.now()): now, where the next one begins. */
  done(from: number, operations = 1): number {
    const now = this.count(operations)
    this.latency.record((now - from) * 1e6)
    return now
  }

  /** As `done`, without a latency. */
  count(operations: number): number {
    const now = performance.now()
    this.#last = now
    this.#operations += operations
    const windows = this.#windows
    if (windows !== undefined) {
      const at = Math.floor((now - this.#started) / WINDOW_MS)
      while (windows.length <= at) windows.push(0)
      windows[at] = windows[at]! + operations
    }
    return now
  }

  /** When a turn of the event loop is due at `now`: it, one for all lanes, and the time after it. */
  turn(now: number): Promise<number> | undefined {
    if (!this.#turns || now - this.#turned < TURN_MS) return undefined
    this.#turning ??= this.#turnOnce()
    return this.#turning
  }

  async #turnOnce(): Promise<number> {
    await setImmediate()
    this.#turning = undefined
    this.#turned = performance.now()
    return this.#turned
  }

  /** Operations in each window up to `elapsedMs`; undefined where none are kept. */
  windows(elapsedMs: number): readonly number[] | undefined {
    const windows = this.#windows
    while (windows !== undefined && windows.length * WINDOW_MS < elapsedMs) windows.push(0)
    return windows
  }
}

export interface Shape {
  /** Calls in flight; default 1. */
  readonly lanes?: number
  /** Operations in one call; default 1. */
  readonly size?: number
}

/**
 * `lanes` loops side by side, each awaiting one call at a time and timing it. `call` gets the place of its first
 * operation and how many it does, `size` but for the last.
 */
export async function awaited(
  clock: CellClock,
  call: (at: number, count: number) => Promise<void>,
  { lanes = 1, size = 1 }: Shape = {},
): Promise<void> {
  const lane = async (): Promise<void> => {
    let from = performance.now()
    for (;;) {
      const at = clock.begun
      const count = clock.take(size)
      if (count === 0) return
      await call(at, count)
      from = clock.done(from, count)
      const turn = clock.turn(from)
      if (turn !== undefined) from = await turn
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** Synchronous calls, the first of every eight timed. */
export function sampled(clock: CellClock, call: () => void): void {
  for (let count = clock.take(SAMPLE_EVERY); count > 0; count = clock.take(SAMPLE_EVERY)) {
    const from = performance.now()
    call()
    clock.done(from, count)
    for (let more = 1; more < count; more++) call()
  }
}
