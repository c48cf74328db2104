// A database without data: writes fill memtables, memtables become level-0 tables and segments, and the engine's own
// pick functions decide what is merged and collected when. Pure and deterministic. Time is counted in bytes the program
// writes; a job takes as long as its bytes need at the given speed.
import { storedBytes } from '../../format/table-meta.ts'
import { valueBytesMax } from '../../sstable/writer-workspace.ts'
import { idleTrigger } from '../idle-trigger.ts'
import { InFlight } from '../in-flight.ts'
import { type PickOptions, pickCompaction } from '../pick.ts'
import { insideBytesMax } from '../pick-level0.ts'
import type { CompactionPlan } from '../plan.ts'
import { relocatedBytes } from '../values/pick-values.ts'
import { type Kind, type SegmentShape, SimulatedSegments } from './simulated-segments.ts'
import { SimulatedTree } from './simulated-tree.ts'
import { NO_SEGMENT } from './strata.ts'
import {
  amountOf,
  type Cutting,
  cutTables,
  KEY_SPACE,
  mergeTables,
  type Piece,
  renamed,
  type SyntheticLevels,
  type SyntheticTable,
  type TableLimits,
} from './synthetic-table.ts'
import { type SimulationFigures, type Space, Tally } from './tally.ts'
import { Traffic, type Workload } from './workload.ts'

export interface SimulationSetup {
  readonly workload: Workload
  readonly pick: PickOptions
  readonly memtableSize: number
  readonly maxLevels: number
  /** Values of so many bytes or more lie in segments; Infinity: none do. */
  readonly valueThreshold: number
  readonly segments: Omit<SegmentShape, 'least'>
  /** Compactions that may run at a time. */
  readonly parallel: number
  /** Bytes one compaction reads while the program writes one; Infinity: it is done at once. */
  readonly speed: number
}

interface Placed {
  readonly placed: readonly SyntheticTable[]
  /** Bytes of the values that went to a segment. */
  readonly values: number
}

interface RunningJob {
  readonly plan: CompactionPlan
  /** Bytes it reads. */
  readonly bytes: number
  readonly end: number
  readonly release: () => void
}

/** Flushes, or jobs while idle, between two looks at the progress. */
const STEPS_PER_LOOK = 32
/** Times told apart. */
const EPOCHS_MOST = 128
/** Segments that hold what is live: if there were more, each stands for several. Flushes write to all keys, so a table
 * points to all of theirs; what is copied is of one table. */
const SEGMENTS_MOST = { flushed: 128, copied: 2_048 }
/** What is written to a segment that has no number yet. */
const FRESH = -1
const UNCUT: TableLimits = { bytes: Number.POSITIVE_INFINITY, values: Number.POSITIVE_INFINITY }

export class Simulation {
  readonly #setup: SimulationSetup
  readonly #traffic: Traffic
  readonly #tree: SimulatedTree
  readonly #segments: SimulatedSegments
  readonly #inFlight = new InFlight()
  readonly #tally = new Tally()
  readonly #pick: PickOptions
  readonly #flushesPerEpoch: number
  #running: RunningJob[] = []
  #number = 0
  #version = 0
  #clock = 0
  #loaded = 0
  #drawn = 0
  #resting = false

  constructor(setup: SimulationSetup) {
    const { workload, memtableSize, valueThreshold } = setup
    this.#setup = setup
    this.#traffic = new Traffic(workload, valueThreshold)
    this.#tree = new SimulatedTree(setup.maxLevels)
    const { keys, sizes } = this.#traffic
    const live = keys * sizes.put.segment
    const least = {
      flushed: live / SEGMENTS_MOST.flushed,
      copied: live / SEGMENTS_MOST.copied,
    }
    this.#segments = new SimulatedSegments({ ...setup.segments, least }, sizes.put.segment)
    // The tables are ours.
    this.#pick = { ...setup.pick, weigh: (table) => (table as SyntheticTable).weight }
    const flushes = this.#traffic.writes / this.#traffic.memtableWrites(memtableSize, true)
    this.#flushesPerEpoch = Math.ceil(flushes / EPOCHS_MOST)
  }

  get levels(): SyntheticLevels {
    return this.#tree.levels
  }

