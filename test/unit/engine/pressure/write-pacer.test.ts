import { expect, it } from 'vitest'
import { WritePacer } from '../../../../src/engine/pressure/write-pacer.ts'

const RATE_MIN = 256

it.each([
  ['before any rate was known', Number.POSITIVE_INFINITY],
  ['at a high rate that fell', 100_000],
])('a large group sent %s holds the next one back for a second at most', (_, rate) => {
  const pacer = new WritePacer()
  pacer.sent(0, 64 * 2 ** 20, rate)
  let now = 0
  for (let wait = 1; wait > 0 && now < 5_000; now += wait) wait = pacer.waitMs(now, RATE_MIN)
  expect(now).toBeLessThanOrEqual(1_001)
})
