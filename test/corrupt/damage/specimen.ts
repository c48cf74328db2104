// Databases to be damaged: every file as bytes, what the oracle says each commit left, and which commit an undamaged
// recovery finds. Closed cleanly, killed in the middle of things, and killed with a backlog of logs. The same seed
// gives the same bytes.
import { resolveOptions } from '../../../src/base/options.ts'
import type { Random } from '../../../src/base/random.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import type { WriteOperation } from '../../../src/engine/types.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { type Content, History } from '../../crash/history.ts'
import { kernelsOf } from '../../crash/session.ts'
import { Disk } from '../../faults/disk.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { type Prng, prng } from '../../model/prng.ts'
import { halfNoise } from '../../support/half-noise.ts'
import { OPTIONS } from '../damaged-directories.ts'
import { DIRECTORY, type Image, place } from '../image.ts'

export interface Specimen {
  readonly name: string
  readonly closed: boolean
  readonly image: Image
  readonly history: History
  /** What an undamaged recovery finds: everything, for what is in memory only is not killed with the process. */
  readonly commit: number
  /** All keys ever written, in order. */
  readonly keys: readonly string[]
  /** States of the same directory at earlier moments. */
  readonly older: readonly Image[]
}

const KEYS = 2_000
const COMMITS_IN_LOG = 110
/** Two parts of a value, the second short. */
const PARTS_BYTES = 1_100_000
const options = resolveOptions({ ...OPTIONS, memtableCount: 6 })
/** Most values lie in segments, of which there are many. */
const SEGMENTED: object = { valueThreshold: 80, segmentMaxEntries: 500 }

export function openOn(
  fs: FileSystem,
  random: Random = seededRandom(1),
  changed: object = {},
): Promise<StorageEngine> {
  const chosen = { ...options, ...changed }
  return openEngine(DIRECTORY, chosen, { fs, random, kernels: kernelsOf })
}

export function seededRandom(seed: number): Random {
  const numbers = prng(seed, 7)
  return {
    fill(target) {
      for (let i = 0; i < target.length; i++) target[i] = numbers.below(256)
    },
  }
}

/** Writes, and tells the oracle. */
class Writer {
  readonly fs: FaultFileSystem
  readonly history: History
  readonly random: Prng
  readonly engine: StorageEngine

  constructor(fs: FaultFileSystem, history: History, random: Prng, engine: StorageEngine) {
    this.fs = fs
    this.history = history
    this.random = random
    this.engine = engine
  }

