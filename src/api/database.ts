// The public class: abstract-level's database over one engine. Main thread. Owns the engine from open to close;
// checks what the engine cannot, and delivers inline answers by the turn rule.
import type {
  AbstractBatchOptions,
  AbstractDelOptions,
  AbstractGetOptions,
  AbstractPutOptions,
  AbstractSnapshot,
  Transcoder,
} from 'abstract-level'
import { systemClock } from '../base/clock.ts'
import { SettError } from '../base/errors.ts'
import type { Options } from '../base/option-table.ts'
import { explain, type ResolvedOptions } from '../base/options.ts'
import { TurnBudget } from '../base/turn-budget.ts'
import { NO_OPTIONS } from '../engine/commit/no-options.ts'
import { DONE } from '../engine/commit-group.ts'
import { openEngine } from '../engine/open.ts'
import type {
  Data,
  DataForm,
  Engine,
  EngineNotice,
  EngineStats,
  HealthReport,
  ValueSource,
  WriteOperation,
} from '../engine/types.ts'
import type { CollectReport } from '../engine/value-log/report.ts'
import type { VerifyOptions, VerifyReport } from '../engine/verify/report.ts'
import { checkedData, checkedKey, checkedOperations } from './checked-data.ts'
import { type CollectOptions, collectRatio } from './collect-garbage.ts'
import {
  checkLocation,
  constructorOptions,
  type DatabaseOptions,
  manifestFor,
  openOptions,
} from './database-options.ts'
import { EntryIterator, type IteratorParts, KeyIterator, ValueIterator } from './iterators.ts'
import { AbortError } from './level/abort-error.ts'
import { type CloseOptions, closedWithin, closeTimeout } from './level/close-within.ts'
import { EventedLevel } from './level/typed-events.ts'
import { engineRange, type PrivateRange } from './page-source.ts'
import { isNative, type PlainFormats, plainOperations } from './plain-writes.ts'
import { readMany } from './read-many.ts'
import { pointOf, Snapshot } from './snapshot.ts'
import {
  type CheckedStreamOptions,
  checkedStreamOptions,
  type GetStreamOptions,
  type StreamOwner,
  ValueStream,
} from './streams/get-stream.ts'
import {
  type PutStreamOptions,
  streamOptions,
  type ValueStreamSource,
  valueSource,
} from './streams/put-stream.ts'
import { systemFailure } from './system-failure.ts'
import { verifyOptions } from './verify.ts'
import {
  type BatchOperation,
  type ChainedBatch,
  type CommitOptions,
  deleteOptions,
  type ExpiryOptions,
  writeOptions,
} from './write-options.ts'

export type PutOptions<K, V> = AbstractPutOptions<K, V> & CommitOptions & ExpiryOptions
export type DelOptions<K> = AbstractDelOptions<K> & CommitOptions
export type BatchOptions<K, V> = AbstractBatchOptions<K, V> & CommitOptions & ExpiryOptions

export interface GetEntryOptions<K, V> {
  readonly keyEncoding?: string | Transcoder.PartialEncoding<K> | undefined
  readonly valueEncoding?: string | Transcoder.PartialEncoding<V> | undefined
  readonly snapshot?: AbstractSnapshot | undefined
}

/** A value with what the database knows about it. */
export interface DatabaseEntry<K, V> {
  readonly key: K
  readonly value: V
  /** Version of the commit that wrote it. */
  readonly version: number
  /** When it expires, in ms since 1970; undefined: never. */
  readonly expiresAt: number | undefined
  /** The user meta byte; 0 unless one was written. */
  readonly meta: number
}

interface ReadOptions {
  readonly keyEncoding: DataForm
  readonly valueEncoding: DataForm
  readonly snapshot?: unknown
}

const NATIVE_ENCODINGS = ['utf8', 'buffer', 'view'] as const

function nothing(): void {
  // The commit's promise resolves with nothing.
}

