// The load of a simulation, done by the real engine in memory, and what its files took. What is due is waited for, but
// not asked for: that would count as rest.
import { resolveOptions } from '../../../src/base/options.ts'
import { Simulation, type SimulationSetup } from '../../../src/compaction/simulate/simulation.ts'
import type { SimulationFigures } from '../../../src/compaction/simulate/tally.ts'
import type { Workload } from '../../../src/compaction/simulate/workload.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { parseFileName } from '../../../src/io/file-names.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { prng } from '../../model/prng.ts'

const KIB = 1024
const MIB = KIB * KIB
export const KEY_BYTES: number = 16
/** Bytes of keys and values: little, for what a batch does not fit into stays empty. */
const BATCH_BYTES = 6_000
/** Turns of the event loop in which nothing ends: then nothing runs. */
const QUIET_TURNS = 4

/** Memtables, levels and tables a thousandth of what is usual. */
export interface TreeSizes {
  readonly memtableSize: number
  readonly tableSize: number
  readonly l0CompactTrigger: number
  readonly l0StallTrigger: number
  readonly levelSizeMultiplier: number
  readonly maxLevels: number
}

export const TREE: TreeSizes = {
  memtableSize: 64 * KIB,
  tableSize: 48 * KIB,
  l0CompactTrigger: 4,
  l0StallTrigger: 12,
  levelSizeMultiplier: 6,
  maxLevels: 7,
}
const SEGMENTS = { segmentSize: MIB, segmentMaxEntries: 1_000_000 }

export function setup(
  workload: Partial<Workload>,
  more: Partial<SimulationSetup> = {},
  tree: TreeSizes = TREE,
): SimulationSetup {
  return {
    workload: {
      dataBytes: 24_000 * (KEY_BYTES + 100),
      keyBytes: KEY_BYTES,
      valueBytes: 100,
      distribution: 'uniform',
      overwriteShare: 0,
      deleteShare: 0,
      compressionRatio: 1,
      ...workload,
    },
    pick: { ...tree, baseLevelSize: tree.memtableSize * tree.l0CompactTrigger },
    memtableSize: tree.memtableSize,
    maxLevels: tree.maxLevels,
    valueThreshold: KIB,
    segments: SEGMENTS,
    parallel: 1,
    speed: Number.POSITIVE_INFINITY,
    ...more,
  }
}

export function simulate(given: SimulationSetup): SimulationFigures {
  const run = new Simulation(given).run()
  for (;;) {
    const step = run.next()
    if (step.done === true) return step.value
  }
}

/** Bytes. */
export interface EngineFigures {
  readonly given: number
  readonly logged: number
  readonly flushed: number
  readonly compacted: number
  /** Of tables and segments together, once the load was done, and after settle(). */
  readonly end: number
  readonly rest: number
  /** Most, outputs beside what they replace included. */
  readonly most: number
  /** Of these at rest, of segments. */
  readonly segments: number
  readonly collections: number
}

/** Runs the load with tables that are as large as what is in them. */
export async function run(given: SimulationSetup): Promise<EngineFigures> {
  const { workload, valueThreshold, pick, memtableSize, maxLevels } = given
  const fs = memoryFileSystem()
  let most = 0
  const look = (): void => {
    most = Math.max(most, tableAndSegmentBytes(fs))
  }
  const watched: FileSystem = {
    ...fs,
    removeSync: (path) => {
      look()
      fs.removeSync(path)
    },
    remove: (path) => {
      look()
      return fs.remove(path)
    },
  }
  const plain = { durability: 'none', compression: 'none', workers: 0 } as const
  const threshold = valueThreshold === Number.POSITIVE_INFINITY ? 'off' : valueThreshold
  const { tableSize, l0CompactTrigger, l0StallTrigger, levelSizeMultiplier } = pick
  const shape = { tableSize, l0CompactTrigger, l0StallTrigger, levelSizeMultiplier }
  const sizes = { memtableSize, maxLevels, ...SEGMENTS, valueThreshold: threshold } as const
  const resolved = resolveOptions({ ...shape, ...sizes, ...plain, memoryBudget: 16 * MIB })
  const engine = await openEngine('/db', resolved, { fs: watched })
  const bytesGiven = await load(engine, workload)
  await engine.flush()
  await quiet(engine)
  look()
  const { walBytes: logged, bytesFlushed: flushed, bytesCompacted: compacted } = engine.stats()
  const end = tableAndSegmentBytes(fs)
  await engine.settle()
  const { segments, collections } = engine.stats()
  const rest = tableAndSegmentBytes(fs)
  await engine.close()
  const bytes = {
    given: bytesGiven,
    logged,
    flushed,
    compacted,
    end,
    rest,
    most,
    segments: segments.bytes,
  }
  return { ...bytes, collections }
}

/** 16 characters, ascending with the key, that have no more in common than random ones. */
const keyOf = (key: number): string =>
  ((BigInt(key) * 0x1_0000_0000_0000n * 0x9e37n) / 30_000n).toString(16).padStart(KEY_BYTES, '0')

/** The same writes as the simulator's, one by one. Returns the bytes of keys and values. */
async function load(engine: StorageEngine, workload: Workload): Promise<number> {
  const random = prng(5)
  const { distribution, overwriteShare, deleteShare, dataBytes, valueBytes } = workload
  const keys = Math.round(dataBytes / (KEY_BYTES + valueBytes))
  const order = Array.from({ length: keys }, (_, i) => i)
  if (distribution !== 'sequential') {
    for (let i = keys - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
  }
  const later = Math.round(keys / (1 - overwriteShare - deleteShare)) - keys
  const value = 'v'.repeat(valueBytes)
  const operations = [
    ...order.map((key) => ({ type: 'put', key: keyOf(key), value }) as const),
    ...Array.from({ length: later }, (_, i) => {
      const key = keyOf(distribution === 'sequential' ? i % keys : random.below(keys))
      const dies = random.chance(deleteShare / (overwriteShare + deleteShare))
      return dies ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const)
    }),
  ]
  const batch = Math.max(1, Math.floor(BATCH_BYTES / (KEY_BYTES + valueBytes)))
  for (let at = 0; at < operations.length; at += batch) {
    const { flushes } = engine.stats()
    await engine.batch(operations.slice(at, at + batch), {})
    const after = engine.stats()
    if (after.memtables.length > 1 || after.flushes > flushes) await quiet(engine)
  }
  return operations.reduce(
    (sum, { type }) => sum + KEY_BYTES + (type === 'put' ? valueBytes : 0),
    0,
  )
}

async function quiet(engine: StorageEngine): Promise<void> {
  let before = ''
  for (let turns = 0; turns < QUIET_TURNS; turns++) {
    await new Promise((resolve) => setImmediate(resolve))
    const { flushes, memtables, levels, segments, bytesCompacted } = engine.stats()
    const now = JSON.stringify([flushes, memtables.length, levels, segments.count, bytesCompacted])
    if (now !== before) turns = 0
    before = now
  }
}

function tableAndSegmentBytes(fs: FileSystem): number {
  let bytes = 0
  for (const name of fs.listSync('/db')) {
    const kind = parseFileName(name)?.kind
    if (kind === 'sst' || kind === 'vlog') bytes += fs.statSync(`/db/${name}`)?.size ?? 0
  }
  return bytes
}
