// Keeps what compactions write below a rate, all of them together. Main thread. Jobs in workers get bytes granted a
// few times a second, in equal parts; jobs on this thread cannot be held up, so the next one begins when the last
// is paid for. A grant nobody used is not saved up.
import type { Clock, TimerHandle } from '../../base/clock.ts'
import type { Pacer, Valve } from '../../pool/executor.ts'

/** Between two grants. */
const GRANT_MS = 20

export interface RateLimiterParts {
  readonly clock: Clock
  /** Bytes per second at this moment; Infinity: no limit. */
  readonly rate: () => number
}

export class RateLimiter implements Pacer {
  readonly #parts: RateLimiterParts
  readonly #valves = new Set<Valve>()
  #timer: TimerHandle | undefined
  #grantedAt = 0
  /** When what was charged is paid, at this rate. */
  #paidAt = Number.NEGATIVE_INFINITY
  #paidRate = Number.POSITIVE_INFINITY
  readonly #unpaid = new Map<TimerHandle, () => void>()
  #stopped = false

  constructor(parts: RateLimiterParts) {
    this.#parts = parts
  }

  attach(valve: Valve): () => void {
    this.#valves.add(valve)
    if (this.#limited) {
      valve.grant(0)
      this.#arm()
    }
    return () => {
      this.#valves.delete(valve)
      if (this.#valves.size === 0) this.#disarm()
    }
  }

  charge(bytes: number): void {
    if (!this.#limited) return
    const { clock, rate } = this.#parts
    this.#paidRate = rate()
    this.#paidAt = Math.max(this.#paidAt, clock.monotonicMs()) + (bytes / this.#paidRate) * 1000
  }

  paid(): Promise<void> | undefined {
    const { clock } = this.#parts
    const waitMs = this.#paidAt - clock.monotonicMs()
    if (waitMs <= 0 || !this.#limited) return undefined
    return new Promise((resolve) => {
      const timer = clock.after(Math.min(waitMs, 1000), () => {
        this.#unpaid.delete(timer)
        resolve()
      })
      this.#unpaid.set(timer, resolve)
    })
  }

  /** The rate is another. */
  changed(): void {
    if (this.#limited) {
      this.#payAnew()
      if (this.#valves.size > 0 && this.#timer === undefined) {
        for (const valve of this.#valves) valve.grant(0)
        this.#arm()
      }
      return
    }
    this.#disarm()
    this.#paidAt = Number.NEGATIVE_INFINITY
    for (const valve of this.#valves) valve.open()
    for (const [timer, resolve] of this.#unpaid) {
      timer.cancel()
      resolve()
    }
    this.#unpaid.clear()
  }

  /** The database closes: what is still done is done as fast as can be. */
  stop(): void {
    this.#stopped = true
    this.changed()
  }

  get #limited(): boolean {
    return !this.#stopped && this.#parts.rate() !== Number.POSITIVE_INFINITY
  }

  /** What is owed are bytes: they are paid at the rate in force. Whoever waits looks every second. */
  #payAnew(): void {
    const { clock, rate } = this.#parts
    const now = clock.monotonicMs()
    const before = this.#paidRate
    this.#paidRate = rate()
    if (this.#paidAt > now) this.#paidAt = now + ((this.#paidAt - now) * before) / this.#paidRate
  }

  #arm(): void {
    if (this.#timer !== undefined) return
    const { clock } = this.#parts
    this.#grantedAt = clock.monotonicMs()
    this.#next()
  }

  #next(): void {
    this.#timer = this.#parts.clock.after(GRANT_MS, () => this.#grant())
    // The jobs themselves keep the process alive.
    this.#timer.unref()
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** By the time that passed, however late the timer came. */
  #grant(): void {
    const { clock, rate } = this.#parts
    const now = clock.monotonicMs()
    const bytes = ((now - this.#grantedAt) / 1000) * rate()
    this.#grantedAt = now
    for (const valve of this.#valves) valve.grant(bytes / this.#valves.size)
    this.#next()
  }
}
