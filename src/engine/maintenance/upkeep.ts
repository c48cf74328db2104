// Watches how busy the database and its event loop are, and decides from that how much compaction there is: less
// beside a busy loop, more when nothing is written. Main thread. Its timer runs only while there is something to
// wait for, and never keeps a process alive.
import type { Clock, LoopTimes, TimerHandle } from '../../base/clock.ts'
import type { ResolvedOptions } from '../../base/options.ts'
import { idleTrigger } from '../../compaction/idle-trigger.ts'
import type { Levels } from '../../manifest/levels.ts'
import { backgroundShare, type Load, parallelJobs } from './adapt.ts'

/** Between two looks while work is going on. */
const LOOK_MS = 1_000
/** While nothing goes on but a snapshot is held: it may be forgotten. */
const SLOW_LOOK_MS = 60_000

/** A loop that works more than this is reading, or the application's: no time for work that is not due. */
const REST_BELOW = 0.5

export interface UpkeepParts {
  readonly clock: Clock
  readonly options: ResolvedOptions
  readonly levels: () => Levels
  /** Bytes of all commits so far. */
  readonly written: () => number
  readonly compacting: () => boolean
  readonly pinned: () => boolean
  readonly closing: () => boolean
  /** More compaction may be allowed now. */
  readonly kick: () => void
  /** The database is idle: a flush that would free much begins. False: it must wait, ask again. */
  readonly rested: () => boolean
  /** The share of the rate is another. */
  readonly shareChanged: () => void
  /** Now and then, for the health report. */
  readonly look: () => void
}

export class Upkeep {
  readonly #parts: UpkeepParts
  #timer: TimerHandle | undefined
  #stopped = false
  /** Commit bytes at the last look, and when they were seen to change last. */
  #written: number
  #lookedAt: number
  #quietSince: number
  /** When commits, or a busy loop, were seen last. */
  #restSince: number
  #loop: LoopTimes | undefined
  #quiet = false
  #idle = false
  /** Commit bytes when somebody asked for what was deferred. */
  #asked = -1
  #share = 1

  constructor(parts: UpkeepParts) {
    this.#parts = parts
    this.#written = parts.written()
    this.#lookedAt = parts.clock.monotonicMs()
    this.#quietSince = this.#lookedAt
    this.#restSince = this.#lookedAt
  }

  /** For `idleAfter` nothing has been written and the loop has been at rest, and nothing written since. */
  get idle(): boolean {
    return this.#idle && this.#parts.written() === this.#written
  }

  /** Nothing is being written, or somebody waits for all that can be done. */
  get rest(): boolean {
    return this.idle || this.#asked === this.#parts.written()
  }

  /** Compaction waits for the end of a load. */
  get deferred(): boolean {
    const { options, written, closing } = this.#parts
    const quiet = this.#quiet && written() === this.#written
    return options.deferCompaction && !quiet && this.#asked !== written() && !closing()
  }

  /** Level-0 tables at which compaction starts at this moment. */
  get l0CompactTrigger(): number {
    if (this.deferred) return Number.POSITIVE_INFINITY
    const { options, levels } = this.#parts
    return this.idle ? idleTrigger(levels(), options) : options.l0CompactTrigger
  }

  /** Compactions that may run side by side at this moment. */
  get parallel(): number {
    return parallelJobs(Math.max(1, this.#parts.options.workers - 1), this.#share)
  }

  /** Bytes that compactions may write per second at this moment. */
  get rate(): number {
    return this.#parts.options.compactionRateLimit * this.#share
  }

  /** Somebody waits for all background work: a load has ended, unless something more is written. */
  ask(): void {
    this.#asked = this.#parts.written()
  }

  /** Tables came or went, or options changed. */
  stir(): void {
    this.#parts.look()
    this.watch()
  }

  /** A memtable fills: there will be something to look at. */
  watch(): void {
    if (this.#timer === undefined) {
      // What came before nobody looked is not of this stretch.
      this.#sampleLoop()
      this.#lookedAt = this.#parts.clock.monotonicMs()
    }
    this.#arm(Math.min(LOOK_MS, this.#parts.options.idleAfter))
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(delayMs: number): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#timer = undefined
      this.#look()
    })
    this.#timer.unref()
  }

  #look(): void {
    const { clock, options, written, kick, look, compacting, pinned, closing, rested } = this.#parts
    const now = clock.monotonicMs()
    const bytes = written()
    const wrote = bytes - this.#written
    const loopBusy = this.#sampleLoop()
    if (wrote > 0) this.#quietSince = now
    if (wrote > 0 || loopBusy > REST_BELOW) this.#restSince = now
    this.#written = bytes
    this.#quiet = now - this.#quietSince >= options.idleAfter
    this.#idle = now - this.#restSince >= options.idleAfter
    this.#adapt({ loopBusy, writeRate: (1000 * wrote) / Math.max(1, now - this.#lookedAt) })
    this.#lookedAt = now
    look()
    kick()
    const waits = this.#idle && !closing() && !rested()
    const settled = this.#idle || options.idleAfter === Number.POSITIVE_INFINITY
    const goesOn = wrote > 0 || compacting() || !settled || waits
    if (goesOn) this.#arm(Math.min(LOOK_MS, options.idleAfter))
    else if (pinned()) this.#arm(SLOW_LOOK_MS)
  }

  #adapt(load: Load): void {
    const { options, levels, shareChanged } = this.#parts
    const share = backgroundShare(load, levels()[0]!.length, options)
    if (share === this.#share) return
    this.#share = share
    shareChanged()
  }

  /** Share of the time since the last sample in which the loop worked. */
  #sampleLoop(): number {
    const times = this.#parts.clock.loopTimes?.()
    const before = this.#loop
    this.#loop = times
    if (times === undefined || before === undefined) return 0
    const active = times.activeMs - before.activeMs
    const whole = active + times.idleMs - before.idleMs
    return whole > 0 ? active / whole : 0
  }
}
