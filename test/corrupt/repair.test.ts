// repair() over random damage, and through crashes at every step of its own: what was not damaged is there, nothing is
// that never was, and nothing of the damaged database is deleted.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { repairDirectory } from '../../src/engine/repair/repair.ts'
import type { RepairReport } from '../../src/engine/repair/report.ts'
import { open, repair } from '../../src/index.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { codeOf } from '../support/small-engine.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'
import { type History, OPTIONS } from './damaged-directories.ts'
import { crashAt, damage, randomOf, requireHonest } from './honest-repair.ts'
import { DIRECTORY, type Image, imageOf, makeImage, place, readAll } from './image.ts'

const SEED = Number(process.env['SETT_CORRUPT_SEED'] ?? Date.now() % 1_000_000)
const IMAGES = Number(process.env['SETT_REPAIR_IMAGES'] ?? 40)
const options = resolveOptions(OPTIONS)

function mend(fs: FileSystem): Promise<RepairReport> {
  return repairDirectory(DIRECTORY, options, { fs })
}

describe(`repair (SETT_CORRUPT_SEED=${SEED})`, () => {
  it(`of ${IMAGES} randomly damaged databases`, async () => {
    const { image, history } = await makeImage(SEED)
    const random = randomOf(SEED)
    let lossless = 0
    for (let i = 0; i < IMAGES; i++) {
      const damaged = new Map(image)
      const how = damage(damaged, random)
      const fs = place(damaged)
      const report = await mend(fs)
      const { content, verified } = await readAll(fs)
      expect(verified.problems, how).toEqual([])
      requireHonest(content, { history, report, how })
      if (report.lost.length === 0) {
        expect(new Map(content), how).toEqual(history.whole)
        lossless++
      }
    }
    expect(lossless).toBeGreaterThan(0)
  }, 120_000)

  it('of what is whole keeps everything and moves only what it replaced', async () => {
    const { image, history } = await makeImage(SEED)
    const fs = place(image)
    const report = await mend(fs)
    expect(report).toMatchObject({ manifest: 'kept', lost: [], notes: [] })
    expect(report.kept.tables).toBeGreaterThan(1)
    expect((await readAll(fs)).content).toEqual(history.whole)
  })

  it.each([
    ['table', 'table', '.sst'],
    ['log', 'wal', '.wal'],
  ])('tells of a %s that lies under the name of the manifest', async (what, kind, end) => {
    const { image } = await makeImage(SEED)
    const names = [...image.keys()]
    const taken = names.findLast((name) => name.endsWith(end))!
    const manifest = names.find((name) => name.includes('MANIFEST'))!
    const renamed = new Map(image).set(manifest, image.get(taken)!)
    renamed.delete(taken)
    const report = await mend(place(renamed))
    expect(report.manifest).toBe('rebuilt')
    expect(report.lost.map((loss) => `${loss.kind}: ${loss.why}`)).toContainEqual(
      expect.stringMatching(new RegExp(`^${kind}: MANIFEST-\\d+ holds ${what} \\d+`)),
    )
    expect(report.moved.names.some((name) => name.startsWith('MANIFEST'))).toBe(true)
  })

  it('crashed at any of its steps leaves the old state or the new one, and can go on', async () => {
    const { image, history } = await makeImage(SEED, 120)
    for (const broken of [withFlip(image), withoutManifest(image)]) {
      for (let step = 1; ; step++) {
        const fs = place(broken)
        const before = imageOf(fs)
        if (await crashAt(fs, step, () => mend(fs))) break
        requireNothingDeleted(fs, before)
        await requireOldOrNew(fs, history)
      }
    }
  }, 120_000)

  it('is refused while the database is open, and where there is none', async () => {
    const directory = temporaryDirectory()
    expect(await codeOf(repair(directory, { workers: 0 }))).toBe('SETT_NOT_A_DATABASE')
    expect(await codeOf(repair(`${directory}/none`))).toBe('SETT_NOT_A_DATABASE')
    const database = await open(directory, OPTIONS)
    await database.put('a', '1')
    expect(await codeOf(repair(directory, { workers: 0 }))).toBe('LEVEL_LOCKED')
    await database.close()
    expect((await repair(directory, { workers: 0 })).lost).toEqual([])
    const again = await open(directory, OPTIONS)
    expect(await again.get('a')).toBe('1')
    await again.close()
  })

  it('runs its jobs in workers as well', async () => {
    const directory = temporaryDirectory()
    const database = await open(directory, OPTIONS)
    const batch = Array.from({ length: 500 }, (_, i) => ({
      type: 'put' as const,
      key: `key ${i}`,
      value: 'x'.repeat(100),
    }))
    await database.batch(batch)
    await database.flush()
    await database.put('last', 'in the log')
    await database.close()
    const report = await repair(directory, { workers: 1 })
    expect(report.lost).toEqual([])
    expect(report.kept.logRecords).toBe(1)
    const again = await open(directory, OPTIONS)
    expect((await again.keys().all()).length).toBe(501)
    await again.close()
  })
})

