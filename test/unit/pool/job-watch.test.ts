import { expect, test } from 'vitest'
import type { Clock } from '../../../src/base/clock.ts'
import { watchJob } from '../../../src/pool/job-watch.ts'

/** Timers that fire when the test says so, late by whatever it likes. */
class HandClock implements Clock {
  due: (() => void)[] = []
  delays: number[] = []
  cancelled = 0

  wallMs(): number {
    return 0
  }

  monotonicMs(): number {
    return 0
  }

  nextTurn(run: () => void): void {
    this.due.push(run)
  }

  after(delayMs: number, run: () => void): { unref(): void; cancel(): void } {
    this.delays.push(delayMs)
    this.due.push(run)
    const cancel = (): void => {
      this.cancelled++
      this.due = this.due.filter((other) => other !== run)
    }
    return { unref: () => undefined, cancel }
  }

  fire(): void {
    for (const run of this.due.splice(0)) run()
  }
}

function watched(): { clock: HandClock; life: { beats: number; silent: number }; end: () => void } {
  const clock = new HandClock()
  const life = { beats: 0, silent: 0 }
  const end = watchJob({
    clock,
    silenceMs: 1000,
    beats: () => life.beats,
    silent: () => void life.silent++,
  })
  return { clock, life, end }
}

test('gives up after ten looks that found nothing new, and looks no more', () => {
  const { clock, life } = watched()
  for (let look = 1; look <= 9; look++) clock.fire()
  expect(life.silent).toBe(0)
  clock.fire()
  expect(life.silent).toBe(1)
  expect(clock.due).toEqual([])
  expect(clock.delays).toEqual(Array(10).fill(100))
})

test('one sign of life begins the count anew', () => {
  const { clock, life } = watched()
  for (let round = 0; round < 50; round++) {
    for (let look = 1; look <= 9; look++) clock.fire()
    life.beats = (life.beats + 1) | 0
    clock.fire()
  }
  expect(life.silent).toBe(0)
})

test('a pause of any length is one look', () => {
  const { clock, life } = watched()
  // The timers of hours are due at once: there is one.
  expect(clock.due).toHaveLength(1)
  clock.fire()
  expect(life.silent).toBe(0)
})

test('ends with its job', () => {
  const { clock, life, end } = watched()
  clock.fire()
  end()
  for (let look = 0; look < 20; look++) clock.fire()
  expect([life.silent, clock.cancelled]).toEqual([0, 1])
})
