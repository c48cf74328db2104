// Garbage as a debt, as a pure function, and what becomes of space when writers keep to it.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  debtOf,
  garbageReservoir,
  liveBytes,
  type SpaceFacts,
} from '../../../../src/engine/pressure/space-debt.ts'
import { allowedRate } from '../../../../src/engine/pressure/write-rate.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
const INFINITY = Number.POSITIVE_INFINITY
const LEAST = 320 * MIB
/** Bytes per ms. */
const WRITTEN = 50_000

const share = fc.double({ min: 0, max: 1, noNaN: true })
const bytes = fc.integer({ min: 0, max: 16 * GIB })

const facts: fc.Arbitrary<SpaceFacts> = fc
  .record({
    settled: bytes,
    above: bytes,
    garbage: bytes,
    memory: bytes,
    copying: bytes,
    turnover: share,
  })
  .map(({ settled, above, garbage, ...others }) => ({
    ...others,
    settled,
    space: { bytes: settled + above + garbage, garbage },
  }))

function rate(given: SpaceFacts, written = WRITTEN): number {
  return allowedRate(garbageReservoir(given, LEAST, written))
}

/** A gigabyte that is overwritten: all files take so many times that. */
function overwritten(amplification: number): SpaceFacts {
  const garbage = (amplification - 1) * GIB
  const space = { bytes: GIB + garbage, garbage }
  return { space, settled: GIB, memory: 0, copying: 0, turnover: 1 }
}

describe('live bytes', () => {
  it('are the settled ones, and of the others what does not replace any', () => {
    const given = { ...overwritten(2), space: { bytes: 3 * GIB, garbage: GIB }, memory: GIB }
    expect(liveBytes(given)).toBe(GIB)
    expect(liveBytes({ ...given, turnover: 0.5 })).toBe(2 * GIB)
    expect(liveBytes({ ...given, turnover: 0 })).toBe(3 * GIB)
  })

  it('are no more than what is not known to be garbage, whatever is settled', () => {
    const property = fc.property(facts, (given) => {
      const known = given.space.bytes - given.space.garbage + given.memory
      const live = liveBytes(given)
      expect(live).toBeLessThanOrEqual(known * (1 + 1e-9))
      expect(live).toBeGreaterThanOrEqual(Math.min(given.settled, known) * (1 - 1e-9))
    })
    fc.assert(property, { numRuns: 500, seed: 1 })
  })
})

describe('the rate beside garbage', () => {
  it('is not limited up to twice what is live, and never stops', () => {
    const property = fc.property(facts, (given) => {
      const all = given.space.bytes + given.memory + given.copying
      const limit = rate(given)
      expect(limit).toBeGreaterThanOrEqual(256)
      const live = Math.max(LEAST, liveBytes(given))
      if (all <= 2 * live) expect(limit).toBe(INFINITY)
      // Nothing is owed for which nobody is slowed.
      const owed = limit === INFINITY ? 0 : all - 2 * live
      expect(debtOf(given, LEAST)).toBe(owed)
    })
    fc.assert(property, { numRuns: 1_000, seed: 2 })
  })

  it('falls with garbage and with what jobs under way add, rises with what they write', () => {
    const property = fc.property(facts, fc.integer({ min: 0, max: GIB }), (given, more) => {
      const now = rate(given)
      const { space } = given
      const garbage = { bytes: space.bytes + more, garbage: space.garbage + more }
      expect(rate({ ...given, space: garbage })).toBeLessThanOrEqual(now)
      expect(rate({ ...given, copying: given.copying + more })).toBeLessThanOrEqual(now)
      expect(rate(given, WRITTEN + more)).toBeGreaterThanOrEqual(now)
    })
    fc.assert(property, { numRuns: 1_000, seed: 3 })
  })

  it('is not limited for what replaces too little to make the ratio worse', () => {
    const property = fc.property(
      facts,
      fc.double({ min: 0, max: 0.58, noNaN: true }),
      (given, turnover) => {
        expect(rate({ ...given, turnover })).toBe(INFINITY)
      },
    )
    fc.assert(property, { numRuns: 500, seed: 4 })
  })

  it('of a small database is not limited, however much of it is garbage', () => {
    const small = { space: { bytes: 600 * MIB, garbage: 599 * MIB }, settled: MIB }
    expect(rate({ ...small, memory: 40 * MIB, copying: 0, turnover: 1 })).toBe(INFINITY)
    expect(rate({ ...small, memory: 80 * MIB, copying: 0, turnover: 1 })).toBeLessThan(INFINITY)
  })

  it('sets in without a step, and has none on the way', () => {
    expect(rate(overwritten(2))).toBe(INFINITY)
    expect(rate(overwritten(2.0001))).toBeGreaterThan(100 * WRITTEN)
    for (let at = 2.01; at < 2.38; at += 0.001) {
      const step = rate(overwritten(at + 0.001)) / rate(overwritten(at))
      expect(step).toBeLessThanOrEqual(1)
      expect(step).toBeGreaterThan(0.85)
    }
    // What jobs write when a round's worth of room is left; a tenth of it at the end.
    expect(rate(overwritten(2.275))).toBeCloseTo(WRITTEN, -2)
    expect(rate(overwritten(3))).toBeCloseTo(WRITTEN / 10, 5)
  })
})

describe('a set that is overwritten for long', () => {
  const plant = fc.record({
    /** Bytes per ms: of jobs, and of writers if nothing held them back. */
    jobs: fc.integer({ min: 10_000, max: 500_000 }),
    load: fc.integer({ min: 1_000, max: 5_000_000 }),
    /** Freed for each byte that jobs write. */
    frees: fc.double({ min: 0.2, max: 2, noNaN: true }),
    /** Of what is live, freed at once when a round ends. */
    rounds: fc.array(fc.double({ min: 0.01, max: 0.12, noNaN: true }), {
      minLength: 5,
      maxLength: 40,
    }),
    start: fc.double({ min: 1, max: 2.3, noNaN: true }),
  })

  it('stays below 2.5 × what is live, and gets what jobs free', () => {
    const property = fc.property(plant, ({ jobs, load, frees, rounds, start }) => {
      let garbage = (start - 1) * GIB
      let [written, freed, most] = [0, 0, 0]
      for (const round of rounds) {
        let ms = (round * GIB) / (jobs * frees)
        while (ms > 0) {
          const given = { ...overwritten(1), space: { bytes: GIB + garbage, garbage } }
          // As often as the engine looks.
          const out = Math.min(load, rate(given, jobs))
          const step = Math.min(ms, (512 * 1024) / out)
          written += out * step
          garbage += out * step
          ms -= step
          most = Math.max(most, 1 + garbage / GIB)
        }
        const gone = Math.min(garbage, round * GIB)
        freed += gone
        garbage -= gone
      }
      expect(most).toBeLessThan(2.5)
      // What is freed is written again: nobody is slowed for more than that.
      expect(written).toBeGreaterThan(freed - Math.max(0, start - 2) * GIB - GIB)
    })
    fc.assert(property, { numRuns: 60, seed: 5 })
  })
})
