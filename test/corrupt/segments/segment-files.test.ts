// Segment files that are missing, cut, exchanged, damaged or nobody's: what open, verify, doctor, destroy and the
// command line make of them.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Database, destroy, open, type VerifyReport } from '../../../src/index.ts'
import { sett } from '../../support/command-line.ts'
import { halfNoise } from '../../support/half-noise.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const SMALL = {
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  valueThreshold: 100,
  segmentMaxEntries: 30,
}
const KEYS = 100
const textOf = (i: number): string => halfNoise(80 + 3 * i, i)

async function filled(): Promise<{ directory: string; segments: string[]; tables: string[] }> {
  const directory = temporaryDirectory()
  const db = await open(directory, SMALL)
  for (let i = 0; i < KEYS; i++) await db.put(`key ${i}`, textOf(i))
  await db.flush()
  await db.close()
  const named = (ending: string): string[] =>
    readdirSync(directory).filter((name) => name.endsWith(ending))
  return { directory, segments: named('.vlog'), tables: named('.sst') }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at < 0 ? bytes.length + at : at]! ^= 0x10
  writeFileSync(path, bytes)
}

async function refusal(directory: string, options: object = {}): Promise<Error> {
  try {
    await (await open(directory, { ...SMALL, ...options })).close()
  } catch (error) {
    const { cause } = error as Error
    expect(cause).toMatchObject({ code: 'LEVEL_CORRUPTION' })
    return cause as Error
  }
  throw new Error('it opened')
}

/** Reads all; every answer is right or damage. Returns how many are damage. */
async function readAll(db: Database): Promise<number> {
  let damaged = 0
  for (let i = 0; i < KEYS; i++) {
    try {
      expect(await db.get(`key ${i}`)).toBe(textOf(i))
    } catch (error) {
      expect(error).toMatchObject({ code: 'LEVEL_CORRUPTION' })
      damaged += 1
    }
  }
  return damaged
}

async function verified(directory: string): Promise<VerifyReport> {
  return JSON.parse(
    (await sett('verify', '--db', directory, '--json', '--workers', '0')).stdout,
  ) as VerifyReport
}

describe('an open', () => {
  it('refuses a segment that is missing, short, long or empty, and names the others', async () => {
    const { directory, segments } = await filled()
    expect(segments.length).toBeGreaterThanOrEqual(3)
    const [first, second] = segments.map((name) => join(directory, name)) as [string, string]
    const size = readFileSync(first).length
    rmSync(second)
    truncateSync(first, size - 1)
    const both = await refusal(directory)
    expect(both.message).toContain(`expected a segment of ${size} bytes, which the manifest names`)
    expect(both.message).toContain(
      `found ${size - 1} bytes; the same is wrong with ${second} (no file)`,
    )
    expect(both).toMatchObject({ file: first, offset: size - 1 })
    expect(await refusal(directory, { readOnly: true })).toMatchObject({ file: first })
    writeFileSync(second, '')
    truncateSync(first, size + 1)
    const others = await refusal(directory)
    expect(others.message).toMatch(/found \d+ bytes; the same is wrong with .*\(0 bytes\)/)
  })

  it('refuses a link, a directory or a pipe of that name, and follows none', async () => {
    const { directory, segments } = await filled()
    const path = join(directory, segments[0]!)
    const elsewhere = join(temporaryDirectory(), 'elsewhere')
    renameSync(path, elsewhere)
    symlinkSync(elsewhere, path)
    expect((await refusal(directory)).message).toMatch(/a regular file, found a symbolic link/)
    rmSync(path)
    mkdirSync(path)
    expect((await refusal(directory)).message).toMatch(/a regular file, found a directory/)
  })

  it('removes segments nothing names, if it may write, and no other file', async () => {
    const { directory, segments } = await filled()
    const strays = ['000999.vlog', '1000000.vlog']
    const foreign = ['999.vlog', '0000999.vlog', '000999.vlog.bak', '000999.VLOG']
    for (const name of [...strays, ...foreign]) {
      copyFileSync(join(directory, segments[0]!), join(directory, name))
    }
    const reader = await open(directory, { ...SMALL, readOnly: true })
    expect(await readAll(reader)).toBe(0)
    await reader.close()
    expect(readdirSync(directory)).toEqual(expect.arrayContaining([...strays, ...foreign]))
    const db = await open(directory, SMALL)
    await db.put('one more', textOf(90))
    await db.flush()
    await db.close()
    const names = readdirSync(directory)
    expect(names).toEqual(expect.arrayContaining([...segments, ...foreign]))
    for (const name of strays) expect(names).not.toContain(name)
    // Its number is above those that were there.
    const numbers = names.filter((name) => /^\d{6,}\.vlog$/.test(name)).map(Number.parseFloat)
    expect(Math.max(...numbers)).toBeGreaterThan(1_000_000)
  })

  it('takes a directory of segments alone for a damaged database, never for an empty one', async () => {
    const { directory, segments } = await filled()
    const place = temporaryDirectory()
    copyFileSync(join(directory, segments[0]!), join(place, segments[0]!))
    expect((await refusal(place)).message).toMatch(/CURRENT/)
    expect(readdirSync(place)).toContain(segments[0]!)
  })
})

