import { describe, expect, test } from 'vitest'
import { VERSION_MAX } from '../../../src/base/limits.ts'
import { Oracle } from '../../../src/mvcc/oracle.ts'
import { horizonOf, type PinnedPoint, Pins } from '../../../src/mvcc/pins.ts'
import { ReadTime } from '../../../src/mvcc/read-time.ts'

describe('oracle', () => {
  test('gives rising versions; they become visible in order', () => {
    const oracle = new Oracle(40)
    expect([oracle.visibleVersion, oracle.next(), oracle.next(), oracle.next()]).toEqual([
      40, 41, 42, 43,
    ])
    expect(oracle.visibleVersion).toBe(40)
    oracle.publish(42)
    expect(oracle.visibleVersion).toBe(42)
    expect(() => oracle.publish(41)).toThrow(/in order/)
    expect(() => oracle.publish(44)).toThrow(/given out/)
    expect(oracle.lastVersion).toBe(43)
  })

  test('stops before versions lose their exactness', () => {
    const oracle = new Oracle(VERSION_MAX - 1)
    expect(oracle.next()).toBe(VERSION_MAX)
    expect(() => oracle.next()).toThrow(/No version is left/)
  })
})

describe('pins', () => {
  const at = (version: number, now = 0) => ({ version, now })
  const snapshots = (pins: Pins, visible: number) => pins.readers(at(visible)).snapshots

  test('count holders; a version leaves with its last one, once', () => {
    const pins = new Pins()
    const first = pins.pin(at(10))
    const second = pins.pin(at(10))
    pins.pin(at(5))
    expect(pins.count).toBe(3)
    first.release()
    first.release()
    expect(snapshots(pins, 20)).toEqual([5, 10, 20])
    second.release()
    expect(snapshots(pins, 20)).toEqual([5, 20])
    expect(pins.count).toBe(1)
  })

  test('readers hold the visible version once, in order', () => {
    const pins = new Pins()
    expect(snapshots(pins, 7)).toEqual([7])
    pins.pin(at(9))
    pins.pin(at(3))
    expect(snapshots(pins, 9)).toEqual([3, 9])
    expect(snapshots(pins, 12)).toEqual([3, 9, 12])
    expect(snapshots(pins, 5)).toEqual([3, 5, 9])
  })

  test('agree with a plain list over random holders', () => {
    const pins = new Pins()
    const held: PinnedPoint[] = []
    let state = 7
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let round = 0; round < 5_000; round += 1) {
      if (held.length === 0 || next(2) === 0) held.push(pins.pin(at(next(30), next(1_000))))
      else held.splice(next(held.length), 1)[0]!.release()
      const now = next(1_000)
      const all = [...held, { version: 30, now }]
      const versions = [...new Set(all.map(({ version }) => version))].sort((a, b) => a - b)
      const readers = pins.readers({ version: 30, now })
      expect(readers.snapshots).toEqual(versions)
      expect(pins.count).toBe(held.length)
      // Of all who read at a version or a newer one, the one that began earliest sees most.
      const earliest = (least: number): number =>
        Math.min(...all.filter(({ version }) => version >= least).map((point) => point.now))
      expect(readers.horizons).toEqual(versions.map(earliest))
      const least = next(32)
      expect(horizonOf(readers, least)).toBe(least > 30 ? -1 : earliest(least))
    }
  })
})

describe('the time of readers', () => {
  test('is whole, never before 1970, and once a job relied on it never earlier', () => {
    let wall = -5
    const time = new ReadTime({ wallMs: () => wall, monotonicMs: () => 0 })
    expect(time.now()).toBe(0)
    wall = 10.9
    expect([time.now(), time.pass()]).toEqual([10, 10])
    wall = 30
    expect(time.now()).toBe(30)
    // Nobody was told of 30.
    wall = 20
    expect(time.now()).toBe(20)
    wall = 3
    expect([time.now(), time.pass(), time.now()]).toEqual([10, 10, 10])
    wall = 11
    expect(time.now()).toBe(11)
  })

  test('is told to jobs as far as five minutes ahead of what the monotonic clock counts', () => {
    const minutes = 60_000
    let [wall, monotonic] = [1_000 * minutes, 7 * minutes]
    const time = new ReadTime({ wallMs: () => wall, monotonicMs: () => monotonic })
    wall += 5 * minutes
    expect(time.pass()).toBe(1_005 * minutes)
    wall += 10 * minutes
    expect([time.pass(), time.now()]).toEqual([1_005 * minutes, 1_015 * minutes])
    monotonic += 4 * minutes
    expect(time.pass()).toBe(1_009 * minutes)
    wall -= 15 * minutes
    expect([time.pass(), time.now()]).toEqual([1_009 * minutes, 1_009 * minutes])
    monotonic += 90 * minutes
    wall += 90 * minutes
    expect(time.pass()).toBe(1_090 * minutes)
  })
})
