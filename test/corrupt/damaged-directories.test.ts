// Directories damaged by hand: an open database never lies about them, verify and doctor name the damage, and repair
// brings back everything that was not damaged and nothing that never was.
import { cpSync, existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CorruptionError, destroy, open, type RepairReport, repair } from '../../src/index.ts'
import { sett } from '../support/command-line.ts'
import { sharedTemporaryDirectory, temporaryDirectory } from '../support/temp-directory.ts'
import {
  type Content,
  DAMAGED_DIRECTORIES,
  type DamagedDirectory,
  type History,
  makeDatabase,
  OPTIONS,
} from './damaged-directories.ts'

const sound = sharedTemporaryDirectory()
/** By whether there are segments: made once, and copied for each test. */
const histories = new Map<boolean, Promise<History>>()

async function damaged(one: DamagedDirectory): Promise<{ directory: string; history: History }> {
  const segments = one.segments === true
  const made = join(sound, segments ? 'segments' : 'tables')
  if (!histories.has(segments)) histories.set(segments, makeDatabase(made, { segments }))
  const history = await histories.get(segments)!
  const directory = join(temporaryDirectory(), 'db')
  cpSync(made, directory, { recursive: true })
  one.damage(directory)
  return { directory, history }
}

/** Every answer: right, or an error that names a file of the directory. */
async function readEverything(directory: string, history: History): Promise<string> {
  let database: Awaited<ReturnType<typeof open>>
  try {
    database = await open(directory, OPTIONS)
  } catch (error) {
    requirePlace((error as Error).cause, directory)
    return 'refuses'
  }
  let refused = 0
  try {
    for (const key of history.everWritten.keys()) {
      try {
        expect(database.getSync(key), key).toBe(history.whole.get(key))
      } catch (error) {
        if (
          error instanceof Error &&
          !('code' in error && String(error.code).startsWith('LEVEL'))
        ) {
          throw error
        }
        requirePlace(error, directory)
        refused++
      }
    }
  } finally {
    await database.close()
  }
  return refused > 0 ? 'refuses reads' : 'is right'
}

function requirePlace(error: unknown, directory: string): void {
  expect(error).toMatchObject({ code: 'LEVEL_CORRUPTION' })
  const { file, offset } = error as CorruptionError
  expect(file.startsWith(directory)).toBe(true)
  expect(offset).toBeGreaterThanOrEqual(0)
}

async function content(directory: string): Promise<Map<string, string>> {
  const database = await open(directory, OPTIONS)
  const found = new Map(await database.iterator().all())
  const report = await database.verify()
  expect(report.problems).toEqual([])
  expect(report.ok).toBe(true)
  expect(report.tables.entries).toBeGreaterThan(0)
  await database.close()
  return found
}

function inLostRange(key: string, { lost }: RepairReport): boolean {
  return lost.some(({ keys }) => {
    if (keys === undefined) return false
    const bytes = Buffer.from(key)
    return Buffer.compare(keys.first, bytes) <= 0 && Buffer.compare(bytes, keys.last) <= 0
  })
}

function requireSaved(
  one: DamagedDirectory,
  found: Content,
  { history, report }: { history: History; report: RepairReport },
): void {
  for (const [key, value] of found) expect(history.everWritten.get(key)).toContain(value)
  if (one.saved === 'everything') {
    expect(report.lost).toEqual([])
    expect([...found].sort()).toEqual([...history.whole].sort())
  } else if (one.saved === 'all but the log') {
    expect(report.lost.map(({ kind }) => kind)).toContain('wal')
    expect([...found].sort()).toEqual([...history.inTables].sort())
  } else {
    const segment = one.saved === 'all but values of a segment'
    expect(report.lost.map(({ kind }) => kind)).toContain(segment ? 'segment' : 'table')
    const outside = (state: Content) =>
      [...state].filter(([key]) => !inLostRange(key, report)).sort()
    expect(outside(found)).toEqual(outside(history.whole))
    expect(outside(found).length).toBeGreaterThan(100)
  }
}

describe.each(DAMAGED_DIRECTORIES.map((one) => [one.name, one] as const))('%s', (_, one) => {
  it(`an open database ${one.open}`, async () => {
    const { directory, history } = await damaged(one)
    expect(await readEverything(directory, history)).toBe(one.open)
  })

  it('doctor and verify say so, and change nothing', async () => {
    const { directory } = await damaged(one)
    const before = readdirSync(directory).map((name) => [
      name,
      lstatSync(join(directory, name)).mtimeMs,
    ])
    const doctor = await sett('doctor', '--db', directory)
    const verify = await sett('verify', '--db', directory, '--workers', '0')
    const wrong = one.open === 'is right' ? 0 : 1
    if (!one.name.startsWith('flipped')) expect(doctor.code, doctor.stdout).toBe(wrong)
    expect(verify.code, verify.stdout).toBe(wrong)
    const after = readdirSync(directory).map((name) => [
      name,
      lstatSync(join(directory, name)).mtimeMs,
    ])
    expect(after).toEqual(before)
  })

  it(`repair saves ${one.saved}`, async () => {
    const { directory, history } = await damaged(one)
    const before = readdirSync(directory)
    const report = await repair(directory, { workers: 0 })
    requireSaved(one, await content(directory), { history, report })
    for (const name of before) {
      const kept = existsSync(join(directory, name)) || inFolder(report.moved.to, name)
      // The first open after a repair has begun a manifest of its own.
      expect(kept, name).toBe(true)
    }
    const again = await repair(directory, { workers: 0 })
    expect(again.lost).toEqual([])
    requireSaved(one, await content(directory), { history, report })
    await destroy(directory)
    const left = existsSync(directory) ? readdirSync(directory) : []
    expect(left.filter((name) => !/^lost\+found|^notes/.test(name))).toEqual([])
  })
})

function inFolder(folder: string, name: string): boolean {
  return lstatSync(join(folder, name), { throwIfNoEntry: false }) !== undefined
}
