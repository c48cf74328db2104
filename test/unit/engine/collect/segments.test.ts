// What segments hold for whom, counted from one state of the manifest to the next.
import { describe, expect, it } from 'vitest'
import { Segments } from '../../../../src/engine/value-log/segments.ts'
import type { SegmentMeta, SegmentUse } from '../../../../src/format/segments/segment-meta.ts'
import type { Levels, TableMeta } from '../../../../src/manifest/levels.ts'
import { prng } from '../../../model/prng.ts'
import { makeTable } from '../../compaction/levels-text.ts'

const OVERHEAD = 192

function segment(number: number, size: number): SegmentMeta {
  return { number, size, salt: '0'.repeat(16) }
}

function table(number: number, segments: readonly SegmentUse[]): TableMeta {
  return { ...makeTable(number, 'a', 'b', 10), ...(segments.length > 0 && { segments }) }
}

describe('Segments', () => {
  it('keeps what is held, and what tables refer to', () => {
    const segments = new Segments()
    const named = [segment(1, 1_000), segment(2, 1_000), segment(3, 1_000)]
    const levels = [[table(9, [{ number: 2, bytes: 100 }])]]
    const release = segments.hold(1)
    const again = segments.hold(1)
    const unused = (): number[] => segments.unused(named, levels).map(({ number }) => number)
    expect(unused()).toEqual([3])
    release()
    release()
    expect(unused()).toEqual([3])
    again()
    expect(unused()).toEqual([1, 3])
    expect(segments.unused([], [])).toEqual([])
  })

  it('counts garbage, but none of what is held', () => {
    const segments = new Segments()
    const named = [segment(1, OVERHEAD + 1_000), segment(2, OVERHEAD + 500)]
    const levels = [
      [table(9, [{ number: 1, bytes: 400 }])],
      [table(8, [{ number: 2, bytes: 500 }])],
    ]
    const sums = { count: 2, bytes: 2 * OVERHEAD + 1_500, liveBytes: 900 }
    expect(segments.sums(named, levels)).toEqual({ ...sums, garbage: 600, some: true })
    const release = segments.hold(1)
    expect(segments.sums(named, levels)).toEqual({ ...sums, garbage: 0, some: false })
    release()
    expect(segments.sums(named, levels).garbage).toBe(600)
  })

  it('follows any way from one state to another as if it had counted from scratch', () => {
    const random = prng(5)
    const segments = new Segments()
    let named: readonly SegmentMeta[] = []
    let levels: Levels = [[], [], []]
    let number = 0
    for (let step = 0; step < 500; step += 1) {
      if (random.chance(0.4)) {
        named = named.filter(() => random.chance(0.9))
        number += 1 + random.below(3)
        named = [...named, segment(number, OVERHEAD + 100 + random.below(2_000))]
      }
      const level = random.below(3)
      levels = levels.map((tables, i) => {
        if (i !== level) return tables
        const kept = tables.filter(() => random.chance(0.8))
        const uses = named.filter(() => random.chance(0.2))
        const fresh = uses.map(({ number }) => ({ number, bytes: 1 + random.below(40) }))
        return [...kept, table(step + 1_000, fresh)]
      })
      const counted = new Segments()
      expect(segments.sums(named, levels)).toEqual(counted.sums(named, levels))
      expect(segments.fills(named, levels)).toEqual(counted.fills(named, levels))
      const numbers = (all: readonly SegmentMeta[]): number[] =>
        all.map((each) => each.number).sort()
      expect(numbers(segments.unused(named, levels))).toEqual(
        numbers(counted.unused(named, levels)),
      )
    }
  })
})