describe('a segment of the right length', () => {
  it.each<[string, (path: string, other: string) => void]>([
    [
      'with another’s bytes',
      (path, other) => {
        const size = readFileSync(path).length
        writeFileSync(
          path,
          Buffer.concat([readFileSync(other), Buffer.alloc(size)]).subarray(0, size),
        )
      },
    ],
    ['with a damaged header', (path) => flip(path, 26)],
    ['with a damaged footer', (path) => flip(path, -60)],
    ['with a damaged part', (path) => flip(path, 64 + 20)],
    ['with a damaged value', (path) => flip(path, 64 + 40)],
    ['of zeros', (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length))],
  ])('%s is read as damage, and found by verify', async (_what, harm) => {
    const { directory, segments } = await filled()
    const [path, other] = segments.map((name) => join(directory, name)) as [string, string]
    harm(path, other)
    const db = await open(directory, SMALL)
    const damaged = await readAll(db)
    expect(damaged).toBeGreaterThan(0)
    expect(damaged).toBeLessThanOrEqual(SMALL.segmentMaxEntries)
    await expect(db.values().all()).rejects.toMatchObject({ code: 'LEVEL_CORRUPTION' })
    expect(await db.keys().all()).toHaveLength(KEYS)
    const report = await db.verify()
    expect(report.ok).toBe(false)
    const told = report.problems.filter(({ kind }) => kind === 'segment')
    expect(told.length).toBeGreaterThan(0)
    for (const { file } of told) expect(file).toBe(path)
    await db.close()
    expect((await verified(directory)).problems).toEqual(report.problems)
  })

  it('from an earlier copy of the same database is another', async () => {
    const { directory, segments } = await filled()
    const twin = await filled()
    // Same number, same length, another salt.
    const name = segments[0]!
    const path = join(directory, name)
    const copy = readFileSync(join(twin.directory, name))
    const size = readFileSync(path).length
    writeFileSync(path, Buffer.concat([copy, Buffer.alloc(size)]).subarray(0, size))
    const db = await open(directory, SMALL)
    expect(await readAll(db)).toBeGreaterThan(0)
    const { problems } = await db.verify()
    expect(problems.map(({ file }) => file)).toContain(path)
    await db.close()
  })
})

