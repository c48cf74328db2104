// Job specs and results: plain data, a closed union. A job sees a file system, kernels, the heap and
// its spec; never the engine, never a thread.
import type { CorruptionPlace, ErrorRecord } from '../base/errors.ts'
import type { Compression } from '../base/option-table.ts'
import type { Bounds } from '../cursor/bounds.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import type { FilterShape } from '../format/sstable-filter.ts'
import type { WeighedKey } from '../format/sstable-index.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { Kernels } from '../kernel/kernels.ts'
import type { TableMeta } from '../manifest/levels.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'
import type { ReplayedWal } from '../wal/replay.ts'
import type { LostValues } from './salvage/lost-values.ts'

export type { WalLink } from '../format/wal-frame.ts'

/** Which values leave the tree, and into what segments. */
export interface Separation {
  /** Values of so many bytes or more; Infinity: none. */
  readonly threshold: number
  /** A segment is closed after so many bytes, or values. */
  readonly segmentSize: number
  readonly segmentMaxEntries: number
}

/** How outputs are shaped; the same for flush and compaction. */
export interface TableShape {
  readonly blockSize: number
  /** A table is closed at the first user key after this many stored bytes. */
  readonly tableSize: number
  /** Size of the bloom filter. */
  readonly filter: FilterShape
  /** Of data blocks, and of values in segments. */
  readonly compression: Compression
  /** A table is closed at the first user key after it refers to so many bytes in segments. Without: four times
   * `tableSize`. */
  readonly valueBytesMax?: number
  /** undefined: no value leaves the tree. */
  readonly separation?: Separation
}

/** Output numbers, of tables and segments alike, are taken in order from [first, first + count); count bounds the
 * number of outputs. */
export interface FileNumbers {
  readonly first: number
  readonly count: number
  /** So many of them are for tables closed ahead of their size, for what they refer to in segments. Without: none. */
  readonly tablesAhead?: number
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
  /** The result is to tell the sizes of values. */
  readonly measureValues?: boolean
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
  /** Values that lie in one of these segments are copied into new ones. */
  readonly relocate?: readonly SegmentMeta[]
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

/** A segment as a repair found it. */
export interface FoundSegment extends SegmentMeta {
  /** The number in the file's name. */
  readonly file: number
  /** It stays as it is; else the values that can be read are copied into new ones. */
  readonly sound: boolean
}

/** Copies what verifies of a damaged table into new ones, and of a table with values in segments that do not stay; any
 * other table stays as it is. */
export interface SalvageSpec {
  readonly kind: 'salvage'
  readonly directory: string
  /** The number in the file's name; its header may say another. */
  readonly file: number
  /** What the manifest says of the table; undefined: as the file says. */
  readonly meta?: TableMeta
  /** Whatever its values may lie in. */
  readonly segments: readonly FoundSegment[]
  readonly shape: TableShape
  readonly numbers: FileNumbers
  readonly workspace: Region
}

/** Re-reads tables, logs and segments: every checksum, order, counts, filter membership, where pointers lead. */
export interface VerifySpec {
  readonly kind: 'verify'
  readonly directory: string
  readonly tables: readonly TableMeta[]
  /** Segments that values of the tables and logs lie in. Pointers of tables into others are not followed. */
  readonly pointed?: readonly SegmentMeta[]
  readonly wals?: readonly WalExtent[]
  readonly segments?: readonly SegmentMeta[]
  readonly workspace: Region
}

export type JobSpec = FlushSpec | CompactSpec | SampleSpec | ReplaySpec | VerifySpec | SalvageSpec

export interface TablesResult {
  readonly kind: 'tables'
  readonly tables: readonly TableMeta[]
  /** Segments written, by number; every one is referred to by one of the tables. */
  readonly segments: readonly SegmentMeta[]
  readonly entriesIn: number
  readonly entriesOut: number
  readonly entriesDropped: number
  /** Highest version of an entry that was dropped, or that expired and became a tombstone; 0 none. */
  readonly droppedVersion: number
  readonly bytesRead: number
  /** Of tables and segments. */
  readonly bytesWritten: number
  /** Of a flush that was asked: bytes of the values of 2^i bytes or more, but less than 2^(i + 1), at i. */
  readonly bytesBySize?: readonly number[]
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
  /** Of tables, records of logs, values in segments. */
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
  /** Segments written, as in TablesResult. */
  readonly segments: readonly SegmentMeta[]
  readonly lostValues: readonly LostValues[]
  /** Numbers of the segments of which values could be read. */
  readonly readSegments: readonly number[]
}

export type JobResult = TablesResult | SampleResult | ReplayResult | VerifyResult | SalvageResult

/** A file that a job is about to create, by its number. */
export interface OutputFile {
  readonly file: 'sst' | 'vlog'
  readonly number: number
}

/** What a job may report while it runs; travels by ring from a worker. */
export type JobReport =
  | ({ readonly kind: 'output' } & OutputFile)
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
