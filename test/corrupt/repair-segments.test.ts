// repair() of databases with values in segments: every value that verifies is saved, whatever became of its segment,
// its table or the manifest, and no more is lost than what was damaged.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { repairDirectory } from '../../src/engine/repair/repair.ts'
import type { Loss, RepairReport } from '../../src/engine/repair/report.ts'
import { encodeFileHeader } from '../../src/format/file-header.ts'
import { open, repair } from '../../src/index.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { memoryFileSystem } from '../../src/io/memory-file-system.ts'
import { halfNoise } from '../support/half-noise.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'
import { type History, makeDatabase, SEGMENT_OPTIONS } from './damaged-directories.ts'
import { crashAt, damage, randomOf, requireHonest } from './honest-repair.ts'
import { DIRECTORY, type Image, imageOf, makeImage, place, readAll } from './image.ts'

const SEED = Number(process.env['SETT_CORRUPT_SEED'] ?? Date.now() % 1_000_000)
const IMAGES = Number(process.env['SETT_REPAIR_IMAGES'] ?? 30)
const KEYS = 300
const options = resolveOptions(SEGMENT_OPTIONS)
const FOOTER = 128

type Broken = Map<string, Buffer>

function mend(fs: FileSystem): Promise<RepairReport> {
  return repairDirectory(DIRECTORY, options, { fs })
}

function segments(image: Image): string[] {
  return [...image.keys()].filter((name) => name.endsWith('.vlog')).sort()
}

function changed(
  image: Image,
  name: string,
  change: (bytes: Buffer) => Buffer | undefined,
): Broken {
  const bytes = change(Buffer.from(image.get(name)!))
  const broken = new Map(image)
  if (bytes === undefined) broken.delete(name)
  else broken.set(name, bytes)
  return broken
}

function flipped(at: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    const place = at < 0 ? bytes.length + at : at
    bytes[place] = bytes[place]! ^ 8
    return bytes
  }
}

function withoutManifest(image: Image): Broken {
  return new Map([...image].filter(([name]) => !name.startsWith('MANIFEST')))
}

function lostValues(lost: readonly Loss[]): number {
  return lost.reduce((sum, { values = 0 }) => sum + values, 0)
}

interface Repaired {
  readonly report: RepairReport
  readonly content: ReadonlyMap<string, string>
  readonly fs: FileSystem
}

async function repaired(image: Image, how: string): Promise<Repaired> {
  const fs = place(image)
  const report = await mend(fs)
  const { content, verified } = await readAll(fs)
  expect(verified.problems, how).toEqual([])
  return { report, content, fs }
}

/** All in the log: a value that lies in a segment already, one that is to go to a segment, and a short one. */
async function makeLogged(): Promise<{ image: Image; content: ReadonlyMap<string, string> }> {
  const fs = memoryFileSystem()
  const engine = await openEngine(DIRECTORY, options, { fs })
  const lengths = { large: 20_000, long: 400, short: 20 }
  const content = new Map(
    Object.entries(lengths).map(([key, length]) => [key, halfNoise(length, SEED + length)]),
  )
  for (const [key, value] of content) await engine.put(key, value, { durability: 'none' })
  await engine.close()
  return { image: imageOf(fs), content }
}

/** As requireHonest, and where only segments lost something, no more keys are wrong than values are told as lost. */
function requireTight({ report, content }: Repaired, history: History, how: string): void {
  requireHonest(content, { history, report, how })
  if (report.lost.some(({ kind }) => kind !== 'segment')) return
  const wrong = [...history.everWritten.keys()].filter(
    (key) => content.get(key) !== history.whole.get(key),
  )
  expect(wrong.length, how).toBeLessThanOrEqual(lostValues(report.lost))
}

