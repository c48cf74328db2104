// RocksDB through nxtedition's binding, at its defaults (ZSTD with dictionaries, 8 MiB cache). Its calls with an
// underscore are used where they are quicker: reads without a promise, and batches without a copy per operation.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type NodeEngine,
  PAGE,
  type Pair,
  type ScanOptions,
  type SettleReport,
  type Store,
  type StoreSettings,
} from '../engines/engine.ts'
import { loadPeer } from './load-peer.ts'
import { levelLayout, shareInTables } from './rocksdb-levels.ts'

interface ChainedBatch {
  _put(key: Uint8Array, value: Uint8Array, options: object): void
  _del(key: Uint8Array, options: object): void
  _writeSync(options: { readonly sync: boolean }): void
  close(): Promise<void>
}

interface Pages<Item> {
  nextv(size: number): Promise<Item[]>
  close(): Promise<void>
}

interface RangeOptions {
  readonly gte?: Uint8Array
  readonly lt?: Uint8Array
  readonly limit?: number
  readonly reverse?: boolean
  readonly values?: boolean
}

interface RocksLevelDatabase {
  open(): Promise<void>
  batch(): ChainedBatch
  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  _getManySync(keys: Uint8Array[], options: object): (Uint8Array | undefined)[]
  iterator(options: RangeOptions): Pages<[Uint8Array, Uint8Array]>
  /** Keys and values in turn. */
  querySync(options: RangeOptions & typeof BYTES): { readonly rows: Uint8Array[] }
  clear(range: RangeOptions): Promise<void>
  getProperty(name: string): string
  close(): Promise<void>
}

interface RocksLevelModule {
  readonly RocksLevel: new (
    location: string,
    options: typeof BYTES & { readonly parallelism?: number },
  ) => RocksLevelDatabase
}

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const NONE = {}
const SETTLE_POLL_MS = 20
const UNFINISHED = [
  'mem-table-flush-pending',
  'num-running-flushes',
  'compaction-pending',
  'num-running-compactions',
] as const

class RocksLevelStore implements Store {
  readonly deleteRange?: (from: Buffer, to: Buffer) => Promise<void>
  readonly #openDatabase: () => Promise<RocksLevelDatabase>
  readonly #write: { readonly sync: boolean }
  #db: RocksLevelDatabase

  constructor(
    openDatabase: () => Promise<RocksLevelDatabase>,
    db: RocksLevelDatabase,
    { durability }: StoreSettings,
  ) {
    this.#openDatabase = openDatabase
    this.#db = db
    this.#write = { sync: durability === 'sync' }
    // Its range delete never syncs, so in the other class there is nothing to compare.
    if (durability === 'os') {
      this.deleteRange = (from, to) => this.#db.clear({ gte: from, lt: to })
    }
  }

  writeBatch(pairs: readonly Pair[]): Promise<void> {
    return this.#commit((batch) => {
      for (const [key, value] of pairs) batch._put(key, value, NONE)
    })
  }

  deleteBatch(keys: readonly Uint8Array[]): Promise<void> {
    return this.#commit((batch) => {
      for (const key of keys) batch._del(key, NONE)
    })
  }

  /** Its own put() leaves `sync` out. */
  put(key: Buffer, value: Buffer): Promise<void> {
    return this.#commit((batch) => batch._put(key, value, NONE))
  }

  /** Its own get() rejects for a missing key. */
  async get(key: Buffer): Promise<Uint8Array | undefined> {
    return (await this.#db.getMany([key]))[0]
  }

  getSync(key: Buffer): Uint8Array | undefined {
    return this.#db._getManySync([key], NONE)[0]
  }

  getMany(keys: Buffer[]): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#db.getMany(keys)
  }

  scan(
    visit: (page: readonly Pair[]) => void,
    { reverse = false }: ScanOptions = {},
  ): Promise<void> {
    return this.#eachPage({ reverse }, visit)
  }

  scanKeys(visit: (page: readonly Uint8Array[]) => void): Promise<void> {
    return this.#eachPage({ values: false }, (page) => visit(page.map(([key]) => key)))
  }

  async seek(from: Buffer, count: number): Promise<readonly Pair[]> {
    const { rows } = this.#db.querySync({ gte: from, limit: count, ...BYTES })
    return Array.from({ length: rows.length / 2 }, (_, at) => [rows[2 * at]!, rows[2 * at + 1]!])
  }

  /** It has no call that flushes or compacts: opening anew flushes what the log held, then its own compactions end. */
  async settle(): Promise<SettleReport> {
    await this.#db.close()
    this.#db = await this.#openDatabase()
    const property = (name: string): string => this.#db.getProperty(`rocksdb.${name}`)
    while (UNFINISHED.some((name) => Number(property(name)) > 0)) await sleep(SETTLE_POLL_MS)
    return {
      tableShare: await shareInTables(property),
      layout: levelLayout(property('levelstats')),
    }
  }

  close(): Promise<void> {
    return this.#db.close()
  }

  async #commit(fill: (batch: ChainedBatch) => void): Promise<void> {
    const batch = this.#db.batch()
    try {
      fill(batch)
      batch._writeSync(this.#write)
    } finally {
      await batch.close()
    }
  }

  async #eachPage(range: RangeOptions, visit: (page: readonly Pair[]) => void): Promise<void> {
    const pages = this.#db.iterator(range)
    try {
      for (;;) {
        const page = await pages.nextv(PAGE)
        if (page.length === 0) break
        visit(page)
      }
    } finally {
      await pages.close()
    }
  }
}

/** From the header of the RocksDB it was built with. */
function rocksVersion(directory: string): string {
  const header = join(directory, 'deps/rocksdb/rocksdb/include/rocksdb/version.h')
  const text = readFileSync(header, 'utf8')
  const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`#define ROCKSDB_${part} (\\d+)`).exec(text)?.[1] ?? '?',
  )
  return `RocksDB ${parts.join('.')}`
}

async function openStore(
  { RocksLevel }: RocksLevelModule,
  location: string,
  settings: StoreSettings,
): Promise<Store> {
  const { workers } = settings
  const open = async (): Promise<RocksLevelDatabase> => {
    const parallelism = workers === undefined ? {} : { parallelism: workers }
    const db = new RocksLevel(location, { ...BYTES, ...parallelism })
    await db.open()
    return db
  }
  return new RocksLevelStore(open, await open(), settings)
}

export const nxtRocksdb: NodeEngine = {
  name: 'nxt-rocksdb',
  kind: 'peer',
  durability: {
    os: 'sync: false: acked when the log is written to the kernel',
    sync: 'sync: true: acked when the log is synced, each put on its own',
  },
  persistent: true,
  answers: true,
  async load() {
    const { exports, version } = loadPeer<RocksLevelModule>({
      name: '@nxtedition/rocksdb',
      major: 12,
      inside: (_, directory) => rocksVersion(directory),
    })
    return { version, open: (location, settings) => openStore(exports, location, settings) }
  },
}
