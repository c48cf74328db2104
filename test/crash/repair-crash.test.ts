// Power cuts inside a repair of a damaged database: repairing again gives what the first repair would have given, and
// a database that opens is one that was repaired, or was never touched.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { repairDirectory } from '../../src/engine/repair/repair.ts'
import { SEGMENT_OPTIONS } from '../corrupt/damaged-directories.ts'
import { type Image, makeImage, place, readAll } from '../corrupt/image.ts'
import { Disk } from '../faults/disk.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { prng } from '../model/prng.ts'
import { DIRECTORY } from './check.ts'
import { crashStates } from './survivals.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)
const KEYS = 100
/** Of each cut. */
const STATES = 1
const options = resolveOptions(SEGMENT_OPTIONS)

async function repaired(fs: FaultFileSystem): Promise<ReadonlyMap<string, string>> {
  await repairDirectory(DIRECTORY, options, { fs })
  const { content, verified } = await readAll(fs)
  expect(verified.problems).toEqual([])
  return content
}

function flipped(image: Image): Image {
  const name = [...image.keys()].filter((each) => each.endsWith('.sst')).sort()[0]!
  const bytes = Buffer.from(image.get(name)!)
  bytes[1000] = bytes[1000]! ^ 4
  return new Map([...image, [name, bytes]])
}

/** One bit of a value in a segment. */
function valueFlipped(image: Image): Image {
  const name = [...image.keys()].filter((each) => each.endsWith('.vlog')).sort()[0]!
  const bytes = Buffer.from(image.get(name)!)
  bytes[300] = bytes[300]! ^ 4
  return new Map([...image, [name, bytes]])
}

function without(image: Image, pattern: RegExp): Image {
  return new Map([...image].filter(([name]) => !pattern.test(name)))
}

describe(`a repair (SETT_CRASH_SEED=${SEED})`, () => {
  it.each([
    ['a flipped bit', flipped],
    ['a flipped bit of a value', valueFlipped],
    ['no manifest', (image: Image) => without(image, /^MANIFEST/)],
    ['no CURRENT', (image: Image) => without(image, /^CURRENT/)],
  ] as const)(
    'of a database with %s stands any power cut',
    async (_, damage) => {
      const { image } = await makeImage(SEED, KEYS, true)
      const damaged = damage(image)
      const wanted = await repaired(place(damaged))
      const files = new Map([...damaged].map(([name, bytes]) => [`${DIRECTORY}/${name}`, bytes]))
      const fs = new FaultFileSystem({ files })
      await repairDirectory(DIRECTORY, options, { fs })
      const { steps } = fs
      const disk = new Disk(files)
      const random = prng(SEED)
      let opened = 0
      for (let cut = 0; cut <= steps.length; cut++) {
        if (cut > 0) disk.apply(steps[cut - 1]!)
        const states = crashStates(disk, SEED + cut).filter(({ survival }) => survival !== 'killed')
        for (let i = 0; i < STATES; i++) {
          const { label, survival } = states[random.below(states.length)]!
          if (survival === 'killed') continue
          const left = disk.image(survival)
          expect(await repaired(new FaultFileSystem({ files: left })), `${cut}:${label}`).toEqual(
            wanted,
          )
          if (await opensRight(new FaultFileSystem({ files: left }), wanted)) opened++
        }
      }
      expect(opened).toBeGreaterThan(0)
    },
    120_000,
  )
})

describe('the first open after a repair', () => {
  it('moves nothing that a power cut could bring back as needed', async () => {
    const { image, history } = await makeImage(SEED, KEYS)
    const files = new Map([...image].map(([name, bytes]) => [`${DIRECTORY}/${name}`, bytes]))
    const repairing = new FaultFileSystem({ files })
    await repairDirectory(DIRECTORY, options, { fs: repairing })
    // Killed when the new CURRENT had its name, but not yet for good.
    const { steps } = repairing
    const rename = steps.findIndex((step) => step.kind === 'rename' && step.to.name === 'CURRENT')
    const fs = new FaultFileSystem({ files, steps: steps.slice(0, rename + 1) })
    const engine = await openEngine(DIRECTORY, options, { fs })
    await engine.close()
    for (let cut = rename + 1; cut <= fs.steps.length; cut++) {
      const disk = new Disk(files)
      for (const step of fs.steps.slice(0, cut)) disk.apply(step)
      const left = disk.image({
        rule: 'strict',
        survives: ({ index }) => (index === rename ? 'none' : 'all'),
      })
      const { content } = await readAll(new FaultFileSystem({ files: left }))
      expect(content, `cut at ${cut}`).toEqual(history.whole)
    }
  })
})

/** False: it does not open. What it shows, if it does and all of it can be read, is what the repair gives. */
async function opensRight(
  fs: FaultFileSystem,
  wanted: ReadonlyMap<string, string>,
): Promise<boolean> {
  try {
    const engine = await openEngine(DIRECTORY, options, { fs })
    await engine.close()
  } catch (error) {
    expect(error).toMatchObject({ code: 'LEVEL_CORRUPTION' })
    return false
  }
  const { content, verified } = await readAll(fs).catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'LEVEL_CORRUPTION' })
    return { content: wanted, verified: undefined }
  })
  expect(content).toEqual(wanted)
  return verified?.ok === true
}
