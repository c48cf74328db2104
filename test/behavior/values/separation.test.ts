// A database whose long values lie in segments, against a Map: random writes, deletes, flushes, compactions and changes
// of the threshold, then reads of every kind, before and after it is opened again; inline and in a worker.
import { readdirSync } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import { type Database, open } from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'
import { seeded } from '../../unit/sstable/support.ts'

const OPTIONS = { memtableSize: 65_536, memoryBudget: 8 << 20, durability: 'none' } as const
const OPERATIONS = 1200

let opened: Database | undefined
afterEach(() => opened?.close())

async function start(location: string, workers: number): Promise<Database> {
  const db = await open(location, {
    ...OPTIONS,
    workers,
    valueThreshold: 300,
    segmentSize: 65_536,
    segmentMaxEntries: 1000,
    tableSize: 65_536,
  })
  opened = db
  return db
}

async function expectAll(db: Database, model: ReadonlyMap<string, string>): Promise<void> {
  const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
  expect(await db.iterator().all()).toEqual(sorted)
  expect(await db.iterator({ reverse: true }).all()).toEqual(sorted.reverse())
  const keys = [...Array.from({ length: 60 }, (_, i) => `key ${i}`)]
  const wanted = keys.map((key) => model.get(key))
  expect(await db.getMany(keys)).toEqual(wanted)
  expect(keys.map((key) => db.getSync(key))).toEqual(wanted)
}

it.each([
  [0, 1],
  [0, 2],
  [1, 3],
])('is like a Map, with %i workers (seed %i)', async (workers, seed) => {
  const random = seeded(seed)
  const below = (end: number): number => Math.floor(random() * end)
  const location = temporaryDirectory()
  const model = new Map<string, string>()
  let db = await start(location, workers)
  for (let i = 0; i < OPERATIONS; i++) {
    const key = `key ${below(80)}`
    const step = below(200)
    if (step < 30) {
      model.delete(key)
      await db.del(key)
    } else if (step < 194) {
      const value = `${i}`.padEnd(random() < 0.5 ? below(300) : below(6000), `${key}.`)
      model.set(key, value)
      await db.put(key, value)
    } else if (step < 196) await db.flush()
    else if (step < 197) await db.compactRange()
    else if (step < 198) await expectAll(db, model)
    else db.tune({ valueThreshold: ['off', 'auto', 64, 2000][below(4)] as 'auto' })
  }
  await db.flush()
  await db.settle()
  await expectAll(db, model)
  expect(readdirSync(location).filter((name) => name.endsWith('.vlog'))).not.toEqual([])
  await db.close()
  db = await start(location, workers)
  await expectAll(db, model)
  await db.compactRange()
  await expectAll(db, model)
  expect(await db.verify()).toMatchObject({ problems: [] })
})
