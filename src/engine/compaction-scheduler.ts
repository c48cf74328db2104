// Starts the compactions that are due, has them merged, and installs their outputs. Main thread. A plan reserves its
// key ranges, so parallel ones never meet.

import type { Clock } from '../base/clock.ts'
import { MIB } from '../base/limits.ts'
import { mayExpire } from '../compaction/expiry.ts'
import { InFlight } from '../compaction/in-flight.ts'
import { type PickMoment, type PickOptions, pickCompaction } from '../compaction/pick.ts'
import { garbageHeldBack } from '../compaction/pick-garbage.ts'
import type { CompactionPlan } from '../compaction/plan.ts'
import { planRange, type RangeRequest } from '../compaction/plan-range.ts'
import { relocatedBytes } from '../compaction/values/pick-values.ts'
import { storedBytes } from '../format/table-meta.ts'
import type { Levels } from '../manifest/levels.ts'
import { createCancelFlag } from '../pool/cancel-flag.ts'
import type { CancelFlag } from '../pool/executor.ts'
import type { MergeResult } from './compaction/join-parts.ts'
import type { PlanMerges } from './compaction/plan-merges.ts'
import { BackOff } from './disk/back-off.ts'
import { errorCode } from './disk/failures.ts'
import { dropTables } from './expiry/drop-tables.ts'
import { ExpiryTimer } from './expiry/expiry-timer.ts'
import type { Notices } from './maintenance/notices.ts'
import type { TreeState } from './tree-state.ts'
import type { ValueCollector } from './value-log/collector.ts'

/** Compactions of so few input bytes are still done when the database closes: processes that live shortly would
 * otherwise leave table after table behind. */
const SMALL_INPUT_BYTES = 4 * MIB

/** What the options say is read anew each time: they, and how busy the database is, change. */
export interface CompactionParts {
  readonly merges: PlanMerges
  readonly tree: TreeState
  readonly collector: ValueCollector
  readonly clock: Clock
  readonly notices: Notices
  readonly pick: PickOptions
  /** Levels that may be filled, 2 to LEVEL_COUNT. */
  readonly maxLevels: number
  readonly parallel: number
  /** False: read-only, nothing is ever compacted. */
  readonly enabled: boolean
  /** True once no edit can be installed any more. */
  readonly halted: () => boolean
  readonly failed: (error: unknown) => void
  /** Outputs are installed: level 0 may be shorter. */
  readonly compacted: () => void
  /** Others run than before. */
  readonly runningChanged: () => void
  /** A plan failed for what is left alone from now on: the rest goes on. */
  readonly leftOut: (error: unknown) => void
  /** What had failed is not tried again, for it is not due any more. */
  readonly idle: () => void
  /** More of what there is has expired. */
  readonly expired: () => void
}

interface RunningPlan {
  readonly bytes: number
  /** Of these, those that it writes at most, and those of values among them. */
  readonly writing: number
  readonly copying: number
  readonly cancel: CancelFlag
}

export class CompactionScheduler {
  readonly #parts: CompactionParts
  readonly #reserved = new InFlight()
  /** Per compactRange() under way: the tables written or moved since it began. */
  readonly #requests = new Set<Set<number>>()
  readonly #running = new Map<RunningPlan, Promise<void>>()
  readonly #retry: BackOff
  readonly #expiry: ExpiryTimer
  #closing = false
  #stopped: boolean
  /** Once no reader needs an older version than this, there is garbage to be had. */
  #heldBack: number | undefined
  /** Damage was met: nothing is compacted until the database is reopened. */
  damage: unknown
  compactions = 0
  bytesCompacted = 0

