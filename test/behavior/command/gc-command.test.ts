import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { open } from '../../../src/index.ts'
import { sett } from '../../support/command-line.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const SMALL = ['--workers', '0', '--memtable-size', '64KiB', '--memory-budget', '8MiB']

/** Twenty values of a kilobyte in a segment, a fourth of them deleted, but not merged yet. */
async function database(): Promise<string> {
  const db = join(temporaryDirectory(), 'db')
  const store = await open(db, {
    workers: 0,
    memtableSize: 65_536,
    memoryBudget: 8 * 1024 * 1024,
    compression: 'none',
    valueThreshold: 64,
  })
  for (let i = 0; i < 20; i += 1) await store.put(`key ${i}`, `${i} `.padEnd(1_000, '.'))
  await store.flush()
  for (let i = 0; i < 5; i += 1) await store.del(`key ${i}`)
  await store.close()
  return db
}

it('gc frees what is garbage, and says why it frees no more', async () => {
  const db = await database()
  const run = (...given: string[]) => sett('gc', ...given, '--db', db, ...SMALL)
  const first = await run()
  expect(first.code).toBe(0)
  expect(first.stdout).toMatch(/^segment +MB +garbage % +freed MB +why not\n/)
  expect(first.stdout).toMatch(/(below-ratio|held)\n\n0\.0 MB freed\.\n$/)
  const whole = JSON.parse((await run('--compact', '--ratio', '0.2', '--json')).stdout) as {
    bytesFreed: number
  }
  expect(whole.bytesFreed).toBeGreaterThan(5_000)
  expect((await sett('stats', '--db', db, ...SMALL)).stdout).toMatch(
    /value log: 1 segment, 0\.0 MB, of which 0\.0 MB are in use/,
  )
  expect((await sett('get', 'key 7', '--db', db, ...SMALL)).stdout).toMatch(/^7 \.{50,}/)
  expect((await sett('get', 'key 3', '--db', db, ...SMALL)).code).toBe(1)
})

it('gc takes a share below one', async () => {
  for (const ratio of ['1', '-0.1', 'half', '']) {
    expect((await sett('gc', '--ratio', ratio, '--db', 'nowhere')).code).toBe(2)
  }
})

it('gc creates no database', async () => {
  const db = join(temporaryDirectory(), 'mistyped')
  const { code, stderr } = await sett('gc', '--db', db, ...SMALL)
  expect(code).not.toBe(0)
  expect(stderr).toContain(db)
  expect(existsSync(db)).toBe(false)
})