/** A promise of the caller's own: commits of one group share the engine's. */
function ownPromise(done: Promise<void>): Promise<void> {
  return done === DONE ? Promise.resolve() : done.then(nothing)
}

/** The default encodings, when they are ones the engine itself speaks. */
interface PlainEncodings<K> {
  readonly keys: { encode(key: K): unknown }
  readonly options: ReadOptions
  readonly formats: PlainFormats
}

/** An ordered key-value database in one directory. */
export class Database<K = string, V = string> extends EventedLevel<K, V> {
  /** The directory, as given. */
  readonly location: string
  readonly #budget: TurnBudget = new TurnBudget(systemClock)
  readonly #given: object
  #options: ResolvedOptions
  #engine: Engine | undefined
  #failedToClose: Engine | undefined
  #parts: IteratorParts | undefined
  #plain: PlainEncodings<K> | undefined

  /** Opens by itself; operations wait for that. Throws SETT_INVALID_OPTION. */
  constructor(location: string, options?: DatabaseOptions<K, V>) {
    checkLocation(location)
    const { own, forward, resolved } = constructorOptions(options)
    super(manifestFor(resolved), forward)
    this.location = location
    this.#given = own
    this.#options = resolved
  }

  /** The newest visible version; every commit raises it. */
  get version(): number {
    return this.#opened().version
  }

