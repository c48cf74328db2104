import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type Database, open } from '../../../src/index.ts'
import { prng, seededBytes } from '../../model/prng.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const SMALL = {
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  tableSize: 65_536,
  segmentSize: 65_536,
  valueThreshold: 256,
}

async function code(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
    return 'no error'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'no code'
  }
}

/** Writes every key once, then any of them; returns what is there in the end. */
async function overwrite(db: Database, keys: number, writes: number): Promise<Map<string, string>> {
  const random = prng(4)
  const there = new Map<string, string>()
  for (let i = 0; i < writes; i += 1) {
    const key = `key ${i < keys ? i : random.below(keys)}`
    const value = seededBytes(i, 500 + random.below(300)).toString('latin1')
    there.set(key, value)
    await db.put(key, value)
  }
  return there
}

it.each([0, 2])('values in segments outlive collections, workers: %i', async (workers) => {
  const location = join(temporaryDirectory(), 'db')
  const db = await open(location, { ...SMALL, workers, durability: 'none' })
  const keys = 300
  const there = await overwrite(db, keys, 6 * keys)
  await db.settle()
  const { segments, collections, bytesCollected } = db.stats()
  expect(collections).toBeGreaterThan(0)
  expect(bytesCollected).toBeGreaterThan(segments.bytes)
  expect(segments.bytes).toBeLessThan(1.5 * segments.liveBytes)
  await db.compactRange()
  const { bytesFreed, segments: told } = await db.collectGarbage({ ratio: 0 })
  expect(bytesFreed).toBe(told.reduce((sum, { freed }) => sum + freed, 0))
  for (const [key, value] of there) expect(await db.get(key)).toBe(value)
  expect((await db.verify()).ok).toBe(true)
  await db.close()
  const again = await open(location, { ...SMALL, workers })
  for (const [key, value] of there) expect(await again.get(key)).toBe(value)
  await again.close()
})

it('refuses what is no ratio, and a database that is not there to be written', async () => {
  const location = join(temporaryDirectory(), 'db')
  const db = await open(location, { ...SMALL, workers: 0 })
  for (const ratio of [1, -0.1, Number.NaN, '0.5' as unknown as number, 2]) {
    expect(await code(() => db.collectGarbage({ ratio }))).toBe('SETT_INVALID_OPTION')
  }
  for (const options of [0.5, '0.5', [0.5]]) {
    expect(await code(() => db.collectGarbage(options as object))).toBe('SETT_INVALID_OPTION')
  }
  expect(await db.collectGarbage()).toEqual({ bytesFreed: 0, segments: [] })
  const two = await Promise.all([
    code(() => db.collectGarbage()),
    code(() => db.collectGarbage({ ratio: 0.5 })),
  ])
  expect(two).toEqual(['no error', 'SETT_BUSY'])
  await db.close()
  expect(await code(() => db.collectGarbage())).toBe('LEVEL_DATABASE_NOT_OPEN')
  const reader = await open(location, { ...SMALL, workers: 0, readOnly: true })
  expect(await code(() => reader.collectGarbage())).toBe('LEVEL_READONLY')
  await reader.close()
})