describe(`repair with segments (SETT_CORRUPT_SEED=${SEED})`, () => {
  it(`of ${IMAGES} randomly damaged databases`, async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    expect(segments(image).length).toBeGreaterThan(3)
    const random = randomOf(SEED)
    let lossless = 0
    for (let i = 0; i < IMAGES; i++) {
      // Without a manifest segments are found by their own headers and footers.
      const broken = i % 3 === 2 ? withoutManifest(image) : new Map(image)
      // Of CURRENT alone nothing is lost.
      const only = i % 9 === 1 ? /^CURRENT$/ : i % 3 === 1 ? /./ : /\.vlog$/
      const how = `${i}: ${damage(broken, random, only)}`
      const result = await repaired(broken, how)
      requireTight(result, history, how)
      if (result.report.lost.length === 0) lossless++
    }
    expect(lossless).toBeGreaterThan(0)
  }, 120_000)

  it('of what is whole keeps every segment', async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    const { report, content } = await repaired(image, 'whole')
    expect(report).toMatchObject({ manifest: 'kept', lost: [], notes: [] })
    expect(report.kept).toMatchObject({ segments: segments(image).length, salvagedSegments: 0 })
    expect(content).toEqual(history.whole)
  })

  it('of one damaged bit of a value loses that value, and tells which', async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    const random = randomOf(SEED)
    for (const name of segments(image)) {
      const at = 64 + random(image.get(name)!.length - 64 - FOOTER)
      const result = await repaired(changed(image, name, flipped(at)), `${at} of ${name}`)
      const { lost, kept } = result.report
      requireTight(result, history, `${at} of ${name}`)
      expect(lostValues(lost)).toBeLessThanOrEqual(1)
      // Of a segment with one value nothing is left.
      expect(kept.salvagedSegments + lostValues(lost)).toBeGreaterThan(0)
      for (const { kind, file, offset, length, keys } of lost) {
        expect([kind, file]).toEqual(['segment', `${DIRECTORY}/${name}`])
        expect(offset <= at && at < offset + length).toBe(true)
        expect(keys?.first).toEqual(keys?.last)
      }
    }
  }, 60_000)

  it.each([
    ['header', 20],
    ['footer', -30],
  ])('of a damaged %s loses no value, with the manifest or without', async (_, at) => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    for (const start of [image, withoutManifest(image)]) {
      const broken = segments(image).reduce((all, name) => changed(all, name, flipped(at)), start)
      const result = await repaired(broken, 'ends')
      expect(result.report.lost).toEqual([])
      for (const [key, value] of history.whole) expect(result.content.get(key), key).toBe(value)
    }
    const { image: logged, content } = await makeLogged()
    expect(segments(logged)).toHaveLength(1)
    for (const start of [logged, withoutManifest(logged)]) {
      const broken = changed(start, segments(start)[0]!, flipped(at))
      const result = await repaired(broken, 'values of the log')
      expect(result.report.lost).toEqual([])
      expect(result.content).toEqual(content)
    }
  })

  it('of segments under other names, or with another salt in the header, loses no value', async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    const [a, b, c, d] = segments(image) as [string, string, string, string]
    const swapped = new Map(image).set(a, image.get(b)!).set(b, image.get(a)!)
    swapped.set('900000.vlog', image.get(c)!)
    swapped.delete(c)
    const salted = changed(swapped, d, (bytes) => {
      const number = Number.parseInt(d, 10)
      const salt = Buffer.alloc(8, 7)
      return Buffer.concat([
        encodeFileHeader({ kind: 'vlog', number, salt, parameter: 0 }),
        bytes.subarray(64),
      ])
    })
    const { report, content } = await repaired(salted, 'renamed')
    expect(report.lost).toEqual([])
    expect(report.kept.salvagedSegments).toBe(4)
    expect(report.notes).toContain(`Segment ${Number.parseInt(c, 10)} was found as 900000.vlog`)
    expect(content).toEqual(history.whole)
    const { report: rebuilt, content: found } = await repaired(withoutManifest(swapped), 'rebuilt')
    expect(rebuilt.lost).toEqual([])
    for (const [key, value] of history.whole) expect(found.get(key), key).toBe(value)
  })

  it('of a missing segment leaves its entries out, and names it once', async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    for (const name of segments(image)) {
      const result = await repaired(
        changed(image, name, () => undefined),
        name,
      )
      requireTight(result, history, name)
      const { lost } = result.report
      expect(lost).toHaveLength(1)
      expect(lost[0]).toMatchObject({ kind: 'segment', file: `${DIRECTORY}/${name}`, offset: 0 })
      expect(lost[0]!.length).toBe(image.get(name)!.length)
      expect(lost[0]!.why).toBe('the file is missing')
    }
  }, 60_000)

  it('of a missing segment that only the log points to shows what it had before', async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    const [name] = segments(image).slice(-1) as [string]
    const result = await repaired(
      changed(image, name, () => undefined),
      name,
    )
    const { lost, kept } = result.report
    expect(lost).toMatchObject([{ kind: 'segment', values: 1, why: 'the file is missing' }])
    expect(kept.logRecords).toBeGreaterThan(10)
    const earlier = [...history.everWritten.get('key 0010')!].at(-2)
    expect(result.content.get('key 0010')).toBe(earlier)
    expect(earlier).toMatch(/^third/)
    expect(result.content.get('key 0011')).toBe(history.whole.get('key 0011'))
  })

  it('of damaged tables whose segments are whole moves no value', async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    const table = [...image.keys()].filter((name) => name.endsWith('.sst')).sort()[0]!
    const result = await repaired(changed(image, table, flipped(1000)), table)
    requireTight(result, history, table)
    expect(result.report.lost.every(({ kind }) => kind === 'table')).toBe(true)
    expect(result.report.kept.salvagedSegments).toBe(0)
    const left = segments(imageOf(result.fs))
    expect(segments(image)).toEqual(expect.arrayContaining(left))
  })

  it('moves away what nothing refers to', async () => {
    const { image, history } = await makeImage(SEED, KEYS, true)
    const [name] = segments(image) as [string]
    const { report, content } = await repaired(
      new Map(image).set('900000.vlog', Buffer.alloc(5000, 1)).set('900001.vlog', image.get(name)!),
      'orphans',
    )
    expect(report.lost).toEqual([])
    expect(report.moved.names).toEqual(expect.arrayContaining(['900000.vlog', '900001.vlog']))
    expect(content).toEqual(history.whole)
  })

  it('tells of one that lies under the name of another kind of file', async () => {
    const { image } = await makeImage(SEED, KEYS, true)
    const taken = segments(image)[0]!
    const manifest = [...image.keys()].find((name) => name.startsWith('MANIFEST'))!
    const renamed = new Map(image).set(manifest, image.get(taken)!)
    renamed.delete(taken)
    const { report } = await repaired(renamed, 'renamed')
    expect(report.manifest).toBe('rebuilt')
    expect(report.lost.map(({ why }) => why)).toContainEqual(
      expect.stringMatching(/^MANIFEST-\d+ holds segment \d+/),
    )
  })

  it('runs its jobs in workers as well', async () => {
    const directory = join(temporaryDirectory(), 'db')
    const history = await makeDatabase(directory, { seed: SEED, keys: 120, segments: true })
    const name = readdirSync(directory).find((each) => each.endsWith('.vlog'))!
    const path = join(directory, name)
    writeFileSync(path, flipped(300)(readFileSync(path)))
    const { lost } = await repair(directory, { workers: 1 })
    expect(lost).toMatchObject([{ kind: 'segment', file: path, values: 1 }])
    const database = await open(directory, { ...SEGMENT_OPTIONS, workers: 1 })
    const content = new Map(await database.iterator().all())
    expect((await database.verify()).problems).toEqual([])
    await database.close()
    const wrong = [...history.whole].filter(([key, value]) => content.get(key) !== value)
    expect(wrong.length).toBeLessThanOrEqual(1)
  })

  it('crashed at any of its steps leaves the old state or the new one, and can go on', async () => {
    const { image, history } = await makeImage(SEED, 90, true)
    const name = segments(image)[0]!
    for (const broken of [changed(image, name, flipped(300)), withoutManifest(image)]) {
      const wanted = (await repaired(broken, 'at once')).content
      for (let step = 1; ; step++) {
        const fs = place(broken)
        if (await crashAt(fs, step, () => mend(fs))) break
        await mend(fs)
        const { content, verified } = await readAll(fs)
        expect(verified.problems, `step ${step}`).toEqual([])
        expect(content, `step ${step}`).toEqual(wanted)
        for (const [key, value] of content) expect(history.everWritten.get(key)).toContain(value)
      }
    }
  }, 120_000)
})
