// What may lie hidden, and how much of what is doomed the volume has room for.
import { describe, expect, it } from 'vitest'
import { LEVEL_COUNT } from '../../../src/base/limits.ts'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { type PickOptions, pickCompaction } from '../../../src/compaction/pick.ts'
import { chooseDoomed, type SegmentFill } from '../../../src/compaction/values/doom.ts'
import type { Levels, TableMeta } from '../../../src/manifest/levels.ts'
import { describePlan, makeTable } from './levels-text.ts'

const GIB = 2 ** 30
const MIB = 2 ** 20
const OPTIONS: PickOptions = {
  l0CompactTrigger: 5,
  l0StallTrigger: 15,
  baseLevelSize: 2 * GIB,
  levelSizeMultiplier: 10,
  tableSize: 64 * MIB,
}

/** Two tables of 500 entries each, which point to half a gigabyte each. */
function bottom(): TableMeta[] {
  return ['a..m', 'n..z'].map((range, i) => {
    const [from, to] = range.split('..')
    const segments = [{ number: 100 + i, bytes: GIB / 2 }]
    return { ...makeTable(1 + i, from!, to!, 20_000), entries: 500, segments }
  })
}

function deletes(count: number): TableMeta {
  return { ...makeTable(10, 'a', 'z', count * 20, count), entries: count }
}

function pick(
  upper: readonly TableMeta[],
  level6: readonly TableMeta[],
  rest: boolean,
  at = 0,
): string {
  const levels: Levels = Array.from({ length: LEVEL_COUNT }, (_, level) => {
    return level === at ? upper : level === LEVEL_COUNT - 1 ? level6 : []
  })
  const values = { doomed: undefined, space: { bytes: GIB + 60_000, garbage: 0 }, rest }
  const plan = pickCompaction(levels, OPTIONS, new InFlight(), { oldestSnapshot: 1e9, values })
  return describePlan(plan)
}

describe('deletes that were not merged yet', () => {
  it('are, once they may hide so much that the bound does not hold', () => {
    const plan = 'merge L0 -> L6: 10 | 1 2, tombstones go'
    expect(pick([deletes(1_000)], bottom(), true)).toBe(plan)
    expect(pick([deletes(500)], bottom(), true)).toBe(plan)
    expect(pick([deletes(500)], bottom(), false)).toBe(plan)
    expect(pick([deletes(1_000)], bottom(), true, 5)).toMatch(/^(merge|move) L5 -> L6/)
    // 1.43 × what is left.
    expect(pick([deletes(300)], bottom(), true)).toBe('nothing')
  })

  it('come to an end: the deepest level hides nothing', () => {
    expect(pick([], bottom(), true)).toBe('nothing')
    expect(pick([], [deletes(1_000)], true)).not.toMatch(/L0/)
    expect(pick([deletes(1_000)], [], true)).toBe('nothing')
  })
})

describe('a volume that is nearly full', () => {
  const fill = (number: number, size: number, used: number): SegmentFill => {
    return { segment: { number, size, salt: '0'.repeat(16) }, used }
  }
  const fills = [fill(1, 10 * MIB, 4 * MIB), fill(2, MIB, 0.45 * MIB)]
  const doomed = (room?: number): number[] => {
    const space = { bytes: 200 * MIB, garbage: 7 * MIB }
    return chooseDoomed(fills, space, room).map(({ segment }) => segment.number)
  }

  it('half of what is free is enough for the copies', () => {
    expect(doomed()).toEqual([1, 2])
    expect(doomed(9 * MIB)).toEqual([1, 2])
    expect(doomed(8 * MIB)).toEqual([1])
    expect(doomed(7 * MIB)).toEqual([2])
    expect(doomed(0.5 * MIB)).toEqual([])
    expect(doomed(-1)).toEqual([])
  })
})
