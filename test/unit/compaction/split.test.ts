// Cutting a compaction into parts: every key lies in exactly one, and they are about equally long.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareBytes } from '../../../src/base/bytes.ts'
import {
  boundsBetween,
  cutKeys,
  KEYS_PER_TABLE,
  partCount,
  partSizes,
  sourcesWithin,
} from '../../../src/compaction/split.ts'
import { inBounds } from '../../../src/cursor/bounds.ts'
import type { WeighedKey } from '../../../src/format/sstable-index.ts'
import { makeTable } from './levels-text.ts'

const MIB = 1024 * 1024
const keys = fc.uint8Array({ maxLength: 3 })
const samples: fc.Arbitrary<WeighedKey[]> = fc.array(
  fc.record({ key: keys, bytes: fc.integer({ min: 1, max: 1000 }) }),
  { maxLength: 60 },
)
const counts = fc.integer({ min: 2, max: 9 })

describe('the parts', () => {
  test('ascend, and each key lies in exactly one of them', () => {
    fc.assert(
      fc.property(samples, counts, fc.array(keys), (some, count, more) => {
        const cuts = cutKeys(some, count)
        expect(cuts.length).toBeLessThan(count)
        for (let i = 1; i < cuts.length; i++) {
          expect(compareBytes(cuts[i - 1]!, cuts[i]!)).toBeLessThan(0)
        }
        const parts = boundsBetween(cuts)
        expect(parts.length).toBe(cuts.length + 1)
        for (const key of [...more, ...cuts, ...some.map((sample) => sample.key)]) {
          expect(parts.filter((bounds) => inBounds(key, bounds)).length).toBe(1)
        }
      }),
    )
  })

  test('hold a sample each, and are as long as their share, but for what one key weighs', () => {
    fc.assert(
      fc.property(samples, counts, (some, count) => {
        const total = some.reduce((sum, { bytes }) => sum + bytes, 0)
        const weights = new Map<string, number>()
        for (const { key, bytes } of some) {
          weights.set(`${key}`, (weights.get(`${key}`) ?? 0) + bytes)
        }
        const heaviest = Math.max(0, ...weights.values())
        for (const bounds of boundsBetween(cutKeys(some, count))) {
          const inside = some.filter(({ key }) => inBounds(key, bounds))
          const bytes = inside.reduce((sum, sample) => sum + sample.bytes, 0)
          expect(bytes).toBeLessThan(total / count + 2 * heaviest + 1)
          if (some.length > 0) expect(inside.length).toBeGreaterThan(0)
        }
      }),
    )
  })

  test('are as many as asked for, where there are enough keys', () => {
    const some = Array.from({ length: 64 }, (_, i) => ({ key: Buffer.from([i]), bytes: 100 }))
    for (let count = 2; count <= 8; count++) expect(cutKeys(some, count).length).toBe(count - 1)
    expect(cutKeys(some, 4)).toEqual([16, 32, 48].map((byte) => Buffer.from([byte])))
  })

  test('are even also where many tables of the whole range lie side by side', () => {
    const tables = 30
    const some = Array.from({ length: tables * KEYS_PER_TABLE }, (_, i) => {
      const at = Math.floor(i / tables) * 1024 + (i % tables) * 8
      return { key: Buffer.from([at >> 8, at & 255]), bytes: 1000 }
    })
    for (const count of [2, 3, 4]) {
      for (const [i, cut] of cutKeys(some, count).entries()) {
        const share = ((cut[0]! << 8) | cut[1]!) / (KEYS_PER_TABLE * 1024)
        expect(Math.abs(share - (i + 1) / count)).toBeLessThan(0.02)
      }
    }
  })

  test('are one when there is one key, or none', () => {
    const same = Array.from({ length: 20 }, () => ({ key: Buffer.from('k'), bytes: 50 }))
    expect(cutKeys(same, 4)).toEqual([])
    expect(cutKeys([], 4)).toEqual([])
    expect(boundsBetween([])).toEqual([{}])
  })

  test('take the tables they share keys with, in the order of the plan', () => {
    const spans = fc.tuple(fc.integer({ min: 0, max: 25 }), fc.integer({ min: 0, max: 9 }))
    const letter = (at: number): string => String.fromCharCode(97 + Math.min(25, at))
    fc.assert(
      fc.property(fc.array(spans, { maxLength: 12 }), samples, counts, (some, cut, count) => {
        const sources = some.map(([from, length], i) => [
          makeTable(i + 1, letter(from), letter(from + length), 100),
        ])
        for (const bounds of boundsBetween(cutKeys(cut, count))) {
          const taken = sourcesWithin(sources, bounds).flat()
          const holds = (at: number): boolean => inBounds(Buffer.from(letter(at)), bounds)
          const wanted = sources.flat().filter((_, i) => {
            const [from, length] = some[i]!
            return Array.from({ length: length + 1 }, (_, step) => from + step).some(holds)
          })
          // A table without a key of the part may come along: only its outermost ones are known.
          expect(taken.filter((table) => wanted.includes(table))).toEqual(wanted)
          expect(taken.map(({ number }) => number)).toEqual(
            taken.map(({ number }) => number).toSorted((a, b) => a - b),
          )
        }
      }),
    )
  })
})

describe('how many parts', () => {
  test('none is below the least, and none above the most where that allows it', () => {
    const sizes = fc.record({
      least: fc.integer({ min: 1, max: 1000 }),
      more: fc.integer({ min: 0, max: 5000 }),
    })
    const bytes = fc.integer({ min: 1, max: 100_000 })
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 9 }), sizes, (all, lanes, { least, more }) => {
        const most = 2 * least + more
        const count = partCount(all, lanes, { least, most })
        expect(count).toBeGreaterThan(0)
        if (count > 1) expect(all / count).toBeGreaterThanOrEqual(least)
        if (count === Math.floor(all / least)) return
        if (all < least) return
        expect(all / count).toBeLessThanOrEqual(most)
        expect(count % lanes).toBe(0)
      }),
    )
  })

  test('follows the tables: as many as are idle, or one table each', () => {
    const sizes = partSizes(64 * MIB)
    expect(sizes).toEqual({ least: 8 * MIB, most: 60 * MIB })
    const counts = (lanes: number, ...mib: number[]): number[] =>
      mib.map((all) => partCount(all * MIB, lanes, sizes))
    expect(counts(1, 15, 60, 61, 120, 600)).toEqual([1, 1, 2, 2, 10])
    expect(counts(2, 15, 16, 120, 121, 240, 241, 600)).toEqual([1, 2, 2, 4, 4, 6, 10])
    expect(counts(3, 15, 16, 24, 180, 181, 600)).toEqual([1, 2, 3, 3, 6, 12])
    expect(counts(8, 16, 63, 64, 480, 481)).toEqual([2, 7, 8, 8, 16])
    expect(partSizes(2 * MIB)).toEqual({ least: 4 * MIB, most: 8 * MIB })
    expect(partSizes(32 * MIB)).toEqual({ least: 4 * MIB, most: 30 * MIB })
  })
})
