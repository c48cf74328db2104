// Sett as `sett` (its default preset, `balanced`) and as `sett:<preset>`. A table's durability class overrides the
// preset's own unless the run asks for that; every other option is what the preset says, unless the run names it.
import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import { type Compression, Database, type DatabaseStats, type PresetName, presets } from 'sett'
import type { DurabilityClass, NodeEngine, SettleReport, Store, StoreSettings } from './engine.ts'
import { levelStore } from './level-store.ts'

type SettDatabase = Database<Uint8Array, Uint8Array>

const DURABILITY: { readonly [Class in DurabilityClass]: 'none' | 'sync' } = {
  os: 'none',
  sync: 'sync',
}
const WORDS = {
  os: "durability 'none': acked when the log is written to the kernel",
  sync: "durability 'sync': acked when the log is synced, one sync for all that wait",
}

function report(db: SettDatabase): SettleReport {
  const { levels, memtables } = db.stats()
  const inTables = levels.reduce((sum, { entries }) => sum + entries, 0)
  const inMemory = memtables.reduce((sum, { entries }) => sum + entries, 0)
  const held = levels.filter(({ tables }) => tables > 0)
  const layout = held.map(({ level, tables }) => `L${level}:${tables}`).join(' ')
  return { tableShare: inTables / Math.max(1, inTables + inMemory), layout }
}

/** What the engine wrote, by its own count: log, flushes, compactions and, as compactions, collection of garbage. */
export function engineBytes(stats: DatabaseStats): number {
  return stats.walBytes + stats.bytesFlushed + stats.bytesCompacted
}

async function openStore(
  location: string,
  settings: StoreSettings,
  preset: PresetName | undefined,
): Promise<Store> {
  const { durability, ownDurability = false, memtableBytes, workers, settOptions } = settings
  const db: SettDatabase = new Database(location, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    preset: preset ?? 'balanced',
    ...(!ownDurability && { durability: DURABILITY[durability] }),
    // A preset is measured as it is, its memtable included.
    ...(preset === undefined && memtableBytes !== undefined && { memtableSize: memtableBytes }),
    ...(workers !== undefined && { workers }),
    ...settOptions,
  })
  await db.open()
  return {
    ...levelStore(db, {}),
    deleteRange: (from, to) => db.clear({ gte: from, lt: to }),
    async compact() {
      await db.flush()
      await db.compactRange()
      await db.settle()
    },
    async settle() {
      await db.flush()
      await db.settle()
      return report(db)
    },
    busyMs: () => db.stats().workers.map(({ busyMs }) => busyMs),
    levels: () => db.stats().levels,
    bytesWritten: () => engineBytes(db.stats()),
  }
}

/** `sett`, `sett:<preset>`, or a preset with another compression: `sett:<preset>+zstd`. */
function settEngine(preset?: PresetName, compression?: Compression): NodeEngine {
  const packed = compression === undefined ? '' : `+${compression}`
  return {
    name: preset === undefined ? 'sett' : `sett:${preset}${packed}`,
    kind: 'ours',
    durability: WORDS,
    persistent: true,
    answers: true,
    async load() {
      if (compression === 'zstd' && !('zstdCompressSync' in zlib)) {
        throw new Error('this Node has no zstd; use Node 22.15, 23.8 or newer')
      }
      const manifest: { readonly version: string } = createRequire(import.meta.url)(
        'sett/package.json',
      )
      return {
        version: manifest.version,
        open: (location, { settOptions, ...settings }) => {
          const options = { ...(compression !== undefined && { compression }), ...settOptions }
          return openStore(location, { ...settings, settOptions: options }, preset)
        },
      }
    },
  }
}

const NAMES = Object.keys(presets) as readonly PresetName[]

/** `throughput` with zstd: what DESIGN §10 asks for of its space. */
export const ZSTD = 'throughput+zstd'

export const settEngines: readonly NodeEngine[] = [
  settEngine(),
  ...NAMES.map((name) => settEngine(name)),
  settEngine('throughput', 'zstd'),
]
