// Which tables go unread, which are rewritten, and when that is next due.
import { describe, expect, test } from 'vitest'
import { nextExpiry } from '../../../src/compaction/expiry.ts'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { type PickMoment, type PickOptions, pickCompaction } from '../../../src/compaction/pick.ts'
import { buildPlan } from '../../../src/compaction/plan.ts'
import { planRange } from '../../../src/compaction/plan-range.ts'
import type { Levels, TableMeta } from '../../../src/manifest/levels.ts'
import { describePlan, makeTable } from './levels-text.ts'

/** Level, number, first and last key, earliest and latest expiry. */
type Row = readonly [number, number, string, string, number, number]

function levelsOf(rows: readonly Row[]): Levels {
  const levels: TableMeta[][] = Array.from({ length: 7 }, () => [])
  for (const [level, number, from, to, earliestExpiry, latestExpiry] of rows) {
    const table = makeTable(number, from, to, 10)
    levels[level]!.push({ ...table, earliestExpiry, latestExpiry })
  }
  return levels
}

/** One reader that came last, and perhaps others: [version, time]. */
function moment(now: number, ...others: readonly (readonly [number, number])[]): PickMoment {
  const points = [...others, [1_000, now] as const]
  const readers = {
    snapshots: points.map(([version]) => version),
    horizons: points.map(([, time]) => time),
  }
  return { oldestSnapshot: Math.min(...readers.snapshots), readers }
}

const OPTIONS: PickOptions = {
  l0CompactTrigger: 4,
  l0StallTrigger: 12,
  baseLevelSize: 1_000,
  levelSizeMultiplier: 10,
  tableSize: 100,
}

const pick = (rows: readonly Row[], when: PickMoment, inFlight = new InFlight()): string =>
  describePlan(pickCompaction(levelsOf(rows), OPTIONS, inFlight, when))

describe('a table in which everything has expired', () => {
  test('goes unread once its last entry has expired', () => {
    const rows: Row[] = [[6, 10, 'a', 'f', 50, 100]]
    expect(pick(rows, moment(100))).toBe('drop L6: 10')
    // One short of it, it is rewritten: half is gone.
    expect(pick(rows, moment(99))).toBe('merge L6 -> L6: 10, tombstones go')
    expect(pick(rows, moment(49))).toBe('nothing')
    const { readers: _, ...blind } = moment(100)
    expect(pick(rows, blind)).toBe('nothing')
  })

  test('stays while it may hide something older of its keys, and is merged with it', () => {
    const below: Row = [6, 3, 'e', 'h', 0, 0]
    expect(pick([[5, 10, 'a', 'f', 50, 100], below], moment(100))).toBe(
      'merge L5 -> L6: 10 | 3, tombstones go',
    )
    expect(pick([[5, 10, 'a', 'd', 50, 100], below], moment(100))).toBe('drop L5: 10')
    // Level 0: what is older lies behind it, too.
    const zero: Row[] = [
      [0, 12, 'a', 'f', 50, 100],
      [0, 11, 'd', 'k', 0, 0],
    ]
    expect(pick(zero, moment(100))).toBe('nothing')
    expect(pick(zero.slice(0, 1), moment(100))).toBe('drop L0: 12')
    expect(pick([zero[0]!, [0, 11, 'g', 'k', 0, 0]], moment(100))).toBe('drop L0: 12')
    expect(pick([zero[0]!, [6, 3, 'f', 'k', 0, 0]], moment(100))).toBe('nothing')
  })

  test('stays while a reader that could see it began before its expiry', () => {
    // Its versions begin at 100.
    const rows: Row[] = [[6, 10, 'a', 'f', 100, 100]]
    expect(pick(rows, moment(200, [500, 99]))).toBe('nothing')
    expect(pick(rows, moment(200, [500, 100]))).toBe('drop L6: 10')
    expect(pick(rows, moment(200, [99, 20]))).toBe('drop L6: 10')
    expect(pick(rows, moment(200, [100, 20]))).toBe('nothing')
  })

  test('goes together with others of its level, or alone beside a running compaction', () => {
    const rows: Row[] = [
      [6, 10, 'a', 'c', 50, 100],
      [6, 11, 'd', 'f', 50, 90],
      [6, 12, 'g', 'i', 50, 0],
      [6, 13, 'j', 'l', 50, 101],
      [6, 14, 'm', 'o', 50, 100],
    ]
    expect(pick(rows, moment(100))).toBe('drop L6: 10 11 14')
    const inFlight = new InFlight()
    const levels = levelsOf(rows)
    const upper = [levels[6]![1]!]
    inFlight.reserve(buildPlan(levels, { inputLevel: 6, outputLevel: 6, upper, lower: [] }))
    expect(pick(rows, moment(100), inFlight)).toBe('drop L6: 10')
    expect(pick(rows.slice(1), moment(100), inFlight)).toBe('drop L6: 14')
    expect(pick(rows.slice(1, 4), moment(100), inFlight)).toBe('merge L6 -> L6: 13, tombstones go')
  })
})

describe('a table in which much has expired', () => {
  test('is rewritten when nothing else is due, the deepest first', () => {
    const rows: Row[] = [
      [4, 10, 'a', 'f', 50, 150],
      [5, 11, 'p', 'q', 60, 140],
    ]
    expect(pick(rows, moment(99))).toBe('nothing')
    expect(pick(rows, moment(100))).toBe('merge L5 -> L5: 11, tombstones go')
    const full: Row[] = [1, 2, 3, 4].map((i) => [0, 20 + i, 'r', 's', 0, 0])
    expect(pick([...rows, ...full], moment(100))).toContain('merge L0')
  })

  test('of which some never expires is left to a request for its range', () => {
    const rows: Row[] = [[6, 10, 'a', 'f', 50, 0]]
    expect(pick(rows, moment(1_000))).toBe('nothing')
    const plan = (now: number, done: readonly number[] = []): string => {
      const readers = moment(now).readers!
      const request = { start: undefined, end: undefined, done: new Set(done), readers }
      return describePlan(planRange(levelsOf(rows), request, OPTIONS, new InFlight()))
    }
    expect(plan(49)).toBe('nothing')
    expect(plan(50)).toBe('merge L6 -> L6: 10, tombstones go')
    expect(plan(50, [10])).toBe('nothing')
  })
})

test('the next time to look is the earliest at which a table goes or is rewritten', () => {
  expect(nextExpiry(levelsOf([]))).toBeUndefined()
  expect(nextExpiry(levelsOf([[6, 10, 'a', 'f', 50, 0]]))).toBeUndefined()
  expect(nextExpiry(levelsOf([[6, 10, 'a', 'f', 50, 101]]))).toBe(76)
  expect(nextExpiry(levelsOf([[0, 10, 'a', 'f', 50, 101]]))).toBe(101)
  const rows: Row[] = [
    [0, 10, 'a', 'f', 50, 101],
    [3, 11, 'a', 'f', 80, 80],
  ]
  expect(nextExpiry(levelsOf(rows))).toBe(80)
})
