// LevelDB through its Node binding, at its defaults (buffer 4 MiB, cache 8 MiB, snappy) but for the page of scans.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeEngine, Store, StoreSettings } from '../engines/engine.ts'
import { type LevelDatabase, levelStore } from '../engines/level-store.ts'
import { loadPeer } from './load-peer.ts'

interface ClassicLevelDatabase extends LevelDatabase {
  open(): Promise<void>
  clear(range: { gte: Buffer; lt: Buffer }): Promise<void>
  compactRange(from: Buffer, to: Buffer): Promise<void>
}

interface ClassicLevelModule {
  readonly ClassicLevel: new (
    location: string,
    options: { readonly keyEncoding: 'buffer'; readonly valueEncoding: 'buffer' },
  ) => ClassicLevelDatabase
}

/** Bytes fetched at a time; its default of 16 KiB would halve the scan. */
const PAGE_BYTES = 2 ** 20
const FIRST = Buffer.alloc(0)
const LAST = Buffer.alloc(64, 0xff)

/** Its sources lie in a folder named after LevelDB's version. */
function levelDbVersion(directory: string): string {
  const folders = readdirSync(join(directory, 'deps', 'leveldb'))
  const version = folders.find((name) => /^leveldb-\d/.test(name))?.slice('leveldb-'.length)
  return version === undefined ? '' : `LevelDB ${version}`
}

async function openStore(
  { ClassicLevel }: ClassicLevelModule,
  location: string,
  { durability }: StoreSettings,
): Promise<Store> {
  const db = new ClassicLevel(location, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await db.open()
  const write = durability === 'sync' ? ({ sync: true } as const) : undefined
  const compact = (): Promise<void> => db.compactRange(FIRST, LAST)
  return {
    ...levelStore(db, { write, read: { highWaterMarkBytes: PAGE_BYTES } }),
    // It never syncs, so in the other class there is nothing to compare.
    ...(durability === 'os' && {
      deleteRange: (from: Buffer, to: Buffer) => db.clear({ gte: from, lt: to }),
    }),
    compact,
    async settle() {
      await compact()
      return { tableShare: undefined, layout: 'compactRange over all keys' }
    },
  }
}

export const classicLevel: NodeEngine = {
  name: 'classic-level',
  kind: 'peer',
  durability: {
    os: 'sync: false: acked when the log is written to the kernel',
    sync: 'sync: true: acked when the log is synced',
  },
  persistent: true,
  answers: true,
  async load() {
    const { exports, version } = loadPeer<ClassicLevelModule>({
      name: 'classic-level',
      major: 3,
      inside: (_, directory) => levelDbVersion(directory),
    })
    return { version, open: (location, settings) => openStore(exports, location, settings) }
  },
}