describe('verify', () => {
  it('counts segments, their bytes and values', async () => {
    const { directory, segments } = await filled()
    const db = await open(directory, SMALL)
    const seen: number[] = []
    const { segments: found, ok } = await db.verify({
      onProgress: ({ bytes, totalBytes }) => void seen.push(bytes / totalBytes),
    })
    const bytes = segments.reduce(
      (sum, name) => sum + readFileSync(join(directory, name)).length,
      0,
    )
    const long = Array.from({ length: KEYS }, (_, i) => textOf(i)).filter(
      ({ length }) => length >= 100,
    )
    expect({ ok, found }).toEqual({
      ok: true,
      found: { files: segments.length, bytes, entries: long.length },
    })
    expect(seen.at(-1)).toBe(1)
    await db.close()
    const { stdout, code } = await sett('verify', '--db', directory, '--workers', '0')
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`segments +${segments.length} +\\S+ +${long.length}\\n`))
  })

  it('of a closed database finds a segment that is not there', async () => {
    const { directory, segments } = await filled()
    const path = join(directory, segments[1]!)
    rmSync(path)
    const { problems, ok } = await verified(directory)
    expect(ok).toBe(false)
    expect(problems).toEqual([
      {
        kind: 'segment',
        file: path,
        offset: 0,
        expected: 'a regular file, since the manifest names it',
        found: 'no file',
      },
    ])
  })

  it('tells segments nothing names as stray', async () => {
    const { directory, segments } = await filled()
    const db = await open(directory, SMALL)
    copyFileSync(join(directory, segments[0]!), join(directory, '000001.vlog'))
    expect(await db.verify()).toMatchObject({ ok: true, stray: ['000001.vlog'] })
    await db.close()
  })
})

describe('the doctor', () => {
  it('says what is wrong with each segment, from names, heads and tails alone', async () => {
    const { directory, segments } = await filled()
    const report = async () =>
      JSON.parse((await sett('doctor', '--db', directory, '--json')).stdout)
    const whole = await report()
    expect(whole).toMatchObject({ healthy: true, manifest: { segments: segments.length } })
    expect(whole.sizes.segments.files).toBe(segments.length)
    const [first, second, third] = segments.map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ]
    rmSync(first)
    flip(second, 30)
    truncateSync(third, 500)
    const stray = join(directory, '000998.vlog')
    copyFileSync(second, stray)
    const { healthy, findings } = await report()
    expect(healthy).toBe(false)
    const of = (file: string): object[] => {
      return findings.filter((finding: { file: string }) => finding.file === file)
    }
    expect(of(first)).toMatchObject([{ severity: 'problem', what: /found no file/ }])
    expect(of(second)).toMatchObject([{ severity: 'problem', what: /checksum/, offset: 56 }])
    expect(of(third)).toMatchObject([{ severity: 'problem', what: /found 500/, offset: 500 }])
    expect(of(stray)).toMatchObject([{ severity: 'note', what: /Nothing refers to this file/ }])
    const { stdout } = await sett('doctor', '--db', directory)
    expect(stdout).toMatch(
      new RegExp(`names \\d+ tables?, \\d+ logs? and ${segments.length} segments`),
    )
    expect(stdout).toMatch(/segments 4 \(/)
  })

  it('says so when a footer is damaged, or another segment lies under the name', async () => {
    const { directory, segments } = await filled()
    const [first, second] = segments.map((name) => join(directory, name)) as [string, string]
    const bytes = readFileSync(second)
    flip(first, -4)
    const size = bytes.length
    writeFileSync(
      second,
      Buffer.concat([readFileSync(first), Buffer.alloc(size)]).subarray(0, size),
    )
    const { findings } = JSON.parse((await sett('doctor', '--db', directory, '--json')).stdout)
    const about = (file: string): object =>
      findings.find((finding: { file: string }) => finding.file === file)
    expect(about(first)).toMatchObject({ what: /the magic of a segment/ })
    expect(about(second)).toMatchObject({ what: /file number/ })
  })
})

it('destroy removes segments, and other files of such names not', async () => {
  const { directory, segments } = await filled()
  writeFileSync(join(directory, '000990.vlog'), 'the notes of somebody else')
  await destroy(directory)
  for (const name of segments) expect(existsSync(join(directory, name))).toBe(false)
  expect(readdirSync(directory)).toEqual(['000990.vlog'])
})
