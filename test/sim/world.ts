// Virtual time: everything that is to happen later, and the seed's choice of what happens next. One world per process
// of the simulation, on one thread. Invariant: nothing an engine waits for comes from anywhere else, so the same seed
// gives the same order of events.
import type { Clock, TimerHandle } from '../../src/base/clock.ts'
import type { Pace } from '../faults/fault-calls.ts'
import { systemError, type Verdict } from '../faults/fault-rules.ts'
import type { Prng } from '../model/prng.ts'

/** What a look at the clock shows of the time that passed. */
export interface ClockFace {
  /** Milliseconds of wall time ahead of the monotonic clock. */
  wallOffset: number
  /** Both clocks move in steps of so many milliseconds. */
  grain: number
}

interface Event {
  readonly at: number
  readonly run: () => void
  /** Of a call to the disk: the process dies before it took effect. */
  readonly drop: (() => void) | undefined
}

/** One event in so many overtakes the one before it. */
const OVERTAKES = 16
const QUICKEST_MS = 0.01
const USUAL_MS = 0.3

export class World {
  readonly face: ClockFace
  readonly clock: Clock
  readonly pace: Pace
  /** Of the disk: how much longer than usual it takes. */
  slowness = 1
  events = 0
  readonly #random: Prng
  #now: number
  #queue: Event[] = []
  #lastTurn = 0
  #buried = false

  constructor(random: Prng, now: number, face: ClockFace) {
    this.#random = random
    this.#now = now
    this.face = face
    this.clock = {
      wallMs: () => this.#coarse(this.#now) + face.wallOffset,
      monotonicMs: () => this.#coarse(this.#now),
      after: (delayMs, run) => this.#timer(delayMs, run),
      nextTurn: (run) => this.#turn(run),
    }
    this.pace = {
      later: (verdict) => this.#disk(verdict),
      block: (delayMs) => this.pass(delayMs),
    }
  }

  get now(): number {
    return this.#now
  }

  get pending(): number {
    return this.#queue.length
  }

  /** For so long nothing happens. */
  get silence(): number {
    return Math.max(0, (this.#queue[0]?.at ?? 0) - this.#now)
  }

  /** Something that was due before now has been overtaken, and still is to happen. */
  get late(): boolean {
    return this.#queue.some(({ at }) => at < this.#now)
  }

  /** Time passes; what is due meanwhile is late. */
  pass(ms: number): void {
    this.#now += ms
  }

  /** A while, as the seed has it. */
  latency(): number {
    return QUICKEST_MS + (this.#random.u32() / 2 ** 32) * USUAL_MS
  }

  after(delayMs: number, run: () => void): void {
    this.#add({ at: this.#now + delayMs, run, drop: undefined })
  }

  /** Lets one thing happen, with all that follows from it at once. False: nothing is due, ever. */
  async release(): Promise<boolean> {
    // No turn of an event loop begins while promises of the one before wait.
    await allThatFollows()
    const overtakes = this.#queue.length > 1 && this.#random.below(OVERTAKES) === 0
    const [event] = this.#queue.splice(overtakes ? 1 : 0, 1)
    if (event === undefined) {
      await allThatFollows()
      return this.#queue.length > 0
    }
    this.#now = Math.max(this.#now, event.at)
    this.events += 1
    event.run()
    await allThatFollows()
    return true
  }

  /** The process ends: of the calls the disk was to answer, some take effect and some do not; all others fail. */
  bury(): void {
    this.#buried = true
    this.slowness = 1
    for (const { drop, run } of this.#queue) {
      if (drop !== undefined) (this.#random.chance(0.5) ? run : drop)()
    }
    this.#queue = this.#queue.filter(({ drop }) => drop === undefined)
  }

  #coarse(ms: number): number {
    const { grain } = this.face
    return grain === 0 ? ms : Math.floor(ms / grain) * grain
  }

  #timer(delayMs: number, run: () => void): TimerHandle {
    let cancelled = false
    const due = (): void => {
      if (!cancelled) run()
    }
    this.after(Math.max(0, delayMs) + this.latency(), due)
    return {
      unref: () => undefined,
      cancel: () => {
        cancelled = true
      },
    }
  }

  /** Turns come in the order they were asked for, as the event loop's do. */
  #turn(run: () => void): void {
    const at = Math.max(this.#now + this.latency() / 8, this.#lastTurn)
    this.#lastTurn = at
    this.#add({ at, run, drop: undefined })
  }

  #disk(verdict: Verdict | undefined): Promise<void> {
    const dead = (): Error => systemError('EIO', 'call', 'a process that ended')
    if (this.#buried) return Promise.reject(dead())
    const wait = this.latency() * this.slowness + (verdict?.delayMs ?? 0)
    return new Promise((resolve, reject) => {
      this.#add({ at: this.#now + wait, run: resolve, drop: () => reject(dead()) })
    })
  }

  /** Behind all that is due at the same time. */
  #add(event: Event): void {
    let at = this.#queue.length
    while (at > 0 && this.#queue[at - 1]!.at > event.at) at--
    this.#queue.splice(at, 0, event)
  }
}

function allThatFollows(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
