import { expect, it } from 'vitest'
import { Histogram } from '../../../../bench/data/histogram.ts'
import { words } from '../../../../bench/data/random.ts'

const HOUR_NS = 3_600_000_000_000

function filled(values: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  return histogram
}

/** 1 ns to an hour, each magnitude equally likely. */
function spreadOut(count: number): number[] {
  const next = words(5)
  return Array.from({ length: count }, () => Math.floor(HOUR_NS ** (next() / 2 ** 32)))
}

it('gives every quantile of the curve within 1.6 % of the exact one', () => {
  const values = spreadOut(30_011)
  const { curve, count, max, mean } = filled(values).summary()
  const sorted = values.toSorted((a, b) => a - b)
  for (const [quantile, microseconds] of curve) {
    const exact = sorted[Math.max(0, Math.ceil(quantile * count) - 1)]!
    expect(Math.abs(microseconds * 1_000 - exact)).toBeLessThanOrEqual(exact * 0.016)
  }
  expect(count).toBe(values.length)
  expect(max).toBe(sorted.at(-1)! / 1_000)
  const sum = values.reduce((total, value) => total + value, 0)
  expect(mean).toBeCloseTo(sum / values.length / 1_000, 3)
})

it('keeps to the bound at both ends of every bucket', () => {
  for (let power = 0; power < 41; power++) {
    for (const value of [2 ** power - 1, 2 ** power, Math.floor(2 ** power * 1.5)]) {
      const { p50 } = filled([0, value, HOUR_NS]).summary()
      expect(Math.abs(p50 * 1_000 - value)).toBeLessThanOrEqual(value * 0.016)
    }
  }
})

it('has a curve that ascends in both directions and agrees with the named quantiles', () => {
  const { curve, p50, p90, p99, p999, max } = filled(spreadOut(5_000)).summary()
  for (const [at, [quantile, microseconds]] of curve.slice(1).entries()) {
    expect(quantile).toBeGreaterThan(curve[at]![0])
    expect(microseconds).toBeGreaterThanOrEqual(curve[at]![1])
  }
  const named = new Map<number, number>(curve.map(([quantile, value]) => [quantile, value]))
  expect([0.5, 0.9, 0.99, 0.999, 1].map((quantile) => named.get(quantile))).toEqual([
    p50,
    p90,
    p99,
    p999,
    max,
  ])
  expect(curve[0]![0]).toBe(0)
})

it('adds up to what one histogram of all values would be', () => {
  const values = spreadOut(999)
  const parts = [values.slice(0, 100), values.slice(100, 101), values.slice(101)].map(filled)
  const sum = new Histogram()
  for (const part of parts) sum.add(part)
  sum.add(new Histogram())
  const { mean, ...rest } = sum.summary()
  const { mean: wanted, ...others } = filled(values).summary()
  expect(rest).toEqual(others)
  expect(mean).toBeCloseTo(wanted, 6)
})

it('takes values beyond an hour, says so when it is empty and refuses what is no latency', () => {
  const { p50, max } = filled([HOUR_NS * 2, HOUR_NS * 2]).summary()
  expect([p50, max]).toEqual([(HOUR_NS * 2) / 1_000, (HOUR_NS * 2) / 1_000])
  expect(new Histogram().summary()).toMatchObject({ count: 0, curve: [] })
  expect(() => filled([-1])).toThrow(RangeError)
  expect(() => filled([Number.NaN])).toThrow(RangeError)
})
