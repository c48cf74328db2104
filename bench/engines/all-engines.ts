// Every engine that can be measured, by name.
import { badgerEngines } from '../peers/badger/engine.ts'
import { betterSqlite3 } from '../peers/better-sqlite3.ts'
import { classicLevel } from '../peers/classic-level.ts'
import { lmdb } from '../peers/lmdb.ts'
import { nodeSqlite } from '../peers/node-sqlite.ts'
import { nxtRocksdb } from '../peers/nxt-rocksdb.ts'
import { rocksdbNative } from '../peers/rocksdb-native.ts'
import type { Engine } from './engine.ts'
import { map } from './map.ts'
import { nothing } from './null.ts'
import { rawEngines } from './raw.ts'
import { settEngines } from './sett.ts'

/** Ours first, then the peers, then what bounds them. */
export const ENGINES: readonly Engine[] = [
  ...settEngines,
  classicLevel,
  lmdb,
  betterSqlite3,
  rocksdbNative,
  nxtRocksdb,
  nodeSqlite,
  ...badgerEngines,
  map,
  nothing,
  ...rawEngines,
]

/** Throws when there is none, naming those there are. */
export function engineNamed(name: string): Engine {
  const found = ENGINES.find((engine) => engine.name === name)
  if (found === undefined) {
    const known = ENGINES.map((engine) => engine.name).join(', ')
    throw new Error(`no engine is called ${name}; known: ${known}`)
  }
  return found
}
