import { SettError } from '../base/errors.ts'
import type { ResolvedOptions } from '../base/options.ts'
import { NO_SLOT } from '../sstable/block-cache.ts'
import type { WantedValue } from '../value-log/value-walk.ts'
import { clearRange } from './clear.ts'
import { underWay } from './close.ts'
import { backgroundError, readError } from './disk/failures.ts'
import type { EngineParts } from './engine-parts.ts'
import { expiriesOf, expiryOf } from './expiry/write-expiry.ts'
import { ABSENT, COLD, type ColdBlock, FOUND } from './point-read.ts'
import { engineStats } from './stats.ts'
import type {
  Data,
  DataForm,
  Engine,
  EngineStats,
  Entry,
  HealthReport,
  Pin,
  RangeOptions,
  RangeReader,
  ReadPoint,
  StreamOptions,
  ValueInput,
  ValueRange,
  ValueSource,
  WriteOperation,
  WriteOptions,
} from './types.ts'
import type { CollectReport } from './value-log/report.ts'
import { CopySource } from './value-log/value-source.ts'
import { asForm, takeData } from './values.ts'
import type { VerifyOptions, VerifyReport } from './verify/report.ts'

export class StorageEngine implements Engine {
  readonly #parts: EngineParts
  #closed: Promise<void> | undefined

  constructor(parts: EngineParts) {
    this.#parts = parts
  }

  get version(): number {
    return this.#parts.oracle.visibleVersion
  }

  put(key: Data, value: Data, options: WriteOptions): Promise<void> {
    const { writes, time } = this.#parts
    const { ttl } = options
    return writes.put(key, value, options, ttl === undefined ? 0 : expiryOf(ttl, time.now()))
  }

  del(key: Data, options: WriteOptions): Promise<void> {
    return this.#parts.writes.batch([{ type: 'del', key }], options)
  }

  batch(operations: readonly WriteOperation[], options: WriteOptions): Promise<void> {
    const { writes, time } = this.#parts
    return writes.batch(operations, options, expiriesOf(operations, options.ttl, time))
  }

  putStream(key: Data, source: ValueInput, options: StreamOptions): Promise<void> {
    const { streams, time } = this.#parts
    const { ttl } = options
    return streams.put(key, source, options, ttl === undefined ? 0 : expiryOf(ttl, time.now()))
  }

  getSync(key: Data, at: ReadPoint | undefined, form: DataForm): Data | undefined {
    return this.#find(key, at, true) === FOUND ? this.#takeValue(form) : undefined
  }

  get(
    key: Data,
    at: ReadPoint | undefined,
    form: DataForm,
  ): Data | undefined | Promise<Data | undefined> {
    const answer = this.#find(key, at, !this.#parts.points.slow)
    if (answer !== COLD) return answer === FOUND ? this.#valueOrLater(form) : undefined
    const take = (): Data | Promise<Data> => this.#valueOrLater(form)
    return this.#tracked(this.#findCold(key, at ?? this.#newest(), take))
  }

  openValue(
    key: Data,
    at: ReadPoint | undefined,
    range: ValueRange,
  ): ValueSource | undefined | Promise<ValueSource | undefined> {
    const answer = this.#find(key, at, !this.#parts.points.slow)
    if (answer !== COLD) return answer === FOUND ? this.#openFound(range) : undefined
    const take = (): ValueSource => this.#openFound(range)
    return this.#tracked(this.#findCold(key, at ?? this.#newest(), take))
  }

