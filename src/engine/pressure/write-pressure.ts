// Slows commits down in proportion to what flush, compaction and collection owe, before they would have to stop. Main
// thread. Looks at memtables, levels and jobs when they change, and at the clock only while something is owed: no timer
// of its own.
import type { Clock } from '../../base/clock.ts'
import { baseLevelSize, excessBytes, levelTargets } from '../../compaction/level-targets.ts'
import type { Space } from '../../compaction/values/doom.ts'
import type { Levels } from '../../manifest/levels.ts'
import { weigh } from '../value-log/table-weights.ts'
import { DrainMeter } from './drain-meter.ts'
import { debtOf, garbageReservoir, type SpaceFacts } from './space-debt.ts'
import type { StallWatch } from './stall-watch.ts'
import { Turnover } from './turnover.ts'
import { WritePacer } from './write-pacer.ts'
import {
  type DelayCause,
  level0Reservoir,
  levelsReservoir,
  type MemoryFill,
  memtableReservoir,
  type Reservoir,
  UNLIMITED,
  type WriteLimit,
  writeLimit,
} from './write-rate.ts'

export interface PressureOptions {
  readonly memtableSize: number
  readonly memtableCount: number
  readonly tableSize: number
  readonly l0CompactTrigger: number
  /** Infinity: writers never wait for compaction. */
  readonly l0StallTrigger: number
  readonly levelSizeMultiplier: number
}

export interface PressureParts {
  readonly clock: Clock
  readonly options: PressureOptions
  readonly memory: () => MemoryFill
  readonly levels: () => Levels
  readonly watch: StallWatch
}

/** What may free space, and how it gets on. */
export interface SpaceSource {
  /** Tables and segments; undefined: what is garbage there has to wait, and nobody is to wait for it. */
  readonly space: () => Space | undefined
  /** Bytes that compactions and collections have written since the open. */
  readonly written: () => number
  /** Bytes that those under way are to write, and those of values among them. */
  readonly underWay: () => { readonly writing: number; readonly copying: number }
}

/** The limit is worked out anew after so many ms, or when commits filled such a share of a memtable. */
const LIMIT_MS = 0.5
const LIMIT_SHARE = 1 / 128

/** Nothing was compacted yet: a merge is taken to achieve this share of what a flush does. */
const MERGE_GUESS = 0.5

export class WritePressure {
  /** False: commits go out at once, and nothing else here needs to be asked. */
  limited = false
  readonly #parts: PressureParts
  readonly #flushes = new DrainMeter()
  readonly #merges = new DrainMeter()
  readonly #jobs = new DrainMeter()
  readonly #turnover = new Turnover()
  readonly #pacer = new WritePacer()
  #levels: Levels | undefined
  #tables = 0
  #merging = 0
  #excess = 0
  #source: SpaceSource | undefined
  /** undefined: no job is under way that could free any, or nobody is to wait for it. */
  #space: Space | undefined
  #copying = 0
  #written = 0
  #limit: WriteLimit = UNLIMITED
  /** When it was worked out, and what went out since; Infinity: it is to be worked out. */
  #limitAt = 0
  #sent = Number.POSITIVE_INFINITY
  #held: { readonly since: number; readonly cause: DelayCause } | undefined
  #ended = false

  constructor(parts: PressureParts) {
    this.#parts = parts
    this.changed()
  }

