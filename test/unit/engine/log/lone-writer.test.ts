// A commit whose writer is alone goes out inside the call that makes it; nobody is told inside the call, and whatever
// holds for groups holds for it.
import { describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../../../../src/base/clock.ts'
import { resolveOptions } from '../../../../src/base/options.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { Durability } from '../../../../src/engine/types.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { prng } from '../../../model/prng.ts'
import { codeOf, small, soon } from '../../../support/small-engine.ts'

const SEED = Number(process.env['SETT_SEED'] ?? Date.now() % 1_000_000)
const RELAXED: readonly Durability[] = ['none', { interval: 50 }]

/** No time passes, so that no write is slow and no loop takes long. */
const STILL: Clock = { ...systemClock, monotonicMs: () => 0 }

function start(fs: FaultFileSystem, options: object = {}): Promise<StorageEngine> {
  return openEngine('/db', resolveOptions({ ...small, ...options }), { fs, clock: STILL })
}

function logWrites(fs: FaultFileSystem): number {
  return fs.calls.filter(({ kind, path }) => kind === 'write' && path.endsWith('.wal')).length
}

function text(engine: StorageEngine, key: string): unknown {
  return engine.getSync(key, undefined, 'utf8')
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.each(RELAXED)('under durability %j', (durability) => {
  it('a lone commit is written and shown inside the call, and told of after it', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability })
    const before = logWrites(fs)
    const order: string[] = []
    const onCommit = (version: number): void => void order.push(`commit ${version}`)
    const put = engine.put('k', 'v', { onCommit })
    put.then(() => order.push('resolved'))
    order.push(`returned ${logWrites(fs) - before} ${text(engine, 'k')}`)
    await put
    expect(order).toEqual(['returned 1 v', `commit ${engine.version}`, 'resolved'])
    await engine.close()
  })

  it('each of a loop of awaited commits is one write, without a turn', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability })
    const before = logWrites(fs)
    let turned = false
    setImmediate(() => {
      turned = true
    })
    for (let i = 0; i < 5; i++) await engine.put(`k${i}`, `v${i}`, {})
    expect([logWrites(fs) - before, turned]).toEqual([5, false])
    const { walWrites, walBytes, version } = engine.stats()
    expect([walWrites, walBytes > 5 * 48, version]).toEqual([5, true, engine.version])
    await engine.close()
  })

  it('an unawaited loop of 256 makes two writes', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability })
    const before = logWrites(fs)
    await Promise.all(Array.from({ length: 256 }, (_, i) => engine.put(`k${i}`, 'v', {})))
    expect(logWrites(fs) - before).toBe(2)
    expect(text(engine, 'k255')).toBe('v')
    await engine.close()
  })

  it('the commits of one synchronous run keep their order, and are told of in it', async () => {
    const engine = await start(new FaultFileSystem(), { durability })
    const order: string[] = []
    const told = (name: string): object => ({ onCommit: () => order.push(name) })
    const commits = [
      engine.batch([{ type: 'put', key: 'k', value: 'first' }], told('batch')),
      engine.put('k', 'second', told('put')),
      engine.del('gone', told('del')),
    ]
    expect(text(engine, 'k')).toBe('first')
    expect(order).toEqual([])
    await Promise.all(commits)
    expect(text(engine, 'k')).toBe('second')
    expect(order).toEqual(['batch', 'put', 'del'])
    await engine.close()
  })

  it('after a group of several the next commit waits for the turn, and the one after it does not', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability })
    await Promise.all(['a', 'b', 'c'].map((key) => engine.put(key, '1', {})))
    const before = logWrites(fs)
    const next = engine.put('d', '1', {})
    expect(logWrites(fs) - before).toBe(0)
    await next
    const after = engine.put('e', '1', {})
    expect(logWrites(fs) - before).toBe(2)
    await after
    await engine.close()
  })

  it('one of 64 KiB waits for the turn, so that encoding and linking it are two blocks, not one', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability, memtableSize: 2 ** 20, memoryBudget: 2 ** 24 })
    const batchOf = (bytes: number): Promise<void> => {
      const value = 'v'.repeat(bytes / 64)
      const keys = Array.from({ length: 64 }, (_, i) => `k${i}`)
      return engine.batch(
        keys.map((key) => ({ type: 'put', key, value })),
        {},
      )
    }
    const seen: number[] = []
    for (const bytes of [32 * 1024, 64 * 1024, 32 * 1024]) {
      const before = logWrites(fs)
      const done = batchOf(bytes)
      seen.push(logWrites(fs) - before)
      await done
      seen.push(logWrites(fs) - before)
      expect(engine.getSync('k63', undefined, 'utf8')).toBe('v'.repeat(bytes / 64))
    }
    expect(seen).toEqual([1, 1, 0, 1, 1, 1])
    await engine.close()
  })

  it('a commit made by the callback of another joins a group', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability })
    const before = logWrites(fs)
    let inner: Promise<void> | undefined
    let during = -1
    const onCommit = (): void => {
      inner = engine.put('inner', '2', {})
      during = logWrites(fs) - before
    }
    await engine.put('outer', '1', { onCommit })
    await inner
    expect([during, logWrites(fs) - before, text(engine, 'inner')]).toEqual([1, 2, '2'])
    await engine.close()
  })

  it('a commit that wants to be durable waits for the disk', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability })
    const put = engine.put('k', 'v', { durability: 'sync' })
    expect(text(engine, 'k')).toBe(undefined)
    await put
    const waiting = fs.disk.pending('strict').filter(({ kind }) => kind === 'write')
    expect([text(engine, 'k'), waiting.length]).toEqual(['v', 0])
    await engine.close()
  })

  it('a long commit does not block the call', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability, memtableSize: 4 * 2 ** 20, memoryBudget: 2 ** 25 })
    const before = logWrites(fs)
    const put = engine.put('k', 'v'.repeat(300_000), {})
    expect(logWrites(fs) - before).toBe(0)
    await put
    await engine.close()
  })
})

