// How often what expires is looked at.
import { expect, it } from 'vitest'
import { LEVEL_COUNT } from '../../../../src/base/limits.ts'
import { ExpiryTimer } from '../../../../src/engine/expiry/expiry-timer.ts'
import type { TableMeta } from '../../../../src/format/table-meta.ts'
import type { Levels } from '../../../../src/manifest/levels.ts'
import { QuickClock } from '../../../support/fake/quick-clock.ts'
import { makeTable } from '../../compaction/levels-text.ts'

/** When the timer has the last level's tables looked at, in ms from now on. */
async function looksAt(
  tables: readonly TableMeta[],
  clock: QuickClock,
  forMs: number,
): Promise<number[]> {
  const begin = clock.now
  const levels: Levels = Array.from({ length: LEVEL_COUNT }, (_, level) =>
    level === LEVEL_COUNT - 1 ? tables : [],
  )
  const looks: number[] = []
  const timer = new ExpiryTimer(clock, () => {
    looks.push(clock.now - begin)
    timer.arm(levels)
  })
  timer.arm(levels)
  await clock.passAndHold(forMs)
  timer.cancel()
  return looks
}

it('looks at steps that end close together at one time', async () => {
  const clock = new QuickClock()
  clock.hold()
  const begin = clock.now
  const tables = Array.from({ length: 500 }, (_, i) => {
    const until = begin + 10_000 + 10 * i
    const expiring = [{ until, entries: 1, bytes: 500, referred: 0 }]
    const table = makeTable(i + 1, `k${i}`, `k${i}`, 1_000)
    return { ...table, entries: 10, earliestExpiry: until, latestExpiry: 0, expiring }
  })
  const looks = await looksAt(tables, clock, 20_000)
  // The first as soon as it is due.
  expect(looks[0]).toBe(10_000)
  expect(looks.length).toBeGreaterThan(4)
  expect(looks.length).toBeLessThan(10)
})

it('does not let a table that a reader holds back hide what is due after it', async () => {
  const clock = new QuickClock()
  clock.hold()
  const begin = clock.now
  const tables = [begin - 5_000, begin + 10_000].map((until, i) => {
    return {
      ...makeTable(i + 1, `k${i}`, `k${i}`, 1_000),
      earliestExpiry: until,
      latestExpiry: until,
    }
  })
  const looks = await looksAt(tables, clock, 140_000)
  // What is overdue is looked at once a minute.
  expect(looks).toEqual([10_000, 70_000, 130_000])
})
