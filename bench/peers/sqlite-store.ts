// One table of bytes in SQLite, whichever binding runs it: WITHOUT ROWID, so that rows lie in key order, and with a
// write-ahead log. Every call works on the calling thread; a put is a transaction of its own.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type DurabilityClass,
  PAGE,
  type Pair,
  type ScanOptions,
  type SettleReport,
  type Store,
  type StoreSettings,
} from '../engines/engine.ts'

type Bytes = Uint8Array
type Parameter = Uint8Array | number

/** What differs between the bindings. */
export interface SqliteBinding {
  exec(sql: string): void
  run(sql: string): (...parameters: Parameter[]) => void
  /** The first column of the first row. */
  first(sql: string): (key: Bytes) => Bytes | undefined
  /** The first column of all rows. */
  column(sql: string): (...parameters: Parameter[]) => Bytes[]
  pairs(sql: string): (...parameters: Parameter[]) => Pair[]
  close(): void
}

export const SQLITE_DURABILITY: { readonly [Class in DurabilityClass]: string } = {
  os: 'WAL, synchronous = NORMAL: acked when the log is written to the kernel',
  sync: 'WAL, synchronous = FULL: acked when the log is synced, each put on its own',
}

/** A row above a quarter of its page spills: with 4 KiB pages 1 KiB values take 4.5 times their size. */
const LARGE_VALUE = 1_000
const LARGE_PAGE = 8_192
const DEFAULT_PAGE = 4_096
/** Sorts before every key. */
const BEFORE_ALL = new Uint8Array(0)

export class SqliteStore implements Store {
  readonly #db: SqliteBinding
  readonly #begin: () => void
  readonly #commit: () => void
  readonly #rollback: () => void
  readonly #put: (key: Bytes, value: Bytes) => void
  readonly #delete: (key: Bytes) => void
  readonly #deleteRange: (from: Bytes, to: Bytes) => void
  readonly #get: (key: Bytes) => Bytes | undefined
  readonly #pairsFrom: (from: Bytes, count: number) => Pair[]
  readonly #pairsAfter: (after: Bytes, count: number) => Pair[]
  readonly #pairsBefore: (before: Bytes, count: number) => Pair[]
  readonly #lastPairs: (count: number) => Pair[]
  readonly #keysAfter: (after: Bytes, count: number) => Bytes[]

  constructor(db: SqliteBinding, { durability, valueBytes = 0 }: StoreSettings) {
    this.#db = db
    db.exec(`PRAGMA page_size = ${valueBytes >= LARGE_VALUE ? LARGE_PAGE : DEFAULT_PAGE}`)
    db.exec('PRAGMA journal_mode = WAL')
    db.exec(`PRAGMA synchronous = ${durability === 'sync' ? 'FULL' : 'NORMAL'}`)
    db.exec(
      'CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID',
    )
    this.#begin = db.run('BEGIN IMMEDIATE')
    this.#commit = db.run('COMMIT')
    this.#rollback = db.run('ROLLBACK')
    this.#put = db.run('INSERT OR REPLACE INTO kv VALUES (?, ?)')
    this.#delete = db.run('DELETE FROM kv WHERE key = ?')
    this.#deleteRange = db.run('DELETE FROM kv WHERE key >= ? AND key < ?')
    this.#get = db.first('SELECT value FROM kv WHERE key = ?')
    const select = 'SELECT key, value FROM kv'
    this.#pairsFrom = db.pairs(`${select} WHERE key >= ? ORDER BY key LIMIT ?`)
    this.#pairsAfter = db.pairs(`${select} WHERE key > ? ORDER BY key LIMIT ?`)
    this.#pairsBefore = db.pairs(`${select} WHERE key < ? ORDER BY key DESC LIMIT ?`)
    this.#lastPairs = db.pairs(`${select} ORDER BY key DESC LIMIT ?`)
    this.#keysAfter = db.column('SELECT key FROM kv WHERE key > ? ORDER BY key LIMIT ?')
  }

  async writeBatch(pairs: readonly Pair[]): Promise<void> {
    this.#transaction(() => {
      for (const [key, value] of pairs) this.#put(key, value)
    })
  }

  async deleteBatch(keys: readonly Uint8Array[]): Promise<void> {
    this.#transaction(() => {
      for (const key of keys) this.#delete(key)
    })
  }

  async put(key: Buffer, value: Buffer): Promise<void> {
    this.#put(key, value)
  }

  async get(key: Buffer): Promise<Bytes | undefined> {
    return this.#get(key)
  }

  getSync(key: Buffer): Bytes | undefined {
    return this.#get(key)
  }

  async getMany(keys: Buffer[]): Promise<readonly (Bytes | undefined)[]> {
    return keys.map((key) => this.#get(key))
  }

  async scan(
    visit: (page: readonly Pair[]) => void,
    { reverse = false }: ScanOptions = {},
  ): Promise<void> {
    const next = reverse ? this.#pairsBefore : this.#pairsAfter
    let page = reverse ? this.#lastPairs(PAGE) : this.#pairsAfter(BEFORE_ALL, PAGE)
    while (page.length > 0) {
      const [last] = page.at(-1)!
      visit(page)
      page = next(last, PAGE)
    }
  }

  async scanKeys(visit: (page: readonly Bytes[]) => void): Promise<void> {
    let page = this.#keysAfter(BEFORE_ALL, PAGE)
    while (page.length > 0) {
      const last = page.at(-1)!
      visit(page)
      page = this.#keysAfter(last, PAGE)
    }
  }

  async seek(from: Buffer, count: number): Promise<readonly Pair[]> {
    return this.#pairsFrom(from, count)
  }

  async deleteRange(from: Buffer, to: Buffer): Promise<void> {
    this.#deleteRange(from, to)
  }

  async compact(): Promise<void> {
    this.#db.exec('VACUUM')
    this.#checkpoint()
  }

  async settle(): Promise<SettleReport> {
    this.#checkpoint()
    return { tableShare: undefined, layout: 'B-tree, the log checkpointed' }
  }

  async close(): Promise<void> {
    this.#db.close()
  }

  #checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  #transaction(work: () => void): void {
    this.#begin()
    try {
      work()
      this.#commit()
    } catch (error) {
      this.#rollback()
      throw error
    }
  }
}

/** The file of a database in `location`, whose folder is made. */
export function sqliteFile(location: string): string {
  mkdirSync(location, { recursive: true })
  return join(location, 'bench.sqlite')
}