describe('under durability sync', () => {
  it('every commit belongs to a group that waits for the turn', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    for (let i = 0; i < 3; i++) {
      const before = logWrites(fs)
      const put = engine.put('k', `${i}`, {})
      expect(logWrites(fs) - before).toBe(0)
      await put
      expect(logWrites(fs) - before).toBeGreaterThan(0)
    }
    await engine.close()
  })
})

describe('a lone commit that fails', () => {
  it('is rejected, never shown and never told of; the next one goes on', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none' })
    await engine.put('before', '1', {})
    const fault = fs.inject({ on: 'write', path: /\.wal$/, errno: 'ENOSPC', shortBytes: 30 })
    let told = false
    const onCommit = (): void => {
      told = true
    }
    const lost = engine.put('lost', 'x', { onCommit })
    expect(fault.matches).toBe(1)
    expect(await codeOf(lost)).toBe('SETT_DISK_FULL')
    await turn()
    expect([text(engine, 'lost'), told]).toEqual([undefined, false])
    await engine.put('after', '2', {})
    const killed = new FaultFileSystem({
      files: fs.image({ rule: 'strict', survives: () => 'all' }),
    })
    await engine.close()
    for (const files of [fs, killed]) {
      const again = await start(files)
      const found = ['before', 'lost', 'after'].map((key) => text(again, key))
      expect(found).toEqual(['1', undefined, '2'])
      await again.close()
    }
  })

  it('gives up the log when its bytes cannot be cut off', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none' })
    for (const key of ['a', 'b', 'c']) await engine.put(key, 'x'.repeat(12_000), {})
    // The next log is born: a turn for each of its calls.
    for (let i = 0; i < 30; i++) await turn()
    fs.inject({ on: 'write', path: /\.wal$/, errno: 'EIO', shortBytes: 40 })
    fs.inject({ on: 'truncate', path: /\.wal$/, errno: 'EIO', forever: true })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
    await engine.put('kept', '1', {})
    fs.heal()
    await engine.close()
    const again = await start(fs)
    expect([text(again, 'lost'), text(again, 'kept')]).toEqual([undefined, '1'])
    await again.close()
  })

  it('is refused for good once a sync of nobody has failed', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: { interval: 1 } })
    fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO' })
    await engine.put('a', '1', {})
    const put = async (): Promise<void> => engine.put('b', '2', {})
    await soon(async () => expect(await codeOf(put())).toBe('SETT_POISONED'))
    await engine.close()
  })
})

