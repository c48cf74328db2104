// db.verify(): finds what is damaged in every kind of file, while the database is in use.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Database, open, type VerifyProgress } from '../../src/index.ts'
import { halfNoise } from '../support/half-noise.ts'
import { codeOf } from '../support/small-engine.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const SMALL = {
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  blockSize: 512,
  tableSize: 16_384,
}

async function filled(options: object = {}): Promise<{ db: Database; directory: string }> {
  const directory = temporaryDirectory()
  const db = await open(directory, { ...SMALL, ...options })
  const batch = Array.from({ length: 300 }, (_, i) => ({
    type: 'put' as const,
    key: `key ${i}`,
    value: halfNoise(80, i),
  }))
  await db.batch(batch)
  await db.flush()
  await db.put('in the log', 'only')
  return { db, directory }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  const offset = at < 0 ? bytes.length + at : at
  bytes[offset] = (bytes[offset] as number) ^ 0x10
  writeFileSync(path, bytes)
}

describe('verify', () => {
  it('counts what it read, with progress to the last byte', async () => {
    const { db, directory } = await filled()
    const seen: VerifyProgress[] = []
    const report = await db.verify({ onProgress: (progress) => void seen.push(progress) })
    expect(report).toMatchObject({ ok: true, problems: [], stray: [] })
    expect(report.tables.entries).toBe(300)
    expect(report.wals).toMatchObject({ files: 1, entries: 1 })
    expect(report.manifest.files).toBe(1)
    const last = seen.at(-1)
    expect(last?.bytes).toBe(last?.totalBytes)
    const tables = readdirSync(directory).filter((name) => name.endsWith('.sst'))
    expect(report.tables.files).toBe(tables.length)
    await db.close()
  })

  it.each([
    ['.sst', 200, 'table'],
    ['.sst', 20, 'table'],
    ['.sst', -20, 'table'],
    ['.sst', -300, 'table'],
    ['.wal', 100, 'wal'],
    ['.wal', 30, 'wal'],
    ['MANIFEST', 100, 'manifest'],
    ['CURRENT', 20, 'manifest'],
  ])('finds a flipped bit in %s at %i', async (part, at, kind) => {
    const { db, directory } = await filled()
    const name = readdirSync(directory).find((each) => each.includes(part)) as string
    flip(join(directory, name), at)
    const report = await db.verify()
    expect(report.ok).toBe(false)
    expect(report.problems.length).toBeGreaterThan(0)
    for (const problem of report.problems) {
      expect(problem.kind).toBe(kind)
      expect(problem.file).toBe(join(directory, name))
      expect(problem.offset).toBeLessThanOrEqual(statSync(problem.file).size)
    }
    await db.close()
  })

  it('lists every damaged block, not the first only', async () => {
    const { db, directory } = await filled()
    const name = readdirSync(directory).find((each) => each.endsWith('.sst')) as string
    for (const at of [200, 2000, 5000]) flip(join(directory, name), at)
    const report = await db.verify()
    expect(report.problems.map(({ file }) => file)).toEqual(Array(3).fill(join(directory, name)))
    await db.close()
  })

  it('names leftovers, which are no damage', async () => {
    const { db, directory } = await filled()
    await db.close()
    const again = await open(directory, SMALL)
    writeFileSync(join(directory, '000001.sst'), 'left')
    expect(await again.verify()).toMatchObject({ ok: true, stray: ['000001.sst'] })
    await again.close()
  })

  it('runs beside writes, flushes and compactions', async () => {
    const { db } = await filled({ workers: 1 })
    let writing = true
    const writes = (async () => {
      for (let i = 0; writing; i++) {
        await db.put(`more ${i}`, 'y'.repeat(300), { durability: 'none' })
        if (i % 200 === 0) await db.compactRange()
      }
    })()
    for (let i = 0; i < 5; i++) expect(await db.verify()).toMatchObject({ ok: true, problems: [] })
    writing = false
    await writes
    await db.close()
  })

  it('of a read-only database checks what is on disk', async () => {
    const { db, directory } = await filled()
    await db.close()
    const reader = await open(directory, { ...SMALL, readOnly: true })
    expect(await reader.verify()).toMatchObject({ ok: true, wals: { files: 1, entries: 1 } })
    await reader.close()
  })

  it('ends by signal, and by close', async () => {
    const { db } = await filled()
    expect(await codeOf(db.verify({ signal: AbortSignal.abort() }))).toBe('LEVEL_ABORTED')
    const controller = new AbortController()
    const running = codeOf(db.verify({ signal: controller.signal }))
    controller.abort()
    expect(await running).toBe('LEVEL_ABORTED')
    const last = codeOf(db.verify())
    await db.close()
    expect(await last).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect(await codeOf((async () => db.verify())())).toBe('LEVEL_DATABASE_NOT_OPEN')
  })

  it('refuses wrong options', async () => {
    const { db } = await filled()
    expect(await codeOf((async () => db.verify({ onProgress: 1 as never }))())).toBe(
      'SETT_INVALID_OPTION',
    )
    expect(await codeOf((async () => db.verify({ signal: {} as never }))())).toBe(
      'SETT_INVALID_OPTION',
    )
    await db.close()
  })
})
