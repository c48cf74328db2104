import { expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { polled, whenChanged } from '../../../src/memory/signal.ts'

const wait = { clock: systemClock, stopped: () => false }

test('a word that differs already needs no wait', () => {
  const words = new Int32Array(new SharedArrayBuffer(8))
  words[1] = 3
  expect(whenChanged(words, 1, 2, wait)).toBeUndefined()
})

test.each([whenChanged, polled])('a change ends the wait (%o)', async (how) => {
  const words = new Int32Array(new SharedArrayBuffer(8))
  const pending = how(words, 1, 0, wait)
  setTimeout(() => {
    Atomics.store(words, 1, 1)
    Atomics.notify(words, 1)
  }, 5)
  await pending
  expect(words[1]).toBe(1)
})

test('polling ends when nobody cares any more', async () => {
  const words = new Int32Array(new SharedArrayBuffer(8))
  let stop = false
  const pending = polled(words, 0, 0, { clock: systemClock, stopped: () => stop })
  setTimeout(() => {
    stop = true
  }, 5)
  await pending
  expect(words[0]).toBe(0)
})
