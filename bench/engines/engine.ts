// What every measured engine is to the bench. A store that lacks a call leaves it undefined and its cells stay empty.

/**
 * When a write is acked: `os`: handed to the kernel, survives a crash of the process; `sync`: on the disk, survives a
 * power cut. Every table states one class and runs all its engines in it.
 */
export type DurabilityClass = 'os' | 'sync'

export interface StoreSettings {
  readonly durability: DurabilityClass
  /** Bytes written before Sett flushes; undefined: its default. The peers keep their own defaults. */
  readonly memtableBytes: number | undefined
  /** Threads for background work, where the engine lets one choose; undefined: its default. */
  readonly workers: number | undefined
  /** Bytes of the values to come, for engines whose page size should fit them; undefined: not known. */
  readonly valueBytes?: number | undefined
  /** True: Sett acks as its preset says and `durability` is not passed on; the peers take no notice. */
  readonly ownDurability?: boolean
  /** Further options of Sett by their names, which win over its preset; the peers take no notice. */
  readonly settOptions?: SettOptions
}

export interface SettOptions {
  readonly [option: string]: number | string
}

/** Entries of one page of a scan. */
export const PAGE = 1_000

export type Pair = readonly [key: Uint8Array, value: Uint8Array]

export interface LevelFigures {
  readonly level: number
  readonly tables: number
  readonly bytes: number
  readonly entries: number
}

export interface SettleReport {
  /** Share of all entries that lie in sorted tables on disk; undefined: the engine does not tell. */
  readonly tableShare: number | undefined
  readonly layout: string
}

export interface ScanOptions {
  readonly reverse?: boolean
}

export interface Store {
  /** Puts as one atomic commit. */
  writeBatch(pairs: readonly Pair[]): Promise<void>
  /** Deletes as one atomic commit. */
  deleteBatch(keys: readonly Uint8Array[]): Promise<void>
  put(key: Buffer, value: Buffer): Promise<void>
  get(key: Buffer): Promise<Uint8Array | undefined>
  getSync?(key: Buffer): Uint8Array | undefined
  getMany(keys: Buffer[]): Promise<readonly (Uint8Array | undefined)[]>
  /** The whole range in key order (or against it), page by page; the caller may keep what it is given. */
  scan(visit: (page: readonly Pair[]) => void, options?: ScanOptions): Promise<void>
  /** As scan, keys alone. */
  scanKeys(visit: (page: readonly Uint8Array[]) => void): Promise<void>
  /** Up to `count` pairs from the first key ≥ `from`. */
  seek(from: Buffer, count: number): Promise<readonly Pair[]>
  /** Removes from ≤ key < to. */
  deleteRange?(from: Buffer, to: Buffer): Promise<void>
  /** Rewrites everything into its final place. */
  compact?(): Promise<void>
  /** Ends all background work, as a database at rest would have. */
  settle(): Promise<SettleReport>
  /** Milliseconds that each of its background threads was busy, in the order of their first jobs. */
  busyMs?(): readonly number[]
  levels?(): readonly LevelFigures[]
  /** Bytes the engine says it wrote: log, flush, compaction. */
  bytesWritten?(): number
  close(): Promise<void>
}

/** `ours`: Sett; `peer`: what it is compared with; `bound`: what the harness or the disk allows at most. */
export type EngineKind = 'ours' | 'peer' | 'bound'

interface EngineBase {
  /** As in `--engines`: `sett`, `lmdb`, `sett:readHeavy` (a preset), `badger:tuned`. */
  readonly name: string
  readonly kind: EngineKind
  /** In words, one line; a class that is missing is not offered and its cells stay empty. */
  readonly durability: { readonly [Class in DurabilityClass]?: string }
  /** False: nothing on disk, so what reads needs is filled in memory, off the clock. */
  readonly persistent: boolean
  /** False: `null`, whose answers are not checked. */
  readonly answers: boolean
  /** Workloads it can run; undefined: all that its store has the calls for. */
  readonly only?: readonly string[]
}

export interface NodeEngine extends EngineBase {
  /** Throws when its module cannot be loaded; the message says what to install. */
  load(): Promise<LoadedEngine>
}

export interface LoadedEngine {
  /** Of the package, and of the store inside where that differs: `3.0.0 (LevelDB 1.20)`. */
  readonly version: string
  open(location: string, settings: StoreSettings): Promise<Store>
}

/** Not a Node module: a program that takes the order (session/protocol.ts) as its argument and prints the result. */
export interface ProgramEngine extends EngineBase {
  /** Builds it when needed; throws when that is impossible here; the message says what is missing. */
  program(): Promise<ProgramCommand>
}

export interface ProgramCommand {
  readonly command: string
  readonly version: string
}

export type Engine = NodeEngine | ProgramEngine
