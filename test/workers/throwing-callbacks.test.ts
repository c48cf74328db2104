// Code of the caller that throws, wherever the database calls it: the error reaches somebody, and the database goes on.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { Database, open } from '../../src/index.ts'
import { drainProcessPool } from '../../src/pool/worker-pool.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { turns } from '../support/small-engine.ts'
import { sharedTemporaryDirectory } from '../support/temp-directory.ts'
import { codeOf, inTime } from './field.ts'

const directory = sharedTemporaryDirectory()
const small = { memtableSize: 65_536, memoryBudget: 8 << 20, workers: 0 } as const

let uncaught: unknown[] = []
let listeners: NodeJS.UncaughtExceptionListener[] = []
const note = (error: unknown): void => void uncaught.push(error)

/** What would end the process is noted instead. */
beforeEach(() => {
  uncaught = []
  listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', note)
})

afterEach(async () => {
  await turns()
  process.off('uncaughtException', note)
  for (const listener of listeners) process.on('uncaughtException', listener)
})

afterAll(() => drainProcessPool())

function boom(): never {
  throw new RangeError('thrown by the caller')
}

function failure(work: Promise<unknown>): Promise<unknown> {
  return inTime(
    work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
}

describe('onCommit', () => {
  it('that throws is an uncaught exception; the commit, its neighbours and later ones are unharmed', async () => {
    const database = await open(`${directory}/on-commit`, { workers: 2, durability: 'none' })
    const seen: number[] = []
    const onCommit = (version: number): void => void seen.push(version)
    await Promise.all([
      database.put('a', '1', { onCommit }),
      database.put('b', '2', { onCommit: boom }),
      database.batch([{ type: 'put', key: 'c', value: '3' }], { onCommit: boom }),
      database.put('d', '4', { onCommit }),
    ])
    await turns()
    expect(uncaught.map(String)).toEqual(Array(2).fill('RangeError: thrown by the caller'))
    expect(seen).toHaveLength(2)
    await database.put('e', '5', { onCommit })
    expect(await database.values().all()).toEqual(['1', '2', '3', '4', '5'])
    await database.flush()
    await database.close()
  })
})

describe('a logger', () => {
  const logger = { debug: boom, info: boom, warn: boom, error: boom }

  it('that throws does not keep a failed flush from being tried again', async () => {
    const fs = new FaultFileSystem()
    const engine = await openEngine('/db', resolveOptions({ ...small, logger }), { fs })
    await engine.put('a', '1', {})
    fs.inject({ on: 'write', path: /\.sst$/, errno: 'EIO' })
    expect(codeOf(await failure(engine.flush()))).toBe('LEVEL_IO_ERROR')
    await inTime(engine.flush())
    expect(engine.stats().flushes).toBe(1)
    expect(uncaught.map(String)).toEqual(['RangeError: thrown by the caller'])
    await inTime(engine.close())
  })

  it('that throws does not keep a failed sync from being told to those who wait', async () => {
    const fs = new FaultFileSystem()
    const engine = await openEngine('/db', resolveOptions({ ...small, logger }), { fs })
    await engine.put('a', '1', {})
    fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO', forever: true })
    const both = Promise.all([failure(engine.put('b', '2', {})), failure(engine.flush())])
    expect((await inTime(both)).map(codeOf)).toEqual(['SETT_POISONED', 'SETT_POISONED'])
    expect(engine.getSync('a', undefined, 'utf8')).toBe('1')
    await inTime(engine.close())
  })
})

describe('randomness', () => {
  /** Throws at its nth call from now on, once. */
  class Faulty {
    left = 0
    fill(target: Uint8Array): void {
      if (--this.left === 0) boom()
      systemRandom.fill(target)
    }
  }

  it('that throws fails the open or the job that needed it, and nothing else', async () => {
    const random = new Faulty()
    let failed = 0
    for (let nth = 1; nth <= 3; nth++) {
      const fs = new FaultFileSystem()
      random.left = nth
      const opened = openEngine('/db', resolveOptions(small), { fs, random })
      const told = await failure(opened)
      if (told !== undefined) failed++
      else await (await opened).close()
      random.left = 0
      const engine = await openEngine('/db', resolveOptions(small), { fs, random })
      await exercise(engine, random)
      await engine.close()
    }
    expect(failed).toBe(2)
  })

  async function exercise(engine: StorageEngine, random: Faulty): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await engine.put(`k${i}`, 'v'.repeat(1000), {})
      random.left = 1
      const told = await failure(engine.flush())
      expect(String(told)).toContain('thrown by the caller')
      await inTime(flushed(engine))
    }
    for (let i = 0; i < 4; i++)
      expect(engine.getSync(`k${i}`, undefined, 'utf8')).toHaveLength(1000)
  }

  /** What failed is tried again half a second later. */
  async function flushed(engine: StorageEngine): Promise<void> {
    while ((await failure(engine.flush())) !== undefined) await turns()
  }
})

