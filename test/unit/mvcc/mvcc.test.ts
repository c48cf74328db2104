import { describe, expect, test } from 'vitest'
import { VERSION_MAX } from '../../../src/base/limits.ts'
import { Oracle } from '../../../src/mvcc/oracle.ts'
import { Pins } from '../../../src/mvcc/pins.ts'

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
  test('count holders; a version leaves with its last one, once', () => {
    const pins = new Pins()
    const first = pins.pin(10)
    const second = pins.pin(10)
    pins.pin(5)
    expect([pins.count, pins.oldest]).toEqual([3, 5])
    first.release()
    first.release()
    expect(pins.snapshots(20)).toEqual([5, 10, 20])
    second.release()
    expect(pins.snapshots(20)).toEqual([5, 20])
    expect(pins.count).toBe(1)
  })

  test('snapshots hold the visible version once, in order', () => {
    const pins = new Pins()
    expect(pins.snapshots(7)).toEqual([7])
    pins.pin(9)
    pins.pin(3)
    expect(pins.snapshots(9)).toEqual([3, 9])
    expect(pins.snapshots(12)).toEqual([3, 9, 12])
    expect(pins.snapshots(5)).toEqual([3, 5, 9])
    expect(pins.oldest).toBe(3)
  })

  test('agree with a plain count over random holders', () => {
    const pins = new Pins()
    const held: { version: number; release(): void }[] = []
    let state = 7
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let round = 0; round < 5_000; round += 1) {
      if (held.length === 0 || next(2) === 0) held.push(pins.pin(next(30)))
      else held.splice(next(held.length), 1)[0]!.release()
      const distinct = [...new Set(held.map(({ version }) => version))].sort((a, b) => a - b)
      expect(pins.oldest).toBe(distinct[0])
      expect(pins.snapshots(30)).toEqual([...distinct, 30])
      expect(pins.count).toBe(held.length)
    }
  })
})