  /** Every resolved option as a text table: value, unit, where it came from. */
  explain(): string {
    return explain(this.#engine?.options ?? this.#options)
  }

  /** Numbers about levels, memtables, the log, the cache and the workers. */
  stats(): EngineStats {
    return this.#opened().stats()
  }

  /**
   * How the database does: `status` `'ok'`, `'warning'` or `'readOnly'`, and for each thing that is not well a code,
   * the figures and the next step. The event `warning` tells when the warnings change.
   */
  health(): HealthReport {
    return this.#opened().health()
  }

  /**
   * Changes options while the database is open, until it is closed: those the option table calls live, all of the given
   * ones or none. Throws SETT_INVALID_OPTION for one that is fixed, unknown, out of range or in contradiction.
   */
  tune(options: Options): void {
    this.#opened().tune(options)
  }

  /** Moves what is in memory into table files. */
  async flush(): Promise<void> {
    await this.#whenOpen((engine) => engine.flush())
  }

  /** Rewrites the range (bounds included; undefined: open) down to its last level. Fails with LEVEL_DATABASE_NOT_OPEN
   * when it is closed meanwhile. */
  async compactRange(start?: K, end?: K): Promise<void> {
    const encoding = this.keyEncoding()
    const bound = (key: K | undefined): Data | undefined => {
      if (key === undefined) return undefined
      if (key === null) throw noKey()
      return checkedKey(encoding.encode(key))
    }
    const from = bound(start)
    const to = bound(end)
    await this.#whenOpen((engine) => engine.compactRange(from, to))
  }

  /**
   * Brings everything written so far into the last level, without what deletes and overwrites left behind: each
   * lookup then finds its key in one table. Tables that meet no other move as they are; the rest is rewritten.
   * Older versions that a snapshot kept stay, after its release, until a merge meets them.
   * Writes go on meanwhile; what they bring is compacted as usual. Fails with LEVEL_READONLY, LEVEL_CORRUPTION,
   * LEVEL_IO_ERROR, SETT_DISK_FULL, SETT_POISONED, or LEVEL_DATABASE_NOT_OPEN when it is closed meanwhile.
   */
  async flatten(): Promise<void> {
    await this.#whenOpen((engine) => engine.flatten())
  }

  /**
   * Rewrites what segments of the value log still hold for somebody, so that those of which more than `ratio` is
   * garbage can go, and resolves with the bytes freed and, for each segment, why no more came of it. Nobody has to
   * call it: the engine does the same by itself above half, and whenever the files take more than 1.5 × what is live
   * in them.
   *
   * Garbage is what no table points to. It flushes nothing and merges nothing: a value that was overwritten or
   * deleted is garbage once a compaction has dropped its entry; `compactRange()` brings that about, but for older
   * versions that a snapshot kept: those stay, after its release, until a merge meets them. Nothing is
   * written anew through the log, so nothing that was deleted can come back. Reads and writes go on meanwhile.
   *
   * Fails with SETT_INVALID_OPTION for a bad `ratio`, SETT_BUSY while another call runs, LEVEL_READONLY,
   * LEVEL_IO_ERROR, SETT_DISK_FULL, SETT_POISONED, or LEVEL_DATABASE_NOT_OPEN when it is closed meanwhile; a damaged
   * segment is told in the report, a damaged table is LEVEL_CORRUPTION.
   */
  collectGarbage(options: CollectOptions = {}): Promise<CollectReport> {
    return this.#whenOpen((engine) => engine.collectGarbage(collectRatio(options)))
  }

  /** Resolves once no background work runs or is due; flushes first what keeps overwritten large values on disk. */
  async settle(): Promise<void> {
    await this.#whenOpen((engine) => engine.settle())
  }

  /**
   * Reads every file of the database back, in worker threads, while reads and writes go on: checksums, order,
   * counts. Damage does not throw; it is in the report. Fails with LEVEL_ABORTED, LEVEL_IO_ERROR, or
   * LEVEL_DATABASE_NOT_OPEN when it is closed meanwhile.
   */
  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const checked = verifyOptions(options)
    return this.#whenOpen((engine) =>
      engine.verify(checked).catch((error: unknown) => {
        throw systemFailure(this.location, error)
      }),
    )
  }

  /** The value with its version, expiry and meta byte; undefined when there is none. */
  getEntry(key: K): DatabaseEntry<K, V> | undefined
  getEntry<K2 = K, V2 = V>(
    key: K2,
    options: GetEntryOptions<K2, V2>,
  ): DatabaseEntry<K2, V2> | undefined
  getEntry(key: K, options?: GetEntryOptions<K, V> | null): DatabaseEntry<K, V> | undefined {
    const engine = this.#opened()
    if (key === null || key === undefined) throw noKey()
    const keys = this.keyEncoding((options?.keyEncoding ?? undefined) as 'utf8')
    const values = this.valueEncoding((options?.valueEncoding ?? undefined) as 'utf8')
    const encoded = checkedKey(keys.encode(key as never))
    const snapshot = options?.snapshot ?? undefined
    const at = pointOf(engine, snapshot)
    // Throws when the snapshot was closed: its version may be gone.
    snapshot?.ref()
    snapshot?.unref()
    const entry = engine.getEntry(encoded, at, keys.format, values.format)
    if (entry === undefined) return undefined
    return {
      key: keys.decode(entry.key as never) as K,
      value: values.decode(entry.value as never) as V,
      version: entry.version,
      expiresAt: entry.expiresAt,
      meta: entry.meta,
    }
  }

  /**
   * The value as a `Readable` of bytes, or undefined when there is none. Each piece, of up to 1 MiB, is read and
   * verified when its turn comes, without blocking the thread and as fast as it is taken; a value that lies in the
   * value log is never held whole. Whatever is written meanwhile, the stream gives the value as it was at the call.
   * It holds the value's file until its end: read it to there, or `destroy()` it. The promise fails as that of
   * get(), with SETT_INVALID_OPTION, or LEVEL_ABORTED; the stream with LEVEL_CORRUPTION, LEVEL_IO_ERROR,
   * LEVEL_ABORTED by `signal`, or LEVEL_DATABASE_NOT_OPEN when the database is closed meanwhile, which waits for the
   * read under way only. Sublevels have no such method: ask their database for `sublevel.prefixKey(key, 'utf8')`.
   */
  async getStream<K2 = K>(
    key: K2,
    options?: GetStreamOptions<K2>,
  ): Promise<ValueStream | undefined> {
    if (key === null || key === undefined) throw noKey()
    const keys = this.keyEncoding((options?.keyEncoding ?? undefined) as 'utf8')
    const encoded = checkedKey(keys.encode(key as never))
    const checked = checkedStreamOptions(options)
    const snapshot = options?.snapshot ?? undefined
    return this.#whenOpen(async (engine) => {
      snapshot?.ref()
      try {
        const source = await engine.openValue(encoded, pointOf(engine, snapshot), checked.range)
        if (source === undefined) return undefined
        return this.#streamOf(source, checked)
      } finally {
        snapshot?.unref()
      }
    })
  }

  override get(key: K): Promise<V | undefined>
  override get<K2 = K, V2 = V>(
    key: K2,
    options: AbstractGetOptions<K2, V2>,
  ): Promise<V2 | undefined>
  override get(key: K, options?: AbstractGetOptions<K, V>): Promise<V | undefined> {
    const plain = this.#plain
    if (options !== undefined || plain === undefined || this.status !== 'open') {
      return super.get(key, options!)
    }
    if (key === null || key === undefined) return super.get(key)
    // What super.get() does beyond this is for options and encodings that are not there: the value is decoded as it
    // comes, and without an async frame a read costs about a third less.
    try {
      const encoded = plain.keys.encode(key) as Data
      return Promise.resolve(this._get(encoded, plain.options) as Promise<V | undefined>)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  override put(key: K, value: V): Promise<void>
  override put<K2 = K, V2 = V>(key: K2, value: V2, options: PutOptions<K2, V2>): Promise<void>
  override put(key: K, value: V, options?: PutOptions<K, V>): Promise<void> {
    const formats = options === undefined ? this.#plainWrites() : undefined
    if (
      formats === undefined ||
      !isNative(key, formats.keyFormat) ||
      !isNative(value, formats.valueFormat)
    ) {
      return super.put(key, value, options!)
    }
    try {
      // Whoever put a method in its place sees every put; this one would look again at what is known to be plain.
      if (this._put !== ownPut) return ownPromise(this._put(key, value, undefined))
      return ownPromise(this.#engine!.put(key, value, NO_OPTIONS))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Stores a value of up to 1 GiB that is never held in memory whole. It is committed once the source has ended, in the
   * order of that moment; until then nobody sees it. A `ttl` counts from the call. The source is read only as fast as
   * the disk takes it. When it fails, the promise rejects with its error; a source that is given up for any reason is
   * destroyed, cancelled or returned, and nothing of the value is left. Neither hooks nor the `write` event see it.
   * Up to 16 run at once, by `memoryBudget`; others wait. Fails with SETT_TOO_LARGE beyond 1 GiB, LEVEL_INVALID_VALUE
   * for a chunk that is neither bytes nor text, LEVEL_ABORTED by `signal`, LEVEL_DATABASE_NOT_OPEN when the database
   * is closed meanwhile, and as put() does.
   */
  async putStream(key: K, source: ValueStreamSource, options?: PutStreamOptions<K>): Promise<void> {
    const from = valueSource(source)
    try {
      if (key === null || key === undefined) throw noKey()
      const keys = this.keyEncoding((options?.keyEncoding ?? undefined) as 'utf8')
      const encoded = checkedKey(keys.encode(key as never))
      const checked = streamOptions(options)
      await this.#whenOpen((engine) => engine.putStream(encoded, from, checked))
    } catch (error) {
      from.cancel(error)
      throw error
    }
  }

  override del(key: K): Promise<void>
  override del<K2 = K>(key: K2, options: DelOptions<K2>): Promise<void>
  override del(key: K, options?: DelOptions<K>): Promise<void> {
    const formats = options === undefined ? this.#plainWrites() : undefined
    if (formats === undefined || !isNative(key, formats.keyFormat)) {
      return super.del(key, options!)
    }
    try {
      return ownPromise(this._del(key, undefined))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  override batch(operations: BatchOperation<this, K, V>[]): Promise<void>
  override batch<K2 = K, V2 = V>(
    operations: BatchOperation<this, K2, V2>[],
    options: BatchOptions<K2, V2>,
  ): Promise<void>
  override batch(): ChainedBatch<this, K, V>
  override batch(
    ...given: [operations?: BatchOperation<this, K, V>[], options?: BatchOptions<K, V>]
  ): Promise<void> | ChainedBatch<this, K, V> {
    if (given.length === 0) return super.batch()
    const plain = given.length === 1 ? this.#plainBatch(given[0]) : undefined
    return plain ?? super.batch(given[0]!, given[1]!)
  }

  /**
   * Finishes what was promised and gives everything back. With `timeout` (ms) it fails with SETT_BUSY when that takes
   * longer, naming what it waits for, while closing goes on.
   */
  override close(options?: CloseOptions): Promise<void> {
    try {
      const timeout = closeTimeout(options)
      const closing = super.close()
      if (timeout === undefined) return closing
      return closedWithin(closing, timeout, () => this.#engine?.underWay() ?? [])
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async _open(options: object): Promise<void> {
    this.#options = openOptions(this.#given, options)
    const notify = (notice: EngineNotice): void => void this.emit(notice.event, notice)
    const opening = openEngine(this.location, this.#options, { notify })
    const engine = await opening.catch((error: unknown) => {
      throw systemFailure(this.location, error)
    })
    this.#engine = engine
    this.#parts = { engine, budget: this.#budget }
    this.#plain = this.#plainEncodings()
  }

  async _close(): Promise<void> {
    const engine = this.#engine
    // The engine gives everything back even when closing fails, so that is told once: a second close() succeeds.
    if (engine !== undefined && engine !== this.#failedToClose) {
      await engine.close().catch((error: unknown) => {
        this.#failedToClose = engine
        throw systemFailure(this.location, error)
      })
    }
    this.#failedToClose = undefined
    this.#engine = undefined
    this.#parts = undefined
  }

  _getSync(key: Data, options: ReadOptions): Data | undefined {
    const engine = this.#engine!
    const { snapshot } = options
    const at = snapshot === undefined ? undefined : pointOf(engine, snapshot)
    return engine.getSync(checkedKey(key), at, options.valueEncoding)
  }

  _get(key: Data, options: ReadOptions): Data | undefined | Promise<Data | undefined> {
    const engine = this.#engine!
    const { snapshot } = options
    const at = snapshot === undefined ? undefined : pointOf(engine, snapshot)
    const value = engine.get(checkedKey(key), at, options.valueEncoding)
    if (value instanceof Promise) return value
    return this.#budget.spend(1) ? this.#later(value) : value
  }

  _getMany(keys: readonly Data[], options: ReadOptions): Promise<(Data | undefined)[]> {
    const engine = this.#engine!
    const at = pointOf(engine, options.snapshot)
    const form = options.valueEncoding
    return readMany(keys, {
      engine,
      at,
      budget: this.#budget,
      read: (key, at) => engine.get(checkedKey(key), at, form),
    })
  }

  _has(key: Data, options: ReadOptions): boolean | Promise<boolean> {
    const engine = this.#engine!
    const found = engine.hasSync(checkedKey(key), pointOf(engine, options.snapshot))
    return this.#budget.spend(1) ? this.#later(found) : found
  }

  _hasMany(keys: readonly Data[], options: ReadOptions): Promise<boolean[]> {
    const engine = this.#engine!
    const at = pointOf(engine, options.snapshot)
    return readMany(keys, {
      engine,
      at,
      budget: this.#budget,
      read: (key, at) => engine.hasSync(checkedKey(key), at),
    })
  }

  _put(key: Data, value: Data, options: object | undefined): Promise<void> {
    const bytes = checkedData(value, 'value')
    return this.#engine!.put(checkedKey(key), bytes, writeOptions(options))
  }

  _del(key: Data, options: object | undefined): Promise<void> {
    return this.#engine!.del(checkedKey(key), deleteOptions(options))
  }

  _batch(operations: readonly WriteOperation[], options: object | undefined): Promise<void> {
    return this.#engine!.batch(checkedOperations(operations), writeOptions(options))
  }

  async _clear(range: PrivateRange): Promise<void> {
    const engine = this.#engine!
    const at = pointOf(engine, range.snapshot) ?? { version: engine.version }
    const wanted = { keys: true, values: false }
    await engine.clear({ ...engineRange(range, wanted, at), limit: range.limit })
  }

  _iterator(
    range: PrivateRange & { readonly keys: boolean; readonly values: boolean },
  ): EntryIterator<K, V> {
    return new EntryIterator<K, V>(this, this.#parts!, range)
  }

  _keys(range: PrivateRange): KeyIterator<K, V> {
    return new KeyIterator<K, V>(this, this.#parts!, range)
  }

  _values(range: PrivateRange): ValueIterator<K, V> {
    return new ValueIterator<K, V>(this, this.#parts!, range)
  }

  _snapshot(options: { readonly owner: object }): Snapshot {
    return new Snapshot(this.#engine!, options)
  }

  /** Looking the value up may have taken a while. */
  #streamOf(source: ValueSource, options: CheckedStreamOptions): ValueStream {
    try {
      this.#opened()
      if (options.signal?.aborted === true) throw new AbortError(options.signal.reason)
      return new ValueStream(source, this as unknown as StreamOwner, options)
    } catch (error) {
      source.close()
      throw error
    }
  }

  async #later<T>(answer: T): Promise<T> {
    await this.#budget.turn()
    return answer
  }

  /** Formats in which keys and values may go to the engine without abstract-level's general treatment, which costs a
   * third of a put; undefined: somebody listens, or changes what is written. */
  #plainWrites(): PlainFormats | undefined {
    const plain = this.#plain
    if (plain === undefined || this.status !== 'open' || this.listenerCount('write') > 0) {
      return undefined
    }
    const { prewrite } = this.hooks
    return 'noop' in prewrite && prewrite.noop === true ? plain.formats : undefined
  }

  /** Commits a batch that needs nothing but the engine; undefined: it needs more. */
  #plainBatch(operations: unknown): Promise<void> | undefined {
    const formats = this.#plainWrites()
    if (formats === undefined) return undefined
    try {
      const copies = plainOperations(operations, formats)
      if (copies === undefined) return undefined
      // Whoever put a method in its place sees every batch; this one would look again at what was copied as plain.
      if (this._batch !== ownBatch) return ownPromise(this._batch(copies, undefined))
      return ownPromise(this.#engine!.batch(copies, NO_OPTIONS))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #plainEncodings(): PlainEncodings<K> | undefined {
    const keys = this.keyEncoding()
    const values = this.valueEncoding()
    // The very objects: somebody's own encoding may bear the same name.
    if (!NATIVE_ENCODINGS.some((name) => (this.keyEncoding(name) as unknown) === keys))
      return undefined
    if (!NATIVE_ENCODINGS.some((name) => (this.valueEncoding(name) as unknown) === values))
      return undefined
    return {
      keys,
      options: { keyEncoding: keys.format, valueEncoding: values.format },
      formats: { keyFormat: keys.format, valueFormat: values.format },
    }
  }

  #opened(): Engine {
    if (this.#engine === undefined || this.status !== 'open') {
      throw new SettError(
        'LEVEL_DATABASE_NOT_OPEN',
        'Database is not open. Await open() first, or open it again after close().',
      )
    }
    return this.#engine
  }

  #whenOpen<T>(run: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.status === 'opening') return this.deferAsync(() => this.#whenOpen(run))
    try {
      return run(this.#opened())
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

const ownPut: Database['_put'] = Database.prototype._put
const ownBatch: Database['_batch'] = Database.prototype._batch

function noKey(): SettError {
  return new SettError('LEVEL_INVALID_KEY', 'Key cannot be null or undefined. Pass a key.')
}