  /** Runs to the end; yields the share of the load done, 0 to 1, now and then. */
  *run(): Generator<number, SimulationFigures> {
    const { writes } = this.#traffic
    let done = 0
    while (done < writes) {
      done += this.#flush(writes - done)
      this.#look()
      if (this.#tally.flushes % STEPS_PER_LOOK === 0) yield done / writes
    }
    this.#segments.closeAll()
    yield* this.#finishAll()
    this.#resting = true
    this.#tally.rest(this.#clock, this.#space(0))
    yield* this.#finishAll()
    return this.#figures()
  }

  /** Does what is due, until nothing is. */
  *#finishAll(): Generator<number, void> {
    for (let steps = 1; ; steps += 1) {
      if (steps % STEPS_PER_LOOK === 0) yield 1
      if (this.#startOne()) continue
      if (this.#running.length === 0) return
      this.#advance(this.#nextEnd())
    }
  }

  #figures(): SimulationFigures {
    const { levels } = this.#tree
    const bytes = this.#tree.levelBytes()
    const { files, bytes: segmentBytes, freedBytes } = this.#segments
    return {
      dataBytes: this.#setup.workload.dataBytes,
      ...this.#tally.counted(this.#traffic.separates, this.#space(0)),
      freedBytes,
      segments: { files, bytes: segmentBytes },
      levels: levels.map((tables, level) => ({ tables: tables.length, bytes: bytes[level]! })),
      tableSize: this.#setup.pick.tableSize,
    }
  }

  /** Fills a memtable and writes it out, as soon as level 0 takes it; returns the writes it took. */
  #flush(left: number): number {
    const { memtableSize, pick } = this.#setup
    const traffic = this.#traffic
    const loading = this.#loaded < traffic.keys
    const most = loading ? Math.min(left, traffic.keys - this.#loaded) : left
    const writes = Math.min(most, traffic.memtableWrites(memtableSize, loading))
    const given = writes * traffic.meanBytes('given', loading)
    this.#tally.given(given, writes * traffic.meanBytes('log', loading))
    this.#advance(this.#clock + given)
    while (this.#tree.levels[0]!.length >= pick.l0StallTrigger && this.#running.length > 0) {
      const end = this.#nextEnd()
      this.#tally.stalled += Math.max(0, end - this.#clock)
      this.#advance(end)
    }
    const pieces = this.#written(writes, loading)
    this.#version += 1
    const versions = { smallest: this.#version, largest: this.#version }
    const tables = cutTables(pieces, versions, this.#cutting(this.#limits))
    const { placed, values } = this.#place('flushed', tables)
    this.#tally.flushed({ tables: storedBytes(placed), segments: values })
    this.#segments.refer(placed)
    this.#tree.flushed(placed)
    this.#start()
    return writes
  }

  /** The tables, with what they point to in the segment FRESH in one that has a number, and its bytes. */
  #place(kind: Kind, tables: readonly SyntheticTable[]): Placed {
    let values = 0
    for (const { segments = [] } of tables) {
      for (const use of segments) if (use.number === FRESH) values += use.bytes
    }
    if (values === 0) return { placed: tables, values }
    const number = this.#segments.write(kind, values, ++this.#number)
    return { placed: tables.map((table) => renamed(table, FRESH, number)), values }
  }

  /** What so many writes put into which range. */
  #written(writes: number, loading: boolean): Piece[] {
    const { keys, workload } = this.#traffic
    const before = loading ? this.#loaded : this.#drawn
    if (loading) this.#loaded += writes
    else this.#drawn += writes
    const epoch = Math.floor(this.#tally.flushes / this.#flushesPerEpoch)
    // Of nothing but deletes there are no values.
    const puts = loading || this.#traffic.deletedShare < 1
    const segment = this.#traffic.separates && puts ? FRESH : NO_SEGMENT
    const piece = (from: number, to: number, count: number): Piece => {
      const density = count / (keys * (to - from))
      const drawn = loading ? 0 : density
      const loaded = loading ? density : 0
      return {
        from: Math.round(from * KEY_SPACE),
        to: Math.round(to * KEY_SPACE),
        strata: [{ epoch, segment, loaded, drawn }],
        buried: drawn,
      }
    }
    if (workload.distribution !== 'sequential') return [piece(0, 1, writes)]
    // Round and round in key order.
    const from = (before % keys) / keys
    const to = from + writes / keys
    if (to <= 1) return [piece(from, to, writes)]
    const head = Math.min(writes, Math.round((to - 1) * keys))
    return [piece(0, Math.min(to - 1, from), head), piece(from, 1, writes - head)]
  }

  get #limits(): TableLimits {
    const { tableSize } = this.#setup.pick
    return { bytes: tableSize, values: valueBytesMax({ tableSize }) }
  }

  #cutting(limits: TableLimits): Cutting {
    return { traffic: this.#traffic, limits, next: () => ++this.#number }
  }

  /** Lets time pass up to a moment: compactions end, and others start in their place. */
  #advance(to: number): void {
    while (this.#running.length > 0 && this.#nextEnd() <= to) {
      const next = this.#running.reduce((first, job) => (job.end < first.end ? job : first))
      this.#clock = Math.max(this.#clock, next.end)
      this.#finish(next)
      this.#start()
    }
    this.#clock = Math.max(this.#clock, to)
  }

