// What each option with a figure to it does: one measurement, taken with one value and with another, and how the two
// figures must differ. For options that are live the other value is also set by tune().
import { vi } from 'vitest'
import type { OptionName } from '../../../src/base/option-table.ts'
import { StorageEngine } from '../../../src/engine/engine.ts'
import { type BenchEngine, type Held, key } from './bench-engine.ts'

export interface Effect {
  readonly from: unknown
  readonly to: unknown
  /** How the figure with `to` is to be, seen from the one with `from`. */
  readonly becomes: 'more' | 'less'
  /** Other options. */
  readonly with?: object
  readonly held?: Held
  readonly measure: (bench: BenchEngine) => Promise<number>
}

const KIB = 1024

/** Writes kilobytes until a commit has to wait; how many were written. */
async function untilWritersWait(bench: BenchEngine): Promise<number> {
  for (let written = 0; written < 2000; written++) {
    const done = bench.put(written, 1, KIB).then(() => true)
    const waits = bench.turns(60).then(() => false)
    if (!(await Promise.race([done, waits]))) return written
  }
  return 2000
}

/** Files of the value log. */
function segmentsOf(bench: BenchEngine): number {
  return bench.fs.listSync('/db').filter((name) => name.endsWith('.vlog')).length
}

function syncs(bench: BenchEngine): number {
  return bench.fs.calls.filter(({ kind, path }) => kind === 'sync' && path.endsWith('.wal')).length
}

/** Blocks that lookups touched. */
function lookups(bench: BenchEngine): number {
  const { hits, misses } = bench.engine.stats().cache
  return hits + misses
}

async function readAll(bench: BenchEngine, count: number): Promise<void> {
  for (let i = 0; i < count; i++) bench.engine.getSync(key(i), undefined, 'utf8')
  await bench.turns(1)
}

/** Bytes of compacted tables in levels above the last one that holds any. */
function filledLevels(bench: BenchEngine): number {
  return bench.engine.stats().levels.filter(({ tables }) => tables > 0).length
}

function deepest(bench: BenchEngine): number {
  return bench.engine.stats().levels.findLastIndex(({ tables }) => tables > 0)
}

