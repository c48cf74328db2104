// The rule of the back-pressure as a pure function, and the pacer that keeps to it.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { excessBytes } from '../../../../src/compaction/level-targets.ts'
import { DrainMeter } from '../../../../src/engine/pressure/drain-meter.ts'
import { WritePacer } from '../../../../src/engine/pressure/write-pacer.ts'
import {
  allowedRate,
  level0Reservoir,
  levelsReservoir,
  memtableReservoir,
  type Reservoir,
  writeLimit,
} from '../../../../src/engine/pressure/write-rate.ts'
import { weightOf } from '../../../../src/format/table-meta.ts'
import type { TableMeta } from '../../../../src/manifest/levels.ts'

const MIB = 2 ** 20
const INFINITY = Number.POSITIVE_INFINITY

const reservoir: fc.Arbitrary<Reservoir> = fc.record({
  cause: fc.constantFrom('level0', 'levels', 'memtables', 'garbage'),
  fill: fc.double({ min: -1, max: 1.5, noNaN: true }),
  room: fc.double({ min: -MIB, max: 1e9, noNaN: true }),
  owed: fc.double({ min: 0, max: 1e9, noNaN: true }),
  drained: fc.double({ min: 0, max: 1e6, noNaN: true }),
})
const more = fc.double({ min: 0, max: 2, noNaN: true })

describe('the allowed rate', () => {
  it('falls with what is owed, rises with room and with what is drained', () => {
    const property = fc.property(reservoir, more, (given, add) => {
      const rate = allowedRate(given)
      expect(rate).toBeGreaterThan(0)
      expect(allowedRate({ ...given, fill: given.fill + add })).toBeLessThanOrEqual(rate)
      expect(allowedRate({ ...given, owed: given.owed + add * MIB })).toBeLessThanOrEqual(rate)
      expect(allowedRate({ ...given, room: given.room + add * MIB })).toBeGreaterThanOrEqual(rate)
      expect(allowedRate({ ...given, drained: given.drained * (1 + add) })).toBeGreaterThanOrEqual(
        rate,
      )
    })
    fc.assert(property, { numRuns: 500, seed: 5 })
  })

  it('sets in without a step, and has none on the way', () => {
    const at = (fill: number): number =>
      allowedRate({
        cause: 'level0',
        fill,
        room: (1 - fill) * 640 * MIB,
        owed: 320 * MIB,
        drained: 50_000,
      })
    expect(at(0)).toBe(INFINITY)
    expect(at(0.001)).toBeGreaterThan(50 * at(0.1))
    for (let fill = 0.1; fill < 0.99; fill += 0.001)
      expect(at(fill + 0.001) / at(fill)).toBeGreaterThan(0.9)
  })

  it('is what is drained where room and work left are equal', () => {
    const given = { cause: 'level0', fill: 0.5, room: MIB, owed: MIB, drained: 1000 } as const
    expect(allowedRate(given)).toBe(1000)
    expect(allowedRate({ ...given, room: MIB / 2 })).toBe(500)
    expect(allowedRate({ ...given, room: 4 * MIB })).toBe(2000)
    expect(allowedRate({ ...given, drained: INFINITY })).toBe(INFINITY)
    // A disk that stands still does not stop a small commit.
    expect(allowedRate({ ...given, drained: 0 })).toBe(256)
  })

  it('is that of the strictest reservoir, whose name is told', () => {
    const property = fc.property(fc.array(reservoir), (all) => {
      const { bytesPerMs, cause } = writeLimit(all)
      expect(bytesPerMs).toBe(Math.min(INFINITY, ...all.map(allowedRate)))
      const strict = all.find((one) => allowedRate(one) === bytesPerMs)
      expect(cause).toBe(bytesPerMs === INFINITY ? undefined : strict!.cause)
    })
    fc.assert(property, { numRuns: 200, seed: 6 })
  })
})

