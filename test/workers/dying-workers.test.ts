// Worker threads that are ended, at each step of a job and at any moment: the job is done by another one, reads and
// writes never notice, nothing is left behind.
import { afterEach, describe, expect, it } from 'vitest'
import { processHeaps } from '../../src/pool/process-heaps.ts'
import { Faults } from './faults.ts'
import { descriptors, Field, inTime } from './field.ts'

const SEED = Number(process.env['SETT_WORKERS_SEED'] ?? 1)

const faults = new Faults()

afterEach(async () => {
  faults.disarm()
  await Field.endThreads()
  expect(processHeaps.counts().taken).toBe(0)
})

/** Begins `work`, ends the thread that comes to the nth step of such a job, and waits for the work all the same.
 * False: no job had so many steps. */
async function endAtStep(
  field: Field,
  fault: { readonly job: 'flush' | 'compact' | 'verify'; readonly nth: number },
  work: () => Promise<unknown>,
): Promise<boolean> {
  faults.arm({ order: 'park', ...fault })
  const done = work()
  const thread = await inTime(faults.parked(done))
  if (thread === undefined) {
    await done
    return false
  }
  field.checkOne()
  expect(await field.commit()).toBe(undefined)
  await inTime(faults.terminate(thread))
  await inTime(done)
  expect(faults.struck).toBe(1)
  return true
}

describe(`a worker thread that is ended (seed ${SEED})`, () => {
  it('at any step of a flush', async () => {
    const field = await Field.open(SEED)
    let steps = 0
    for (;;) {
      await field.fill(12)
      const flush = (): Promise<void> => field.database.flush()
      if (!(await endAtStep(field, { job: 'flush', nth: steps + 1 }, flush))) break
      steps++
      await field.check()
    }
    // Created, written, synced, read back, closed, its name synced: each is a step.
    expect(steps).toBeGreaterThan(8)
    await field.finish()
  })

  it('at any step of a compaction', async () => {
    const field = await Field.open(SEED + 1)
    let steps = 0
    for (let nth = 1; ; nth += 1 + Math.floor(nth / 4)) {
      await field.fill(12)
      await field.database.flush()
      const compact = (): Promise<void> => field.database.compactRange()
      if (!(await endAtStep(field, { job: 'compact', nth }, compact))) break
      steps++
      if (steps % 4 === 0) await field.check()
    }
    expect(steps).toBeGreaterThan(12)
    await field.finish()
  })

  it('while it verifies', async () => {
    const field = await Field.open(SEED + 2)
    await field.fill(60)
    await field.database.flush()
    for (const nth of [1, 3, 6]) {
      let problems: unknown
      const verify = async (): Promise<void> => {
        problems = (await field.database.verify()).problems
      }
      expect(await endAtStep(field, { job: 'verify', nth }, verify)).toBe(true)
      expect(problems).toEqual([])
    }
    await field.finish()
  })

  it('at random moments, whichever it is, under writes', async () => {
    const field = await Field.open(SEED + 3)
    const refused: string[] = []
    let ended = 0
    let writing = true
    const ending = (async () => {
      while (writing) {
        await new Promise((resolve) => setTimeout(resolve, 20 + field.random.below(60)))
        const { background } = faults
        const thread = background[field.random.below(Math.max(1, background.length))]
        if (thread === undefined) continue
        await faults.terminate(thread)
        ended++
      }
    })()
    while (ended < 15) {
      const code = await inTime(field.commit())
      if (code !== undefined) refused.push(code)
      if (field.random.chance(0.02)) await field.check()
    }
    writing = false
    await ending
    // Three in a row may hit one job; who waits for it is told, and it is tried again.
    expect(new Set(refused)).toEqual(new Set(refused.length > 0 ? ['SETT_WORKER_FAILED'] : []))
    await inTime(settled(field))
    await field.check()
    await field.finish()
  })

  it('leaves no descriptor, no thread and no memory of the heap behind, however often', async () => {
    const field = await Field.open(SEED + 4)
    await field.fill(20)
    await field.database.flush()
    const before = descriptors()
    const threads = faults.background.length
    for (let i = 0; i < 25; i++) {
      await field.fill(3)
      faults.arm({ order: 'exit', job: 'flush', nth: 1 + (i % 9) })
      await inTime(field.database.flush())
      expect(faults.struck).toBe(1)
    }
    await field.check()
    await field.database.settle()
    expect(faults.background.length).toBeLessThanOrEqual(Math.max(threads, 2))
    // A thread owns descriptors of its own: no more threads, so no more of them.
    expect(descriptors()).toBeLessThanOrEqual(before + 12)
    await field.finish()
  })
})

