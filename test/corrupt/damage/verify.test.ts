// verify() finds every flipped bit, in every kind of file, and names the file.
import { expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { verifyLocation } from '../../../src/engine/verify/verify-location.ts'
import { kernelsOf } from '../../crash/session.ts'
import { prng } from '../../model/prng.ts'
import { OPTIONS } from '../damaged-directories.ts'
import { DIRECTORY, place } from '../image.ts'
import { imageFileSystem } from './image-file-system.ts'
import { closedSpecimen } from './specimen.ts'
import { fileKind } from './tally.ts'

const SEED = Number(process.env['SETT_CORRUPT_SEED'] ?? Date.now() % 1_000_000)
const FLIPS = 120
const PATIENCE_MS = 300_000

it(
  `of a closed database (SETT_CORRUPT_SEED=${SEED})`,
  async () => {
    const { image } = await closedSpecimen(SEED)
    const random = prng(SEED, 19)
    const whole = await verifyLocation(DIRECTORY, resolveOptions(OPTIONS), {}, { fs: place(image) })
    expect(whole.problems).toEqual([])
    const names = [...image.keys()]
    for (let i = 0; i < FLIPS / 4; i++) {
      const name = names[i % names.length]!
      const bytes = Buffer.from(image.get(name)!)
      const at = random.below(bytes.length)
      bytes[at]! ^= 1 << random.below(8)
      const fs = place(new Map(image).set(name, bytes))
      const report = await verifyLocation(DIRECTORY, resolveOptions(OPTIONS), {}, { fs })
      const files = report.problems.map(({ file }) => file)
      expect(files, `byte ${at} of ${name}`).toContain(`${DIRECTORY}/${name}`)
      expect(report.ok).toBe(false)
    }
  },
  PATIENCE_MS,
)

it(
  `of an open database, while it rots (SETT_CORRUPT_SEED=${SEED})`,
  async () => {
    const { image } = await closedSpecimen(SEED)
    const files = new Map(
      [...image].map(([name, bytes]) => [`${DIRECTORY}/${name}`, Buffer.from(bytes)]),
    )
    const options = resolveOptions({ ...OPTIONS, readOnly: true })
    const environment = { fs: imageFileSystem(files), kernels: kernelsOf }
    const engine = await openEngine(DIRECTORY, options, environment)
    expect((await engine.verify({})).problems).toEqual([])
    const random = prng(SEED, 23)
    const kinds = new Map<string, number>()
    const paths = [...files.keys()]
    for (let i = 0; i < FLIPS; i++) {
      const path = paths[i % paths.length]!
      const bytes = files.get(path)!
      const at = random.below(bytes.length)
      const mask = 1 << random.below(8)
      bytes[at]! ^= mask
      const { problems } = await engine.verify({})
      bytes[at]! ^= mask
      expect(
        problems.map(({ file }) => file),
        `byte ${at} of ${path}`,
      ).toContain(path)
      const kind = fileKind(path.slice(DIRECTORY.length + 1))
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    expect([...kinds.keys()].sort()).toEqual(['CURRENT', 'MANIFEST', 'log', 'segment', 'table'])
    expect((await engine.verify({})).ok).toBe(true)
    await engine.close()
  },
  PATIENCE_MS,
)