  get #tablesPerMemtable(): number {
    const { memtableSize, tableSize } = this.#parts.options
    return Math.max(1, Math.round(memtableSize / tableSize))
  }

  /** Garbage counts, too, from now on. */
  watchSpace(source: SpaceSource): void {
    this.#source = source
    this.#written = source.written()
    this.changed()
  }

  /** Bytes of garbage that writers have to do with. */
  get garbageDebt(): number {
    const facts = this.#facts(this.#parts.memory())
    return facts === undefined ? 0 : debtOf(facts, baseLevelSize(this.#parts.options))
  }

  /** A memtable with so many bytes of commits is in tables; changed() follows. */
  flushed(bytes: number): void {
    this.#flushes.done(this.#parts.clock.monotonicMs(), bytes)
  }

  /** The memtables, the levels, or the jobs under way, are others than before. */
  changed(): void {
    const { clock, memory, options, watch } = this.#parts
    const now = clock.monotonicMs()
    this.#sent = Number.POSITIVE_INFINITY
    const { frozen } = memory()
    if (frozen > 0) this.#flushes.work(now, options.memtableSize)
    else this.#flushes.rest()
    this.#readLevels(now)
    this.#readJobs(now)
    // However full the active memtable gets before the next change.
    const reservoirs = this.#reservoirs(now, { frozen, active: 1 })
    this.limited = !this.#ended && reservoirs.some(({ fill }) => fill > 0)
    if (this.limited) return
    this.#goesOut(now)
    this.#pacer.forgive()
    watch.calm()
  }

  /** Nobody writes any more: nothing is held back from now on. Whoever waits asks again within a few ms. */
  end(): void {
    this.#ended = true
    this.changed()
  }

  /** How long to wait, in ms, before asking again whether the next group may go out; 0: it may. */
  waitMs(): number {
    if (!this.limited || this.#goesUnasked) return 0
    const now = this.#parts.clock.monotonicMs()
    this.#readLimit(now)
    const wait = this.#pacer.waitMs(now, this.#limit.bytesPerMs)
    if (wait === 0) this.#goesOut(now)
    else this.#held ??= { since: now, cause: this.#limit.cause! }
    return wait
  }

  /** A group of so many bytes goes out, which points to so many more in segments: those pass memtables and level 0 by,
   * but what they replace becomes garbage. */
  sent(bytes: number, stored = 0): void {
    if (!this.limited) return
    // What is charged for them is up to the limit, which may be old: the log hardly grows by such commits.
    if (stored > 0) this.#readLimit(this.#parts.clock.monotonicMs())
    this.#sent += bytes
    const { bytesPerMs, cause } = this.#limit
    const owed = cause === 'garbage' ? bytes + stored : bytes
    const little = this.#pacer.owesLittle(owed, bytesPerMs)
    this.#pacer.sent(little ? undefined : this.#parts.clock.monotonicMs(), owed, bytesPerMs)
  }

  /** The clock could only tell that less is owed: not worth its while beside a small commit. */
  get #goesUnasked(): boolean {
    const { bytesPerMs } = this.#limit
    return this.#sentFew && this.#held === undefined && this.#pacer.owesLittle(0, bytesPerMs)
  }

  /** Since the limit was worked out. */
  get #sentFew(): boolean {
    return this.#sent < this.#parts.options.memtableSize * LIMIT_SHARE
  }

  #readLimit(now: number): void {
    if (this.#sentFew && now - this.#limitAt < LIMIT_MS) return
    this.#limit = writeLimit(this.#reservoirs(now, this.#parts.memory()))
    this.#limitAt = now
    this.#sent = 0
  }

  #goesOut(now: number): void {
    if (this.#held === undefined) return
    this.#parts.watch.held(now - this.#held.since, this.#held.cause)
    this.#held = undefined
  }

  #readJobs(now: number): void {
    if (this.#source === undefined) return
    const { space, written, underWay } = this.#source
    const all = written()
    if (all > this.#written) this.#jobs.done(now, all - this.#written)
    this.#written = all
    const { writing, copying } = underWay()
    this.#copying = copying
    const waits = this.#parts.options.l0StallTrigger !== Number.POSITIVE_INFINITY
    this.#space = waits && writing > 0 ? space() : undefined
    if (writing > 0) this.#jobs.work(now, writing)
    else this.#jobs.rest()
  }

  #facts({ frozen, active }: MemoryFill): SpaceFacts | undefined {
    if (this.#space === undefined) return undefined
    return {
      space: this.#space,
      settled: this.#turnover.settled,
      memory: (frozen + active) * this.#parts.options.memtableSize,
      copying: this.#copying,
      turnover: this.#turnover.share,
    }
  }

  #readLevels(now: number): void {
    const { levels, options } = this.#parts
    const current = levels()
    if (current === this.#levels) return
    this.#levels = current
    const { l0CompactTrigger, levelSizeMultiplier, memtableSize } = options
    const tables = current[0]!.length
    const gone = this.#tables - tables
    this.#tables = tables
    if (gone > 0) this.#merges.done(now, (gone * memtableSize) / this.#tablesPerMemtable)
    if (tables < l0CompactTrigger) {
      this.#merging = 0
      this.#merges.rest()
    } else if (gone > 0 || this.#merging === 0) {
      this.#merging = tables
      this.#merges.work(now, (tables * memtableSize) / this.#tablesPerMemtable)
    }
    const targets = levelTargets(current, {
      baseLevelSize: baseLevelSize(options),
      levelSizeMultiplier,
      weigh,
    })
    this.#excess = excessBytes(current, targets)
    this.#turnover.follow(current, baseLevelSize(options) / 2)
  }

  #reservoirs(now: number, memory: MemoryFill): Reservoir[] {
    const { options } = this.#parts
    const flush = this.#flushes.drain(now)
    const memtables = memtableReservoir(memory, options, flush)
    if (options.l0StallTrigger === Number.POSITIVE_INFINITY) return [memtables]
    const merge = this.#merges.drain(now, flush.bytesPerMs * MERGE_GUESS)
    const { memtableSize, l0CompactTrigger, l0StallTrigger } = options
    const tablesPerMemtable = this.#tablesPerMemtable
    const rules = { memtableSize, tablesPerMemtable, l0CompactTrigger, l0StallTrigger }
    const { frozen, active } = memory
    const level0 = { frozen, active, tables: this.#tables, merging: this.#merging }
    const base = baseLevelSize(options)
    const reservoirs = [
      memtables,
      level0Reservoir(level0, rules, merge),
      levelsReservoir(this.#excess, base, merge),
    ]
    const facts = this.#facts(memory)
    if (facts !== undefined) {
      const jobs = this.#jobs.drain(now, flush.bytesPerMs * MERGE_GUESS)
      reservoirs.push(garbageReservoir(facts, base, jobs.bytesPerMs))
    }
    return reservoirs
  }
}
