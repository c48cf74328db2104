// Goes through all harms: every bit of the small files and of headers and footers, flipped bits elsewhere, and every
// other kind of harm to random files, of databases closed cleanly and killed. Never stops at a wrong answer: it counts.

import type { FileSystem } from '../../../src/io/file-system.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { prng } from '../../model/prng.ts'
import { DIRECTORY, type Image } from '../image.ts'
import { HARM_KINDS, Harmer } from './harm.ts'
import { imageFileSystem } from './image-file-system.ts'
import { judge, requirePlace, WrongAnswer } from './judge.ts'
import { LiveLogs } from './live-logs.ts'
import { type LiveFile, LiveTables } from './live-tables.ts'
import {
  backlogSpecimen,
  closedSpecimen,
  killedSpecimens,
  type Specimen,
  segmentedSpecimen,
} from './specimen.ts'
import { fileKind, Tally } from './tally.ts'

export interface DamageRun {
  readonly seed: number
  /** Bits flipped outside of small files, headers and footers. */
  readonly flips: number
  /** Whole databases harmed in any way, opened, read and closed. */
  readonly harms: number
  /** A bit of every byte is not enough: all of them. */
  readonly everyBit: boolean
}

const FOREIGN = 1_000_003
/** Of refusals by the manifest, one in so many is tried by an open. */
const WHOLE = 17
/** One opened database in so many is opened twice. */
const TWICE = 4
const WRONG_MOST = 20

export interface Specimens {
  readonly all: readonly Specimen[]
  /** Others, with files of the same names, in the same order. */
  readonly foreign: readonly Specimen[]
}

export async function makeSpecimens(seed: number): Promise<Specimens> {
  const make = async (from: number): Promise<Specimen[]> => [
    await closedSpecimen(from),
    ...(await killedSpecimens(from)),
    await backlogSpecimen(from),
    await segmentedSpecimen(from),
  ]
  return { all: await make(seed), foreign: await make(seed + FOREIGN) }
}

export async function runDamage(run: DamageRun, specimens: Specimens): Promise<Tally> {
  const tally = new Tally()
  const [closed, killed] = specimens.all
  for (const specimen of [closed!, killed!]) await flipSmallFiles(specimen, tally)
  flipTables(run, closed!, tally)
  flipSegments(run, specimens.all.at(-1)!, tally)
  for (const specimen of specimens.all) flipLogs(run, specimen, specimens.all.length, tally)
  await harmFiles(run, specimens, tally)
  return tally
}

/** Every bit of CURRENT and of the manifest. An open reads them before anything else, so what cannot be read is
 * refused: that is tried by itself, and now and then as a whole. */
async function flipSmallFiles(specimen: Specimen, tally: Tally): Promise<void> {
  const files = new Map([...specimen.image].map(([name, bytes]) => [`${DIRECTORY}/${name}`, bytes]))
  const fs = imageFileSystem(files)
  for (const [name, before] of specimen.image) {
    if (name !== 'CURRENT' && !name.startsWith('MANIFEST')) continue
    const bytes = Buffer.from(before)
    const damaged: Image = new Map(specimen.image).set(name, bytes)
    const kind = `bit of ${fileKind(name)}, ${specimen.name}`
    files.set(`${DIRECTORY}/${name}`, bytes)
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      await counting(tally, kind, `bit ${bit}`, async () => {
        return bit % WHOLE !== 0 && isRefused(fs) ? 'refused' : judge(specimen, damaged)
      })
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
    files.set(`${DIRECTORY}/${name}`, before)
  }
}

function isRefused(fs: FileSystem): boolean {
  try {
    readManifest(fs, DIRECTORY)
    return false
  } catch (error) {
    requirePlace(error)
    return true
  }
}

