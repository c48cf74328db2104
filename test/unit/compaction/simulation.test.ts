// The simulator against the real engine: the same load with the same options, small, and what each of them wrote and
// kept, with values in tables and in segments.
import { describe, expect, it } from 'vitest'
import { checkVersionOrder } from '../../../src/compaction/invariant.ts'
import { Simulation } from '../../../src/compaction/simulate/simulation.ts'
import { gathered, putsOf, type Strata, sumOf } from '../../../src/compaction/simulate/strata.ts'
import { KEY_SPACE } from '../../../src/compaction/simulate/synthetic-table.ts'
import { Traffic, type Workload } from '../../../src/compaction/simulate/workload.ts'
import { prng } from '../../model/prng.ts'
import { KEY_BYTES, run, setup, simulate, TREE } from './engine-load.ts'

const KIB = 1024

/** A fifth more or less: seen were 0 to 11 %, and 14 % where deletes and collections make the peak. */
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
    const engine = await run(given)
    const found = simulate(given)
    const { tables } = found.writeAmplification
    // By what was flushed: so what an entry takes in a table does not count.
    const expected = (engine.flushed + engine.compacted) / engine.flushed
    expect(Math.abs((tables * found.givenBytes) / found.flushedBytes / expected - 1)).toBeLessThan(
      TOLERANCE,
    )
    const end = found.spaceAmplification.end! * found.liveBytes
    expect(Math.abs(end / engine.end - 1)).toBeLessThan(TOLERANCE)
    // What is loaded in key order is written once.
    if (workload.distribution === 'sequential') expect(expected).toBe(1)
  })
})

const LARGE = { ...TREE, memtableSize: 256 * KIB, tableSize: 96 * KIB }

describe('beside the engine, with values in segments', () => {
  const dataBytes = 6_000 * (KEY_BYTES + KIB)
  const loads: [string, Partial<Workload>][] = [
    ['random order', {}],
    ['overwrites', { overwriteShare: 0.7 }],
    ['overwrites in key order', { overwriteShare: 0.6, distribution: 'sequential' }],
    ['deletes too', { overwriteShare: 0.4, deleteShare: 0.2 }],
    ['deletes alone', { deleteShare: 0.4 }],
  ]
  it.each(loads)('%s', async (_, workload) => {
    const given = setup({ dataBytes, valueBytes: KIB, ...workload }, {}, LARGE)
    const engine = await run(given)
    const found = simulate(given)
    const { writeAmplification: write, spaceAmplification: space, liveBytes } = found
    const close = (simulated: number, real: number): void => {
      expect(Math.abs(simulated / real - 1)).toBeLessThan(TOLERANCE)
    }
    close(write.log, engine.logged / engine.given)
    close(write.tables + write.segments, (engine.flushed + engine.compacted) / engine.given)
    close(space.most * liveBytes, engine.most)
    close(space.end! * liveBytes, engine.end)
    close(space.idle! * liveBytes, engine.rest)
    close(found.segments.bytes, engine.segments)
    if (workload.overwriteShare !== undefined) expect(engine.collections).toBeGreaterThan(0)
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
    const { keys, writes } = new Traffic(given.workload, Number.POSITIVE_INFINITY)
    const sum = { loaded: 0, drawn: 0 }
    for (const { strata, from, to } of simulation.levels.flat()) {
      const { loaded, drawn } = sumOf(strata)
      sum.loaded += (loaded * keys * (to - from)) / KEY_SPACE
      sum.drawn += (drawn * keys * (to - from)) / KEY_SPACE
    }
    expect(sum.loaded).toBeCloseTo(keys, 3)
    expect(sum.drawn).toBeCloseTo(writes - keys, 3)
    expect(step.value.spaceAmplification.end).toBeGreaterThanOrEqual(0.999)
  })

  it.each(loads)(
    'knows what all values in segments take, and keeps the bound: %s',
    (_, workload) => {
      const more = { parallel: 2, speed: 2, valueThreshold: 64 }
      const given = setup({ valueBytes: KIB, dataBytes: 6_000 * KIB, ...workload }, more, LARGE)
      const figures = simulate(given)
      const { segments, freedBytes, relocatedBytes, spaceAmplification: space } = figures
      expect(figures.collections).toBeGreaterThan(0)
      // All that was written to segments is there or was freed: by flushes, some 1 KiB for each key, and by copies.
      const written = figures.writeAmplification.segments * figures.givenBytes
      const idle = figures.writeAmplification.idle * figures.givenBytes
      expect(segments.bytes + freedBytes).toBeGreaterThanOrEqual(written)
      expect(segments.bytes + freedBytes).toBeLessThan((written + idle) * 1.01)
      expect(relocatedBytes).toBeLessThan(written + idle)
      // What readers see lies there, and little else at rest.
      expect(space.idle).toBeGreaterThanOrEqual(0.99)
      expect(space.idle).toBeLessThan(1.6)
      expect(space.most).toBeGreaterThanOrEqual(space.end!)
    },
  )

  it.each(loads)('tells of fewer times as much as of all of them: %s', (_, workload) => {
    const traffic = new Traffic(setup({ ...workload, valueBytes: KIB }).workload, 64)
    const random = prng(3)
    const strata = Array.from({ length: 300 }, (__, i) => ({
      epoch: 300 - i,
      segment: 1 + random.below(9),
      loaded: i < 250 ? 0 : random.below(10) / 1000,
      drawn: random.below(10) / 2000,
    }))
    const bySegment = (from: Strata): Map<number, number> => {
      const puts = putsOf(from, traffic)
      const sums = new Map<number, number>()
      from.forEach(({ segment }, i) => {
        sums.set(segment, (sums.get(segment) ?? 0) + puts[i]!)
      })
      return sums
    }
    const fewer = gathered(strata, traffic)
    expect(fewer.length).toBeLessThan(strata.length / 2)
    const expected = bySegment(strata)
    for (const [segment, puts] of bySegment(fewer)) {
      expect(puts).toBeCloseTo(expected.get(segment)!, 9)
    }
    expect(sumOf(fewer).drawn).toBeCloseTo(sumOf(strata).drawn, 9)
    expect(sumOf(fewer).loaded).toBeCloseTo(sumOf(strata).loaded, 9)
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
    const traffic = new Traffic(workload, KIB)
    const weights = Array.from({ length: traffic.keys }, (_, i) => (i + 1) ** -0.99)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const uniform = new Traffic({ ...workload, distribution: 'uniform' }, KIB)
    for (const draws of [0.01, 0.3, 1, 5]) {
      const missed = weights.map((weight) => Math.exp((-draws * traffic.keys * weight) / total))
      const expected = 1 - missed.reduce((sum, each) => sum + each, 0) / traffic.keys
      expect(Math.abs(traffic.drawnShare(draws) / expected - 1)).toBeLessThan(0.02)
      expect(traffic.drawnShare(draws)).toBeLessThan(uniform.drawnShare(draws))
    }
  })
})
