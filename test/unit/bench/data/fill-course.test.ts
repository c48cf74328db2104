// Seconds and shares of a fill from its windows.
import { expect, test } from 'vitest'
import {
  type Filled,
  lasting,
  rateBetween,
  slowestSecond,
} from '../../../../bench/data/fill-course.ts'

/** Windows of 100 ms, then a close. */
function filled(windows: readonly number[], { closeMs = 0, lastMs = 100 } = {}): Filled {
  return {
    operations: windows.reduce((sum, done) => sum + done, 0),
    elapsedMs: (windows.length - 1) * 100 + lastMs + closeMs,
    windows: { ms: 100, operations: [...windows, ...Array(Math.floor(closeMs / 100)).fill(0)] },
    figures: { closeMs },
  }
}

const times = (count: number, done: number): number[] => Array.from({ length: count }, () => done)

test('a hole of half a second counts, the rest of the last second and the close do not', () => {
  const hole = [...times(15, 100), ...times(5, 0), ...times(15, 100), 1]
  // Seconds of 1,000, 500 and 1,000; then 500 and a bit that are no whole second.
  expect(slowestSecond(filled(hole, { closeMs: 3_000 }))).toBeCloseTo(500 / (2_500 / 3))
  expect(slowestSecond(filled(times(36, 100)))).toBe(1)
  expect(slowestSecond(filled([...times(31, 100), 0, 0]))).toBe(1)
})

test('too short a fill, or windows above a second, tell nothing', () => {
  expect(slowestSecond(filled(times(25, 100)))).toBeUndefined()
  const joined = {
    operations: 40,
    elapsedMs: 8e4,
    windows: { ms: 2_000, operations: times(40, 1) },
  }
  expect(slowestSecond(joined)).toBeUndefined()
  expect(lasting(joined)).toBeCloseTo(1)
  expect(lasting(filled(times(10, 100)))).toBeUndefined()
  expect(slowestSecond({ operations: 1, elapsedMs: 1 })).toBeUndefined()
  expect(lasting({ operations: 1, elapsedMs: 1 })).toBeUndefined()
})

test('rates between shares of the operations, whatever the close took', () => {
  const slowing = [...times(20, 100), ...times(40, 50)]
  for (const closeMs of [0, 5_000]) {
    const fill = filled(slowing, { closeMs })
    expect(rateBetween(fill, 0.1, 0.2)).toBeCloseTo(1_000)
    expect(rateBetween(fill, 0.5, 1)).toBeCloseTo(500)
    expect(rateBetween(fill, 0, 1)).toBeCloseTo(4_000 / 6)
    expect(lasting(fill)).toBeCloseTo(0.5)
  }
})

test('the last window ends where the operations do', () => {
  const fill = filled([...times(19, 100), 50], { lastMs: 50, closeMs: 300 })
  expect(rateBetween(fill, 0.9, 1)).toBeCloseTo(1_000)
})
