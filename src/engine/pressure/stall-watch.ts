// Tells when writers are slowed or stopped, why and for how long, and keeps the sums for stats(). Main thread.
import type { Clock } from '../../base/clock.ts'
import type { DelayCause } from './write-rate.ts'

/** Why commits wait for room. */
export type StopCause = 'level0' | 'memtables' | 'memory' | 'disk'

/** Writers are slowed in proportion to what flush, compaction and collection owe, or stopped until there is room. */
export interface StallNotice {
  readonly event: 'stall'
  readonly phase: 'begin' | 'end'
  /** 'slowed': commits go out at the rate at which background work keeps up. 'stopped': they wait for room. */
  readonly writers: 'slowed' | 'stopped'
  /**
   * `level0`: compaction of level 0 is behind. `levels`: deeper levels are far over their sizes. `memtables`: flushes
   * are behind. `garbage`: the files take more than twice what is live, and collections and compactions are behind with
   * it. `memory`: the budget has no room for another memtable. `disk`: the next log is not on disk yet. Of several
   * causes of a slow-down it is the one that held most when it was told.
   */
  readonly cause: StopCause | DelayCause
  /** How long commits waited so far, in ms: at the end of a stop all of it, of a slow-down the sum of its delays. */
  readonly ms: number
}

/** Delays of less than this in all are not told of. */
const TELL_MS = 100

/** For how long groups were held back, in ms, by cause. */
export type Delays = Readonly<Record<DelayCause, number>>

export interface StallWatchParts {
  readonly clock: Clock
  readonly notify: (notice: StallNotice) => void
}

export class StallWatch {
  /** Commits waited for room for so long in all. */
  stallMs = 0
  readonly #parts: StallWatchParts
  #stop: { readonly cause: StopCause; readonly since: number } | undefined
  readonly #delays = { level0: 0, levels: 0, memtables: 0, garbage: 0 }
  /** Its delays so far; `told`: which cause was. */
  #slow: { readonly delays: Map<DelayCause, number>; told: DelayCause | undefined } | undefined

  constructor(parts: StallWatchParts) {
    this.#parts = parts
  }

  /** A commit waits for room, behind it every other. What it waits for may change. */
  stopped(cause: StopCause): void {
    if (this.#stop?.cause === cause) return
    this.resumed()
    this.#stop = { cause, since: this.#parts.clock.monotonicMs() }
    this.#tell({ phase: 'begin', writers: 'stopped', cause, ms: 0 })
  }

  /** None waits any more, or not for that. */
  resumed(): void {
    if (this.#stop === undefined) return
    const { cause, since } = this.#stop
    const ms = this.#parts.clock.monotonicMs() - since
    this.stallMs += ms
    this.#stop = undefined
    this.#tell({ phase: 'end', writers: 'stopped', cause, ms })
  }

  /** Since the open. */
  get delays(): Delays {
    return { ...this.#delays }
  }

  /** Groups were held back for so long in all. */
  get delayMs(): number {
    return sum(Object.values(this.#delays))
  }

  /** A group was held back for so long. */
  held(ms: number, cause: DelayCause): void {
    this.#delays[cause] += ms
    this.#slow ??= { delays: new Map(), told: undefined }
    const { delays, told } = this.#slow
    delays.set(cause, (delays.get(cause) ?? 0) + ms)
    const all = sum(delays.values())
    if (told !== undefined || all < TELL_MS) return
    const [[most]] = [...delays].sort(([, a], [, b]) => b - a) as [[DelayCause, number]]
    this.#slow.told = most
    this.#tell({ phase: 'begin', writers: 'slowed', cause: most, ms: all })
  }

  /** Nothing is owed any more. */
  calm(): void {
    const slow = this.#slow
    this.#slow = undefined
    if (slow?.told === undefined) return
    const ms = sum(slow.delays.values())
    this.#tell({ phase: 'end', writers: 'slowed', cause: slow.told, ms })
  }

  #tell(notice: Omit<StallNotice, 'event'>): void {
    const { clock, notify } = this.#parts
    // Whatever the listener throws is its own affair.
    clock.nextTurn(() => notify({ event: 'stall', ...notice }))
  }
}

function sum(all: Iterable<number>): number {
  let result = 0
  for (const one of all) result += one
  return result
}
