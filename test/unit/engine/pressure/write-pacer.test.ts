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

it('lets large values out no faster than the rate, though each takes seconds', () => {
  const pacer = new WritePacer()
  const rate = 64 * 1024
  let now = 0
  for (let i = 0; i < 5; i += 1) {
    for (let wait = pacer.waitMs(now, rate); wait > 0; wait = pacer.waitMs(now, rate)) now += wait
    pacer.sent(now, 256 * 2 ** 20, rate)
  }
  // Four were paid for: 4,096 ms each.
  expect(now).toBeGreaterThan(16_000)
  expect(now).toBeLessThan(16_500)
})

it('holds back for no longer than was to be expected, when the rate falls while it is paid', () => {
  const pacer = new WritePacer()
  pacer.sent(0, 256 * 2 ** 20, 64 * 1024)
  let now = 0
  for (let wait = 1; wait > 0 && now < 60_000; now += wait) {
    wait = pacer.waitMs(now, now < 2_000 ? 64 * 1024 : RATE_MIN)
  }
  expect(now).toBeGreaterThan(4_000)
  expect(now).toBeLessThan(4_110)
})
