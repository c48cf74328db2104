// What the stores with the abstract-level API have in common.
import type { Pair, PeerStore, SettleReport } from '../lib/peer.ts'

export const PAGE = 1_000

interface PutOperation {
  readonly type: 'put'
  readonly key: Buffer
  readonly value: Buffer
}

/** The calls used here, without the type parameters that differ between the classes. */
export interface LevelDatabase {
  batch(operations: PutOperation[]): Promise<void>
  put(key: Buffer, value: Buffer): Promise<void>
  getSync(key: Buffer): Buffer | undefined
  get(key: Buffer): Promise<Buffer | undefined>
  close(): Promise<void>
}

interface PageIterator {
  nextv(size: number): Promise<[Buffer, Buffer][]>
  close(): Promise<void>
}

export interface LevelExtras {
  iterator(): PageIterator
  settle(): Promise<SettleReport>
  busyMs(): number | undefined
}

export function levelStore(db: LevelDatabase, { iterator, ...extras }: LevelExtras): PeerStore {
  return {
    ...extras,
    writeBatch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'put', key, value }))),
    put: (key, value) => db.put(key, value),
    getSync: (key) => db.getSync(key),
    get: (key) => db.get(key),
    async scan(visit: (page: readonly Pair[]) => void) {
      const pages = iterator()
      for (;;) {
        const page = await pages.nextv(PAGE)
        if (page.length === 0) break
        visit(page)
      }
      await pages.close()
    },
    close: () => db.close(),
  }
}
