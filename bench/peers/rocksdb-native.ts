// RocksDB through Holepunch's binding, at its defaults (64 MiB memtable, no compression). It offers neither synced
// writes nor synchronous reads.
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

interface WriteBatch {
  tryPut(key: Uint8Array, value: Uint8Array): void
  tryDelete(key: Uint8Array): void
  flush(): Promise<void>
}

interface ReadBatch {
  get(key: Uint8Array): Promise<Uint8Array | null>
  tryFlush(): void
}

interface BatchOptions {
  readonly capacity: number
  readonly autoDestroy: true
}

interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** A streamx Readable: `error` comes before `close`. */
interface EntryStream {
  on(event: 'data', listener: (entry: Entry) => void): this
  on(event: 'error', listener: (error: Error) => void): this
  on(event: 'close', listener: () => void): this
  destroy(error: unknown): void
}

interface RocksDatabase {
  ready(): Promise<void>
  write(options: BatchOptions): WriteBatch
  read(options: BatchOptions): ReadBatch
  put(key: Uint8Array, value: Uint8Array): Promise<void>
  get(key: Uint8Array): Promise<Uint8Array | null>
  deleteRange(from: Uint8Array, to: Uint8Array): Promise<void>
  iterator(
    range: { readonly gte?: Uint8Array },
    options: {
      readonly capacity: number
      readonly limit?: number
      readonly reverse?: boolean
      readonly values?: boolean
    },
  ): EntryStream
  flush(): Promise<void>
  compactRange(): Promise<void>
  getProperty(name: string): Promise<string | undefined>
  close(): Promise<void>
}

type RocksClass = new (
  location: string,
  options: { readonly maxBackgroundJobs?: number },
) => RocksDatabase

/** Hands over every entry; what `take` throws ends the stream and rejects. */
function drain(stream: EntryStream, take: (entry: Entry) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('data', (entry) => {
      try {
        take(entry)
      } catch (error) {
        stream.destroy(error)
      }
    })
    stream.on('error', reject)
    stream.on('close', resolve)
  })
}

class RocksStore implements Store {
  readonly #db: RocksDatabase

  constructor(db: RocksDatabase) {
    this.#db = db
  }

  async writeBatch(pairs: readonly Pair[]): Promise<void> {
    const batch = this.#db.write({ capacity: pairs.length, autoDestroy: true })
    for (const [key, value] of pairs) batch.tryPut(key, value)
    await batch.flush()
  }

  async deleteBatch(keys: readonly Uint8Array[]): Promise<void> {
    const batch = this.#db.write({ capacity: keys.length, autoDestroy: true })
    for (const key of keys) batch.tryDelete(key)
    await batch.flush()
  }

  put(key: Buffer, value: Buffer): Promise<void> {
    return this.#db.put(key, value)
  }

  async get(key: Buffer): Promise<Uint8Array | undefined> {
    return (await this.#db.get(key)) ?? undefined
  }

  async getMany(keys: Buffer[]): Promise<readonly (Uint8Array | undefined)[]> {
    const batch = this.#db.read({ capacity: keys.length, autoDestroy: true })
    const values = Promise.all(keys.map((key) => batch.get(key)))
    batch.tryFlush()
    return (await values).map((value) => value ?? undefined)
  }

  async scan(
    visit: (page: readonly Pair[]) => void,
    { reverse = false }: ScanOptions = {},
  ): Promise<void> {
    let page: Pair[] = []
    await drain(this.#db.iterator({}, { capacity: PAGE, reverse }), ({ key, value }) => {
      if (page.push([key, value]) < PAGE) return
      visit(page)
      page = []
    })
    if (page.length > 0) visit(page)
  }

  async scanKeys(visit: (page: readonly Uint8Array[]) => void): Promise<void> {
    let page: Uint8Array[] = []
    await drain(this.#db.iterator({}, { capacity: PAGE, values: false }), ({ key }) => {
      if (page.push(key) < PAGE) return
      visit(page)
      page = []
    })
    if (page.length > 0) visit(page)
  }

  async seek(from: Buffer, count: number): Promise<readonly Pair[]> {
    const found: Pair[] = []
    // A capacity above the limit, so that the first read already tells that it was the last.
    const options = { capacity: count + 1, limit: count }
    await drain(this.#db.iterator({ gte: from }, options), ({ key, value }) => {
      found.push([key, value])
    })
    return found
  }

  deleteRange(from: Buffer, to: Buffer): Promise<void> {
    return this.#db.deleteRange(from, to)
  }

  async compact(): Promise<void> {
    await this.#db.flush()
    await this.#db.compactRange()
  }

  async settle(): Promise<SettleReport> {
    await this.compact()
    const property = (name: string) => this.#db.getProperty(`rocksdb.${name}`)
    return {
      tableShare: await shareInTables(property),
      layout: levelLayout(await property('levelstats')),
    }
  }

  close(): Promise<void> {
    return this.#db.close()
  }
}

async function openStore(
  Rocks: RocksClass,
  location: string,
  { workers }: StoreSettings,
): Promise<Store> {
  const db = new Rocks(location, workers === undefined ? {} : { maxBackgroundJobs: workers })
  await db.ready()
  return new RocksStore(db)
}

export const rocksdbNative: NodeEngine = {
  name: 'rocksdb-native',
  kind: 'peer',
  durability: { os: 'acked when the log is written to the kernel' },
  persistent: true,
  answers: true,
  async load() {
    const { exports, version } = loadPeer<RocksClass>({
      name: 'rocksdb-native',
      major: 3,
      // Written nowhere in the package; its databases name it in their OPTIONS file.
      inside: () => '',
    })
    return { version, open: (location, settings) => openStore(exports, location, settings) }
  },
}
