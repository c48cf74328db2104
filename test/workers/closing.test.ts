// close() with real threads at work, in whatever state: it ends, everything asked for is settled, what was accepted is
// there afterwards, and the closed database says so.
import { afterAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/index.ts'
import { processHeaps } from '../../src/pool/process-heaps.ts'
import type { Prng } from '../model/prng.ts'
import { Faults } from './faults.ts'
import { codeOf, Field, inTime } from './field.ts'

const SEED = Number(process.env['SETT_WORKERS_SEED'] ?? 1)
const ROUNDS = 20
const LATE_PUTS = 60

const faults = new Faults()

afterAll(async () => {
  await Field.endThreads()
  expect(processHeaps.counts().taken).toBe(0)
})

/** Codes a call may end with once close() was called. */
const CLOSING_CODES = ['LEVEL_DATABASE_NOT_OPEN', 'LEVEL_ITERATOR_NOT_OPEN', 'LEVEL_ABORTED']

interface Asked {
  /** Values that were accepted. */
  readonly accepted: Map<string, string>
  readonly pending: Promise<unknown>[]
  readonly codes: string[]
}

/** Starts many things at once, and waits for none. */
function askForEverything(database: Database<string, string>, random: Prng): Asked {
  const asked: Asked = { accepted: new Map(), pending: [], codes: [] }
  const note = (work: Promise<unknown>, done: () => void = () => undefined): void => {
    const settled = work.then(done, (error: unknown) => void asked.codes.push(codeOf(error)))
    asked.pending.push(settled)
  }
  for (let i = 0; i < LATE_PUTS; i++) {
    const [key, value] = [`late ${i}`, `${i} `.repeat(1 + random.below(200))]
    const put = (): void => void asked.accepted.set(key, value)
    if (random.chance(0.5)) note(database.put(key, value), put)
    else note(database.batch([{ type: 'put', key, value }]), put)
  }
  note(database.iterator().next())
  note(database.iterator().all())
  note(database.keys({ reverse: true }).all())
  note(database.get('key 0001'))
  note(database.getMany(['key 0001', 'key 0002']))
  if (random.chance(0.5)) note(database.flush())
  if (random.chance(0.3)) note(database.compactRange())
  if (random.chance(0.3)) note(database.verify())
  if (random.chance(0.3)) note(database.settle())
  if (random.chance(0.2)) note(database.clear({ gt: 'nothing', lt: 'nothing else' }))
  return asked
}

describe(`close() with everything under way (seed ${SEED})`, () => {
  it(`ends, and keeps what it accepted, ${ROUNDS} times`, async () => {
    const field = await Field.open(SEED, { durability: { interval: 20 } })
    for (let round = 0; round < ROUNDS; round++) {
      const { database, random, model } = field
      await field.fill(random.below(40))
      const asked = askForEverything(database, random)
      const snapshot = database.snapshot()
      for (let turns = random.below(4); turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      const closings = [database.close(), database.close()]
      expect(codeOf(await database.put('too late', 'x').catch((error: unknown) => error))).toBe(
        'LEVEL_DATABASE_NOT_OPEN',
      )
      await inTime(Promise.all([...closings, ...asked.pending]))
      await database.close()
      await snapshot.close()
      expect(asked.codes.filter((code) => !CLOSING_CODES.includes(code))).toEqual([])
      // They were asked for before close() was.
      expect(asked.accepted.size).toBe(LATE_PUTS)
      for (const [key, value] of asked.accepted) model.set(key, value)
      await field.reopen()
      await field.check()
    }
    await field.finish()
  })

  it('waits for a job whose worker thread stands still, and ends when the thread does', async () => {
    for (const job of ['flush', 'compact'] as const) {
      const field = await Field.open(SEED)
      await field.fill(30)
      if (job === 'compact') await field.database.flush()
      await field.fill(10)
      faults.arm({ order: 'park', job, nth: 3 })
      const work = job === 'flush' ? field.database.flush() : field.database.compactRange()
      const outcome = work.then(() => 'done', codeOf)
      const thread = await inTime(faults.parked(outcome))
      let closed = false
      const closing = field.database.close().then(() => {
        closed = true
      })
      await new Promise((resolve) => setTimeout(resolve, 30))
      expect(closed).toBe(false)
      await faults.terminate(thread!)
      await inTime(closing)
      expect(['done', 'LEVEL_DATABASE_NOT_OPEN', 'SETT_WORKER_FAILED']).toContain(
        await inTime(outcome),
      )
      await field.reopen()
      await field.check()
      await field.finish()
    }
  })
})

describe('a closed database', () => {
  it('refuses every call, by promise or by throwing, and opens again', async () => {
    const field = await Field.open(SEED)
    await field.fill(20)
    const { database } = field
    const iterator = database.iterator()
    await database.close()
    await database.close()
    const calls: (() => unknown)[] = [
      () => database.get('a'),
      () => database.getSync('a'),
      () => database.getMany(['a']),
      () => database.has('a'),
      () => database.getEntry('a'),
      () => database.put('a', 'b'),
      () => database.del('a'),
      () => database.batch([{ type: 'del', key: 'a' }]),
      () => database.batch().put('a', 'b'),
      () => database.clear(),
      () => database.flush(),
      () => database.compactRange(),
      () => database.settle(),
      () => database.verify(),
      () => database.stats(),
      () => database.version,
      () => database.snapshot(),
      () => database.iterator().next(),
      () => database.iterator().all(),
    ]
    for (const call of calls) {
      const told = await (async () => call())().catch((error: unknown) => error)
      expect(CLOSING_CODES, String(call)).toContain(codeOf(told))
    }
    expect(codeOf(await iterator.next().catch((error: unknown) => error))).toBe(
      'LEVEL_ITERATOR_NOT_OPEN',
    )
    await database.open()
    await field.check()
    await field.finish()
  })

  it('may be closed while it opens, and opened while it closes', async () => {
    const field = await Field.open(SEED)
    await field.fill(20)
    await field.database.close()
    const database = new Database(field.directory, { workers: 2 })
    const opening = database.open()
    const closing = database.close()
    const reopening = database.open()
    await inTime(Promise.all([opening, closing, reopening]))
    expect(database.status).toBe('open')
    for (const [key, value] of field.model) expect(database.getSync(key)).toBe(value)
    await inTime(database.close())
    await field.reopen()
    await field.finish()
  })
})
