// Job specs and results: plain data, a closed union. A job sees a file system, kernels, the heap and
// its spec; never the engine, never a thread.
import type { CorruptionPlace, ErrorRecord } from '../base/errors.ts'
import type { Compression } from '../base/option-table.ts'
import type { Bounds } from '../cursor/bounds.ts'
import type { FilterShape } from '../format/sstable-filter.ts'
import type { WeighedKey } from '../format/sstable-index.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { Kernels } from '../kernel/kernels.ts'
import type { TableMeta } from '../manifest/levels.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'
import type { ReplayedWal } from '../wal/replay.ts'

export type { WalLink } from '../format/wal-frame.ts'

/** How outputs are shaped; the same for flush and compaction. */
export interface TableShape {
  readonly blockSize: number
  /** A table is closed at the first user key after this many stored bytes. */
  readonly tableSize: number
  /** Size of the bloom filter. */
  readonly filter: FilterShape
  /** Of data blocks. */
  readonly compression: Compression
}

/** Output numbers are taken in order from [first, first + count); count bounds the number of outputs. */
export interface FileNumbers {
  readonly first: number
  readonly count: number
}

export interface FlushSpec {
  readonly kind: 'flush'
  readonly directory: string
  /** Arena address of an immutable memtable. */
  readonly arena: number
  readonly shape: TableShape
  readonly numbers: FileNumbers
  /** Scratch memory in the heap for this job alone; its size comes from flushWorkspaceBytes(). */
  readonly workspace: Region
  readonly newestWal: number
  /** Versions some reader may still ask for, ascending; the last is the newest visible one at planning. */
  readonly snapshots: readonly number[]
  /** For each of them: what expired by then has expired for all who read there or later. Without: nothing expires. */
  readonly horizons?: readonly number[]
}

export interface CompactSpec {
  readonly kind: 'compact'
  readonly directory: string
  /** Tables in the order newest source first: each L0 table is a source of its own, each deeper level one. */
  readonly sources: readonly (readonly TableMeta[])[]
  /** Only the entries of these keys: a part of a compaction. undefined: all. */
  readonly bounds?: Bounds
  readonly outputLevel: number
  readonly shape: TableShape
  readonly numbers: FileNumbers
  readonly workspace: Region
  /** As those of a flush. */
  readonly snapshots: readonly number[]
  readonly horizons?: readonly number[]
  /** Nothing older of these keys lies in deeper levels. */
  readonly dropTombstones: boolean
}

/** Finds keys at about equal distances in tables, by their indexes: where a compaction may be cut into parts. */
export interface SampleSpec {
  readonly kind: 'sample'
  readonly directory: string
  readonly tables: readonly TableMeta[]
  /** About so many keys of each. */
  readonly keysPerTable: number
  readonly workspace: Region
}

/** Loads a WAL file into an arena and links it (docs/FORMAT.md §5). */
export interface ReplaySpec {
  readonly kind: 'replay'
  readonly directory: string
  readonly number: number
  readonly salt: string
  /** Arena region, at least replayArenaBytes(file size). */
  readonly arena: Region
  /** Length to which the file is sealed, or undefined: unsealed. */
  readonly sealed?: { readonly length: number; readonly digest: string }
}

/** A log as far as it is known to be good. */
export interface WalExtent {
  readonly number: number
  readonly salt: string
  readonly length: number
  readonly digest: string
}

/** Copies what verifies of a damaged table into new ones; a table without damage stays as it is. */
export interface SalvageSpec {
  readonly kind: 'salvage'
  readonly directory: string
  /** The number in the file's name; its header may say another. */
  readonly file: number
  /** What the manifest says of the table; undefined: as the file says. */
  readonly meta?: TableMeta
  readonly shape: TableShape
  readonly numbers: FileNumbers
  readonly workspace: Region
}

/** Re-reads tables and logs: every checksum, order, counts, filter membership. */
export interface VerifySpec {
  readonly kind: 'verify'
  readonly directory: string
  readonly tables: readonly TableMeta[]
  readonly wals?: readonly WalExtent[]
  readonly workspace: Region
}

export type JobSpec = FlushSpec | CompactSpec | SampleSpec | ReplaySpec | VerifySpec | SalvageSpec

export interface TablesResult {
  readonly kind: 'tables'
  readonly tables: readonly TableMeta[]
  readonly entriesIn: number
  readonly entriesOut: number
  readonly entriesDropped: number
  /** Highest version of an entry that was dropped, or that expired and became a tombstone; 0 none. */
  readonly droppedVersion: number
  readonly bytesRead: number
  readonly bytesWritten: number
}

export interface SampleResult {
  readonly kind: 'sample'
  /** Ascending per table. */
  readonly keys: readonly WeighedKey[]
}

/** What replay found in one WAL; wal/replay-order.ts judges them together. */
export interface ReplayResult extends ReplayedWal {
  readonly kind: 'replay'
}

export interface VerifyResult {
  readonly kind: 'verify'
  /** Of tables, and records of logs. */
  readonly entries: number
  readonly bytesRead: number
  /** Damage never fails the job. */
  readonly problems: readonly CorruptionPlace[]
}

/** A part of a table that is gone. */
export interface LostPart extends CorruptionPlace {
  /** Bytes; 0 unknown. */
  readonly length: number
  /** First and last key of the entries that were there, where the index still tells. */
  readonly keys?: { readonly first: Uint8Array; readonly last: Uint8Array }
}

export interface SalvageResult {
  readonly kind: 'salvage'
  /** The table, when it is whole and under its own name; else `tables` holds what could be read of it. */
  readonly whole?: TableMeta
  readonly tables: readonly TableMeta[]
  /** Number in its header; 0 unknown. */
  readonly number: number
  readonly entries: number
  /** Why it is not whole. */
  readonly damage: readonly CorruptionPlace[]
  readonly lost: readonly LostPart[]
}

export type JobResult = TablesResult | SampleResult | ReplayResult | VerifyResult | SalvageResult

/** What a job may report while it runs; travels by ring from a worker. */
export type JobReport =
  | { readonly kind: 'progress'; readonly bytesRead: number; readonly bytesWritten: number }
  | { readonly kind: 'table'; readonly table: TableMeta }

/** What a job is given to work with, on whichever thread it runs. */
export interface JobContext {
  readonly fs: FileSystem
  readonly kernels: Kernels
  readonly heap: SharedHeap
  /** Fills bytes with entropy (file salts). */
  readonly randomFill: (target: Uint8Array) => void
  readonly report: (report: JobReport) => void
  /** True when the job should stop soon; it then removes its outputs and throws SETT_BUSY. */
  readonly cancelled: () => boolean
  /** So many bytes were written: returns when the job may go on. Missing: at once. */
  readonly pace?: (bytes: number) => void
}

/** How a finished job crosses the thread border. */
export type JobOutcome =
  | { readonly ok: true; readonly result: JobResult }
  | { readonly ok: false; readonly error: ErrorRecord }
