// Which rounds begin, without an engine.
import { describe, expect, it } from 'vitest'
import { CorruptionError } from '../../../../src/base/errors.ts'
import type { CompactionPlan } from '../../../../src/compaction/plan.ts'
import { garbageOf, type SegmentFill } from '../../../../src/compaction/values/doom.ts'
import { ValueCollector } from '../../../../src/engine/value-log/collector.ts'
import type { SegmentMeta } from '../../../../src/format/segments/segment-meta.ts'
import { QuickClock } from '../../../support/fake/quick-clock.ts'

const MIB = 2 ** 20

function segment(number: number, size: number): SegmentMeta {
  return { number, size, salt: '0'.repeat(16) }
}

/** A rewriting that copies out of this segment. */
function copyingOutOf(from: SegmentMeta): CompactionPlan {
  return {
    ...{ inputLevel: 6, outputLevel: 6, inputs: [], sources: [], trivialMove: false },
    ...{ dropTombstones: false, relocate: [from], collects: true },
  }
}

function collectorOf(fills: readonly SegmentFill[], deferred = false): ValueCollector {
  const sum = (of: (fill: SegmentFill) => number): number =>
    fills.reduce((all, fill) => all + of(fill), 0)
  const tree = {
    levels: [],
    segmentFills: fills,
    segmentSums: {
      count: fills.length,
      bytes: sum((fill) => fill.segment.size),
      liveBytes: sum(({ used }) => used),
      garbage: sum(garbageOf),
      some: true,
    },
    dropUnused: async () => undefined,
  }
  return new ValueCollector({
    tree,
    segments: { isHeld: () => false, isLeaving: () => false },
    clock: new QuickClock(),
    reserve: { room: Number.POSITIVE_INFINITY, roomToFree: Number.POSITIVE_INFINITY },
    obsolete: { settled: async () => undefined },
    kick: () => undefined,
    rest: () => true,
    deferred: () => deferred,
  })
}

it('a damaged segment, which stays, is no reason to collect the others', () => {
  const others = [2, 3, 4].map((number) => ({ segment: segment(number, 20 * MIB), used: 17 * MIB }))
  const bad = segment(1, 41 * MIB)
  const collector = collectorOf([{ segment: bad, used: MIB }, ...others])
  expect(collectorOf(others).moment()!.doomed).toBeUndefined()
  const error = new CorruptionError({
    ...{ file: '/db/000001.vlog', offset: 200, expected: 'a sound part', found: 'another' },
  })
  expect(collector.failed(copyingOutOf(bad), error)).toBe(true)
  expect(collector.moment()!.doomed).toBeUndefined()
  expect(collector.spoiled).toBe(1)
})

describe('what can be freed', () => {
  const live = { segment: segment(1, 20 * MIB), used: 19 * MIB }
  const wasted = { segment: segment(2, 20 * MIB), used: MIB }
  const garbage = garbageOf(live) + garbageOf(wasted)

  it('is garbage only while it is being collected', () => {
    const collector = collectorOf([live, wasted])
    expect(collector.freeable).toEqual({ bytes: 40 * MIB - garbage, garbage: 0 })
    expect(collector.moment()!.doomed).toBeDefined()
    expect(collector.freeable).toEqual({ bytes: 40 * MIB, garbage })
  })

  it('is not what damage keeps', () => {
    const collector = collectorOf([live, wasted])
    collector.moment()
    const error = new CorruptionError({
      ...{ file: '/db/000002.vlog', offset: 200, expected: 'a sound part', found: 'another' },
    })
    collector.failed(copyingOutOf(wasted.segment), error)
    collector.moment()
    expect(collector.freeable).toEqual({ bytes: 40 * MIB - garbage, garbage: 0 })
  })

  it('is nothing while the volume is full, or all waits for the end of a load', () => {
    expect(collectorOf([live, wasted], true).freeable).toBeUndefined()
    const collector = collectorOf([live, wasted])
    collector.moment()
    const full = Object.assign(new Error('full'), { code: 'ENOSPC' })
    expect(collector.failed(copyingOutOf(wasted.segment), full)).toBe(true)
    expect(collector.freeable).toBeUndefined()
  })
})