describe('the event loop', () => {
  it('turns at least every 2 ms of awaited commits', async () => {
    let now = 0
    const clock: Clock = { ...systemClock, monotonicMs: () => (now += 0.01) }
    const options = { workers: 0, durability: 'none', memtableSize: 2 ** 20, memoryBudget: 2 ** 24 }
    const fs = memoryFileSystem()
    const engine = await openEngine('/db', resolveOptions(options), { fs, clock })
    for (let round = 0; round < 3; round++) {
      let turned = false
      setTimeout(() => {
        turned = true
      }, 1)
      let commits = 0
      for (const began = now; !turned && now - began < 1_000; commits++) {
        await engine.put(`${round}`, `${commits}`, {})
      }
      expect(turned).toBe(true)
      expect(commits).toBeGreaterThan(20)
    }
    await engine.close()
  })

  it('gets the error of a callback, and the commit stands', async () => {
    const errors: unknown[] = []
    const nextTurn = (run: () => void): void => {
      systemClock.nextTurn(() => {
        try {
          run()
        } catch (error) {
          errors.push(error)
        }
      })
    }
    const options = resolveOptions({ workers: 0, durability: 'none' })
    const clock: Clock = { ...systemClock, nextTurn }
    const engine = await openEngine('/db', options, { fs: memoryFileSystem(), clock })
    const thrown = new Error('of the application')
    const onCommit = (): void => {
      throw thrown
    }
    await engine.put('k', 'v', { onCommit })
    await turn()
    await turn()
    expect([text(engine, 'k'), errors]).toEqual(['v', [thrown]])
    await engine.close()
  })
})

/** Commits by hand: some awaited, some in runs, some after a turn, in all durabilities. */
it(`acks come in the order of the calls, and what is shown is a beginning of it (SETT_SEED=${SEED})`, async () => {
  const random = prng(SEED)
  const fs = new FaultFileSystem()
  const engine = await start(fs, {
    durability: 'none',
    memtableSize: 2 ** 20,
    memoryBudget: 2 ** 24,
  })
  const told: number[] = []
  const acked: number[] = []
  const pending: Promise<unknown>[] = []
  let lastShown = 0
  for (let n = 1; n <= 600; n++) {
    const durability = random.chance(0.05) ? 'sync' : 'none'
    const options = { durability, onCommit: () => told.push(n) } as const
    const value = `${n}`
    const commit = random.chance(0.3)
      ? engine.batch([{ type: 'put', key: 'k', value }], options)
      : engine.put('k', value, options)
    pending.push(commit.then(() => acked.push(n)))
    const shown = Number(text(engine, 'k') ?? 0)
    expect(shown).toBeGreaterThanOrEqual(lastShown)
    lastShown = shown
    if (random.chance(0.5)) await commit
    else if (random.chance(0.3)) await undefined
    else if (random.chance(0.2)) await turn()
  }
  await Promise.all(pending)
  const all = Array.from({ length: 600 }, (_, i) => i + 1)
  expect(told).toEqual(all)
  expect(acked).toEqual(all)
  expect(text(engine, 'k')).toBe('600')
  await engine.close()
})
