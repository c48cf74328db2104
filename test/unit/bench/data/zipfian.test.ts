import { describe, expect, it } from 'vitest'
import { words } from '../../../../bench/data/random.ts'
import { LatestZipfian, ScrambledZipfian, zeta } from '../../../../bench/data/zipfian.ts'

/** What YCSB has as a constant, summed term by term. */
const YCSB_ZETA = 26.46902820178302

function counted(draws: number, draw: (at: number) => number): Map<number, number> {
  const counts = new Map<number, number>()
  for (let at = 0; at < draws; at++) {
    const item = draw(at)
    counts.set(item, (counts.get(item) ?? 0) + 1)
  }
  return counts
}

/** Six standard deviations of a count that is expected to be `mean`. */
function near(found: number, mean: number): void {
  expect(Math.abs(found - mean)).toBeLessThan(6 * Math.sqrt(mean))
}

describe('zeta', () => {
  it('is the sum of its terms, also where a formula gives it', () => {
    let sum = 0
    for (let item = 1; item <= 300_000; item++) sum += item ** -0.99
    expect(zeta(300_000, 0.99)).toBeCloseTo(sum, 9)
    expect(zeta(3, 0.5)).toBeCloseTo(1 + Math.SQRT1_2 + 1 / Math.sqrt(3), 12)
    expect(zeta(10_000_000_000, 0.99)).toBeCloseTo(YCSB_ZETA, 9)
  })
})

describe('ScrambledZipfian', () => {
  it('chooses its most popular items as often as the law says', () => {
    const draws = 200_000
    const items = 1_000_000
    const zipfian = new ScrambledZipfian(items, words(11))
    const counts = counted(draws, () => zipfian.next())
    const popular = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 10)
    // The first two ranks are exact in Gray's method; later ones are approximated by a power.
    near(popular[0]![1], draws / YCSB_ZETA)
    near(popular[1]![1], (draws * 2 ** -0.99) / YCSB_ZETA)
    for (const [rank, [, count]] of popular.entries()) {
      const law = (draws * (rank + 1) ** -0.99) / YCSB_ZETA
      expect(count / law).toBeGreaterThan(0.75)
      expect(count / law).toBeLessThan(1.35)
    }
    const places = popular.map(([item]) => item).sort((a, b) => a - b)
    expect(places[0]).toBeGreaterThanOrEqual(0)
    expect(places.at(-1)).toBeLessThan(items)
    expect(places.at(-1)! - places[0]!).toBeGreaterThan(items / 4)
  })

  it('reaches every item of a small set, and gives the same choices for the same seed', () => {
    const choices = (seed: number): number[] => {
      const zipfian = new ScrambledZipfian(50, words(seed))
      return Array.from({ length: 3_000 }, () => zipfian.next())
    }
    expect(new Set(choices(3)).size).toBe(50)
    expect(choices(3)).toEqual(choices(3))
    expect(choices(3)).not.toEqual(choices(4))
  })

  it('refuses to choose among nothing, and exponents Gray’s method does not know', () => {
    expect(() => new ScrambledZipfian(0, words(1))).toThrow('0 items')
    expect(() => new ScrambledZipfian(10, words(1), 1)).toThrow('theta')
  })
})

describe('LatestZipfian', () => {
  it('prefers the newest while items are added', () => {
    const draws = 100_000
    const first = 20_000
    const latest = new LatestZipfian(words(12))
    let oldest = first
    const ages = counted(draws, (at) => {
      const newest = first + (at >> 2)
      const item = latest.next(newest)
      oldest = Math.min(oldest, item)
      return newest - item
    })
    expect(oldest).toBeGreaterThanOrEqual(0)
    expect(Math.min(...ages.keys())).toBe(0)
    const law = draws / zeta(first + draws / 8, 0.99)
    // The number of items changed meanwhile, and with it zeta by some percent.
    expect(ages.get(0)! / law).toBeGreaterThan(0.9)
    expect(ages.get(0)! / law).toBeLessThan(1.1)
    expect(ages.get(1)! / ages.get(0)!).toBeCloseTo(2 ** -0.99, 1)
  })

  it('starts from a single item and refuses to shrink', () => {
    const latest = new LatestZipfian(words(13))
    expect([latest.next(0), latest.next(0)]).toEqual([0, 0])
    expect(new Set(Array.from({ length: 200 }, () => latest.next(1)))).toEqual(new Set([0, 1]))
    expect(() => latest.next(0)).toThrow(RangeError)
  })
})
