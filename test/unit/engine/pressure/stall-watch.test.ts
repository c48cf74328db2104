// What is told of slow-downs, and summed up, by cause.
import { expect, it } from 'vitest'
import { type StallNotice, StallWatch } from '../../../../src/engine/pressure/stall-watch.ts'

function watched(): { watch: StallWatch; told: StallNotice[] } {
  const told: StallNotice[] = []
  const clock = {
    wallMs: () => 0,
    monotonicMs: () => 0,
    after: () => ({ unref: () => undefined, cancel: () => undefined }),
    nextTurn: (run: () => void) => run(),
  }
  return { watch: new StallWatch({ clock, notify: (notice) => void told.push(notice) }), told }
}

it('a slow-down is told with the cause that held most of it', () => {
  const { watch, told } = watched()
  watch.held(30, 'memtables')
  watch.held(60, 'garbage')
  expect(told).toEqual([])
  watch.held(20, 'level0')
  const slowed = { event: 'stall', writers: 'slowed', cause: 'garbage' }
  expect(told).toEqual([{ ...slowed, phase: 'begin', ms: 110 }])
  watch.held(500, 'memtables')
  watch.calm()
  expect(told[1]).toEqual({ ...slowed, phase: 'end', ms: 610 })
  expect(watch.delays).toEqual({ level0: 20, levels: 0, memtables: 530, garbage: 60 })
  expect(watch.delayMs).toBe(610)
})

it('a short one is summed up, not told', () => {
  const { watch, told } = watched()
  watch.held(60, 'garbage')
  watch.calm()
  watch.held(60, 'garbage')
  watch.calm()
  expect(told).toEqual([])
  expect(watch.delays.garbage).toBe(120)
})
