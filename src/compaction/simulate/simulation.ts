// A database without data: writes fill memtables, memtables become level-0 tables, and the engine's own pick
// functions decide what is merged when. Pure and deterministic. Time is counted in bytes the program writes; a
// compaction takes as long as its bytes need at the given speed.
import { storedBytes } from '../../format/table-meta.ts'
import { InFlight } from '../in-flight.ts'
import { type PickOptions, pickCompaction } from '../pick.ts'
import type { CompactionPlan } from '../plan.ts'
import { SimulatedTree } from './simulated-tree.ts'
import {
  amountOf,
  cutTables,
  KEY_SPACE,
  mergeTables,
  type Piece,
  type SyntheticLevels,
} from './synthetic-table.ts'
import { Traffic, type Workload } from './workload.ts'

export interface SimulationSetup {
  readonly workload: Workload
  readonly pick: PickOptions
  readonly memtableSize: number
  readonly maxLevels: number
  /** Compactions that may run at a time. */
  readonly parallel: number
  /** Bytes one compaction writes while the program writes one; Infinity: it is done at once. */
  readonly speed: number
}

export interface SimulationFigures {
  readonly dataBytes: number
  /** Bytes of keys and values the program wrote. */
  readonly givenBytes: number
  readonly flushedBytes: number
  readonly compactedBytes: number
  /** Bytes of tables written for each byte given; the log, one more, is not in it. */
  readonly writeAmplification: number
  /** Tables a lookup may have to look into: mean over the run, and most. */
  readonly readAmplification: { readonly mean: number; readonly most: number }
  /** Bytes of tables for each byte of entries a reader can see: at the end, and most (outputs beside inputs). */
  readonly spaceAmplification: { readonly end: number; readonly most: number }
  readonly flushes: number
  readonly compactions: number
  /** Of these, merges inside level 0. */
  readonly insideLevel0: number
  readonly moves: number
  /** Bytes read by the largest compaction. */
  readonly largestJobBytes: number
  /** Share of the time the program waits for level 0. */
  readonly stalledShare: number
  /** At the end, by level. */
  readonly levels: readonly { readonly tables: number; readonly bytes: number }[]
  readonly tableSize: number
}

interface RunningJob {
  readonly plan: CompactionPlan
  readonly end: number
  readonly release: () => void
}

/** Flushes between two looks at the progress. */
const FLUSHES_PER_STEP = 32

export class Simulation {
  readonly #setup: SimulationSetup
  readonly #traffic: Traffic
  readonly #tree: SimulatedTree
  readonly #inFlight = new InFlight()
  #running: RunningJob[] = []
  #number = 0
  #version = 0
  #clock = 0
  #stalled = 0
  #loaded = 0
  #drawn = 0
  #given = 0
  #flushed = 0
  #compacted = 0
  #compactions = 0
  #inside = 0
  #moves = 0
  #largestJob = 0
  #flushes = 0
  #readSum = 0
  #readMost = 0
  #spaceMost = 1

  constructor(setup: SimulationSetup) {
    this.#setup = setup
    this.#traffic = new Traffic(setup.workload)
    this.#tree = new SimulatedTree(setup.maxLevels)
  }

  get levels(): SyntheticLevels {
    return this.#tree.levels
  }

