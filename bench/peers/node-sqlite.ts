// SQLite as Node itself carries it, from Node 22.5 on.
import { createRequire, isBuiltin } from 'node:module'
import type { NodeEngine, Pair } from '../engines/engine.ts'
import { SQLITE_DURABILITY, type SqliteBinding, SqliteStore, sqliteFile } from './sqlite-store.ts'

interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

interface Statement {
  run(...parameters: unknown[]): unknown
  get(...parameters: unknown[]): Row | undefined
  all(...parameters: unknown[]): Row[]
}

interface SqliteDatabase {
  exec(sql: string): void
  prepare(sql: string): Statement
  close(): void
}

interface SqliteModule {
  readonly DatabaseSync: new (file: string) => SqliteDatabase
}

function bindingTo({ DatabaseSync }: SqliteModule, file: string): SqliteBinding {
  const db = new DatabaseSync(file)
  return {
    exec: (sql) => db.exec(sql),
    run(sql) {
      const statement = db.prepare(sql)
      return (...parameters) => void statement.run(...parameters)
    },
    first(sql) {
      const statement = db.prepare(sql)
      return (key) => statement.get(key)?.value
    },
    column(sql) {
      const statement = db.prepare(sql)
      return (...parameters) => statement.all(...parameters).map(({ key }) => key)
    },
    pairs(sql) {
      const statement = db.prepare(sql)
      return (...parameters) =>
        statement.all(...parameters).map(({ key, value }): Pair => [key, value])
    },
    close: () => db.close(),
  }
}

export const nodeSqlite: NodeEngine = {
  name: 'node-sqlite',
  kind: 'peer',
  durability: SQLITE_DURABILITY,
  persistent: true,
  answers: true,
  async load() {
    if (!isBuiltin('node:sqlite')) {
      throw new Error(
        `Node ${process.version} has no node:sqlite; run the bench with Node 22.13 or newer`,
      )
    }
    const sqlite: SqliteModule = createRequire(import.meta.url)('node:sqlite')
    return {
      version: `Node ${process.version} (SQLite ${process.versions['sqlite']})`,
      open: async (location, settings) =>
        new SqliteStore(bindingTo(sqlite, sqliteFile(location)), settings),
    }
  },
}