/** Every bit of headers and footers of tables, and random or all bits of what lies between. */
function flipTables(run: DamageRun, specimen: Specimen, tally: Tally): void {
  const live = new LiveTables(specimen)
  const random = prng(run.seed, 11)
  const flip = (table: LiveFile, offset: number, bit: number): void => {
    const { kind } = table.regionAt(offset)
    guarded(tally, () => {
      tally.count(`bit of table, ${kind}`, live.flip(table, offset, bit) ? 'error' : 'right')
    })
  }
  for (const table of live.tables) {
    const ends = table.regions.filter(({ kind }) => kind === 'header' || kind === 'footer')
    for (const { from, to } of run.everyBit ? [{ from: 0, to: table.bytes.length }] : ends) {
      for (let bit = 8 * from; bit < 8 * to; bit++) flip(table, bit >> 3, bit & 7)
    }
  }
  if (run.everyBit) return
  for (let i = 0; i < Math.ceil(run.flips / 2); i++) {
    const table = live.tables[random.below(live.tables.length)]!
    const inner = table.regions.slice(1, -1)
    // As often as data, what there is little of.
    const parts = inner.filter(({ kind }) => kind !== 'data block')
    const from = random.chance(0.5) ? inner : parts
    const region = from[random.below(from.length)]!
    flip(table, region.from + random.below(region.to - region.from), random.below(8))
  }
}

/** Every bit of headers and footers of segments, and random or all bits of what lies between. */
function flipSegments(run: DamageRun, specimen: Specimen, tally: Tally): void {
  const live = new LiveTables(specimen)
  const random = prng(run.seed, 15)
  const flip = (segment: LiveFile, offset: number, bit: number): void => {
    const { kind } = segment.regionAt(offset)
    const what = kind.startsWith('segment') ? `bit of ${kind}` : `bit of segment, ${kind}`
    guarded(tally, () => {
      tally.count(what, live.flip(segment, offset, bit) ? 'error' : 'right')
    })
  }
  const { segments } = live
  for (const segment of segments) {
    const whole = [{ from: 0, to: segment.bytes.length }]
    const ends = [segment.regions[0]!, segment.regions.at(-1)!]
    for (const { from, to } of run.everyBit ? whole : ends) {
      for (let bit = 8 * from; bit < 8 * to; bit++) flip(segment, bit >> 3, bit & 7)
    }
  }
  for (let i = 0; i < (run.everyBit ? 0 : run.flips / 2); i++) {
    const segment = segments[random.below(segments.length)]!
    const region = segment.regions[1 + random.below(segment.regions.length - 2)]!
    flip(segment, region.from + random.below(region.to - region.from), random.below(8))
  }
}

/** Every bit of the headers of logs, and random or all bits of their frames. */
function flipLogs(run: DamageRun, specimen: Specimen, shares: number, tally: Tally): void {
  const live = new LiveLogs(specimen)
  const random = prng(run.seed, 13)
  const kind = `bit of log, ${specimen.name}`
  for (const log of live.logs) {
    const length = log.frames.at(-1)?.end ?? log.bytes.length
    const flip = (bit: number): void =>
      guarded(tally, () => {
        tally.count(kind, live.flip(log, bit >> 3, bit & 7, bit % 16 === 0))
      })
    const end = run.everyBit ? length : Math.min(64, length)
    for (let bit = 0; bit < 8 * end; bit++) flip(bit)
    const count = run.everyBit || length <= 64 ? 0 : run.flips / 2 / shares / live.logs.length
    for (let i = 0; i < count; i++) flip(8 * 64 + random.below(8 * (length - 64)))
  }
}

/** Whole databases, harmed in every way by turns. */
async function harmFiles(run: DamageRun, specimens: Specimens, tally: Tally): Promise<void> {
  const random = prng(run.seed, 17)
  const harmers = specimens.all.map((specimen, i) => {
    return new Harmer(specimen, specimens.foreign[i]!, random)
  })
  for (let i = 0; i < run.harms; ) {
    const chosen = random.below(specimens.all.length)
    const kind = HARM_KINDS[i % HARM_KINDS.length]!
    const harm = harmers[chosen]!.harm(kind)
    if (harm === undefined) continue
    const specimen = specimens.all[chosen]!
    const what = `${specimen.name}: ${kind} ${harm.file} ${harm.what}`
    const twice = i % TWICE === 0
    i += 1
    await counting(tally, `${kind}: ${fileKind(harm.file)}`, what, () => {
      return judge(specimen, harm.image, twice)
    })
    if (tally.wrong.length >= WRONG_MOST) return
  }
}

async function counting(
  tally: Tally,
  kind: string,
  what: string,
  work: () => Promise<Parameters<Tally['count']>[1]>,
): Promise<void> {
  try {
    tally.count(kind, await work())
  } catch (error) {
    if (!(error instanceof WrongAnswer)) throw error
    tally.wrong.push(`${kind}, ${what}: ${error.message}`)
  }
}

function guarded(tally: Tally, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof WrongAnswer)) throw error
    tally.wrong.push(error.message)
  }
}