  getEntry(
    key: Data,
    at: ReadPoint | undefined,
    keyForm: DataForm,
    valueForm: DataForm,
  ): Entry | undefined {
    if (this.#find(key, at, true) !== FOUND) return undefined
    const { points } = this.#parts
    return {
      key: asForm(Buffer.from(key as string), keyForm),
      value: this.#takeValue(valueForm),
      version: points.version,
      expiresAt: points.expiresAt === 0 ? undefined : points.expiresAt,
      meta: points.meta,
    }
  }

  hasSync(key: Data, at: ReadPoint | undefined): boolean {
    return this.#find(key, at, true) === FOUND
  }

  pin(): Pin {
    const { health, pins, compactions } = this.#parts
    health.checkOpen()
    const pin = pins.pin(this.#newest())
    return {
      ...pin,
      release: () => {
        pin.release()
        compactions.released()
      },
    }
  }

  range(options: RangeOptions): RangeReader {
    const { health, ranges, time } = this.#parts
    health.checkOpen()
    return ranges.open(options, options.now ?? time.now())
  }

  clear(options: RangeOptions & { readonly limit: number }): Promise<void> {
    return clearRange(this, this.#parts.environment.clock, options)
  }

  async flush(): Promise<void> {
    const { health, memtables, writes, flushes } = this.#parts
    health.checkWritable()
    // The rest goes out unhindered once its memtable is frozen; whoever writes meanwhile is not waited for.
    await writes.placed()
    const { active } = memtables
    while (!active.frozen && !memtables.rotate(() => writes.closeOpenGroup())) {
      await this.#progress()
    }
    // What later writers freeze is not this call's business.
    const last = active.frozen ? active : memtables.immutables.at(-1)
    while (last !== undefined && memtables.immutables.includes(last)) {
      flushes.kick()
      await this.#progress()
    }
  }

  async compactRange(start: Data | undefined, end: Data | undefined): Promise<void> {
    await this.flush()
    const bytes = (key: Data | undefined): Uint8Array | undefined =>
      key === undefined ? undefined : Buffer.from(key as string)
    await this.#told(this.#parts.compactions.compactRange(bytes(start), bytes(end)))
  }

  async flatten(): Promise<void> {
    await this.flush()
    await this.#told(this.#parts.compactions.flatten())
  }

  async collectGarbage(ratio: number): Promise<CollectReport> {
    const { health, collector, compactions } = this.#parts
    health.checkWritable()
    if (collector.busy) {
      throw new SettError(
        'SETT_BUSY',
        'collectGarbage() is under way already. Wait for the end of that call, then call again.',
      )
    }
    return this.#told(collector.collect(ratio, (next) => compactions.work(next)))
  }

  /** Failures in the user's words; what close() cut short is one. */
  async #told<T>(work: Promise<T>): Promise<T> {
    const { health } = this.#parts
    const result = await work.catch((error: unknown) => {
      health.checkOpen()
      throw health.tell() ?? backgroundError(error)
    })
    health.checkOpen()
    this.#refuseIfPoisoned()
    return result
  }

  async settle(): Promise<void> {
    const { writes, flushes, compactions, memtables, options, upkeep } = this.#parts
    if (options.readOnly) return
    await writes.drained()
    upkeep.ask()
    if (memtables.active.keeps.length > 0) await this.flush()
    // What expires is due by the clock alone.
    compactions.kick()
    while (flushes.busy || compactions.busy || memtables.immutables.length > 0) {
      flushes.kick()
      compactions.kick()
      await this.#progress()
    }
  }

  async verify(options: VerifyOptions): Promise<VerifyReport> {
    this.#parts.health.checkOpen()
    return this.#parts.verifier.verify(options)
  }

  stats(): EngineStats {
    return engineStats(this.#parts)
  }

  health(): HealthReport {
    return this.#parts.monitor.look()
  }

  get options(): ResolvedOptions {
    return this.#parts.options
  }

  tune(changes: object): void {
    this.#parts.health.checkOpen()
    this.#parts.tuning.tune(changes)
  }

  underWay(): readonly string[] {
    return underWay(this.#parts)
  }

  close(): Promise<void> {
    this.#closed ??= this.#parts.shutDown()
    return this.#closed
  }

  /** What a reader sees that begins now. */
  #newest(): ReadPoint {
    const { oracle, time } = this.#parts
    return { version: oracle.visibleVersion, now: time.now() }
  }

  #find(key: Data, at: ReadPoint | undefined, wait: boolean): number {
    const { health, points, tree, oracle, time } = this.#parts
    if (health.closing) health.checkOpen()
    try {
      const version = at?.version ?? oracle.visibleVersion
      const answer = points.find(tree.views.current, key, version, wait)
      // Few entries expire: only those cost a look at the clock.
      if (answer !== FOUND || points.expiresAt === 0) return answer
      return points.expiresAt > (at?.now ?? time.now()) ? FOUND : ABSENT
    } catch (error) {
      throw readError(error)
    }
  }

  #takeValue(form: DataForm): Data {
    const { points, machine, values } = this.#parts
    if (points.separated) return values.take(this.#wanted(), form)
    return takeData(machine.heap.bytes, points.valueAddress, points.valueLength, form)
  }

  #valueOrLater(form: DataForm): Data | Promise<Data> {
    const { points, values } = this.#parts
    if (!points.separated) return this.#takeValue(form)
    const wanted = this.#wanted()
    if (values.mayBlock(wanted, points.slow)) return values.take(wanted, form)
    return this.#tracked(values.takeLater(wanted, form))
  }

  #wanted(): WantedValue {
    const { points, values, machine } = this.#parts
    const pointer = { bytes: machine.heap.bytes, at: points.valueAddress }
    return values.wanted(pointer, points.keyAddress, points.keyLength)
  }

