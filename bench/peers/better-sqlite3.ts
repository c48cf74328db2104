// SQLite through better-sqlite3.
import type { NodeEngine, Pair } from '../engines/engine.ts'
import { loadPeer } from './load-peer.ts'
import { SQLITE_DURABILITY, type SqliteBinding, SqliteStore, sqliteFile } from './sqlite-store.ts'

interface Statement<Row> {
  run(...parameters: unknown[]): unknown
  get(...parameters: unknown[]): Row | undefined
  all(...parameters: unknown[]): Row[]
  /** Rows as their first column alone. */
  pluck(): this
  /** Rows as arrays. */
  raw(): this
}

interface BetterSqliteDatabase {
  exec(sql: string): unknown
  prepare<Row>(sql: string): Statement<Row>
  close(): unknown
}

type BetterSqlite = new (file: string) => BetterSqliteDatabase

function bindingTo(Database: BetterSqlite, file: string): SqliteBinding {
  const db = new Database(file)
  return {
    exec: (sql) => void db.exec(sql),
    run(sql) {
      const statement = db.prepare<never>(sql)
      return (...parameters) => void statement.run(...parameters)
    },
    first(sql) {
      const statement = db.prepare<Uint8Array>(sql).pluck()
      return (key) => statement.get(key)
    },
    column(sql) {
      const statement = db.prepare<Uint8Array>(sql).pluck()
      return (...parameters) => statement.all(...parameters)
    },
    pairs(sql) {
      const statement = db.prepare<Pair>(sql).raw()
      return (...parameters) => statement.all(...parameters)
    },
    close: () => void db.close(),
  }
}

/** Its binary is only looked for when a database is opened. */
function sqliteVersion(Database: BetterSqlite): string {
  const db = new Database(':memory:')
  const version = db.prepare<string>('SELECT sqlite_version()').pluck().get()
  db.close()
  return `SQLite ${version}`
}

export const betterSqlite3: NodeEngine = {
  name: 'better-sqlite3',
  kind: 'peer',
  durability: SQLITE_DURABILITY,
  persistent: true,
  answers: true,
  async load() {
    const { exports, version } = loadPeer<BetterSqlite>({
      name: 'better-sqlite3',
      major: 12,
      inside: sqliteVersion,
    })
    return {
      version,
      open: async (location, settings) =>
        new SqliteStore(bindingTo(exports, sqliteFile(location)), settings),
    }
  },
}
