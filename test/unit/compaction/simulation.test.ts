// The simulator against the real engine: the same load with the same options, small, and how much each of them wrote.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import { checkVersionOrder } from '../../../src/compaction/invariant.ts'
import {
  Simulation,
  type SimulationFigures,
  type SimulationSetup,
} from '../../../src/compaction/simulate/simulation.ts'
import { Traffic, type Workload } from '../../../src/compaction/simulate/workload.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { prng } from '../../model/prng.ts'

const KIB = 1024
const KEY_BYTES = 16
const VALUE_BYTES = 100
const BATCH = 50

const TREE = {
  memtableSize: 64 * KIB,
  tableSize: 48 * KIB,
  l0CompactTrigger: 4,
  l0StallTrigger: 12,
  levelSizeMultiplier: 6,
  maxLevels: 7,
}

function setup(workload: Partial<Workload>, more: Partial<SimulationSetup> = {}): SimulationSetup {
  return {
    workload: {
      dataBytes: 24_000 * (KEY_BYTES + VALUE_BYTES),
      keyBytes: KEY_BYTES,
      valueBytes: VALUE_BYTES,
      distribution: 'uniform',
      overwriteShare: 0,
      deleteShare: 0,
      ...workload,
    },
    pick: { ...TREE, baseLevelSize: TREE.memtableSize * TREE.l0CompactTrigger },
    memtableSize: TREE.memtableSize,
    maxLevels: TREE.maxLevels,
    parallel: 1,
    speed: Number.POSITIVE_INFINITY,
    ...more,
  }
}

function simulate(given: SimulationSetup): SimulationFigures {
  const run = new Simulation(given).run()
  for (;;) {
    const step = run.next()
    if (step.done === true) return step.value
  }
}

/** 16 characters, ascending with the key, that have no more in common than random ones. */
const keyOf = (key: number): string =>
  ((BigInt(key) * 0x1_0000_0000_0000n * 0x9e37n) / 30_000n).toString(16).padStart(KEY_BYTES, '0')

/** The same writes as the simulator's, one by one. */
async function load(engine: StorageEngine, workload: Workload): Promise<void> {
  const random = prng(5)
  const { distribution, overwriteShare, deleteShare, dataBytes } = workload
  const keys = Math.round(dataBytes / (KEY_BYTES + VALUE_BYTES))
  const order = Array.from({ length: keys }, (_, i) => i)
  if (distribution !== 'sequential') {
    for (let i = keys - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
  }
  const later = Math.round(keys / (1 - overwriteShare - deleteShare)) - keys
  const value = 'v'.repeat(VALUE_BYTES)
  const operations = [
    ...order.map((key) => ({ type: 'put', key: keyOf(key), value }) as const),
    ...Array.from({ length: later }, () => {
      const key = keyOf(random.below(keys))
      const dies = random.chance(deleteShare / (overwriteShare + deleteShare))
      return dies ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const)
    }),
  ]
  for (let at = 0; at < operations.length; at += BATCH) {
    await engine.batch(operations.slice(at, at + BATCH), {})
    await engine.settle()
  }
}

interface Written {
  /** Bytes of tables for each byte flushed: so what an entry takes in a table does not count. */
  readonly write: number
  /** Bytes of tables for each byte of the load. */
  readonly size: number
}

async function real({ workload }: SimulationSetup): Promise<Written> {
  // Tables of the simulator are as large as what is in them.
  const plain = { durability: 'none', compression: 'none' } as const
  const options = { ...TREE, ...plain, workers: 0, memoryBudget: 16 * KIB * KIB }
  const engine = await openEngine('/db', resolveOptions(options), { fs: memoryFileSystem() })
  await load(engine, workload)
  const { bytesFlushed, bytesCompacted, levels } = engine.stats()
  await engine.close()
  const bytes = levels.reduce((sum, level) => sum + level.bytes, 0)
  return {
    write: (bytesFlushed + bytesCompacted) / bytesFlushed,
    size: bytes / workload.dataBytes,
  }
}