  #nextEnd(): number {
    return this.#running.reduce((least, { end }) => Math.min(least, end), Infinity)
  }

  /** Starts what is due, as the engine does. */
  #start(): void {
    while (this.#startOne());
  }

  /** False: nothing is due, or no job is free. */
  #startOne(): boolean {
    const { parallel, speed } = this.#setup
    const plan = this.#running.length < parallel ? this.#next() : undefined
    if (plan === undefined) return false
    const bytes = plan.trivialMove ? 0 : storedBytes(plan.sources.flat()) + relocatedBytes(plan)
    const release = this.#inFlight.reserve(plan)
    const job = { plan, bytes, release, end: this.#clock + bytes / speed }
    this.#running.push(job)
    if (job.end <= this.#clock) this.#finish(job)
    return true
  }

  #next(): CompactionPlan | undefined {
    const { levels, bytes } = this.#tree
    const values = this.#segments.moment(levels, bytes, this.#resting)
    const moment = { oldestSnapshot: this.#version, ...(values === undefined ? {} : { values }) }
    const pick = this.#resting
      ? { ...this.#pick, l0CompactTrigger: idleTrigger(levels, this.#pick) }
      : this.#pick
    return pickCompaction(levels, pick, this.#inFlight, moment)
  }

  #finish(job: RunningJob): void {
    this.#running = this.#running.filter((other) => other !== job)
    const { plan, bytes, release } = job
    const tables = this.#tree.inputs(plan)
    if (plan.trivialMove) {
      this.#tree.install(plan, tables)
      this.#tally.moved()
    } else {
      const relocate = new Set(plan.relocate?.map(({ number }) => number))
      const { dropTombstones } = plan
      const cutting = this.#cutting(this.#limitsOf(plan, tables))
      const merged = mergeTables(tables, { ...cutting, dropTombstones, relocate, to: FRESH })
      const { placed, values } = this.#place('copied', merged)
      const written = { tables: storedBytes(placed), segments: values }
      this.#noteSpace(written.tables)
      this.#segments.refer(placed)
      this.#segments.release(tables)
      this.#tree.install(plan, placed)
      this.#tally.compacted(plan, bytes, written)
    }
    release()
  }

  /** As the engine shapes what it merges (plan-merges.ts). */
  #limitsOf(plan: CompactionPlan, tables: readonly SyntheticTable[]): TableLimits {
    if (plan.outputLevel === 0) return UNCUT
    const limits = this.#limits
    if (plan.collects !== true) return limits
    const bytes = Math.min(
      Math.max(limits.bytes, storedBytes(tables)),
      insideBytesMax(limits.bytes),
    )
    return { bytes, values: 2 * limits.values }
  }

  #look(): void {
    this.#tally.reads(this.#tree.tablesPerKey())
    this.#noteSpace(0)
  }

  #noteSpace(besides: number): void {
    // While little is there, everything is out of proportion.
    if (this.#tally.flushes <= 2 * this.#pick.l0CompactTrigger) return
    this.#tally.space(this.#space(besides))
  }

  /** `besides`: bytes of tables that are not in the levels yet. */
  #space(besides: number): Space {
    const { keys } = this.#traffic
    const written = { loaded: this.#loaded / keys, drawn: this.#drawn / keys }
    const strata = [{ epoch: 0, segment: 0, ...written }]
    const live = amountOf({ from: 0, to: KEY_SPACE, strata, buried: 0 }, this.#traffic)
    return {
      bytes: this.#tree.bytes + this.#segments.bytes + besides,
      liveBytes: live.bytes + live.values,
    }
  }
}