export const MEASURED: { readonly [Name in OptionName]?: Effect } = {
  memtableSize: {
    from: 64 * KIB,
    to: KIB * KIB,
    becomes: 'less',
    with: { memoryBudget: 16 << 20 },
    async measure(bench) {
      // The memtable of the moment stays as it is: the next one has the new size.
      await bench.engine.flush()
      const before = bench.engine.stats().flushes
      for (let i = 0; i < 30; i++) await bench.put(i * 10, 10, KIB)
      await bench.engine.settle()
      return bench.engine.stats().flushes - before
    },
  },
  memtableCount: {
    from: 2,
    to: 5,
    becomes: 'more',
    held: new Set(['flush']),
    async measure(bench) {
      await untilWritersWait(bench)
      return bench.engine.stats().memtables.length
    },
  },
  memoryBudget: {
    from: 8 << 20,
    to: 16 << 20,
    becomes: 'more',
    async measure(bench) {
      const commit = bench.put(0, 1, 3 << 20)
      return commit.then(
        () => 1,
        () => 0,
      )
    },
  },
  durability: {
    from: 'sync',
    to: 'none',
    becomes: 'less',
    async measure(bench) {
      const before = syncs(bench)
      for (let i = 0; i < 10; i++) await bench.put(i, 1)
      return syncs(bench) - before
    },
  },
  l0CompactTrigger: {
    from: 4,
    to: 8,
    becomes: 'more',
    async measure(bench) {
      let deepestYet = 0
      for (let i = 0; i < 9; i++) {
        await bench.fillLevel0(1)
        await bench.engine.settle()
        deepestYet = Math.max(deepestYet, bench.level(0))
      }
      return deepestYet
    },
  },
  l0StallTrigger: {
    from: 3,
    to: 6,
    becomes: 'more',
    with: { l0CompactTrigger: 2 },
    held: new Set(['compact']),
    async measure(bench) {
      await untilWritersWait(bench)
      return bench.level(0)
    },
  },
  compression: {
    from: 'none',
    to: 'lz4',
    becomes: 'less',
    async measure(bench) {
      await bench.put(0, 400)
      await bench.engine.flush()
      return bench.engine.stats().levels.reduce((sum, { bytes }) => sum + bytes, 0)
    },
  },
  maxDiskBytes: {
    from: 1 << 20,
    to: 4 << 20,
    becomes: 'more',
    async measure(bench) {
      for (let written = 0; written < 4000; written += 20) {
        const refused = await bench.put(written, 20, KIB).then(
          () => false,
          () => true,
        )
        if (refused) return written
      }
      return 4000
    },
  },
  blockSize: {
    from: 4 * KIB,
    to: 512,
    becomes: 'less',
    async measure(bench) {
      await bench.put(0, 400)
      await bench.engine.flush()
      const reads = (): number => bench.fs.calls.filter((call) => call.kind === 'read').length
      const before = reads()
      await readAll(bench, 400)
      // Smaller blocks, more of them to read.
      return 1 / (reads() - before)
    },
  },
  bloomFalsePositiveRate: {
    from: 0.5,
    to: 0.00001,
    becomes: 'less',
    async measure(bench) {
      await bench.put(0, 400)
      await bench.engine.flush()
      const before = lookups(bench)
      for (let i = 0; i < 400; i++) bench.engine.getSync(`${key(i)}-not`, undefined, 'utf8')
      return lookups(bench) - before
    },
  },
  blockCacheSize: {
    from: 256 * KIB,
    to: KIB * KIB,
    becomes: 'more',
    async measure(bench) {
      for (let i = 0; i < 12; i++) await bench.put(i * 50, 50, KIB)
      await bench.engine.flush()
      await readAll(bench, 600)
      return bench.engine.stats().cache.bytes
    },
  },
  indexCacheSize: {
    from: KIB * KIB,
    to: 64 * KIB,
    becomes: 'more',
    with: { blockSize: 512, l0CompactTrigger: 100, l0StallTrigger: 'off' },
    async measure(bench) {
      for (let table = 0; table < 8; table++) {
        const long = Array.from({ length: 45 }, (_, i) => ({
          type: 'put' as const,
          key: `${table}-${String(i).padStart(1000, '0')}`,
          value: '',
        }))
        await bench.engine.batch(long, {})
        await bench.engine.flush()
      }
      const opens = (): number =>
        bench.fs.calls.filter(({ kind, path }) => kind === 'open' && path.endsWith('.sst')).length
      const before = opens()
      for (let round = 0; round < 3; round++) {
        for (let table = 0; table < 8; table++) {
          bench.engine.getSync(`${table}-${'0'.padStart(1000, '0')}`, undefined, 'utf8')
        }
      }
      return opens() - before
    },
  },
  tableSize: {
    from: 64 * KIB,
    to: 16 * KIB,
    becomes: 'more',
    with: { memtableSize: 128 * KIB },
    async measure(bench) {
      await bench.put(0, 50, KIB)
      await bench.engine.flush()
      return bench.level(0)
    },
  },
  valueThreshold: {
    from: 'off',
    to: 200,
    becomes: 'more',
    async measure(bench) {
      await bench.put(0, 50, 300)
      await bench.engine.flush()
      return segmentsOf(bench)
    },
  },
  segmentSize: {
    from: 128 * KIB,
    to: 64 * KIB,
    becomes: 'more',
    with: { memtableSize: 256 * KIB, valueThreshold: 200 },
    async measure(bench) {
      await bench.put(0, 100, KIB)
      await bench.engine.flush()
      return segmentsOf(bench)
    },
  },
  segmentMaxEntries: {
    from: 100_000,
    to: 1000,
    becomes: 'more',
    with: { memtableSize: 1024 * KIB, valueThreshold: 64 },
    async measure(bench) {
      await bench.put(0, 2000, 64)
      await bench.engine.flush()
      return segmentsOf(bench)
    },
  },
  scanPageSize: {
    from: 100,
    to: 7,
    becomes: 'less',
    async measure(bench) {
      // Who reads for the public API asks for this many at most; engine.ts passes the options on.
      return bench.engine.options.scanPageSize
    },
  },
  levelSizeMultiplier: {
    from: 100,
    to: 2,
    becomes: 'more',
    with: { l0CompactTrigger: 1, tableSize: 16 * KIB },
    async measure(bench) {
      // Overlapping: what nothing is in the way of goes down at once.
      for (let i = 0; i < 30; i++) {
        await bench.put((i * 97) % 400, 60, KIB)
        await bench.engine.settle()
      }
      return filledLevels(bench)
    },
  },
  maxLevels: {
    from: 7,
    to: 3,
    becomes: 'less',
    with: { l0CompactTrigger: 1 },
    async measure(bench) {
      await bench.put(0, 40)
      await bench.engine.flush()
      await bench.engine.settle()
      return deepest(bench)
    },
  },
  compactionRateLimit: {
    from: 'off',
    to: 64 * KIB,
    becomes: 'less',
    with: { l0CompactTrigger: 100, l0StallTrigger: 'off' },
    async measure(bench) {
      // Time stands still: nothing that has to be paid for first is done.
      bench.clock.hold()
      const work = (async () => {
        for (let i = 0; i < 3; i++) {
          await bench.put(0, 40, KIB)
          await bench.engine.compactRange(undefined, undefined)
        }
      })()
      await bench.turns(200)
      const { compactions } = bench.engine.stats()
      bench.clock.release()
      await work
      return compactions
    },
  },
  idleAfter: {
    from: 'off',
    to: 1_000,
    becomes: 'less',
    async measure(bench) {
      await bench.fillLevel0(3)
      await bench.clock.pass(5_000)
      await bench.engine.settle()
      return bench.level(0)
    },
  },
  deferCompaction: {
    from: false,
    to: true,
    becomes: 'more',
    with: { l0StallTrigger: 'off', l0CompactTrigger: 2, idleAfter: 3_600_000 },
    async measure(bench) {
      // Nothing goes idle meanwhile.
      bench.clock.hold()
      await bench.fillLevel0(6)
      await bench.turns()
      const deep = bench.level(0)
      bench.clock.release()
      await bench.engine.settle()
      return deep + bench.level(0) / 100
    },
  },
  scrubInterval: {
    from: 'off',
    to: 60_000,
    becomes: 'more',
    async measure(bench) {
      await bench.clock.pass(300_000)
      return bench.notices.filter(({ event }) => event === 'maintenance').length
    },
  },
  cacheGrowth: {
    from: 'misses',
    to: 'hits',
    becomes: 'less',
    with: { blockSize: 512 },
    async measure(bench) {
      for (let i = 0; i < 6; i++) await bench.put(i * 400, 400)
      await bench.engine.flush()
      // Each block once.
      for (let i = 0; i < 2400; i += 10) bench.engine.getSync(key(i), undefined, 'utf8')
      return bench.engine.stats().cache.bytes
    },
  },
}

/** Largest page an iterator of the public API asked the engine for. */
export function watchPages(): { readonly largest: () => number } {
  let largest = 0
  const range = StorageEngine.prototype.range
  vi.spyOn(StorageEngine.prototype, 'range').mockImplementation(function (
    this: StorageEngine,
    ...given
  ) {
    const reader = range.apply(this, given)
    return {
      seek: (target) => reader.seek(target),
      next(limit) {
        largest = Math.max(largest, limit)
        return reader.next(limit)
      },
    }
  })
  return { largest: () => largest }
}
