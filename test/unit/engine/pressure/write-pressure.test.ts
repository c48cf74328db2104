// Which garbage slows writers: only what somebody is about to free.
import { describe, expect, it } from 'vitest'
import type { Space } from '../../../../src/compaction/values/doom.ts'
import { StallWatch } from '../../../../src/engine/pressure/stall-watch.ts'
import { WritePressure } from '../../../../src/engine/pressure/write-pressure.ts'
import type { Levels } from '../../../../src/manifest/levels.ts'
import { makeTable } from '../../compaction/levels-text.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

/** A gigabyte that is overwritten, with as much garbage beside it, and more. */
class Pressed {
  now = 0
  space: Space | undefined = { bytes: 2.3 * GIB, garbage: 1.3 * GIB }
  written = 0
  writing = 100 * MIB
  memory = { frozen: 0, active: 0 }
  readonly pressure: WritePressure
  #levels: Levels = [[], [makeTable(1, 'a', 'z', GIB)]]

  constructor(l0StallTrigger = 15) {
    const clock = {
      wallMs: () => this.now,
      monotonicMs: () => this.now,
      after: () => ({ unref: () => undefined, cancel: () => undefined }),
      nextTurn: () => undefined,
    }
    this.pressure = new WritePressure({
      clock,
      options: {
        ...{ memtableSize: 64 * MIB, memtableCount: 3, tableSize: 64 * MIB },
        ...{ l0CompactTrigger: 5, l0StallTrigger, levelSizeMultiplier: 10 },
      },
      memory: () => this.memory,
      levels: () => this.#levels,
      watch: new StallWatch({ clock, notify: () => undefined }),
    })
    this.pressure.watchSpace({
      space: () => this.space,
      written: () => this.written,
      underWay: () => ({ writing: this.writing, copying: this.writing }),
    })
    // All that goes down is found to be overwritten, and a job has written 100 MiB in a second.
    this.#levels = [[makeTable(2, 'a', 'z', 64 * MIB)], this.#levels[1]!]
    this.pressure.changed()
    this.now = 1_000
    this.written = 100 * MIB
    this.#levels = [[], [makeTable(3, 'a', 'z', GIB)]]
    this.pressure.changed()
  }

  /** How long writers wait after a commit of so many bytes, and so many in segments. */
  waitAfter(bytes: number, stored = 0): number {
    this.pressure.waitMs()
    this.pressure.sent(bytes, stored)
    const began = this.now
    for (let wait = this.pressure.waitMs(); wait > 0; wait = this.pressure.waitMs())
      this.now += wait
    return this.now - began
  }
}

describe('garbage', () => {
  it('slows writers while jobs are under way', () => {
    const pressed = new Pressed()
    expect(pressed.pressure.limited).toBe(true)
    const ms = pressed.waitAfter(MIB)
    expect(ms).toBeGreaterThan(10)
    expect(ms).toBeLessThan(100)
    expect(pressed.pressure.garbageDebt).toBeCloseTo(0.3 * GIB + 100 * MIB, -3)
  })

  it('slows them for values that they put into segments, too', () => {
    const pressed = new Pressed()
    expect(pressed.waitAfter(100, MIB)).toBeGreaterThan(10)
    pressed.now += 1_000
    expect(pressed.waitAfter(100)).toBe(0)
  })

  it('slows them for such values once jobs fall behind, however little goes to the log', () => {
    const pressed = new Pressed()
    pressed.memory = { frozen: 1, active: 0.9 }
    pressed.pressure.changed()
    pressed.now += 1_000
    pressed.pressure.flushed(MIB)
    pressed.pressure.changed()
    // So far the flushes are what holds most back, and values in segments are nothing to them.
    expect(pressed.waitAfter(100, MIB)).toBe(0)
    pressed.now += 60_000
    expect(pressed.waitAfter(100, MIB)).toBeGreaterThan(10)
  })

  it.each<[string, Partial<Pick<Pressed, 'space' | 'writing'>>]>([
    ['no job runs', { writing: 0 }],
    ['it has to wait', { space: undefined }],
    ['it was freed', { space: { bytes: 1.5 * GIB, garbage: GIB / 2 } }],
  ])('does not slow them when %s', (_, change) => {
    const pressed = Object.assign(new Pressed(), change)
    pressed.pressure.changed()
    expect(pressed.pressure.limited).toBe(false)
    expect(pressed.waitAfter(64 * MIB)).toBe(0)
    expect(pressed.pressure.garbageDebt).toBe(0)
  })

  it('does not slow those that never wait for compaction', () => {
    expect(new Pressed(Number.POSITIVE_INFINITY).waitAfter(64 * MIB)).toBe(0)
  })

  it('never stops them, however badly jobs do', () => {
    const pressed = new Pressed()
    pressed.space = { bytes: 9 * GIB, garbage: 8 * GIB }
    pressed.now += 1e7
    pressed.pressure.changed()
    expect(pressed.waitAfter(1_024)).toBeLessThanOrEqual(4)
  })
})
