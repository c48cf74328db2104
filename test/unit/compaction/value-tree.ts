// A database whose values lie in segments, without a disk: writes fill memtables, memtables become tables and segments,
// and the engine's own functions decide what is merged and what is collected. Every entry is there, so what is live is
// known exactly. Time is counted in bytes the program writes, also that by which entries expire; a job takes as long as
// what it writes needs. Writers are held back by the engine's own rule, if they are to be.
import type { Clock } from '../../../src/base/clock.ts'
import { expiredBytes } from '../../../src/compaction/expiry.ts'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import {
  type PickOptions,
  pickCompaction,
  type ValuesMoment,
} from '../../../src/compaction/pick.ts'
import type { CompactionPlan } from '../../../src/compaction/plan.ts'
import { chooseDoomed, Doomed } from '../../../src/compaction/values/doom.ts'
import { relocatedBytes } from '../../../src/compaction/values/pick-values.ts'
import { ExpiryTally } from '../../../src/cursor/expiry-tally.ts'
import { type Delays, StallWatch } from '../../../src/engine/pressure/stall-watch.ts'
import { WritePressure } from '../../../src/engine/pressure/write-pressure.ts'
import { Segments } from '../../../src/engine/value-log/segments.ts'
import type { SegmentMeta } from '../../../src/format/segments/segment-meta.ts'
import { storedBytes } from '../../../src/format/table-meta.ts'
import { applyEdit, EMPTY_STATE, type ManifestState } from '../../../src/manifest/apply-edit.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import type { Readers } from '../../../src/mvcc/pins.ts'
import { makeTable } from './levels-text.ts'

export interface TreeShape {
  readonly valueBytes: number
  /** Of an entry in a table. */
  readonly entryBytes: number
  readonly memtableBytes: number
  readonly pick: PickOptions
  /** Bytes a job writes while the program writes one. */
  readonly speed: number
  readonly parallel: number
  /** False: only the wall stops the writers. */
  readonly paced?: boolean
}

interface Entry {
  readonly key: number
  readonly version: number
  readonly segment: number
  /** Infinity: never. */
  readonly expiresAt: number
}

interface Job {
  readonly plan: CompactionPlan
  readonly bytes: number
  readonly end: number
  readonly release: () => void
  readonly outputs: Outputs
}

interface Outputs {
  readonly tables: readonly TableMeta[]
  readonly segments: readonly SegmentMeta[]
}

/** Of the program, if nothing holds it back. */
const BYTES_PER_MS = 200_000

const OVERHEAD = 192
/** In place of a segment: the entry is a delete; its value lies in the memtable. */
const DELETED = 0
const NOWHERE = -1
/** Of values, per table size, a table points to at most (writer-workspace.ts). */
const VALUES_PER_TABLE = 4

export class ValueTree {
  readonly #shape: TreeShape
  readonly #segments = new Segments()
  readonly #inFlight = new InFlight()
  readonly #contents = new Map<number, readonly Entry[]>()
  /** When each key's value expires. */
  readonly #live = new Map<number, number>()
  #expires = false
  #state: ManifestState = EMPTY_STATE
  #memtable = new Map<number, Entry>()
  #jobs: Job[] = []
  #number = 0
  #version = 0
  /** Bytes that the program would have written if nothing had held it back. */
  clock = 0
  #doomed: Doomed | undefined
  /** Bytes of all files over those of live values: most, once everything was written once. */
  most = 0
  written = 0
  flushed = 0
  compacted = 0
  stalled = 0
  rest = false
  readonly #pressure: WritePressure
  readonly #watch: StallWatch

