import { describe, expect, it } from 'vitest'
import { decide, type Verdict } from '../../../../bench/compare/decision.ts'
import { words } from '../../../../bench/data/random.ts'

const PAIRS = 40
const TRIALS = 400
/** Of the logarithm of a pair's ratio: what two processes differ by on a busy machine. */
const NOISE = 0.1

type Draw = (uniform: () => number) => number

const normal: Draw = (uniform) =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
/** No mean, no variance: now and then a pair is off by orders of magnitude. */
const cauchy: Draw = (uniform) => Math.tan(Math.PI * (uniform() - 0.5))

function ratios(factor: number, seed: number, draw = normal, pairs = PAIRS): number[] {
  const next = words(seed)
  const uniform = (): number => next() / 2 ** 32
  return Array.from({ length: pairs }, () => factor * Math.exp(NOISE * draw(uniform)))
}

function verdicts(factor: number, expected: Verdict): number {
  const trials = Array.from({ length: TRIALS }, (_, seed) => decide(ratios(factor, seed), 4))
  return trials.filter(({ verdict }) => verdict === expected).length
}

describe('the verdict on pairs', () => {
  it('calls a fifth more slower and a fifth less faster, every time', () => {
    expect(verdicts(1.2, 'slower')).toBe(TRIALS)
    expect(verdicts(1 / 1.2, 'faster')).toBe(TRIALS)
  })

  it('calls no change noise', () => {
    expect(verdicts(1, 'noise')).toBeGreaterThanOrEqual(0.99 * TRIALS)
  })

  it('calls what is too small to matter noise', () => {
    expect(verdicts(1.03, 'noise')).toBeGreaterThanOrEqual(0.98 * TRIALS)
    const certain = decide(ratios(1.03, 1).map((ratio) => 1.03 + (ratio - 1.03) / 100))
    expect(certain.low).toBeGreaterThan(1)
    expect(certain.verdict).toBe('noise')
  })

  it('gives none on few pairs', () => {
    expect(decide(ratios(2, 1, normal, PAIRS - 1)).verdict).toBe('too few pairs')
    expect(decide([1.5])).toEqual({
      ratio: 1.5,
      low: 0,
      high: Number.POSITIVE_INFINITY,
      verdict: 'too few pairs',
    })
  })
})

describe('the interval', () => {
  it('lies between the order statistics of the sign test', () => {
    const ascending = Array.from({ length: PAIRS }, (_, at) => at + 1)
    // 11 and 10 are the ranks of P ≤ 0.25 % and P ≤ 0.0625 % in a binomial distribution of 40 fair coins.
    expect(decide(ascending)).toMatchObject({ ratio: 20.5, low: 11, high: 30 })
    expect(decide(ascending, 4)).toMatchObject({ low: 10, high: 31 })
  })

  it('holds the true median as often as it says, whatever the noise looks like', () => {
    for (const draw of [normal, cauchy]) {
      const trials = Array.from({ length: 4_000 }, (_, seed) => decide(ratios(1.1, seed, draw)))
      const held = trials.filter(({ low, high }) => low <= 1.1 && high >= 1.1).length
      // 99.5 % is 3,980; four standard deviations below it.
      expect(held).toBeGreaterThanOrEqual(3_980 - 18)
      expect(held).toBeLessThan(4_000)
    }
  })
})
