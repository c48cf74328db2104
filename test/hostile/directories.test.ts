// Directories made to do harm: opening, examining and repairing them gives the right content or a typed refusal, and
// neither reads nor changes anything outside.
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { open, repair, SettError } from '../../src/index.ts'
import { type History, makeDatabase, OPTIONS } from '../corrupt/damaged-directories.ts'
import { sett } from '../support/command-line.ts'
import { sharedTemporaryDirectory } from '../support/temp-directory.ts'
import { HOSTILE_DIRECTORIES, type HostileDirectory, spoiled } from './directories.ts'

const root = sharedTemporaryDirectory()
const sound = join(root, 'sound')
let history: History

beforeAll(async () => {
  history = await makeDatabase(sound, { keys: 200 })
})

/** Long past, so that any access shows where access times are kept. */
const THEN = new Date('2001-02-03T04:05:06Z')

function stamp(directory: string): void {
  for (const name of readdirSync(directory)) utimesSync(join(directory, name), THEN, THEN)
}

/** Names, kinds, sizes, times and small contents. A file that is also LOCK is looked at, to tell whether it is one. */
function picture(directory: string, { atime }: { readonly atime: boolean }): string[] {
  if (!lstatSync(directory).isDirectory()) return []
  return readdirSync(directory, { encoding: 'buffer' }).map((name) => {
    const path = Buffer.concat([Buffer.from(`${directory}/`), name])
    const found = lstatSync(path)
    const { mode, size, mtimeMs, nlink, atimeMs } = found
    // Whoever locks LOCK may touch it.
    const time = name.toString() === 'LOCK' ? 0 : mtimeMs
    const text = found.isSymbolicLink()
      ? readlinkSync(path)
      : found.isFile() && size < 1e6 && !atime
        ? readFileSync(path, 'latin1')
        : ''
    return [
      name.toString('latin1'),
      mode,
      size,
      time,
      nlink,
      atime && nlink === 1 ? atimeMs : '',
      text,
    ].join(' ')
  })
}

async function outcome(directory: string): Promise<string> {
  try {
    const database = await open(directory, OPTIONS)
    const content = new Map(await database.iterator().all())
    await database.close()
    if (content.size === 0) return 'empty'
    expect([...content].sort()).toEqual([...history.whole].sort())
    return 'right'
  } catch (error) {
    const { cause } = error as Error
    if (!(cause instanceof SettError)) throw error
    if (cause.code !== 'SETT_TOO_LARGE') expect(cause.message).toContain(directory)
    return cause.code
  }
}

function make(hostile: HostileDirectory): { directory: string; outside: string } {
  const place = spoiled(sound, mkdtempSync(join(root, 'hostile-')), hostile)
  stamp(place.outside)
  return place
}

describe(`${HOSTILE_DIRECTORIES.length} hostile directories`, () => {
  it.each(HOSTILE_DIRECTORIES.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const { directory, outside } = make(one)
    const before = [picture(outside, { atime: true }), picture(directory, { atime: false })]
    expect(await outcome(directory)).toBe(one.open)
    const changed = one.open === 'right' ? before[1] : picture(directory, { atime: false })
    expect([picture(outside, { atime: true }), changed]).toEqual(before)
    expect(await outcome(directory)).toBe(one.open)
  })

  it.each(
    // Each thing under some names, each name with some things.
    HOSTILE_DIRECTORIES.filter(({ open }, i) => open === 'LEVEL_CORRUPTION' && i % 3 === 0).map(
      (one) => [one.name, one] as const,
    ),
  )('%s: doctor tells, repair follows nothing', async (_, one) => {
    const { directory, outside } = make(one)
    const before = picture(outside, { atime: true })
    const doctor = await sett('doctor', '--db', directory)
    expect(doctor.code, doctor.stdout).toBe(1)
    const repaired = await repair(directory, { workers: 0 }).then(
      () => true,
      (error: unknown) => {
        expect(error).toBeInstanceOf(SettError)
        return false
      },
    )
    if (repaired && (await openable(directory))) {
      const database = await open(directory, OPTIONS)
      for (const [key, value] of await database.iterator().all()) {
        expect(history.everWritten.get(key)).toContain(value)
      }
      await database.close()
    }
    expect(picture(outside, { atime: true })).toEqual(before)
  })
})

/** Repair moves aside what it knows; under names it has no use for, strange things stay, and are told again. */
async function openable(directory: string): Promise<boolean> {
  try {
    await (await open(directory, OPTIONS)).close()
    return true
  } catch (error) {
    expect((error as Error).cause).toMatchObject({ code: 'LEVEL_CORRUPTION' })
    const { file } = (error as Error).cause as { file: string }
    expect(file).toMatch(/\/(?:LOCK|KEYS|000777\.vlog)$/)
    return false
  }
}