  constructor(shape: TreeShape) {
    this.#shape = shape
    const clock = this.#time()
    this.#watch = new StallWatch({ clock, notify: () => undefined })
    const { pick, memtableBytes } = shape
    this.#pressure = new WritePressure({
      clock,
      options: { ...pick, memtableSize: memtableBytes, memtableCount: 3 },
      memory: () => ({ frozen: 0, active: this.#buffered / memtableBytes }),
      levels: () => this.#state.levels,
      watch: this.#watch,
    })
    this.#pressure.watchSpace({
      space: () => this.#space(),
      written: () => this.compacted,
      underWay: () => ({
        writing: this.#jobs.reduce((sum, { bytes }) => sum + bytes, 0),
        copying: this.#jobs.reduce((sum, { plan }) => sum + relocatedBytes(plan), 0),
      }),
    })
  }

  /** What held writers back, as shares of the time that writing took. */
  get delays(): Delays {
    const entries = Object.entries(this.#watch.delays)
    const shares = entries.map(([cause, ms]) => [cause, (ms * BYTES_PER_MS) / this.clock])
    return Object.fromEntries(shares)
  }

  get #buffered(): number {
    const { valueBytes, entryBytes } = this.#shape
    return this.#memtable.size * (valueBytes + entryBytes)
  }

  #time(): Clock {
    const now = (): number => this.clock / BYTES_PER_MS
    return {
      wallMs: now,
      monotonicMs: now,
      after: () => {
        throw new Error('nothing here has timers')
      },
      nextTurn: () => undefined,
    }
  }

  /** `ttl`: bytes the program writes meanwhile. */
  put(key: number, ttl: number = Number.POSITIVE_INFINITY): void {
    const { valueBytes, memtableBytes } = this.#shape
    this.#holdBack()
    this.#version += 1
    const expiresAt = Math.ceil(this.clock + ttl)
    if (expiresAt < Number.POSITIVE_INFINITY) this.#expires = true
    this.#live.set(key, expiresAt)
    this.#memtable.set(key, { key, version: this.#version, segment: NOWHERE, expiresAt })
    this.written += valueBytes
    this.#pressure.sent(valueBytes)
    this.#advance(this.clock + valueBytes)
    if (this.#buffered >= memtableBytes) this.#flush()
  }

  #holdBack(): void {
    if (this.#shape.paced === false) return
    for (;;) {
      const waitMs = this.#pressure.waitMs()
      if (waitMs === 0) return
      this.#advance(this.clock + waitMs * BYTES_PER_MS)
    }
  }

  /** Lets everything end that is due, and everything expire that ever will. */
  settle(): void {
    this.rest = true
    const some = [...this.#live.values()].filter(Number.isFinite)
    this.clock = Math.max(this.clock, ...some)
    if (this.#expires) this.#flush()
    this.#start()
    while (this.#jobs.length > 0) this.#advance(Math.min(...this.#jobs.map(({ end }) => end)))
  }

  /** Bytes of all files, and of jobs under way, over those of the live values. */
  get amplification(): number {
    const { valueBytes, entryBytes } = this.#shape
    const outputs = this.#jobs.map(({ outputs: { segments, tables } }) => {
      return segments.reduce((sum, { size }) => sum + size, 0) + storedBytes(tables)
    })
    const logs = this.#memtable.size * valueBytes
    const all = this.#space().bytes + logs + outputs.reduce((sum, bytes) => sum + bytes, 0)
    return all / (this.#alive() * (valueBytes + entryBytes))
  }

  #alive(): number {
    if (!this.#expires) return this.#live.size
    let alive = 0
    for (const expiresAt of this.#live.values()) if (expiresAt > this.clock) alive += 1
    return alive
  }

  #readers(): Readers {
    return { snapshots: [this.#version], horizons: [Math.floor(this.clock)] }
  }

  #space(): { bytes: number; garbage: number } {
    const { segments, levels } = this.#state
    const sums = this.#segments.sums(segments, levels)
    const garbage = sums.garbage + expiredBytes(levels, this.#readers())
    return { bytes: sums.bytes + storedBytes(levels.flat()), garbage }
  }

  #flush(): void {
    while (
      this.#state.levels[0]!.length >= this.#shape.pick.l0StallTrigger &&
      this.#jobs.length > 0
    ) {
      const end = Math.min(...this.#jobs.map((job) => job.end))
      this.stalled += Math.max(0, end - this.clock)
      this.#advance(end)
    }
    const entries = [...this.#memtable.values()].sort((a, b) => a.key - b.key)
    this.#memtable = new Map()
    const { tables, segments } = this.#write(
      entries.map((entry) => this.#lapsed(entry)),
      ({ segment }) => segment === NOWHERE,
      Number.POSITIVE_INFINITY,
    )
    this.flushed += segments.reduce((sum, { size }) => sum + size, 0)
    this.#apply({
      tablesAdded: tables.map((table) => ({ level: 0, table })),
      segmentsAdded: segments,
    })
    this.#start()
    this.#pressure.changed()
  }

  #advance(to: number): void {
    for (;;) {
      const next = this.#jobs.reduce<Job | undefined>(
        (first, job) => (first === undefined || job.end < first.end ? job : first),
        undefined,
      )
      if (next === undefined || next.end > to) break
      this.clock = Math.max(this.clock, next.end)
      this.#finish(next)
      this.#start()
      this.#pressure.changed()
    }
    this.clock = Math.max(this.clock, to)
    this.most = Math.max(this.most, this.amplification)
  }

  #start(): void {
    while (this.#jobs.length < this.#shape.parallel) {
      const { levels } = this.#state
      const readers = this.#expires ? { readers: this.#readers() } : {}
      const moment = { oldestSnapshot: this.#version, ...readers, values: this.#values() }
      const plan = pickCompaction(levels, this.#shape.pick, this.#inFlight, moment)
      if (plan === undefined) return
      const outputs = plan.trivialMove
        ? { tables: plan.sources.flat(), segments: [] }
        : this.#merge(plan)
      const bytes = plan.trivialMove
        ? 0
        : storedBytes(outputs.tables) + outputs.segments.reduce((sum, { size }) => sum + size, 0)
      const end = this.clock + bytes / this.#shape.speed
      this.#jobs.push({ plan, bytes, end, release: this.#inFlight.reserve(plan), outputs })
    }
  }

  /** As engine/value-log/collector.ts has it. */
  #values(): ValuesMoment {
    const { levels, segments } = this.#state
    const space = this.#space()
    if (this.#doomed?.freedBy(levels) === true) this.#doomed = undefined
    if (this.#doomed === undefined) {
      const fills = this.#segments.fills(segments, levels)
      const chosen = chooseDoomed(fills, space).filter(({ used }) => used > 0)
      if (chosen.length > 0) this.#doomed = new Doomed(chosen)
    }
    return { doomed: this.#doomed, space, rest: this.rest }
  }

  #finish(job: Job): void {
    this.#jobs = this.#jobs.filter((other) => other !== job)
    const { plan, outputs } = job
    this.#apply({
      tablesRemoved: plan.inputs,
      tablesAdded: outputs.tables.map((table) => ({ level: plan.outputLevel, table })),
      segmentsAdded: outputs.segments,
    })
    this.compacted += job.bytes
    job.release()
  }

  #merge(plan: CompactionPlan): Outputs {
    const newest = new Map<number, Entry>()
    for (const { number } of plan.sources.flat()) {
      for (const entry of this.#contents.get(number)!) {
        const other = newest.get(entry.key)
        if (other === undefined || other.version < entry.version) newest.set(entry.key, entry)
      }
    }
    const freed = new Set(plan.relocate?.map(({ number }) => number))
    const entries = [...newest.values()]
      .map((entry) => this.#lapsed(entry))
      .filter(({ segment }) => segment !== DELETED || !plan.dropTombstones)
      .sort((a, b) => a.key - b.key)
    const cut = plan.outputLevel > 0 && plan.collects !== true
    const tableSize = cut ? this.#shape.pick.tableSize : Number.POSITIVE_INFINITY
    return this.#write(entries, ({ segment }) => freed.has(segment), tableSize)
  }

  /** As a merge at this moment has it. */
  #lapsed(entry: Entry): Entry {
    if (entry.expiresAt > this.clock) return entry
    return { ...entry, segment: DELETED, expiresAt: Number.POSITIVE_INFINITY }
  }

  #write(entries: readonly Entry[], moves: (entry: Entry) => boolean, tableSize: number): Outputs {
    const { valueBytes, entryBytes } = this.#shape
    const moving = entries.filter(moves)
    const segment = ++this.#number
    const segments =
      moving.length === 0
        ? []
        : [{ number: segment, size: OVERHEAD + moving.length * valueBytes, salt: '0'.repeat(16) }]
    const set = new Set(moving)
    const placed = entries.map((entry) => (set.has(entry) ? { ...entry, segment } : entry))
    const each = Math.floor((VALUES_PER_TABLE * tableSize) / (valueBytes + entryBytes))
    const tables: TableMeta[] = []
    for (let at = 0; at < placed.length; at += each)
      tables.push(this.#table(placed.slice(at, at + each)))
    return { tables, segments }
  }

  #table(entries: readonly Entry[]): TableMeta {
    const uses = new Map<number, number>()
    let smallestVersion = Number.POSITIVE_INFINITY
    let largestVersion = 0
    const { valueBytes, entryBytes } = this.#shape
    const expiring = new ExpiryTally()
    const times: number[] = []
    for (const { segment, version, expiresAt } of entries) {
      if (segment !== DELETED) uses.set(segment, (uses.get(segment) ?? 0) + valueBytes)
      if (expiresAt < Number.POSITIVE_INFINITY) {
        expiring.add(expiresAt, entryBytes - 8, valueBytes)
        times.push(expiresAt)
      }
      smallestVersion = Math.min(smallestVersion, version)
      largestVersion = Math.max(largestVersion, version)
    }
    this.#number += 1
    this.#contents.set(this.#number, entries)
    const size = entries.length * this.#shape.entryBytes
    const table = makeTable(this.#number, text(entries[0]!.key), text(entries.at(-1)!.key), size)
    return {
      ...table,
      entries: entries.length,
      tombstones: entries.filter(({ segment }) => segment === DELETED).length,
      ...(times.length > 0 && {
        earliestExpiry: Math.min(...times),
        latestExpiry: times.length === entries.length ? Math.max(...times) : 0,
        expiring: expiring.steps(),
      }),
      smallestVersion,
      largestVersion,
      segments: [...uses]
        .map(([number, bytes]) => ({ number, bytes }))
        .sort((a, b) => a.number - b.number),
    }
  }

  #apply(edit: Parameters<typeof applyEdit>[1]): void {
    const { segments, levels } = applyEdit(this.#state, edit)
    const unused = this.#segments.unused(segments, levels)
    const segmentsDropped = unused.map(({ number }) => number)
    this.#state = applyEdit(this.#state, { ...edit, segmentsDropped })
  }
}

function text(key: number): string {
  return String(key).padStart(8, '0')
}