  async commit(operations: readonly WriteOperation[]): Promise<void> {
    const { history, fs, engine, random } = this
    history.hand(operations, fs.steps.length)
    const durability = random.chance(0.3) ? 'sync' : 'none'
    for (;;) {
      try {
        await engine.batch(operations, { durability })
        return
      } catch (error) {
        // The flush that was to make room failed on purpose; such a commit was not stored.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      }
    }
  }

  put(i: number, round: string): WriteOperation {
    const value = `${round} of ${i} ${halfNoise(50 + (i % 90), i)}`
    return { type: 'put', key: keyOf(i), value }
  }
}

export function keyOf(i: number): string {
  return `key ${String(i).padStart(5, '0')}`
}

function every(step: number, from: number): number[] {
  const numbers: number[] = []
  for (let i = from; i < KEYS; i += step) numbers.push(i)
  return numbers
}

async function inBatches(writer: Writer, operations: readonly WriteOperation[]): Promise<void> {
  const size = 80
  for (let i = 0; i < operations.length; i += size) {
    await writer.commit(operations.slice(i, i + size))
  }
}

/** Keys and values at the edges of the format. */
function oddities(): WriteOperation[] {
  return [
    { type: 'put', key: '', value: 'the empty key' },
    { type: 'put', key: 'key 00000\0', value: '' },
    { type: 'put', key: `key 00300 ${'l'.repeat(3_000)}`, value: 'a long key' },
    { type: 'put', key: 'key 00500 longer than a block', value: 'v'.repeat(3_000) },
    { type: 'put', key: 'key 00900 longer than a page', value: 'w'.repeat(140_000) },
    { type: 'put', key: '\u00e9t\u00e9 \u4e2d', value: '\u00df' },
  ]
}

/** Three levels of history: compacted tables, newer ones above them, a log. */
async function fill(writer: Writer): Promise<void> {
  const { engine } = writer
  await inBatches(
    writer,
    every(1, 0).map((i) => writer.put(i, 'first')),
  )
  await inBatches(
    writer,
    every(10, 0).map((i) => ({ type: 'del', key: keyOf(i) })),
  )
  for (const oddity of oddities()) await writer.commit([oddity])
  await engine.compactRange(undefined, undefined)
  await inBatches(
    writer,
    every(7, 3).map((i) => writer.put(i, 'second')),
  )
  await inBatches(
    writer,
    every(35, 5).map((i) => ({ type: 'del', key: keyOf(i) })),
  )
  await engine.flush()
  for (let i = 0; i < COMMITS_IN_LOG; i++) {
    const n = writer.random.below(KEYS)
    await writer.commit(
      i % 5 === 4 ? [{ type: 'del', key: keyOf(n) }] : [writer.put(n, `third ${i}`)],
    )
  }
}

async function begin(seed: number, changed: object = {}): Promise<Writer> {
  const fs = new FaultFileSystem()
  const engine = await openOn(fs, seededRandom(seed), changed)
  return new Writer(fs, new History(), prng(seed, 3), engine)
}

export function closedSpecimen(seed: number): Promise<Specimen> {
  return closedAfter('closed', seed, {})
}

/** Closed, with most values in segments: some are overwritten, one has several parts. */
export function segmentedSpecimen(seed: number): Promise<Specimen> {
  return closedAfter('segmented', seed, SEGMENTED, async (writer) => {
    const value = halfNoise(PARTS_BYTES, seed)
    await writer.commit([{ type: 'put', key: 'key 01500 in parts', value }])
    await writer.engine.flush()
  })
}

async function closedAfter(
  name: string,
  seed: number,
  changed: object,
  more: (writer: Writer) => Promise<void> = async () => undefined,
): Promise<Specimen> {
  const writer = await begin(seed, changed)
  await fill(writer)
  await more(writer)
  const older = [cachedImage(writer.fs)]
  await writer.engine.close()
  const image = cachedImage(writer.fs)
  const { history } = writer
  const keys = keysOf(history)
  return { name, closed: true, image, history, commit: history.last, keys, older }
}

/** Killed at four moments of a second life: after its last commit, while CURRENT was replaced, while a flush wrote, and
 * with the most logs. */
export async function killedSpecimens(seed: number): Promise<Specimen[]> {
  const first = await begin(seed)
  await fill(first)
  await first.engine.close()
  const { fs, history } = first
  const from = fs.steps.length
  const engine = await openOn(fs, seededRandom(seed + 1))
  const writer = new Writer(fs, history, prng(seed, 4), engine)
  for (let i = 0; i < 60; i++) {
    await writer.commit([
      writer.put(i * 11, `fourth ${i} ${'4'.repeat(writer.random.below(2_000))}`),
    ])
  }
  const cuts = interestingCuts(fs, from)
  await engine.close()
  const specimens: Specimen[] = []
  for (const [name, cut] of cuts) {
    const older = [0.3, 0.6, 0.9].map((share) => imageAt(fs, Math.floor(cut * share)))
    specimens.push(await recovered({ name, image: imageAt(fs, cut), history, older }))
  }
  return specimens
}

/** Killed while no flush succeeded: five logs hold commits. */
export async function backlogSpecimen(seed: number): Promise<Specimen> {
  const first = await begin(seed)
  await fill(first)
  await first.engine.close()
  const { fs, history } = first
  fs.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
  const engine = await openOn(fs, seededRandom(seed + 1))
  const writer = new Writer(fs, history, prng(seed, 5), engine)
  const older: Image[] = []
  for (let i = 0; logsWithFrames(cachedImage(fs)) < 5; i++) {
    await writer.commit([writer.put(i * 13, `fifth ${i} ${'5'.repeat(1_000)}`)])
    if (i % 40 === 30) older.push(cachedImage(fs))
  }
  await writer.commit(every(8, 1).map((i) => writer.put(i, 'in one batch')))
  for (let i = 0; i < 8; i++) await writer.commit([writer.put(i * 17, `last ${i}`)])
  const image = cachedImage(fs)
  fs.heal()
  await engine.close()
  return recovered({ name: 'backlog', image, history, older })
}

function logsWithFrames(image: Image): number {
  return [...image].filter(([name, bytes]) => name.endsWith('.wal') && bytes.length > 64).length
}

/** All that was written, synced or not: what a kill leaves. */
function cachedImage(fs: FaultFileSystem): Image {
  return namesOf(fs.image({ rule: 'strict', survives: () => 'all' }))
}

function imageAt(fs: FaultFileSystem, cut: number): Image {
  const disk = new Disk(new Map())
  for (const step of fs.steps.slice(0, cut)) disk.apply(step)
  return namesOf(disk.image({ rule: 'strict', survives: () => 'all' }))
}

function namesOf(files: ReadonlyMap<string, Buffer>): Image {
  return new Map([...files].map(([path, bytes]) => [path.slice(DIRECTORY.length + 1), bytes]))
}

function interestingCuts(fs: FaultFileSystem, from: number): [string, number][] {
  const disk = new Disk(new Map())
  let [whileReplacing, whileFlushing, mostLogs, most] = [0, 0, 0, 0]
  for (const [i, step] of fs.steps.entries()) {
    disk.apply(step)
    if (i < from) continue
    if (step.kind === 'rename') whileReplacing = i
    if (step.kind === 'create' && step.at.name.endsWith('.sst')) whileFlushing = i + 6
    const directory = [...disk.names.values()].find((names) => names.has('CURRENT'))
    const logs = [...(directory?.keys() ?? [])].filter((name) => name.endsWith('.wal')).length
    if (logs >= most) {
      most = logs
      mostLogs = i + 1
    }
  }
  return [
    ['killed', fs.steps.length],
    ['killed replacing CURRENT', whileReplacing],
    ['killed flushing', whileFlushing],
    ['killed with most logs', mostLogs],
  ]
}

/** Opens the image, undamaged, to see which commit it holds. */
async function recovered(
  found: Pick<Specimen, 'name' | 'image' | 'history' | 'older'>,
): Promise<Specimen> {
  const engine = await openOn(place(found.image))
  try {
    const content = new Map(readPairs(engine, {}))
    const { history } = found
    for (let commit = history.last; commit > 0; commit--) {
      if (!sameContent(content, history.content(commit))) continue
      return { ...found, closed: false, commit, keys: keysOf(history) }
    }
  } finally {
    await engine.close()
  }
  throw new Error(`${found.name}: undamaged it holds what no commit left`)
}

function keysOf(history: History): string[] {
  const keys = new Set<string>()
  for (let commit = 1; commit <= history.last; commit++) {
    for (const key of history.content(commit).keys()) keys.add(key)
  }
  return [...keys].sort()
}

const PAGE = 500

export function readPairs(
  engine: Pick<StorageEngine, 'range' | 'version'>,
  bounds: { gte?: string; lt?: string; reverse?: boolean },
): [string, string][] {
  const reader = engine.range({
    ...bounds,
    keys: true,
    values: true,
    keyForm: 'utf8',
    valueForm: 'utf8',
    version: engine.version,
  })
  const pairs: [string, string][] = []
  for (let page = reader.next(PAGE); page.length > 0; page = reader.next(PAGE)) {
    pairs.push(...(page as [string, string][]))
  }
  return pairs
}

export function sameContent(a: Content, b: Content): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}
