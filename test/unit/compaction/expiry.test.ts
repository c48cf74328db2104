// Which tables go unread, which are rewritten, and when that is next due.
import { describe, expect, test } from 'vitest'
import { expiredBytes, expiredOf, expiryOutlook } from '../../../src/compaction/expiry.ts'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { type PickMoment, type PickOptions, pickCompaction } from '../../../src/compaction/pick.ts'
import { buildPlan } from '../../../src/compaction/plan.ts'
import { planRange } from '../../../src/compaction/plan-range.ts'
import type { ExpiryStep } from '../../../src/format/table-meta.ts'
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

/** `overdue` is told only when it is so. */
function nextExpiry(levels: Levels, now: number): number | string | undefined {
  const { next, overdue } = expiryOutlook(levels, now)
  return overdue ? `${next ?? 'never'}, some overdue` : next
}

test('the next time to look is the earliest at which a table goes or is rewritten', () => {
  expect(nextExpiry(levelsOf([]), 0)).toBeUndefined()
  expect(nextExpiry(levelsOf([[6, 10, 'a', 'f', 50, 0]]), 0)).toBeUndefined()
  expect(nextExpiry(levelsOf([[6, 10, 'a', 'f', 50, 101]]), 0)).toBe(76)
  expect(nextExpiry(levelsOf([[0, 10, 'a', 'f', 50, 101]]), 0)).toBe(101)
  const rows: Row[] = [
    [0, 10, 'a', 'f', 50, 101],
    [3, 11, 'a', 'f', 80, 80],
  ]
  expect(nextExpiry(levelsOf(rows), 0)).toBe(80)
  // What is overdue does not hide what is to come.
  expect(nextExpiry(levelsOf(rows), 80)).toBe('101, some overdue')
  expect(nextExpiry(levelsOf(rows), 101)).toBe('never, some overdue')
})

describe('a table that knows what of it expires when', () => {
  const steps: readonly ExpiryStep[] = [
    { until: 60, entries: 2, bytes: 8, referred: 0 },
    { until: 80, entries: 2, bytes: 4, referred: 500 },
    { until: 90, entries: 1, bytes: 9, referred: 0 },
  ]
  const table: TableMeta = {
    ...makeTable(10, 'a', 'f', 100),
    earliestExpiry: 50,
    segments: [{ number: 3, bytes: 900 }],
    expiring: steps,
  }
  const at = (level: number, change: Partial<TableMeta> = {}): Levels => {
    return Array.from({ length: 7 }, (_, i) => (i === level ? [{ ...table, ...change }] : []))
  }

  test('counts each step once its last entry has expired', () => {
    const expired = (now: number, change: Partial<TableMeta> = {}): number[] => {
      const { entries, bytes } = expiredOf({ ...table, ...change }, moment(now).readers)
      return [entries, bytes]
    }
    expect(expired(59)).toEqual([0, 0])
    expect(expired(60)).toEqual([2, 8])
    expect(expired(89)).toEqual([4, 512])
    expect(expired(10_000)).toEqual([5, 521])
    // Compressed to a fifth; and never more than the file.
    expect(expired(89, { packing: { codec: 1, payloadBytes: 500 } })).toEqual([4, 502.4])
    const many = steps.map((step) => ({ ...step, bytes: 2 ** 50 }))
    expect(expired(89, { expiring: many })).toEqual([4, 600])
    // A reader began before; one who sees nothing of the table does not matter.
    expect(expiredOf(table, moment(89, [500, 70]).readers).entries).toBe(2)
    expect(expiredOf(table, moment(89, [99, 70]).readers).entries).toBe(4)
    expect(expiredOf(table, undefined).entries).toBe(0)
    expect(expiredBytes(at(3), moment(89).readers)).toBe(512)
    expect(expiredBytes(at(3), undefined)).toBe(0)
  })

  test('without steps, as from before they were counted, it is estimated by its first and last', () => {
    const { expiring: _, ...silent } = table
    const whole = { ...silent, latestExpiry: 90 }
    expect(expiredOf(silent, moment(80).readers)).toEqual({ entries: 0, bytes: 0 })
    expect(expiredOf(whole, moment(60).readers)).toEqual({ entries: 2.5, bytes: 250 })
    expect(expiredOf(whole, moment(90).readers)).toEqual({ entries: 10, bytes: 1_000 })
  })

  test('is looked at when half of it has expired, or enough to rewrite it for the bound on space', () => {
    // A tenth of its own bytes; then the next steps; then what is due already.
    expect(nextExpiry(at(6), 0)).toBe(80)
    expect(nextExpiry(at(6), 79)).toBe(80)
    expect(nextExpiry(at(6), 80)).toBe(90)
    expect(nextExpiry(at(6), 5_000)).toBe('never, some overdue')
    // Level 0 is not rewritten for the half.
    expect(nextExpiry(at(0), 0)).toBe(80)
    expect(nextExpiry(at(0), 90)).toBeUndefined()
    expect(nextExpiry(at(6, { entries: 11 }), 90)).toBeUndefined()
    expect(nextExpiry(at(6, { size: 5_120, entries: 11 }), 0)).toBe(80)
    expect(nextExpiry(at(6, { size: 5_130, entries: 11 }), 0)).toBe(90)
    expect(nextExpiry(at(6, { size: 5_300, entries: 11 }), 0)).toBeUndefined()
  })
})
