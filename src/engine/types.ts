// What the public API asks of the engine. Keys and values are strings (utf8) or bytes; the engine copies what it
// is given before it returns, and returns copies.
import type { Clock } from '../base/clock.ts'
import type { HeapMemory } from '../base/heap-memory.ts'
import type { Logger } from '../base/logger.ts'
import type { ResolvedOptions } from '../base/options.ts'
import type { Random } from '../base/random.ts'
import type { Splitting } from '../compaction/split.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { Kernels } from '../kernel/kernels.ts'
import type { PinnedPoint, ReadPoint } from '../mvcc/pins.ts'
import type { Executor, WorkerStats } from '../pool/executor.ts'
import type { DiskNotice } from './disk/disk-watch.ts'
import type { Delays, StallNotice } from './pressure/stall-watch.ts'
import type { CollectReport } from './value-log/report.ts'
import type { VerifyOptions, VerifyReport } from './verify/report.ts'

export type { ReadPoint } from '../mvcc/pins.ts'

/** Everything the engine takes from outside; tests and simulation replace parts of it. */
export interface Environment {
  readonly fs: FileSystem
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly kernels: (memory: HeapMemory) => Kernels
  /** Something an operator may want to know, though nothing failed. */
  readonly notify: (notice: EngineNotice) => void
  /** Runs the jobs instead of threads or the calling one; closed with the engine. */
  readonly executor?: Executor
  /** How compactions are split, for tests of small ones; else by table size and idle threads. */
  readonly splitting?: Splitting
}

/** What begins and ends of one piece of background work have in common. Bytes and counts, never keys. */
interface WorkNotice {
  /** The same at begin and end; counts up from 1 per open. */
  readonly job: number
}

/** A memtable is written to tables of level 0. */
export type FlushNotice = WorkNotice & { readonly event: 'flush' } & (
    | {
        readonly phase: 'begin'
        readonly entries: number
        /** Of memory. */
        readonly bytes: number
      }
    | WorkEnd
  )

/** Tables are merged into tables of `outputLevel`. */
export type CompactionNotice = WorkNotice & {
  readonly event: 'compaction'
  /** The shallower level it reads. */
  readonly inputLevel: number
  readonly outputLevel: number
} & (
    | {
        readonly phase: 'begin'
        readonly tables: number
        /** Of the tables it reads. */
        readonly bytes: number
        /** The tables only change their level: nothing is read or written. */
        readonly moves: boolean
      }
    | (WorkDone & { readonly parts: readonly CompactionPart[] })
    | WorkFailed
  )

