// repair() lays out what it writes as the options say: nothing in the directory tells what they were.
import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { open, repair } from '../../src/index.ts'
import { sett } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const OFF = ['--value-threshold', 'off']

/** A value of 2,000 bytes in a log, which a repair writes to a table. */
async function logged(): Promise<string> {
  const location = temporaryDirectory()
  const database = await open(location, { workers: 0, valueThreshold: 'off' })
  await database.put('key', 'v'.repeat(2_000))
  await database.close()
  expect(readdirSync(location).filter((name) => name.endsWith('.sst'))).toEqual([])
  return location
}

function segments(location: string): number {
  return readdirSync(location).filter((name) => name.endsWith('.vlog')).length
}

async function requireWhole(location: string): Promise<void> {
  const database = await open(location, { workers: 0, valueThreshold: 'off' })
  expect(await database.get('key')).toBe('v'.repeat(2_000))
  expect(database.stats().levels.some(({ tables }) => tables > 0)).toBe(true)
  await database.close()
}

it('given to repair()', async () => {
  const location = await logged()
  await repair(location, { workers: 0, valueThreshold: 'off' })
  expect(segments(location)).toBe(0)
  await requireWhole(location)
})

it('given to sett repair', async () => {
  const location = await logged()
  const { code } = await sett('repair', '--db', location, '--workers', '0', ...OFF)
  expect(code).toBe(0)
  expect(segments(location)).toBe(0)
  await requireWhole(location)
})

it('and else those of the preset', async () => {
  const location = await logged()
  await repair(location, { workers: 0 })
  expect(segments(location)).toBeGreaterThan(0)
  await requireWhole(location)
})
