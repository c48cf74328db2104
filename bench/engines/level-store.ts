// What the stores with abstract-level's API have in common: Sett itself and LevelDB's Node binding.
import { PAGE, type Pair, type ScanOptions, type Store } from './engine.ts'

interface PutOperation {
  readonly type: 'put'
  readonly key: Uint8Array
  readonly value: Uint8Array
}

interface DelOperation {
  readonly type: 'del'
  readonly key: Uint8Array
}

export type LevelOperation = PutOperation | DelOperation

export interface SyncOption {
  readonly sync: true
}

export interface RangeOptions {
  readonly gte?: Uint8Array
  readonly reverse?: boolean
  readonly limit?: number
}

interface Pages<Item> {
  nextv(size: number): Promise<Item[]>
  close(): Promise<void>
}

/** The calls used here, without the type parameters that differ between the classes. */
export interface LevelDatabase {
  batch(operations: LevelOperation[], options?: SyncOption): Promise<void>
  put(key: Uint8Array, value: Uint8Array, options?: SyncOption): Promise<void>
  getSync(key: Uint8Array): Uint8Array | undefined
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  getMany(keys: Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  iterator(options: RangeOptions): Pages<[Uint8Array, Uint8Array]>
  keys(options: RangeOptions): Pages<Uint8Array>
  close(): Promise<void>
}

export type LevelStore = Omit<Store, 'settle'>

export interface LevelOptions {
  /** Given to each write; undefined: the write has no options at all, the quicker way into Sett. */
  readonly write?: SyncOption | undefined
  /** Given to each iterator. */
  readonly read?: object
}

async function eachPage<Item>(
  pages: Pages<Item>,
  visit: (page: readonly Item[]) => void,
): Promise<void> {
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

export function levelStore(db: LevelDatabase, { write, read }: LevelOptions): LevelStore {
  const batch = (operations: LevelOperation[]): Promise<void> =>
    write === undefined ? db.batch(operations) : db.batch(operations, write)
  return {
    writeBatch: (pairs) => batch(pairs.map(([key, value]) => ({ type: 'put', key, value }))),
    deleteBatch: (keys) => batch(keys.map((key) => ({ type: 'del', key }))),
    put: (key, value) => (write === undefined ? db.put(key, value) : db.put(key, value, write)),
    get: (key) => db.get(key),
    getSync: (key) => db.getSync(key),
    getMany: (keys) => db.getMany(keys),
    scan: (visit, { reverse = false }: ScanOptions = {}) =>
      eachPage(db.iterator({ ...read, reverse }), visit),
    scanKeys: (visit) => eachPage(db.keys({ ...read }), visit),
    async seek(from, count): Promise<readonly Pair[]> {
      const pages = db.iterator({ ...read, gte: from, limit: count })
      try {
        return await pages.nextv(count)
      } finally {
        await pages.close()
      }
    },
    close: () => db.close(),
  }
}