describe('a replay whose worker thread ends', () => {
  /** So that a log needs a worker: what is shorter is replayed on the calling thread. */
  const ROOMY = { memtableSize: 16 << 20, memoryBudget: 64 << 20 } as const

  async function fillLog(field: Field): Promise<void> {
    for (let i = 0; i < 9; i++) {
      const value = `${i} ${'x'.repeat(1 << 20)}`
      await field.database.put(`large ${i}`, value)
      field.model.set(`large ${i}`, value)
    }
  }

  it('is done by another one', async () => {
    const field = await Field.open(SEED + 5, ROOMY)
    await field.fill(40)
    for (const nth of [1, 2, 3, 4]) {
      await fillLog(field)
      await field.database.close()
      faults.arm({ order: 'exit', job: 'replay', nth })
      await inTime(field.reopen())
      expect(faults.struck).toBe(1)
      await field.check()
      await field.fill(5)
    }
    await field.finish()
  })

  it('three times fails the open, which can be tried again', async () => {
    const field = await Field.open(SEED + 6, ROOMY)
    await field.fill(20)
    await fillLog(field)
    await field.database.close()
    faults.arm({ order: 'exit', job: 'replay', nth: 2, times: 3 })
    const failure = await inTime(
      field.reopen().then(
        () => undefined,
        (error: unknown) => error,
      ),
    )
    expect(failure).toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'SETT_WORKER_FAILED' },
    })
    expect(faults.struck).toBe(3)
    await field.reopen()
    await field.check()
    await field.finish()
  })
})

describe('a short log', () => {
  it('is replayed, and stays over short lives, without any worker', async () => {
    const field = await Field.open(SEED + 7)
    for (let life = 0; life < 3; life++) {
      await field.database.put('short', `life ${life}`)
      field.model.set('short', `life ${life}`)
      await field.database.close()
      await Field.endWorkers()
      await field.reopen()
      await field.check()
      expect(faults.background).toEqual([])
    }
    expect(field.database.stats().wals).toBe(4)
    await field.finish()
  })

  it('is flushed before long, and at once when somebody asks, or when there are several', async () => {
    const field = await Field.open(SEED + 8)
    await field.fill(3)
    await field.database.close()
    await field.reopen()
    expect(field.database.stats().wals).toBe(2)
    await inTime(walsAre(field, 1))
    for (let life = 0; life < 4; life++) {
      await field.fill(1)
      await field.database.close()
      await field.reopen()
    }
    await inTime(field.database.settle())
    expect(field.database.stats().wals).toBe(1)
    await field.fill(1)
    await field.database.close()
    await field.reopen()
    await inTime(field.database.flush())
    await field.finish()
  })

  it('makes room for writers', async () => {
    const field = await Field.open(SEED + 9, { memtableCount: 2 })
    await field.fill(3)
    await field.database.close()
    await field.reopen()
    await inTime(field.fill(200))
    await field.check()
    await field.finish()
  })
})

async function walsAre(field: Field, count: number): Promise<void> {
  while (field.database.stats().wals !== count) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A failed job is tried again half a second later; until then settle() reports it. */
async function settled(field: Field): Promise<void> {
  for (;;) {
    const failed = await field.database.settle().then(
      () => false,
      () => true,
    )
    if (!failed) return
  }
}