  /** Runs to the end; yields the share done, 0 to 1, now and then. */
  *run(): Generator<number, SimulationFigures> {
    const { writes } = this.#traffic
    let done = 0
    while (done < writes) {
      done += this.#flush(writes - done)
      this.#look()
      if (this.#flushes % FLUSHES_PER_STEP === 0) yield done / writes
    }
    while (this.#running.length > 0) this.#advance(this.#nextEnd())
    return this.figures()
  }

  figures(): SimulationFigures {
    const { levels } = this.#tree
    const bytes = this.#tree.levelBytes()
    return {
      dataBytes: this.#setup.workload.dataBytes,
      givenBytes: this.#given,
      flushedBytes: this.#flushed,
      compactedBytes: this.#compacted,
      writeAmplification: (this.#flushed + this.#compacted) / this.#given,
      readAmplification: { mean: this.#readSum / this.#flushes, most: this.#readMost },
      spaceAmplification: { end: this.#tree.bytes / this.#liveBytes(), most: this.#spaceMost },
      flushes: this.#flushes,
      compactions: this.#compactions,
      insideLevel0: this.#inside,
      moves: this.#moves,
      largestJobBytes: this.#largestJob,
      stalledShare: this.#stalled / this.#clock,
      levels: levels.map((tables, level) => ({ tables: tables.length, bytes: bytes[level]! })),
      tableSize: this.#setup.pick.tableSize,
    }
  }

  /** Fills a memtable and writes it out, as soon as level 0 takes it; returns the writes it took. */
  #flush(left: number): number {
    const { memtableSize, pick } = this.#setup
    const loading = this.#loaded < this.#traffic.keys
    const most = loading ? Math.min(left, this.#traffic.keys - this.#loaded) : left
    const writes = Math.min(most, this.#traffic.memtableWrites(memtableSize, loading))
    const given = this.#traffic.givenBytes(writes, loading)
    this.#given += given
    this.#advance(this.#clock + given)
    while (this.#tree.levels[0]!.length >= pick.l0StallTrigger && this.#running.length > 0) {
      const end = this.#nextEnd()
      this.#stalled += Math.max(0, end - this.#clock)
      this.#advance(end)
    }
    const pieces = this.#written(writes, loading)
    this.#version += 1
    const versions = { smallest: this.#version, largest: this.#version }
    const tables = cutTables(pieces, versions, this.#cutting(pick.tableSize))
    for (const { size } of tables) this.#flushed += size
    this.#tree.flushed(tables)
    this.#flushes += 1
    this.#start()
    return writes
  }

  /** What so many writes put into which range. */
  #written(writes: number, loading: boolean): Piece[] {
    const { keys, workload } = this.#traffic
    const before = loading ? this.#loaded : this.#drawn
    if (loading) this.#loaded += writes
    else this.#drawn += writes
    const piece = (from: number, to: number, count: number): Piece => ({
      from: Math.round(from * KEY_SPACE),
      to: Math.round(to * KEY_SPACE),
      loaded: loading ? count : 0,
      drawn: loading ? 0 : count,
      gone: 0,
    })
    if (workload.distribution !== 'sequential') return [piece(0, 1, writes)]
    // Round and round in key order.
    const from = (before % keys) / keys
    const to = from + writes / keys
    if (to <= 1) return [piece(from, to, writes)]
    const head = Math.min(writes, Math.round((to - 1) * keys))
    return [piece(0, Math.min(to - 1, from), head), piece(from, 1, writes - head)]
  }

  #cutting(tableSize: number): Parameters<typeof cutTables>[2] {
    return { traffic: this.#traffic, tableSize, next: () => ++this.#number }
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
    const { pick, parallel, speed } = this.#setup
    while (this.#running.length < parallel) {
      const moment = { oldestSnapshot: this.#version }
      const plan = pickCompaction(this.#tree.levels, pick, this.#inFlight, moment)
      if (plan === undefined) return
      const bytes = plan.trivialMove ? 0 : this.#tree.inputs(plan).reduce((n, t) => n + t.size, 0)
      const release = this.#inFlight.reserve(plan)
      const job = { plan, release, end: this.#clock + bytes / speed }
      this.#running.push(job)
      if (job.end <= this.#clock) this.#finish(job)
    }
  }

  #finish(job: RunningJob): void {
    this.#running = this.#running.filter((other) => other !== job)
    const { plan, release } = job
    const tables = this.#tree.inputs(plan)
    if (plan.trivialMove) {
      this.#tree.install(plan, tables)
      this.#moves += 1
    } else {
      const tableSize = plan.outputLevel === 0 ? Infinity : this.#setup.pick.tableSize
      const outputs = mergeTables(tables, plan, this.#cutting(tableSize))
      const read = storedBytes(tables)
      const wrote = storedBytes(outputs)
      this.#noteSpace(wrote)
      this.#tree.install(plan, outputs)
      this.#compacted += wrote
      this.#compactions += 1
      if (plan.outputLevel === 0) this.#inside += 1
      this.#largestJob = Math.max(this.#largestJob, read)
    }
    release()
  }

  #look(): void {
    const tables = this.#tree.tablesPerKey()
    this.#readSum += tables
    this.#readMost = Math.max(this.#readMost, tables)
    this.#noteSpace(0)
  }

  #noteSpace(besides: number): void {
    const space = (this.#tree.bytes + besides) / this.#liveBytes()
    // While little is there, everything is out of proportion.
    if (this.#flushes > 2 * this.#setup.pick.l0CompactTrigger) {
      this.#spaceMost = Math.max(this.#spaceMost, space)
    }
  }

  #liveBytes(): number {
    const all = { from: 0, to: KEY_SPACE, loaded: this.#loaded, drawn: this.#drawn }
    return amountOf({ ...all, gone: this.#drawn }, this.#traffic).bytes
  }
}