describe('listeners of events', () => {
  it.each(['opening', 'open'] as const)(
    '(%s) that throw fail open(), which leaves no lock behind',
    async (event) => {
      const location = `${directory}/listener-${event}`
      const database = new Database(location, { workers: 2 })
      database.once(event, boom)
      expect(await failure(database.open())).toBeInstanceOf(Error)
      await inTime(database.close())
      const again = await open(location, { workers: 2 })
      await again.put('a', '1')
      await again.close()
    },
  )

  it.each(['closing', 'closed'] as const)(
    '(%s) that throw fail close(), which can be called again',
    async (event) => {
      const location = `${directory}/listener-${event}`
      const database = await open(location, { workers: 2 })
      await database.put('a', '1')
      database.once(event, boom)
      expect(await failure(database.close())).toBeInstanceOf(Error)
      await inTime(database.close())
      const again = await open(location, { workers: 2 })
      expect(await again.get('a')).toBe('1')
      await again.close()
    },
  )

  it('of writes that throw reject a call whose commit is there all the same', async () => {
    const database = await open(`${directory}/listener-write`, { workers: 2 })
    database.on('write', boom)
    for (const write of [
      () => database.put('a', '1'),
      () => database.batch([{ type: 'put', key: 'b', value: '2' }]),
      () => database.batch().put('c', '3').write(),
    ]) {
      expect(String(await failure(write()))).toContain('thrown by the caller')
    }
    database.off('write', boom)
    expect(await database.values().all()).toEqual(['1', '2', '3'])
    await database.del('a')
    await database.close()
  })
})

describe('encodings, hooks, progress', () => {
  it('that throw fail their call, and leave nothing of it', async () => {
    const database = await open(`${directory}/encodings`, { workers: 2 })
    await database.put('a', '1')
    const bad = { name: 'bad', format: 'utf8', encode: boom, decode: boom } as const
    const calls: (() => Promise<unknown>)[] = [
      () => database.put('b', '2', { keyEncoding: bad }),
      () => database.put('b', '2', { valueEncoding: bad }),
      () => database.get('a', { valueEncoding: bad }),
      () => database.iterator({ valueEncoding: bad }).all(),
      () => database.batch([{ type: 'put', key: 'b', value: '2', valueEncoding: bad }]),
    ]
    for (const call of calls) expect(await failure(call())).toBeInstanceOf(Error)
    database.hooks.prewrite.add(boom)
    expect(await failure(database.put('b', '2'))).toBeInstanceOf(Error)
    database.hooks.prewrite.delete(boom)
    expect(await database.iterator().all()).toEqual([['a', '1']])
    await database.put('b', '2')
    await database.close()
  })

  it.each([0, 2])(
    '(workers %i) verify() fails with what onProgress threw, and can be repeated',
    async (workers) => {
      const location = `${directory}/progress-${workers}`
      const database = await open(location, { workers, durability: 'none' })
      for (let i = 0; i < 300; i++) await database.put(`k${i}`, 'v'.repeat(500))
      await database.flush()
      expect(String(await failure(database.verify({ onProgress: boom })))).toContain(
        'thrown by the caller',
      )
      expect((await database.verify()).ok).toBe(true)
      await database.close()
    },
  )
})
