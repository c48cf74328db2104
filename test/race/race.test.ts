// Fifty races of eight processes in the default suite; more with `npm run test:race`. And what else must stay out while
// a database is open.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { destroy, open, repair } from '../../src/index.ts'
import { compiledTests } from '../kill/compile-harness.ts'
import { sett } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'
import { race } from './race.ts'

const ROUNDS = 50
const SMALL = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024 }

describe.runIf(process.platform === 'linux')('eight processes race to open one directory', () => {
  let program: URL

  beforeAll(() => {
    program = new URL('race/racer.js', compiledTests())
  }, 60_000)

  test(`exactly one gets it in each of ${ROUNDS} rounds, the others are told who, and a kill frees it`, async () => {
    const lines: string[] = []
    const log = (line: string): void => void lines.push(line)
    const totals = await race({ rounds: ROUNDS, processes: 8, program, log })
    expect(lines).toEqual([])
    expect(totals).toMatchObject({ rounds: ROUNDS, failures: 0 })
    expect(totals.kills).toBeGreaterThanOrEqual(ROUNDS / 4)
    expect(totals.told).toBeGreaterThanOrEqual(7 * totals.won)
    expect(totals.stops).toBeGreaterThan(0)
  }, 120_000)
})

test('while it is open, repair, verify, destroy and readers are refused, and nothing changes', async () => {
  const directory = join(temporaryDirectory(), 'db')
  const database = await open(directory, SMALL)
  for (let i = 0; i < 100; i++) await database.put(`key ${i}`, 'x'.repeat(100))
  await database.flush()
  await database.put('last', '1')
  const picture = (): string[] =>
    readdirSync(directory)
      .sort()
      .map((name) => `${name} ${readFileSync(join(directory, name)).toString('base64')}`)
  const before = picture()
  for (const refused of [
    () => repair(directory, { workers: 0 }),
    () => destroy(directory),
    () => open(directory, { ...SMALL, readOnly: true }),
    () => open(directory, SMALL),
  ]) {
    const error: unknown = await refused().catch((cause: Error) => cause.cause ?? cause)
    expect(error).toMatchObject({
      code: 'LEVEL_LOCKED',
      message: expect.stringContaining(String(process.pid)),
    })
  }
  const verified = await sett('verify', '--db', directory, '--workers', '0')
  expect(verified.code).toBe(1)
  expect(verified.stderr).toMatch(/^LEVEL_LOCKED: /m)
  expect(picture()).toEqual(before)
  expect((await database.verify()).ok).toBe(true)
  await database.close()
})
