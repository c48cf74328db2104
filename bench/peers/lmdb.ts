// LMDB through lmdb-js. Class `os` runs with noSync, its fastest and weakest setting; class `sync` with its defaults,
// each write awaited until it is flushed. Batches are one synchronous transaction (quicker here than its write thread,
// measured with 1,000 puts); single puts go through the write thread, which commits all puts of a turn together.
import {
  type NodeEngine,
  PAGE,
  type Pair,
  type ScanOptions,
  type Store,
  type StoreSettings,
} from '../engines/engine.ts'
import { loadPeer } from './load-peer.ts'

interface Range {
  readonly start?: Uint8Array
  readonly end?: Uint8Array
  readonly reverse?: boolean
  readonly limit?: number
}

interface LmdbWrite extends Promise<boolean> {
  /** With separateFlushed: when the commit lies on the disk. */
  readonly flushed?: Promise<unknown>
}

interface LmdbDatabase {
  getBinary(key: Uint8Array): Uint8Array | undefined
  put(key: Uint8Array, value: Uint8Array): LmdbWrite
  remove(key: Uint8Array): LmdbWrite
  getRange(range: Range): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>
  getKeys(range: Range): Iterable<Uint8Array>
  transactionSync(work: () => void, flags: number): void
  readonly flushed: PromiseLike<unknown>
  close(): Promise<void>
}

interface LmdbModule {
  open(options: {
    readonly path: string
    readonly noSubdir: false
    readonly encoding: 'binary'
    readonly keyEncoding: 'binary'
    readonly noSync: boolean
    readonly separateFlushed: boolean
  }): LmdbDatabase
  readonly version: { readonly major: number; readonly minor: number; readonly patch: number }
}

/** Commits before transactionSync returns, and flushes where the database syncs at all. */
const SYNCHRONOUS_COMMIT = 2

class LmdbStore implements Store {
  readonly #db: LmdbDatabase
  readonly #durable: boolean

  constructor({ open }: LmdbModule, path: string, { durability }: StoreSettings) {
    this.#durable = durability === 'sync'
    this.#db = open({
      path,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      noSync: !this.#durable,
      separateFlushed: this.#durable,
    })
  }

  async writeBatch(pairs: readonly Pair[]): Promise<void> {
    this.#transaction(() => {
      for (const [key, value] of pairs) this.#db.put(key, value)
    })
  }

  async deleteBatch(keys: readonly Uint8Array[]): Promise<void> {
    this.#transaction(() => {
      for (const key of keys) this.#db.remove(key)
    })
  }

  async put(key: Buffer, value: Buffer): Promise<void> {
    const committed = this.#db.put(key, value)
    await committed
    if (this.#durable) await committed.flushed
  }

  async get(key: Buffer): Promise<Uint8Array | undefined> {
    return this.#db.getBinary(key)
  }

  getSync(key: Buffer): Uint8Array | undefined {
    return this.#db.getBinary(key)
  }

  async getMany(keys: Buffer[]): Promise<readonly (Uint8Array | undefined)[]> {
    return keys.map((key) => this.#db.getBinary(key))
  }

  async scan(
    visit: (page: readonly Pair[]) => void,
    { reverse = false }: ScanOptions = {},
  ): Promise<void> {
    let page: Pair[] = []
    for (const { key, value } of this.#db.getRange({ reverse })) {
      if (page.push([key, value]) === PAGE) {
        visit(page)
        page = []
      }
    }
    if (page.length > 0) visit(page)
  }

  async scanKeys(visit: (page: readonly Uint8Array[]) => void): Promise<void> {
    let page: Uint8Array[] = []
    for (const key of this.#db.getKeys({})) {
      if (page.push(key) === PAGE) {
        visit(page)
        page = []
      }
    }
    if (page.length > 0) visit(page)
  }

  async seek(from: Buffer, count: number): Promise<readonly Pair[]> {
    const found: Pair[] = []
    for (const { key, value } of this.#db.getRange({ start: from, limit: count })) {
      found.push([key, value])
    }
    return found
  }

  async deleteRange(from: Buffer, to: Buffer): Promise<void> {
    this.#transaction(() => {
      for (const key of [...this.#db.getKeys({ start: from, end: to })]) this.#db.remove(key)
    })
  }

  async settle(): Promise<{ tableShare: undefined; layout: string }> {
    await this.#db.flushed
    return { tableShare: undefined, layout: 'B+ tree, nothing to settle' }
  }

  close(): Promise<void> {
    return this.#db.close()
  }

  #transaction(work: () => void): void {
    this.#db.transactionSync(work, SYNCHRONOUS_COMMIT)
  }
}

export const lmdb: NodeEngine = {
  name: 'lmdb',
  kind: 'peer',
  durability: {
    os: 'noSync: acked when the pages are written to the kernel; after a power cut the file may be corrupt',
    sync: 'acked when the commit is flushed (overlappingSync), one sync for all that wait',
  },
  persistent: true,
  answers: true,
  async load() {
    const { exports, version } = loadPeer<LmdbModule>({
      name: 'lmdb',
      major: 3,
      inside: ({ version: { major, minor, patch } }) => `LMDB ${major}.${minor}.${patch}, a fork`,
    })
    return {
      version,
      open: async (location, settings) => new LmdbStore(exports, location, settings),
    }
  },
}
