// Writes that have to wait for room expire when they were to, counted from the call.
import { expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/base/options.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { HandClock } from './hand-clock.ts'

const NOW = 1_700_000_000_000
const COUNT = 400

it('a write that waits keeps its time to live', async () => {
  const clock = new HandClock(NOW)
  const options = resolveOptions({
    workers: 0,
    memtableSize: 65_536,
    memoryBudget: 8 * 1024 * 1024,
  })
  const engine = await openEngine('/db', options, { fs: memoryFileSystem(), clock })
  const value = 'v'.repeat(1_000)
  const writes = Array.from({ length: COUNT }, (_, i) =>
    i % 2 === 0
      ? engine.put(`key ${i}`, value, { ttl: 1 + i })
      : engine.batch([{ type: 'put', key: `key ${i}`, value }], { ttl: 1 + i }),
  )
  // They fill several memtables; time passes while most of them wait.
  expect(engine.stats().memtables.length).toBeLessThan(4)
  clock.pass(10 * COUNT)
  // Writers are slowed by timers.
  const ticking = setInterval(() => clock.pass(10), 1)
  await Promise.all(writes)
  clearInterval(ticking)
  const { stallMs } = engine.stats()
  expect(stallMs).toBeGreaterThan(0)
  expect(engine.getSync('key 1', undefined, 'utf8')).toBeUndefined()
  clock.wall = NOW
  const expiries = Array.from({ length: COUNT }, (_, i) => {
    return engine.getEntry(`key ${i}`, { version: engine.version, now: NOW }, 'utf8', 'utf8')
      ?.expiresAt
  })
  // Of some a flush has made deletions by now.
  const kept = expiries.flatMap((expiresAt, i) => (expiresAt === undefined ? [] : [[i, expiresAt]]))
  expect(kept.length).toBeGreaterThan(0)
  for (const [i, expiresAt] of kept) expect(expiresAt).toBe(NOW + 1 + i!)
  await engine.close()
})
