// The option `compression`, as a user sees it: smaller files, the same entries, whatever the next opener has.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { open } from '../../src/api/open.ts'
import { zstd } from '../../src/base/zstd.ts'
import { halfNoise } from '../support/half-noise.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const SMALL = {
  workers: 0,
  memtableSize: 256 * 1024,
  memoryBudget: 16 * 1024 * 1024,
  durability: 'none',
} as const
const COUNT = 4000
const keyOf = (i: number): string => `user ${String(i).padStart(8, '0')}`
const textOf = (i: number): string => halfNoise(100, i)

type Compression = 'none' | 'lz4' | 'zstd'

async function filled(compression: Compression, directory = temporaryDirectory()): Promise<string> {
  const db = await open(directory, { ...SMALL, compression })
  for (let from = 0; from < COUNT; from += 500) {
    const part = Array.from({ length: 500 }, (_, i) => from + i)
    await db.batch(part.map((i) => ({ type: 'put', key: keyOf(i), value: textOf(i) })))
  }
  await db.flush()
  await db.compactRange()
  await db.close()
  return directory
}

function tableBytes(directory: string): number {
  const tables = readdirSync(directory).filter((name) => name.endsWith('.sst'))
  return tables.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
}

describe('compression', () => {
  it('is lz4 by default, and makes files smaller', async () => {
    const [none, lz4] = [await filled('none'), await filled('lz4')].map(tableBytes)
    const data = COUNT * (keyOf(0).length + 100)
    expect(none).toBeGreaterThan(0.9 * data)
    expect(lz4).toBeLessThan(0.85 * data)
    const db = await open(temporaryDirectory(), { workers: 0 })
    expect(db.explain()).toMatch(/compression +lz4 +preset balanced/)
    await db.close()
  })

  it('may change from open to open: old tables are read, new ones written as asked', async () => {
    const directory = await filled('lz4')
    const before = tableBytes(directory)
    const db = await open(directory, { ...SMALL, compression: 'none' })
    for (let i = 0; i < COUNT; i += 7) expect(db.getSync(keyOf(i))).toBe(textOf(i))
    expect(await db.get(keyOf(COUNT - 1))).toBe(textOf(COUNT - 1))
    await db.put(keyOf(1), 'new')
    await db.flush()
    await db.compactRange()
    expect((await db.verify()).problems).toEqual([])
    const found = await db.values().all()
    expect(found).toHaveLength(COUNT)
    expect(found.slice(0, 3)).toEqual([textOf(0), 'new', textOf(2)])
    await db.close()
    expect(tableBytes(directory)).toBeGreaterThan(1.2 * before)
  })

  it('refuses other names', async () => {
    const options = { ...SMALL, compression: 'snappy' as 'lz4' }
    await expect(open(temporaryDirectory(), options)).rejects.toMatchObject({
      code: 'SETT_INVALID_OPTION',
      message: expect.stringContaining("'none', 'lz4', 'zstd'"),
    })
  })

  it.runIf(zstd === undefined)('refuses zstd where Node has none, and says which has', async () => {
    await expect(open(temporaryDirectory(), { compression: 'zstd' })).rejects.toMatchObject({
      code: 'SETT_INVALID_OPTION',
      message: expect.stringContaining('Node 22.15'),
    })
  })

  it.runIf(zstd !== undefined)('takes zstd where Node has it, and leaves it again', async () => {
    const directory = await filled('zstd')
    expect(tableBytes(directory)).toBeLessThan(tableBytes(await filled('lz4')))
    const db = await open(directory, { ...SMALL, compression: 'lz4' })
    expect(await db.values().all()).toEqual(Array.from({ length: COUNT }, (_, i) => textOf(i)))
    expect((await db.verify()).problems).toEqual([])
    await db.close()
    await filled('lz4', directory)
  })
})