function simulated(given: SimulationSetup): Written {
  const { flushedBytes, compactedBytes, levels, dataBytes } = simulate(given)
  const bytes = levels.reduce((sum, level) => sum + level.bytes, 0)
  return { write: (flushedBytes + compactedBytes) / flushedBytes, size: bytes / dataBytes }
}

/** A fifth more or less: seen were 0 to 7 %. */
const TOLERANCE = 0.2

describe('beside the engine', () => {
  const loads: [string, Partial<Workload>][] = [
    ['random order', {}],
    ['key order', { distribution: 'sequential' }],
    ['overwrites', { overwriteShare: 0.6 }],
    ['deletes too', { overwriteShare: 0.3, deleteShare: 0.3 }],
  ]
  it.each(loads)('%s', async (_, workload) => {
    const given = setup(workload)
    const expected = await real(given)
    const found = simulated(given)
    expect(Math.abs(found.write / expected.write - 1)).toBeLessThan(TOLERANCE)
    expect(Math.abs(found.size / expected.size - 1)).toBeLessThan(TOLERANCE)
    // What is loaded in key order is written once.
    if (workload.distribution === 'sequential') expect(expected.write).toBe(1)
  })
})

describe('a simulation', () => {
  const loads: [string, Partial<Workload>][] = [
    ['uniform', { overwriteShare: 0.4, deleteShare: 0.2 }],
    ['zipf', { distribution: 'zipf', overwriteShare: 0.5 }],
    ['sequential', { distribution: 'sequential', overwriteShare: 0.5, deleteShare: 0.1 }],
  ]
  it.each(loads)('keeps the levels in order and loses no write: %s', (_, workload) => {
    const given = setup(workload, { parallel: 3, speed: 4 })
    const simulation = new Simulation(given)
    const run = simulation.run()
    let step = run.next()
    for (; step.done !== true; step = run.next()) checkVersionOrder(simulation.levels)
    const { keys, writes } = new Traffic(given.workload)
    const sum = { loaded: 0, drawn: 0 }
    for (const { loaded, drawn } of simulation.levels.flat()) {
      sum.loaded += loaded
      sum.drawn += drawn
    }
    expect(sum.loaded).toBeCloseTo(keys, 3)
    expect(sum.drawn).toBeCloseTo(writes - keys, 3)
    expect(step.value.spaceAmplification.end).toBeGreaterThanOrEqual(0.999)
  })

  it('lets the program wait, and merges inside level 0, when compaction is slow', () => {
    const slow = simulate(setup({}, { parallel: 2, speed: 2 }))
    expect(slow.stalledShare).toBeGreaterThan(0)
    expect(slow.insideLevel0).toBeGreaterThan(0)
    expect(slow.readAmplification.most).toBeGreaterThan(TREE.l0CompactTrigger + 3)
    const fast = simulate(setup({}))
    expect([fast.stalledShare, fast.insideLevel0]).toEqual([0, 0])
  })

  it('expects of a zipf load what its keys, one by one, expect', () => {
    const { workload } = setup({ distribution: 'zipf', dataBytes: 5_000 * 116 })
    const traffic = new Traffic(workload)
    const weights = Array.from({ length: traffic.keys }, (_, i) => (i + 1) ** -0.99)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const uniform = new Traffic({ ...workload, distribution: 'uniform' })
    for (const draws of [0.01, 0.3, 1, 5]) {
      const missed = weights.map((weight) => Math.exp((-draws * traffic.keys * weight) / total))
      const expected = 1 - missed.reduce((sum, each) => sum + each, 0) / traffic.keys
      expect(Math.abs(traffic.drawnShare(draws) / expected - 1)).toBeLessThan(0.02)
      expect(traffic.drawnShare(draws)).toBeLessThan(uniform.drawnShare(draws))
    }
  })
})