  #openFound(range: ValueRange): ValueSource {
    const { points, values, health } = this.#parts
    if (!points.separated) return new CopySource(this.#takeValue('buffer') as Buffer, range)
    const source = values.open(this.#wanted(), range)
    return {
      length: source.length,
      next: async () => {
        health.checkOpen()
        return this.#tracked(source.next())
      },
      close: () => source.close(),
    }
  }

  /** close() waits for it. */
  #tracked<T>(read: Promise<T>): Promise<T> {
    const { coldReads } = this.#parts
    const tracked = read.finally(() => void coldReads.delete(tracked))
    coldReads.add(tracked)
    return tracked
  }

  /** Reads missing blocks without blocking the thread, at a point that stays readable meanwhile. `take` runs in the
   * turn in which the entry was found. */
  async #findCold<T>(key: Data, at: ReadPoint, take: () => T | Promise<T>): Promise<T | undefined> {
    const { points, cache, pins } = this.#parts
    const pin = pins.pin(at)
    const copy = typeof key === 'string' ? key : new Uint8Array(key)
    let letGo: (() => void) | undefined
    try {
      for (let wait = false; ; ) {
        const answer = this.#find(copy, pin, wait)
        if (answer !== COLD) return answer === FOUND ? take() : undefined
        const cold = points.cold!
        letGo?.()
        letGo = undefined
        letGo = await this.#holdBlock(cold)
        wait = letGo === undefined && !(await cache.released())
      }
    } catch (error) {
      throw readError(error)
    } finally {
      letGo?.()
      pin.release()
    }
  }

  /** Reads a block without blocking the thread. It stays in the cache until it is let go, so that the lookup finds it
   * however many others want its slot; undefined: there is no slot for it now. */
  async #holdBlock({ table, block }: ColdBlock): Promise<(() => void) | undefined> {
    const { points, cache, tables, tree, environment } = this.#parts
    const view = tree.views.pin()
    tables.acquire(table.meta)
    const release = (): void => {
      tables.release(table)
      view.release()
    }
    const began = environment.clock.monotonicMs()
    let slot = NO_SLOT
    try {
      slot = await cache.fetchAsync(table, block)
    } finally {
      if (slot === NO_SLOT) release()
    }
    if (slot === NO_SLOT) return undefined
    points.noteReadMs(environment.clock.monotonicMs() - began)
    return () => {
      cache.unpin(slot)
      release()
    }
  }

  /** Resolves when a background job ended; rejects when none will. */
  async #progress(): Promise<void> {
    const { health, progress } = this.#parts
    health.checkOpen()
    this.#refuseIfPoisoned()
    await progress.next()
    this.#refuseIfPoisoned()
    if (health.background !== undefined) throw health.background
  }

  #refuseIfPoisoned(): void {
    const poison = this.#parts.health.tell()
    if (poison !== undefined) throw poison
  }
}