describe('reservoirs', () => {
  const drain = { bytesPerMs: 1000, left: 0.5 }

  it('memtables: half of them are free, at least the first', () => {
    const fill = (memtableCount: number, frozen: number, active: number): number =>
      memtableReservoir({ frozen, active }, { memtableSize: MIB, memtableCount }, drain).fill
    expect([fill(2, 0, 1), fill(3, 0, 1), fill(5, 1, 1)].every((share) => share <= 0)).toBe(true)
    expect([fill(2, 1, 1), fill(3, 2, 1), fill(5, 4, 1)]).toEqual([1, 1, 1])
    expect(fill(2, 1, 0.25)).toBe(0.25)
    const full = memtableReservoir(
      { frozen: 1, active: 0.5 },
      { memtableSize: MIB, memtableCount: 3 },
      drain,
    )
    expect(full).toMatchObject({ room: 1.5 * MIB, owed: 0.5 * MIB, drained: 1000 })
  })

  it('level 0: from the trigger to the stall, with what memory will add', () => {
    const rules = {
      memtableSize: MIB,
      tablesPerMemtable: 1,
      l0CompactTrigger: 5,
      l0StallTrigger: 15,
    }
    const fill = (tables: number, frozen: number, active: number): number =>
      level0Reservoir({ tables, merging: 0, frozen, active }, rules, drain).fill
    expect(fill(5, 0, 1)).toBe(0)
    expect(fill(4, 1, 1)).toBe(0)
    expect(fill(10, 0, 1)).toBe(0.5)
    expect(fill(15, 0, 1)).toBe(1)
    const off = { ...rules, l0StallTrigger: INFINITY }
    expect(level0Reservoir({ tables: 99, merging: 0, frozen: 0, active: 0 }, off, drain).fill).toBe(
      0,
    )
  })

  it('deeper levels slow writers, and never stop them', () => {
    expect(levelsReservoir(3 * MIB, MIB, drain).fill).toBeLessThan(0)
    expect(allowedRate(levelsReservoir(1e15, MIB, drain))).toBeGreaterThan(300)
    const table = (size: number): TableMeta => ({ size }) as TableMeta
    const levels = [[table(100)], [table(10), table(5)], [table(1)]]
    const targets = { base: 1, bytes: [INFINITY, 8, INFINITY], values: MIB, weigh: weightOf }
    expect(excessBytes(levels, targets)).toBe(7)
  })
})

describe('what was achieved', () => {
  it('counts working time only, and doubts a piece that takes long', () => {
    const meter = new DrainMeter()
    expect(meter.drain(0).bytesPerMs).toBe(INFINITY)
    meter.work(0, 1000)
    meter.done(100, 1000)
    expect(meter.drain(9_000)).toEqual({ bytesPerMs: 10, left: 1 })
    meter.work(10_000, 1000)
    expect(meter.drain(10_050).left).toBeCloseTo(0.55)
    expect(meter.drain(10_050).bytesPerMs).toBe(10)
    expect(meter.drain(10_900).bytesPerMs).toBe(2)
    meter.rest()
    expect(meter.drain(99_000).bytesPerMs).toBe(10)
    meter.done(99_000, 1e9)
    expect(meter.drain(99_000).bytesPerMs).toBe(10)
  })

  it('takes a guess until something was done', () => {
    const meter = new DrainMeter()
    meter.work(0, 1000)
    expect(meter.drain(0, 7).bytesPerMs).toBe(7)
    expect(meter.drain(1000, 7).bytesPerMs).toBe(1)
  })
})

describe('the pacer', () => {
  it('keeps any sequence of groups to the rate, and waits in small pieces', () => {
    const groups = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 20, maxLength: 60 })
    const property = fc.property(groups, fc.integer({ min: 10, max: 200 }), (sizes, rate) => {
      const pacer = new WritePacer()
      let now = 1000
      let sent = 0
      for (const bytes of sizes) {
        for (let wait = pacer.waitMs(now, rate); wait > 0; wait = pacer.waitMs(now, rate)) {
          expect(wait).toBeLessThanOrEqual(4)
          now += Math.max(1, wait)
        }
        // What went before was paid for, but for 1 ms.
        expect(sent).toBeLessThanOrEqual((now - 1000 + 1) * rate + 5 * rate)
        pacer.sent(pacer.owesLittle(bytes, rate) ? undefined : now, bytes, rate)
        sent += bytes
      }
      expect(now - 1000).toBeLessThanOrEqual(sent / rate + 2)
    })
    fc.assert(property, { numRuns: 200, seed: 7 })
  })

  it('lets a lone small commit go at once, and one behind it when its bytes are due', () => {
    const pacer = new WritePacer()
    expect(pacer.waitMs(50, 1)).toBe(0)
    pacer.sent(50, 100, 1)
    expect(pacer.waitMs(51, 1)).toBe(4)
    // The debt is in bytes: a better rate shortens the wait.
    expect(pacer.waitMs(51, 1000)).toBe(0)
    pacer.sent(51, 100, 1)
    pacer.forgive()
    expect(pacer.waitMs(51, 1)).toBe(0)
  })

  it('does not make anybody wait longer than ten seconds for one huge group', () => {
    const pacer = new WritePacer()
    pacer.sent(0, 1e9, 1000)
    expect(pacer.waitMs(9_998, 1000)).toBeGreaterThan(0)
    expect(pacer.waitMs(10_000, 1000)).toBe(0)
  })

  it('counts time without writers for nothing: what comes after it is paid from then on', () => {
    const pacer = new WritePacer()
    expect(pacer.waitMs(0, 1000)).toBe(0)
    expect(pacer.owesLittle(1e6, 1000)).toBe(false)
    pacer.sent(10_000, 1e6, 1000)
    expect(pacer.waitMs(10_900, 1000)).toBeGreaterThan(0)
    expect(pacer.waitMs(10_996, 1000)).toBe(0)
  })
})
