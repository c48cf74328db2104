// Worker threads that fail in every other way: the job is tried three times, then whoever waits for it is told by a
// typed error, reads go on, and it is tried again later. A wrong answer is never believed.
import { createRequire } from 'node:module'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { supportUrl } from '../support/built.ts'
import { sharedTemporaryDirectory } from '../support/temp-directory.ts'
import { Faults, MALFORMED_COUNT } from './faults.ts'
import { codeOf, Field, faultyWorkerUrl, inTime } from './field.ts'

const SEED = Number(process.env['SETT_WORKERS_SEED'] ?? 1)

const faults = new Faults()
const directory = sharedTemporaryDirectory()

afterEach(async () => {
  faults.disarm()
  await Field.endThreads()
})

function failure(work: Promise<unknown>): Promise<unknown> {
  return inTime(
    work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
}

describe('a worker thread that throws', () => {
  it('fails its job, which is done later', async () => {
    const field = await Field.open(SEED)
    for (const job of ['flush', 'compact'] as const) {
      await field.fill(20)
      faults.arm({ order: 'fail', job, nth: 4 })
      const work = job === 'flush' ? field.database.flush() : field.database.compactRange()
      expect(String(await failure(work))).toContain('thrown on purpose')
      await field.check()
      await inTime(field.database.compactRange())
    }
    await field.finish()
  })

  it('where nobody catches it ends, and its job is done by another one', async () => {
    const field = await Field.open(SEED)
    await field.fill(20)
    faults.arm({ order: 'uncaught', job: 'flush', nth: 3 })
    await inTime(field.database.flush())
    expect(faults.struck).toBe(1)
    await field.finish()
  })
})

describe('a worker thread that runs out of memory', () => {
  // Piscina looks the class up for each thread; it is the only one that uses this object.
  const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof Worker }
  const { Worker: Unlimited } = threads

  beforeEach(() => {
    threads.Worker = class extends Unlimited {
      constructor(...[file, options]: ConstructorParameters<typeof Worker>) {
        super(file, { ...options, resourceLimits: { maxOldGenerationSizeMb: 32 } })
      }
    }
    return () => {
      threads.Worker = Unlimited
    }
  })

  it('is replaced', async () => {
    const field = await Field.open(SEED)
    for (const job of ['flush', 'compact'] as const) {
      await field.fill(20)
      await field.database.flush()
      await field.fill(10)
      faults.arm({ order: 'memory', job, nth: 5 })
      await inTime(field.database.compactRange())
      expect(faults.struck).toBe(1)
      await field.check()
    }
    await field.finish()
  })

  it('three times in a row fails the job; reads and writes go on, and later it succeeds', async () => {
    const field = await Field.open(SEED)
    await field.fill(20)
    faults.arm({ order: 'memory', job: 'flush', nth: 2, times: 3 })
    expect(await failure(field.database.flush())).toMatchObject({
      code: 'SETT_WORKER_FAILED',
      cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' },
    })
    await field.check()
    await field.fill(3)
    await inTime(field.database.flush())
    expect(faults.struck).toBe(3)
    await field.finish()
  })
})

describe('a worker file that does not load', () => {
  it.each(['broken-worker.mjs', 'exiting-worker.mjs', 'missing-worker.mjs'])(
    '%s: writers are refused once memory is full, and lose nothing',
    async (name) => {
      const field = await Field.open(SEED, { workerUrl: supportUrl(name) })
      const told = await failure(field.fill(10).then(() => field.database.flush()))
      expect(codeOf(told)).toBe('SETT_WORKER_FAILED')
      expect(String(told)).toContain(name)
      const codes = new Set<string>()
      for (let i = 0; i < 2000 && codes.size === 0; i++) {
        const code = await inTime(field.commit())
        if (code !== undefined) codes.add(code)
      }
      expect([...codes]).toEqual(['SETT_WORKER_FAILED'])
      await field.check()
      await inTime(field.database.close())
      await field.reopen({ workerUrl: faultyWorkerUrl })
      await field.check()
      await field.finish()
    },
  )
})

describe('a worker thread that never answers', () => {
  /** Minutes pass in a fraction of a second. */
  const hasty: Clock = {
    ...systemClock,
    after: (delayMs, run) => systemClock.after(delayMs >= 60_000 ? delayMs / 200 : delayMs, run),
  }

  it.each(['hang', 'park'] as const)(
    '(%s) is ended, and its job is done by another one',
    async (order) => {
      const options = {
        workers: 2,
        workerUrl: faultyWorkerUrl,
        memtableSize: 65_536,
        memoryBudget: 8 << 20,
      }
      const location = `${directory}/${order}`
      const engine = await openEngine(location, resolveOptions(options), { clock: hasty })
      for (let i = 0; i < 50; i++) await engine.put(`k${i}`, `v${i}`, {})
      faults.arm({ order, job: 'flush', nth: 4 })
      const flush = engine.flush()
      const thread = await inTime(faults.parked(flush))
      expect(faults.background).toContain(thread)
      await engine.put('meanwhile', 'yes', {})
      expect(engine.getSync('k7', undefined, 'utf8')).toBe('v7')
      await inTime(flush)
      expect(faults.background).not.toContain(thread)
      expect(engine.stats().flushes).toBe(1)
      expect(engine.getSync('k49', undefined, 'utf8')).toBe('v49')
      await inTime(engine.close())
    },
  )
})

describe('a malformed answer', () => {
  it(`of any of ${MALFORMED_COUNT} kinds is not believed: another thread does the job`, async () => {
    const field = await Field.open(SEED)
    for (let variant = 0; variant < MALFORMED_COUNT; variant++) {
      await field.fill(12)
      faults.arm({ order: 'malform', job: 'flush', nth: 2, variant })
      await inTime(field.database.flush())
      expect([variant, faults.struck]).toEqual([variant, 1])
      await field.check()
      // Each answer ends all threads: a compaction that met three of them would fail.
      await inTime(field.database.settle())
    }
    await field.finish()
  })

  it('again and again fails the job by a typed error', async () => {
    const field = await Field.open(SEED)
    await field.fill(20)
    faults.arm({ order: 'malform', job: 'flush', nth: 1, times: 3, variant: 4 })
    const told = await failure(field.database.flush())
    expect(codeOf(told)).toBe('SETT_WORKER_FAILED')
    expect(String(told)).toContain('faulty-worker.mjs')
    await field.check()
    await field.finish()
  })
})

describe('what a dead worker thread still writes', () => {
  it('lands in files that nobody names', async () => {
    const field = await Field.open(SEED)
    for (const nth of [4, 5, 6]) {
      await field.fill(20)
      faults.arm({ order: 'late', job: 'flush', nth })
      await inTime(field.database.flush())
      expect(faults.struck).toBe(1)
      await field.check()
    }
    await field.finish()
  })
})