function withFlip(image: Image): Image {
  const broken = new Map(image)
  const name = [...image.keys()].filter((each) => each.endsWith('.sst')).sort()[0] as string
  const bytes = Buffer.from(image.get(name) as Buffer)
  bytes[1000] = (bytes[1000] as number) ^ 4
  return broken.set(name, bytes)
}

function withoutManifest(image: Image): Image {
  return new Map([...image].filter(([name]) => !name.startsWith('MANIFEST')))
}

/** Of what was there every byte still is, in place or moved; CURRENT is replaced, and copied before. */
function requireNothingDeleted(fs: FileSystem, before: Image): void {
  const folders = fs.listSync(DIRECTORY).filter((name) => name.startsWith('lost+found'))
  for (const name of before.keys()) {
    const places = ['', ...folders.map((folder) => `${folder}/`)]
    const there = places.some((at) => fs.statSync(`${DIRECTORY}/${at}${name}`) !== undefined)
    expect(there, name).toBe(true)
  }
}

async function requireOldOrNew(crashed: FileSystem, history: History): Promise<void> {
  const report = await mend(crashed)
  const { content, verified } = await readAll(crashed)
  expect(verified.ok).toBe(true)
  requireHonest(content, { history, report: { ...report, lost: ALL_OF_A_BLOCK }, how: 'crash' })
}

/** What the first repair lost it may have told before it crashed, and the next one cannot know. */
const ALL_OF_A_BLOCK: RepairReport['lost'] = [
  {
    kind: 'table',
    file: '',
    offset: 0,
    length: 0,
    why: '',
    keys: { first: Buffer.from('key 0000'), last: Buffer.from('key 0060') },
  },
]

describe('the first open after a repair that crashed while it moved files', () => {
  it('moves the rest, and deletes nothing', async () => {
    const { image, history } = await makeImage(SEED, 120)
    const fs = place(withFlip(image))
    fs.inject({ on: 'rename', path: /lost\+found/, forever: true, errno: 'EIO' })
    expect(await codeOf(mend(fs))).toBe('EIO')
    fs.heal()
    const before = imageOf(fs)
    const engine = await openEngine(DIRECTORY, resolveOptions(OPTIONS), { fs })
    await engine.close()
    const folder = fs.listSync(DIRECTORY).find((name) => name.startsWith('lost+found')) ?? ''
    const moved = fs.listSync(`${DIRECTORY}/${folder}`)
    const there = new Set([...fs.listSync(DIRECTORY), ...moved])
    for (const name of withFlip(image).keys()) expect(there, name).toContain(name)
    expect(moved.some((name) => name.endsWith('.sst'))).toBe(true)
    expect(before.size).toBeGreaterThan(moved.length)
    expect((await readAll(fs)).verified.ok).toBe(true)
    expect(history.whole.size).toBeGreaterThan(0)
  })
})