/** One of the jobs that shared a compaction by key; several at a time where workers idled. */
export interface CompactionPart {
  /** When it was handed to the workers, and when it was done, in milliseconds since the compaction began. */
  readonly fromMs: number
  readonly toMs: number
  /** Of the tables and segments it read and wrote. */
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** A table is rewritten where it is, and the values it points to in some segments are copied, so that these become
 * free. */
export type CollectionNotice = WorkNotice & {
  readonly event: 'collection'
  readonly level: number
} & (
    | {
        readonly phase: 'begin'
        /** Of which it copies values. */
        readonly segments: number
        /** Of these values, as they are stored. */
        readonly bytes: number
      }
    | WorkEnd
  )

/** Installed. */
export interface WorkDone {
  readonly phase: 'end'
  readonly tables: number
  /** Of the tables and segments it wrote. */
  readonly bytes: number
  readonly ms: number
}

/** It is tried again, unless the database closes or it met damage. */
export interface WorkFailed {
  readonly phase: 'failed'
  readonly code: string
  readonly ms: number
}

export type WorkEnd = WorkDone | WorkFailed

/** Work the engine does of its own accord, beside flushes and compactions: reading all files (`scrubInterval`). */
export type MaintenanceNotice = {
  readonly event: 'maintenance'
  readonly task: 'scrub'
} & (
  | { readonly phase: 'begin' }
  | {
      readonly phase: 'end'
      /** Places that are damaged; each is in the log, with file and offset. */
      readonly problems: number
      readonly bytes: number
      readonly ms: number
    }
  | { readonly phase: 'failed'; readonly code: string; readonly ms: number }
)

export type WarningCode =
  | 'level0-deep'
  | 'compaction-debt'
  | 'garbage-debt'
  | 'space-amplification'
  | 'disk-nearly-full'
  | 'disk-slow'
  | 'snapshot-held'
  | 'background-failing'
  | 'cache-small'
  | 'damage-found'
  | 'writes-refused'

export interface HealthWarning {
  readonly code: WarningCode
  /** What is the matter, in figures. */
  readonly message: string
  /** What to do about it. */
  readonly nextStep: string
}

/** How a database does. */
export interface HealthReport {
  /** `'readOnly'`: writes are refused, because it was opened so or because of a failure (then a warning says which). */
  readonly status: 'ok' | 'warning' | 'readOnly'
  /** Empty when there is nothing to do. */
  readonly warnings: readonly HealthWarning[]
}

/** The warnings are others than before; none when all is well again. */
export interface WarningNotice extends HealthReport {
  readonly event: 'warning'
}

/** What an engine tells an application of its own accord: emitted as the event of that name. */
export type EngineNotice =
  | DiskNotice
  | StallNotice
  | FlushNotice
  | CompactionNotice
  | CollectionNotice
  | MaintenanceNotice
  | WarningNotice

export type Data = string | Uint8Array
export type DataForm = 'buffer' | 'view' | 'utf8'
export type Durability = 'sync' | 'none' | { readonly interval: number }

export interface WriteOperation {
  readonly type: 'put' | 'del'
  readonly key: Data
  readonly value?: Data
  /** Of a put: expires after so many ms, whole and above 0. */
  readonly ttl?: number | undefined
}

export interface WriteOptions {
  /** For puts that have none of their own. */
  readonly ttl?: number | undefined
  /** Overrides the database's durability for this commit. */
  readonly durability?: 'sync' | 'none' | undefined
  /** Called with the commit's version after it became visible, before the promise resolves. */
  readonly onCommit?: ((version: number) => void) | undefined
}

/** Options of putStream. */
export interface StreamOptions extends WriteOptions {
  /** Ends it, unless the source has ended, with LEVEL_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

/** Where the bytes of a value come from. One call at a time. */
export interface ValueInput {
  /** The next bytes, which stay as they are until the call after; undefined: there are no more. */
  next(): Promise<Uint8Array | undefined>
}

/** What a reader sees, kept alive until released; release is idempotent. */
export type Pin = PinnedPoint

export interface Entry {
  readonly key: Data
  readonly value: Data
  readonly version: number
  readonly expiresAt: number | undefined
  readonly meta: number
}

export interface RangeOptions {
  readonly gt?: Data
  readonly gte?: Data
  readonly lt?: Data
  readonly lte?: Data
  readonly reverse?: boolean
  readonly keys: boolean
  readonly values: boolean
  readonly keyForm: DataForm
  readonly valueForm: DataForm
  readonly version: number
  /** What expires at or before it is hidden, ms since 1970; undefined: when the reader is made. */
  readonly now?: number
}

/** Bytes of a value, from `start` up to and without `end`, which may lie behind it. */
export interface ValueRange {
  readonly start: number
  readonly end: number
}

/** A value piece by piece; close it. */
export interface ValueSource {
  /** Of the whole value. */
  readonly length: number
  /** The next bytes of the range, at most 1 MiB, the caller's own; undefined at its end. One call at a time. */
  next(): Promise<Buffer | undefined>
  /** Idempotent; a read that is under way ends first. */
  close(): void
}

/** Reads a range page by page at one version. */
export interface RangeReader {
  /** Up to `limit` more entries, fewer when their values are large; an empty array at the end. [key, value]; what was
   * not asked for is undefined. */
  next(limit: number): [key: Data | undefined, value: Data | undefined][]
  /** Continues at the first entry at or after (reverse: at or before) the key, inside the range. */
  seek(key: Data): void
}

export interface LevelStats {
  readonly level: number
  readonly tables: number
  readonly bytes: number
  readonly entries: number
}

/** The value log. */
export interface SegmentStats {
  readonly count: number
  /** Of their files. */
  readonly bytes: number
  /** Of these, bytes that tables point to. A value that was overwritten or deleted is among them until a compaction has
   * dropped its entry. */
  readonly liveBytes: number
}

export interface EngineStats {
  readonly version: number
  readonly levels: readonly LevelStats[]
  readonly segments: SegmentStats
  readonly memtables: readonly { readonly entries: number; readonly bytes: number }[]
  readonly wals: number
  readonly flushes: number
  readonly compactions: number
  /** Jobs these compactions were split into; as many where none was. */
  readonly compactionParts: number
  readonly bytesFlushed: number
  /** Written by compactions and collections, values included. */
  readonly bytesCompacted: number
  /** Tables rewritten for the sake of the values they point to. */
  readonly collections: number
  /** Of segment files that were given up since the open. */
  readonly bytesCollected: number
  readonly walBytes: number
  readonly walWrites: number
  readonly walSyncs: number
  /** Commits waited for room for so long, in ms. */
  readonly stallMs: number
  /** Groups of commits were held back for so long, in ms, while flush, compaction or collection was behind. */
  readonly delayMs: number
  /** Of these, by cause, as in `stall` events. */
  readonly delays: Delays
  /** Bytes of all files: tables, segments, logs, manifest. */
  readonly diskBytes: number
  /** Values of so many bytes or more leave the tree from now on; Infinity: none. With valueThreshold 'auto' it follows
   * what is written. */
  readonly valueThreshold: number
  readonly tornTailsCut: number
  readonly cache: { readonly hits: number; readonly misses: number; readonly bytes: number }
  readonly workers: readonly WorkerStats[]
  readonly snapshots: number
  /** Bytes of tables that are due to be merged downwards. */
  readonly debtBytes: number
  /** Bytes beyond twice what is live, as far as can be told, that collections and compactions under way are to free. */
  readonly garbageDebtBytes: number
}

/** The engine as api/ sees it. */
export interface Engine {
  /** Newest visible version. */
  readonly version: number
  put(key: Data, value: Data, options: WriteOptions): Promise<void>
  del(key: Data, options: WriteOptions): Promise<void>
  /** One atomic commit. */
  batch(operations: readonly WriteOperation[], options: WriteOptions): Promise<void>
  /** One value that is never held whole; commits when the source has ended. */
  putStream(key: Data, source: ValueInput, options: StreamOptions): Promise<void>
  /** Value as a reader sees it (undefined: one that begins now), or undefined. Answers on the calling thread. */
  getSync(key: Data, at: ReadPoint | undefined, form: DataForm): Data | undefined
  /** As getSync, but what is slow to read comes without blocking the thread. Inline answers come as plain values. */
  get(
    key: Data,
    at: ReadPoint | undefined,
    form: DataForm,
  ): Data | undefined | Promise<Data | undefined>
  getEntry(
    key: Data,
    at: ReadPoint | undefined,
    keyForm: DataForm,
    valueForm: DataForm,
  ): Entry | undefined
  /** A value to read piece by piece; undefined: there is none. As get(). */
  openValue(
    key: Data,
    at: ReadPoint | undefined,
    range: ValueRange,
  ): ValueSource | undefined | Promise<ValueSource | undefined>
  hasSync(key: Data, at: ReadPoint | undefined): boolean
  /** The newest visible version and the time, kept readable until released. */
  pin(): Pin
  range(options: RangeOptions): RangeReader
  /** Deletes every key of the range visible at `options.version` and `options.now`, in one commit; up to `limit` keys
   * (-1: all). */
  clear(options: RangeOptions & { readonly limit: number }): Promise<void>
  /** Moves the memtable into SSTables. */
  flush(): Promise<void>
  /** Rewrites the range down to its last level, dropping what no reader needs. */
  compactRange(start: Data | undefined, end: Data | undefined): Promise<void>
  /** Moves everything into the last level, dropping what no reader needs. */
  flatten(): Promise<void>
  /** Frees segments of which more than `ratio` is garbage, and tells of every segment what came of it. */
  collectGarbage(ratio: number): Promise<CollectReport>
  /** Resolves once no flush, compaction or collection runs or is due; flushes first what keeps large values from
   * becoming free. */
  settle(): Promise<void>
  /** Reads every file back; damage is in the report. */
  verify(options: VerifyOptions): Promise<VerifyReport>
  stats(): EngineStats
  /** How it does, and what to do about what is not well. */
  health(): HealthReport
  /** The options in force: one object whose fields change with tune(). */
  readonly options: ResolvedOptions
  /** Changes live options, all or none; throws SETT_INVALID_OPTION. */
  tune(changes: object): void
  /** What close() waits for at this moment, in words. */
  underWay(): readonly string[]
  /** Idempotent. */
  close(): Promise<void>
}
