// The back-pressure in a simulated tree: a load above what background work can do settles at what it can do, evenly.
import { describe, expect, it } from 'vitest'
import { prng } from '../../../model/prng.ts'
import { Plant, type PlantOptions } from './plant.ts'

const MIB = 2 ** 20
/** Bytes per ms. */
const perSecond = (mib: number): number => (mib * MIB) / 1000

const balanced = {
  memtableSize: 64 * MIB,
  memtableCount: 3,
  l0CompactTrigger: 5,
  l0StallTrigger: 15,
  baseBytes: 320 * MIB,
  flush: perSecond(60),
  merge: perSecond(100),
}
const lowMemory = {
  ...balanced,
  memtableSize: 8 * MIB,
  memtableCount: 2,
  l0CompactTrigger: 4,
  l0StallTrigger: 12,
  baseBytes: 32 * MIB,
}
const slowFlush = { ...balanced, baseBytes: 0, flush: perSecond(20), merge: perSecond(1000) }
const readHeavy = {
  ...balanced,
  memtableSize: 128 * MIB,
  memtableCount: 5,
  l0StallTrigger: 10,
  baseBytes: 640 * MIB,
}
const WARM_SECONDS = 30
const SECONDS = 120

interface Settled {
  readonly plant: Plant
  readonly mean: number
  readonly least: number
}

/** MiB per second, after the first half minute. */
function settled(options: Omit<PlantOptions, 'load'>, loadMib = 300): Settled {
  const plant = new Plant({ ...options, load: () => perSecond(loadMib) })
  plant.run(SECONDS * 1000)
  const seconds = Array.from({ length: SECONDS }, (_, at) => (plant.perSecond[at] ?? 0) / MIB)
  const late = seconds.slice(WARM_SECONDS)
  const mean = late.reduce((sum, one) => sum + one, 0) / late.length
  return { plant, mean, least: Math.min(...late) }
}

/** What the same tree takes when nothing but the wall stops the writers. */
function unpaced(options: Omit<PlantOptions, 'load'>): number {
  return settled({ ...options, paced: false }).mean
}

describe('a load above capacity', () => {
  it.each([
    ['balanced', balanced],
    ['lowMemory', lowMemory],
    ['a slow flush', slowFlush],
    ['readHeavy', readHeavy],
  ])('%s: gets what background work can do, with no second below 30 %% of it', (_, options) => {
    const { mean, least } = settled(options)
    expect(mean).toBeGreaterThan(0.9 * unpaced(options))
    expect(least).toBeGreaterThan(0.3 * mean)
  })

  it.each([1, 2, 3, 4])('jobs of uneven length make no holes either (seed %i)', (seed) => {
    const jitter = { share: 0.3, random: prng(seed) }
    const { mean, least } = settled({ ...balanced, jitter })
    expect(least).toBeGreaterThan(0.3 * mean)
  })

  it('without it there are holes', () => {
    const { mean, least } = settled({ ...balanced, paced: false })
    expect(least).toBeLessThan(0.3 * mean)
  })
})

describe('a load below capacity', () => {
  it('is not slowed', () => {
    const { plant, mean } = settled(balanced, 30)
    expect(mean).toBeGreaterThan(29.5)
    expect(plant.watch.delayMs).toBeLessThan(SECONDS * 10)
    expect(plant.stoppedMs).toBe(0)
  })
})

describe('a burst', () => {
  it('is followed by full speed again', () => {
    const burst = (now: number): number =>
      now < 20_000 ? perSecond(300) : now < 60_000 ? perSecond(1) : perSecond(40)
    const plant = new Plant({ ...balanced, load: burst })
    plant.run(60_000)
    const delayed = plant.watch.delayMs
    expect(delayed).toBeGreaterThan(1000)
    expect(plant.pressure.limited).toBe(false)
    const before = plant.written
    plant.run(20_000)
    expect(plant.written - before).toBeGreaterThan(0.98 * 20 * 40 * MIB)
  })
})