  constructor(parts: CompactionParts) {
    this.#parts = parts
    this.#retry = new BackOff(parts.clock)
    this.#expiry = new ExpiryTimer(parts.clock, () => {
      this.kick()
      parts.expired()
    })
    this.#stopped = !parts.enabled
  }

  /** True while something runs or will run without another event. */
  get busy(): boolean {
    return this.#running.size > 0 || this.#retry.waiting
  }

  /** Bytes that what runs is to write, at most; `copying`: of values, out of segments into others. */
  get underWay(): { readonly writing: number; readonly copying: number } {
    const sum = { writing: 0, copying: 0 }
    for (const { writing, copying } of this.#running.keys()) {
      sum.writing += writing
      sum.copying += copying
    }
    return sum
  }

  /** Starts what is due, as far as jobs are free. */
  kick(): void {
    if (!this.#stopped && !this.#closing) this.#expiry.arm(this.#parts.tree.levels)
    while (!this.#stopped && this.damage === undefined && !this.#retry.waiting) {
      if (this.#running.size >= this.#parts.parallel) return
      const levels = this.#levels()
      const moment = this.#moment()
      const plan = pickCompaction(levels, this.#parts.pick, this.#reserved, moment)
      this.#heldBack = plan === undefined ? garbageHeldBack(levels, moment) : undefined
      if (plan === undefined || (this.#closing && inputBytes(plan) > SMALL_INPUT_BYTES)) return
      // Last: it asks the disk who owns the directory.
      if (this.#parts.halted()) return
      this.#start(plan)
    }
  }

  /** A reader let its version go. */
  released(): void {
    const { oldestSnapshot } = this.#parts.tree
    if (this.#heldBack !== undefined && this.#heldBack <= oldestSnapshot) this.kick()
  }

  /** Rewrites a range step by step; other compactions wait their turn behind it. */
  compactRange(start: Uint8Array | undefined, end: Uint8Array | undefined): Promise<void> {
    return this.#request({ start, end })
  }

  /** Takes all there is into the last level. */
  flatten(): Promise<void> {
    const bottom = this.#levels().length - 1
    return this.#request({ start: undefined, end: undefined, bottom })
  }

  /** Runs what `next` plans, as many at a time as may be, until it plans nothing and nothing runs. */
  async work(
    next: (levels: Levels, inFlight: InFlight) => CompactionPlan | undefined,
  ): Promise<void> {
    const failures: unknown[] = []
    const own = new Set<Promise<void>>()
    while (this.#goesOn && failures.length === 0) {
      const free = Math.max(1, this.#parts.parallel) > this.#running.size
      const plan = free ? next(this.#levels(), this.#reserved) : undefined
      if (plan === undefined && this.#running.size === 0) return
      if (plan === undefined) await this.#oneEnds()
      else {
        const work = this.#run(plan)
          .catch((error: unknown) => void failures.push(error))
          .finally(() => own.delete(work))
        own.add(work)
      }
    }
    await Promise.all(own)
    if (failures.length > 0) throw failures[0]
    if (this.damage !== undefined) throw this.damage
  }

  /** Whether more may be begun for one who waits: not after a failure that ends all writing, whoever met it. */
  get #goesOn(): boolean {
    const over = this.#stopped || this.#closing || this.#parts.halted()
    return !over && this.damage === undefined
  }

  async #request(range: Pick<RangeRequest, 'start' | 'end' | 'bottom'>): Promise<void> {
    // Of the others, too: two that rewrite each other's outputs, which hold what a reader keeps, would never end.
    const done = new Set<number>()
    // What is written from now on is not this request's business, or it might never end.
    const newestVersion = this.#parts.tree.readers().snapshots.at(-1)!
    this.#requests.add(done)
    try {
      await this.#rewrite({ ...range, done, newestVersion })
    } finally {
      this.#requests.delete(done)
    }
  }

  #moment(): PickMoment {
    const { tree } = this.#parts
    const readers = this.#readers()
    return { oldestSnapshot: tree.oldestSnapshot, ...readers, ...this.#values(readers) }
  }

  /** Who reads matters only to what expires; and no reader begins before a time that was asked for. */
  #readers(): Pick<PickMoment, 'readers'> {
    const { tree } = this.#parts
    return mayExpire(tree.levels) ? { readers: tree.readers() } : {}
  }

  /** What is being closed has no time for them. */
  #values({ readers }: Pick<PickMoment, 'readers'>): Pick<PickMoment, 'values'> {
    const values = this.#closing ? undefined : this.#parts.collector.moment(readers)
    return values === undefined ? {} : { values }
  }

  async #rewrite(request: RangeRequest): Promise<void> {
    while (this.#goesOn) {
      const asked = { ...request, ...this.#readers() }
      const plan = planRange(this.#levels(), asked, this.#parts.pick, this.#reserved)
      if (plan === undefined && this.#running.size === 0) return
      if (plan === undefined) await this.#oneEnds()
      else await this.#run(plan)
    }
    if (this.damage !== undefined) throw this.damage
  }

  /** One of those that run, well or not: who runs it is told, and what its failure means is known by then. */
  async #oneEnds(): Promise<void> {
    await Promise.race([...this.#running.values()].map((work) => work.catch(() => undefined)))
  }

  /** Finishes what is small, cancels the rest, and starts nothing more. */
  async stop(): Promise<void> {
    this.#closing = true
    this.#retry.cancel()
    this.#expiry.cancel()
    for (const { bytes, cancel } of this.#running.keys()) {
      if (bytes > SMALL_INPUT_BYTES) cancel.cancel()
    }
    this.kick()
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values())
    this.#parts.collector.stop()
    this.#stopped = true
  }

  #start(plan: CompactionPlan): void {
    // Whom the error concerns was told by then.
    this.#run(plan).catch(() => undefined)
  }

  /** What failed is planned anew later on, for level 0 may wait for it. */
  #failed(plan: CompactionPlan, error: unknown): void {
    // stop() cancelled it: no failure.
    if (this.#closing && errorCode(error) === 'SETT_BUSY') return
    const leftOut = this.#parts.collector.failed(plan, error)
    if (errorCode(error) === 'LEVEL_CORRUPTION' && !leftOut) this.damage = error
    if (leftOut) this.#parts.leftOut(error)
    else this.#parts.failed(error)
    if (this.#closing) this.#stopped = true
    if (this.#stopped || this.damage !== undefined || this.#parts.halted()) return
    if (leftOut) this.#goOn()
    else this.#retry.later(() => this.#goOn())
  }

  #goOn(): void {
    this.kick()
    // What failed was asked for and is not due by itself: nothing else would wake those who wait for its end.
    if (!this.busy) this.#parts.idle()
  }

  #run(plan: CompactionPlan): Promise<void> {
    const bytes = inputBytes(plan)
    const writing = plan.trivialMove || plan.expired === true ? 0 : bytes
    const running = { bytes, writing, copying: relocatedBytes(plan), cancel: createCancelFlag() }
    const release = this.#reserved.reserve(plan)
    const { notices } = this.#parts
    const compact = (): Promise<MergeResult | undefined> => this.#compact(plan, running.cancel)
    const told = plan.collects
      ? notices.collection(plan, compact)
      : notices.compaction(plan, compact)
    const work = told
      .finally(() => {
        release()
        this.#running.delete(running)
      })
      .then(() => {
        this.#retry.succeeded()
        this.#parts.compacted()
        // The next one is known before anybody hears that this one ended.
        this.kick()
        this.#parts.runningChanged()
      })
      .catch((error: unknown) => {
        this.#failed(plan, error)
        this.#parts.runningChanged()
        throw error
      })
    this.#running.set(running, work)
    this.#parts.runningChanged()
    return work
  }

  /** Those that may be filled, and those that are filled already. */
  #levels(): Levels {
    const { tree, maxLevels } = this.#parts
    const deepest = tree.levels.findLastIndex((tables) => tables.length > 0)
    return tree.levels.slice(0, Math.max(maxLevels, deepest + 1))
  }

  async #compact(plan: CompactionPlan, cancel: CancelFlag): Promise<MergeResult | undefined> {
    const { tree, merges, collector } = this.#parts
    if (plan.trivialMove) {
      await tree.installMove(plan)
      this.#done(plan, plan.inputs)
      return undefined
    }
    const result = plan.expired === true ? dropTables(plan) : await merges.run(plan, cancel)
    await tree.installCompaction(plan, result)
    this.#done(plan, result.tables)
    if (plan.collects === true) collector.collected()
    else this.compactions += 1
    this.bytesCompacted += result.bytesWritten
    return result
  }

  #done(plan: CompactionPlan, tables: readonly { readonly number: number }[]): void {
    for (const request of this.#requests) {
      // A collection drops nothing: its table is as far as it was.
      const counts = plan.collects !== true || plan.inputs.some(({ number }) => request.has(number))
      if (counts) for (const { number } of tables) request.add(number)
    }
  }
}

function inputBytes(plan: CompactionPlan): number {
  return storedBytes(plan.sources.flat()) + relocatedBytes(plan)
}
