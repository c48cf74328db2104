// One call to the disk that takes very long: it is told while it hangs, and nothing else changes.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Database } from '../../../../src/api/database.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { resolveOptions } from '../../../../src/base/options.ts'
import type { DiskNotice } from '../../../../src/engine/disk/disk-watch.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { EngineNotice } from '../../../../src/engine/types.ts'
import { nodeFileSystem } from '../../../../src/io/node-file-system.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { ends } from '../../../support/small-engine.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'

function gate(): { readonly until: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  return { until, open: () => open() }
}

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const fakeTime = (): void => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  // The clock has its own hold of the real one.
  vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => performance.now())
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a slow disk', () => {
  it.each([
    ['sync', 'sync', '1'],
    ['write', 'write', 'x'.repeat(300 * 1024)],
  ] as const)(
    'is told of once when a %s takes five seconds; then all goes on',
    async (_, on, value) => {
      fakeTime()
      const fs = new FaultFileSystem()
      const notices: DiskNotice[] = []
      const warnings: object[] = []
      const ignore = (): void => undefined
      const warn = (fields: object): void => void warnings.push(fields)
      const logger = { debug: ignore, info: ignore, error: ignore, warn }
      const options = resolveOptions({
        workers: 0,
        memtableSize: 65_536,
        memoryBudget: 8 * 1024 * 1024,
        valueThreshold: 'off',
        logger,
      })
      const notify = (notice: EngineNotice): void => {
        if (notice.event === 'disk-slow') notices.push(notice)
      }
      const engine = await openEngine('/db', options, { fs, clock: systemClock, notify })
      const { until, open } = gate()
      fs.inject({ on, path: /\.wal$/, until })
      const put = engine.put('k', value, {})
      await turns()
      vi.advanceTimersByTime(4_900)
      await turns()
      expect(notices).toEqual([])
      vi.advanceTimersByTime(200)
      await turns()
      expect(notices).toEqual([expect.objectContaining({ event: 'disk-slow', operation: on })])
      expect(notices[0]!.path).toMatch(/\.wal$/)
      expect(notices[0]!.elapsedMs).toBeGreaterThanOrEqual(5_000)
      expect(warnings).toEqual([expect.objectContaining({ event: 'disk-slow' })])
      vi.advanceTimersByTime(60_000)
      await turns()
      expect(notices.length).toBe(1)
      const closing = engine.close()
      open()
      vi.useRealTimers()
      await ends(Promise.all([put, closing]))
      expect(fs.openHandles).toBe(0)
    },
  )

  it('is an event of the database', async () => {
    const db = new Database(temporaryDirectory(), { workers: 0 })
    const { until, open } = gate()
    let asked = false
    const openSync = nodeFileSystem.openSync
    vi.spyOn(nodeFileSystem, 'openSync').mockImplementation((path, mode) => {
      const file = openSync(path, mode)
      const sync = file.dataSync.bind(file)
      file.dataSync = () => {
        asked = true
        return until.then(sync)
      }
      return file
    })
    fakeTime()
    const told = new Promise<DiskNotice>((resolve) => db.once('disk-slow', resolve))
    const opened = db.open()
    // Not before: the lock is taken by a process of its own, which takes real time.
    while (!asked) await turns()
    await turns()
    vi.advanceTimersByTime(5_100)
    expect((await told).event).toBe('disk-slow')
    open()
    await opened
    vi.useRealTimers()
    await db.put('a', '1')
    await db.close()
  })
})
