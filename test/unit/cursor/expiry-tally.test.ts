// What expires when, in few steps, against a plain list of entries.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EXPIRY_STEPS_MAX } from '../../../src/base/limits.ts'
import { ExpiryTally } from '../../../src/cursor/expiry-tally.ts'
import { areExpirySteps, type ExpiryStep } from '../../../src/format/table-meta.ts'
import { type Prng, prng } from '../../model/prng.ts'

interface Entry {
  readonly expiresAt: number
  readonly bytes: number
  readonly referred: number
}

const LATEST = Number.MAX_SAFE_INTEGER

function stepsOf(entries: readonly Entry[]): readonly ExpiryStep[] {
  const tally = new ExpiryTally()
  for (const { expiresAt, bytes, referred } of entries) tally.add(expiresAt, bytes, referred)
  return tally.steps()
}

/** Steps that end by the time, added up. */
function sumBy(steps: readonly ExpiryStep[], time: number): number[] {
  const by = steps.filter(({ until }) => until <= time)
  return (['entries', 'bytes', 'referred'] as const).map((field) =>
    by.reduce((sum, step) => sum + step[field], 0),
  )
}

function expired(entries: readonly Entry[], time: number): number[] {
  const by = entries.filter(({ expiresAt }) => expiresAt <= time)
  const sum = (of: (entry: Entry) => number): number => by.reduce((all, each) => all + of(each), 0)
  return [by.length, sum(({ bytes }) => bytes + 8), sum(({ referred }) => referred)]
}

function shuffled<T>(list: readonly T[], random: Prng): T[] {
  return list
    .map((each) => ({ each, at: random.u32() }))
    .sort((a, b) => a.at - b.at)
    .map(({ each }) => each)
}

/** Some close together, some wherever they may be. */
function someEntries(random: Prng, count: number): Entry[] {
  const spread = 10 ** random.below(12)
  return Array.from({ length: count }, () => {
    const far = random.chance(0.1) ? random.u32() * 2 ** random.below(20) : 0
    const expiresAt = 1_700_000_000_000 + Math.floor((random.u32() / 2 ** 32) * spread) + far
    const referred = random.chance(0.5) ? 8 * random.below(2_000) : 0
    return { expiresAt, bytes: random.below(500), referred }
  })
}

describe('what expires when', () => {
  it('is told exactly at the end of each step, never too early, and to a sixteenth between', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = prng(seed)
      const entries = someEntries(random, 1 + random.below(seed % 3 === 0 ? 6_000 : 40))
      const steps = stepsOf(entries)
      expect(areExpirySteps(steps), `seed ${seed}`).toBe(true)
      for (const { until } of steps) expect(sumBy(steps, until)).toEqual(expired(entries, until))
      expect(sumBy(steps, LATEST)).toEqual(expired(entries, LATEST))
      const [, bytes, referred] = expired(entries, LATEST)
      const times = entries.map(({ expiresAt }) => expiresAt).sort((a, b) => a - b)
      const width = 2 ** Math.ceil(Math.log2((times.at(-1)! - times[0]! + 1) / 512))
      for (const { expiresAt } of entries.slice(0, 50)) {
        const told = sumBy(steps, expiresAt)
        const had = expired(entries, expiresAt)
        for (const [i, count] of told.entries()) expect(count).toBeLessThanOrEqual(had[i]!)
        // What expires within one slot of time is not told apart.
        const before = expired(entries, expiresAt - width)
        const missing = before[1]! + before[2]! - told[1]! - told[2]!
        expect(missing).toBeLessThanOrEqual((bytes! + referred!) / EXPIRY_STEPS_MAX)
      }
    }
  })

  it('does not depend on the order of the entries', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = prng(seed)
      const entries = someEntries(random, 1 + random.below(5_000))
      const steps = stepsOf(entries)
      expect(stepsOf(entries.reverse())).toEqual(steps)
      expect(stepsOf(shuffled(entries, random))).toEqual(steps)
    }
  })

  it('takes any time there is, and nothing at all', () => {
    expect(stepsOf([])).toEqual([])
    const time = fc.nat({ max: LATEST - 1 }).map((at) => at + 1)
    const property = fc.property(fc.array(time, { minLength: 1 }), (times) => {
      const entries = times.map((expiresAt) => ({ expiresAt, bytes: 1, referred: 0 }))
      const steps = stepsOf(entries)
      expect(steps.at(-1)!.until).toBe(Math.max(...times))
      expect(sumBy(steps, LATEST)).toEqual(expired(entries, LATEST))
    })
    fc.assert(property, { seed: 20_241_122, numRuns: 200 })
  })
})
