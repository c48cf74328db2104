// A sorted array with versions that stands in for the engine where a test is about the API alone.
import { type ResolvedOptions, resolveOptions } from '../../../src/base/options.ts'
import type {
  Data,
  DataForm,
  Engine,
  Entry,
  Pin,
  RangeOptions,
  ReadPoint,
  ValueRange,
  ValueSource,
} from '../../../src/engine/types.ts'
import { CopySource } from '../../../src/engine/value-log/value-source.ts'

interface Row {
  readonly key: Buffer
  readonly version: number
  readonly value: Buffer | undefined
}

const bytes = (data: Data): Buffer => Buffer.from(data as Uint8Array)

function formed(data: Buffer, form: DataForm): Data {
  if (form === 'utf8') return data.toString('utf8')
  return form === 'view' ? new Uint8Array(data) : Buffer.from(data)
}

/** Everything lives in `rows`, by key, newest first. */
export class FakeEngine implements Engine {
  readonly #rows: Row[]
  readonly options: ResolvedOptions = resolveOptions({}, {})
  version = 0
  pins = 0
  closed = false

  constructor(rows: Row[] = []) {
    this.#rows = rows
    for (const row of rows) this.version = Math.max(this.version, row.version)
  }

  async put(key: Data, value: Data, options: Parameters<Engine['put']>[2]): Promise<void> {
    await this.batch([{ type: 'put', key, value }], options)
  }

  async putStream(
    key: Data,
    source: Parameters<Engine['putStream']>[1],
    options: Parameters<Engine['putStream']>[2],
  ): Promise<void> {
    const chunks: Uint8Array[] = []
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
      chunks.push(chunk)
    }
    await this.put(key, Buffer.concat(chunks), options)
  }

  async del(key: Data, options: Parameters<Engine['del']>[1]): Promise<void> {
    await this.batch([{ type: 'del', key }], options)
  }

  async batch(
    operations: Parameters<Engine['batch']>[0],
    options: Parameters<Engine['batch']>[1],
  ): Promise<void> {
    const version = this.version + 1
    const latest = new Map(operations.map((one) => [bytes(one.key).toString('hex'), one]))
    for (const { type, key, value } of latest.values()) {
      this.#rows.push({
        key: bytes(key),
        version,
        value: type === 'put' ? bytes(value!) : undefined,
      })
    }
    this.#rows.sort((a, b) => Buffer.compare(a.key, b.key) || b.version - a.version)
    this.version = version
    options.onCommit?.(version)
  }

  getSync(key: Data, at: ReadPoint | undefined, form: DataForm): Data | undefined {
    const value = this.#row(bytes(key), at?.version)?.value
    return value === undefined ? undefined : formed(value, form)
  }

  get(key: Data, at: ReadPoint | undefined, form: DataForm): Data | undefined {
    return this.getSync(key, at, form)
  }

  openValue(key: Data, at: ReadPoint | undefined, range: ValueRange): ValueSource | undefined {
    const value = this.#row(bytes(key), at?.version)?.value
    return value === undefined ? undefined : new CopySource(value, range)
  }

  getEntry(
    key: Data,
    at: ReadPoint | undefined,
    keyForm: DataForm,
    valueForm: DataForm,
  ): Entry | undefined {
    const row = this.#row(bytes(key), at?.version)
    if (row?.value === undefined) return undefined
    return {
      key: formed(row.key, keyForm),
      value: formed(row.value, valueForm),
      version: row.version,
      expiresAt: undefined,
      meta: 0,
    }
  }

  hasSync(key: Data, at: ReadPoint | undefined): boolean {
    return this.#row(bytes(key), at?.version)?.value !== undefined
  }

  pin(): Pin {
    let held = true
    this.pins++
    return {
      version: this.version,
      now: 0,
      release: () => {
        if (held) this.pins--
        held = false
      },
    }
  }

  range(options: RangeOptions): ReturnType<Engine['range']> {
    const rows = this.#visible(options)
    let index = 0
    return {
      next: (limit) => {
        const page = rows.slice(index, index + limit)
        index += page.length
        return page.map(({ key, value }) => [
          options.keys ? formed(key, options.keyForm) : undefined,
          options.values ? formed(value!, options.valueForm) : undefined,
        ])
      },
      seek: (key) => {
        const sign = options.reverse === true ? -1 : 1
        index = rows.findIndex((row) => Buffer.compare(row.key, bytes(key)) * sign >= 0)
        if (index < 0) index = rows.length
      },
    }
  }

  async clear(options: RangeOptions & { readonly limit: number }): Promise<void> {
    const rows = this.#visible(options)
    const doomed = options.limit < 0 ? rows : rows.slice(0, options.limit)
    if (doomed.length === 0) return
    await this.batch(
      doomed.map(({ key }) => ({ type: 'del', key })),
      {},
    )
  }

  async flush(): Promise<void> {
    await this.settle()
  }

  async compactRange(): Promise<void> {
    await this.settle()
  }

  async flatten(): Promise<void> {
    await this.settle()
  }

  settle(): Promise<void> {
    return Promise.resolve()
  }

  async collectGarbage(): Promise<never> {
    throw new Error('a sorted array has no segments')
  }

  async verify(): Promise<never> {
    throw new Error('a sorted array has no files')
  }

  stats(): ReturnType<Engine['stats']> {
    const none = {
      flushes: 0,
      compactions: 0,
      bytesFlushed: 0,
      bytesCompacted: 0,
      debtBytes: 0,
      compactionParts: 0,
    }
    const log = { wals: 0, walBytes: 0, walWrites: 0, walSyncs: 0, stallMs: 0, tornTailsCut: 0 }
    const cache = { hits: 0, misses: 0, bytes: 0 }
    const delays = { level0: 0, levels: 0, memtables: 0, garbage: 0 }
    const pressure = { delayMs: 0, delays, diskBytes: 0, valueThreshold: 1024, garbageDebtBytes: 0 }
    const values = {
      segments: { count: 0, bytes: 0, liveBytes: 0 },
      collections: 0,
      bytesCollected: 0,
    }
    const lists = { levels: [], memtables: [], workers: [] }
    return {
      version: this.version,
      snapshots: this.pins,
      cache,
      ...none,
      ...log,
      ...lists,
      ...pressure,
      ...values,
    }
  }

  health(): ReturnType<Engine['health']> {
    return { status: 'ok', warnings: [] }
  }

  tune(): never {
    throw new Error('a sorted array has no options')
  }

  underWay(): readonly string[] {
    return []
  }

  async close(): Promise<void> {
    this.closed = true
    await this.settle()
  }

  #row(key: Buffer, version = this.version): Row | undefined {
    return this.#rows.find((row) => row.version <= version && row.key.equals(key))
  }

  #visible(options: RangeOptions): Row[] {
    const { gt, gte, lt, lte } = options
    const order = (row: Row, bound: Data): number => Buffer.compare(row.key, bytes(bound))
    let previous: Buffer | undefined
    const rows = this.#rows.filter((row) => {
      if (row.version > options.version || previous?.equals(row.key) === true) return false
      previous = row.key
      if (row.value === undefined) return false
      if (gt !== undefined && order(row, gt) <= 0) return false
      if (gte !== undefined && order(row, gte) < 0) return false
      if (lt !== undefined && order(row, lt) >= 0) return false
      return lte === undefined || order(row, lte) <= 0
    })
    return options.reverse === true ? rows.reverse() : rows
  }
}
