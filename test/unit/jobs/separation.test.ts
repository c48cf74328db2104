// Flush and compaction with values in segments, against a model that knows nothing of segments: what is read back
// through the pointers is what was kept, and the segments are byte for byte those of the twin.
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { expect, it } from 'vitest'
import type { SegmentMeta } from '../../../src/format/segments/segment-meta.ts'
import { segmentPath } from '../../../src/io/file-names.ts'
import type { Separation, TableShape, TablesResult } from '../../../src/jobs/job.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { packLz4, pointerTwin, segmentTwin } from '../../twins/segment.ts'
import {
  Bench,
  compareEntries,
  DIRECTORY,
  type KernelKind,
  type PlainEntry,
  randomEntries,
  SHAPE,
  seeded,
} from '../sstable/support.ts'
import { fileBytes, namesOf, resolved, usesOf } from './stored-values.ts'
import { JobBench, keepModel, outputName } from './support.ts'

const MIB = 1024 * 1024
const SEPARATION: Separation = { threshold: 200, segmentSize: 8192, segmentMaxEntries: 9 }
const NEWEST = [Number.MAX_SAFE_INTEGER - 1]

function shapeOf(separation: Partial<Separation> = {}, rest: Partial<TableShape> = {}): TableShape {
  return { ...SHAPE, ...rest, separation: { ...SEPARATION, ...separation } }
}

/** About every third value is long, some with much to compress. */
function someEntries(seed: number, keys = 120): PlainEntry[] {
  const random = seeded(seed)
  const entries = randomEntries(random, {
    keys,
    keyBytes: () => 1 + Math.floor(random() * 8),
    valueBytes: () =>
      random() < 0.3 ? 150 + Math.floor(random() * 1000) : Math.floor(random() * 150),
    versions: () => 1 + Math.floor(random() ** 2 * 4),
  })
  return entries
    .map((entry, i) => {
      const { key, version } = entry
      const dense = entry.value !== undefined && i % 3 === 0
      const value = dense ? Buffer.alloc(entry.value?.length ?? 0, 'sett') : entry.value
      return { key, version, value }
    })
    .sort(compareEntries)
}

/** The segments that hold these values in this order, and the pointers into them. */
function twinsOf(
  entries: readonly PlainEntry[],
  segments: readonly SegmentMeta[],
  shape: TableShape,
): { readonly files: readonly Buffer[]; readonly pointers: readonly Buffer[] } {
  const { segmentSize, segmentMaxEntries } = shape.separation as Separation
  const pack = shape.compression === 'lz4' ? { pack: packLz4 } : {}
  const files: Buffer[] = []
  const pointers: Buffer[] = []
  let rest = entries.map(({ key, value }) => ({ key, value: value as Buffer }))
  for (const { number, salt } of segments) {
    const spec = (count: number) => ({
      number,
      salt: Buffer.from(salt, 'hex'),
      values: rest.slice(0, count),
      ...pack,
    })
    let count = 1
    const ends = () => segmentTwin(spec(count)).bytes.length - 128
    while (count < rest.length && count < segmentMaxEntries && ends() < segmentSize) count += 1
    const { bytes, places } = segmentTwin(spec(count))
    files.push(bytes)
    pointers.push(...places.map((place) => pointerTwin(number, place)))
    rest = rest.slice(count)
  }
  expect(rest).toEqual([])
  return { files, pointers }
}

/** Holds what is read through the pointers against the entries that must be kept. */
function expectRead(jobs: JobBench, { tables }: TablesResult, kept: readonly PlainEntry[]): void {
  expect(resolved(jobs.bench.fs, jobs.read(tables)).map(digest)).toEqual(kept.map(digest))
  for (const table of tables) {
    expect(table.segments ?? []).toEqual(usesOf(jobs.read([table])))
  }
}

function digest({ value, ...rest }: PlainEntry): unknown {
  return {
    ...rest,
    value: value === undefined ? 'gone' : createHash('sha1').update(value).digest('hex'),
  }
}

/** Also holds the segments against those of the twin: for small values, since that is slow. */
function expectKept(
  jobs: JobBench,
  result: TablesResult,
  kept: readonly PlainEntry[],
  shape: TableShape,
): void {
  expectRead(jobs, result, kept)
  const { fs } = jobs.bench
  const found = jobs.read(result.tables)
  const numbers = result.segments.map(({ number }) => number)
  expect([...numbers].sort((a, b) => a - b)).toEqual(numbers)
  const isNew = ({ pointer, value }: PlainEntry): boolean =>
    pointer === true && numbers.includes(Number((value as Buffer).readBigUInt64LE(0)))
  const written = kept.filter((_, i) => isNew(found[i] as PlainEntry))
  const { files, pointers } = twinsOf(written, result.segments, shape)
  expect(found.filter(isNew).map(({ value }) => value)).toEqual(pointers)
  for (const [i, { number, size }] of result.segments.entries()) {
    const bytes = fileBytes(fs, segmentPath(DIRECTORY, number))
    expect(bytes.length).toBe(size)
    expect(bytes.equals(files[i] as Buffer), `segment ${number}`).toBe(true)
  }
  const outputs = [...result.tables, ...result.segments]
  expect(result.bytesWritten).toBe(outputs.reduce((sum, { size }) => sum + size, 0))
}

it.each<[KernelKind, TableShape['compression'], number]>([
  ['twin', 'none', 1],
  ['twin', 'lz4', 2],
  ['wasm', 'none', 3],
  ['wasm', 'lz4', 4],
])('a flush puts long values into segments (%s, %s, seed %i)', (kind, compression, seed) => {
  const jobs = new JobBench(new Bench(48 * MIB, kind))
  const shape = shapeOf({}, { compression })
  const entries = someEntries(seed)
  const memtable = jobs.memtable(entries)
  const before = fileNames(jobs)
  const result = jobs.flush(memtable, NEWEST, shape)
  const kept = keepModel(entries, NEWEST, false)
  expectKept(jobs, result, kept, shape)
  expect(result.segments.length).toBeGreaterThan(2)
  const found = jobs.read(result.tables)
  const long = kept.map(({ value }) => value !== undefined && value.length >= 200)
  expect(found.map(({ pointer }) => pointer === true)).toEqual(long)
  expect(result.entriesIn).toBe(entries.length)
  expect(result.entriesOut).toBe(kept.length)
  expect(fileNames(jobs)).toEqual([...before, ...namesOf(result.tables, result.segments)].sort())
})

function fileNames(jobs: JobBench): string[] {
  return jobs.bench.fs.listSync(DIRECTORY).sort()
}

/** Runs a whole history: flushed in four pieces, the oldest merged first, then all. */
function history(jobs: JobBench, entries: readonly PlainEntry[], shape: TableShape) {
  const versions = entries.map(({ version }) => version).sort((a, b) => a - b)
  const cuts = [0.4, 0.6, 0.8, 1].map(
    (share) => versions[Math.floor(share * (versions.length - 1))] as number,
  )
  return cuts.map((cut, i) => {
    const from = i === 0 ? -1 : (cuts[i - 1] as number)
    const run = entries.filter(({ version }) => version > from && version <= cut)
    return jobs.flush(jobs.memtable(run), versions, shape)
  })
}

const everything = { dropTombstones: true, snapshots: NEWEST }

it.each<[KernelKind, TableShape['compression'], number]>([
  ['twin', 'lz4', 11],
  ['wasm', 'none', 12],
  ['wasm', 'lz4', 13],
])(
  'a compaction passes pointers on and moves nothing (%s, %s, seed %i)',
  (kind, compression, seed) => {
    const jobs = new JobBench(new Bench(64 * MIB, kind))
    const shape = shapeOf({}, { compression })
    const entries = someEntries(seed)
    const flushes = history(jobs, entries, shape)
    const sources = flushes.map(({ tables }) => tables).reverse()
    for (const rest of [everything, { ...everything, dropTombstones: false }]) {
      const result = jobs.compact(sources, rest, shape)
      expectKept(jobs, result, keepModel(entries, NEWEST, rest.dropTombstones), shape)
      expect(result.segments).toEqual([])
    }
  },
)

it.each<[KernelKind, TableShape['compression'], number]>([
  ['twin', 'lz4', 21],
  ['wasm', 'none', 22],
  ['wasm', 'lz4', 23],
])(
  'values of doomed segments are copied, others stay (%s, %s, seed %i)',
  (kind, compression, seed) => {
    const jobs = new JobBench(new Bench(64 * MIB, kind))
    const shape = shapeOf({}, { compression })
    const entries = someEntries(seed)
    const flushes = history(jobs, entries, shape)
    const all = flushes.flatMap(({ segments }) => segments)
    const relocate = all.filter((_, i) => i % 2 === 0)
    const sources = flushes.map(({ tables }) => tables).reverse()
    const versions = entries.map(({ version }) => version).sort((a, b) => a - b)
    const rest = { dropTombstones: false, snapshots: versions, relocate }
    // Whatever new values would do, these are copied.
    const result = jobs.compact(
      sources,
      rest,
      shapeOf({ threshold: Number.POSITIVE_INFINITY }, { compression }),
    )
    expectKept(jobs, result, entries, shape)
    const used = new Set(
      result.tables.flatMap(({ segments = [] }) => segments.map((use) => use.number)),
    )
    expect(relocate.filter(({ number }) => used.has(number))).toEqual([])
    const kept = all.filter((_, i) => i % 2 === 1).map(({ number }) => number)
    const made = result.segments.map(({ number }) => number)
    expect([...used].sort((a, b) => a - b)).toEqual([...kept, ...made].sort((a, b) => a - b))
    expect(made.length).toBeGreaterThan(0)
    expect(result.bytesRead).toBeGreaterThan(
      relocate.reduce((sum, { size }) => sum + size - 192, 0),
    )
  },
)

it('a threshold that is lowered moves values out of tables, one that is raised moves none back', () => {
  const jobs = new JobBench(new Bench(96 * MIB))
  const plain = { compression: 'none' } as const
  const off = shapeOf({ threshold: Number.POSITIVE_INFINITY }, plain)
  const long = Buffer.alloc(3 * MIB + 5, 'a long value ')
  const noise = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * i * 7919) >>> 3))
  const entries: PlainEntry[] = [
    { key: Buffer.from('a'), version: 5, value: Buffer.alloc(MIB, 'x') },
    { key: Buffer.from('b'), version: 6, value: Buffer.alloc(199, 'y') },
    { key: Buffer.from('c'), version: 7, value: long },
    { key: Buffer.from('d'), version: 8, value: noise, expiresAt: 2 ** 40 },
    { key: Buffer.from('e'), version: 9, value: Buffer.alloc(0) },
  ]
  const inline = jobs.flush(jobs.memtable(entries), NEWEST, off)
  expectRead(jobs, inline, entries)
  expect(inline.segments).toEqual([])
  const on = shapeOf({ segmentSize: 2 * MIB }, plain)
  const moved = jobs.compact([inline.tables], everything, on)
  expectRead(jobs, moved, entries)
  expect(moved.segments.length).toBe(2)
  const passed = jobs.compact([moved.tables], everything, off)
  expectRead(jobs, passed, entries)
  expect(passed.segments).toEqual([])
  const relocated = jobs.compact([passed.tables], { ...everything, relocate: moved.segments }, on)
  expectRead(jobs, relocated, entries)
  expect(relocated.segments.length).toBe(2)
})

it('what has expired for all loses its value, wherever that lies', () => {
  const jobs = new JobBench(new Bench(48 * MIB))
  const shape = shapeOf()
  const entries: PlainEntry[] = Array.from({ length: 20 }, (_, i) => ({
    key: Buffer.from(`k${10 + i}`),
    version: i + 1,
    value: Buffer.alloc(i % 3 === 0 ? 10 : 500, i),
    ...(i % 2 === 0 ? { expiresAt: 1000 } : {}),
  }))
  const flushed = jobs.flush(jobs.memtable(entries), NEWEST, shape)
  const readers = { snapshots: NEWEST, horizons: [1000] }
  const kept = keepModel(entries, NEWEST, false, readers.horizons)
  const result = jobs.compact([flushed.tables], { dropTombstones: false, ...readers }, shape)
  expectKept(jobs, result, kept, shape)
  const before = flushed.tables[0]?.segments?.[0]?.bytes as number
  expect(result.tables[0]?.segments?.[0]?.bytes as number).toBeLessThan(before)
  expectKept(jobs, jobs.flush(jobs.memtable(entries), readers, shape), kept, shape)
})

it('a table ends at the first key after it refers to many bytes, or many segments', () => {
  const jobs = new JobBench(new Bench(64 * MIB))
  const count = 3000
  const entries: PlainEntry[] = Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(String(10_000 + i)),
    version: i + 1,
    value: Buffer.alloc(40, i),
  }))
  const each = { threshold: 30, segmentMaxEntries: 1 }
  const wide = { tableSize: 8 * MIB }
  const memtable = jobs.memtable(entries)
  const { tables } = jobs.flush(memtable, NEWEST, shapeOf(each, wide), 4000)
  expect(tables.map(({ segments = [] }) => segments.length)).toEqual([1792, count - 1792])
  const few = shapeOf({ threshold: 30, segmentMaxEntries: 1000 }, { ...wide, valueBytesMax: 7200 })
  const pieces = jobs.flush(memtable, NEWEST, few)
  for (const { segments = [] } of pieces.tables.slice(0, -1)) {
    const bytes = segments.reduce((sum, use) => sum + use.bytes, 0)
    expect(bytes).toBeGreaterThan(7200)
    expect(bytes).toBeLessThan(1.2 * 7200)
  }
  // Without numbers for more tables they go on.
  expect(jobs.flush(memtable, NEWEST, few, 200, 2).tables.length).toBe(3)
})

it('all versions of a key stay in one table, whatever they refer to', () => {
  const jobs = new JobBench(new Bench(64 * MIB))
  const entries: PlainEntry[] = Array.from({ length: 900 }, (_, i) => ({
    key: Buffer.from(i < 40 ? String(100 + i) : 'z'),
    version: 1000 - i,
    value: Buffer.alloc(100, i),
  }))
  const snapshots = entries.map(({ version }) => version).reverse()
  const shape = shapeOf({ threshold: 50 }, { tableSize: 8 * MIB, valueBytesMax: 1000 })
  const result = jobs.flush(jobs.memtable(entries), snapshots, shape)
  expectKept(jobs, result, [...entries].sort(compareEntries), shape)
  expect(result.tables.map(({ entries: count }) => count)).toEqual([21, 879])
})

it('a job tells of its progress, and can be stopped, in the middle of a batch of long values', () => {
  const jobs = new JobBench(new Bench(96 * MIB))
  const shape = shapeOf({ segmentSize: 64 * MIB }, { compression: 'none' })
  const entries: PlainEntry[] = Array.from({ length: 14 }, (_, i) => ({
    key: Buffer.from(`k${10 + i}`),
    version: i + 1,
    value: Buffer.alloc(MIB, i),
  }))
  const memtable = jobs.memtable(entries)
  expectRead(jobs, jobs.flush(memtable, NEWEST, shape), entries)
  const progress = jobs.reports.flatMap((report) =>
    report.kind === 'progress' ? [report.bytesWritten] : [],
  )
  expect(progress.length).toBe(3)
  const before = fileNames(jobs)
  jobs.reports.length = 0
  jobs.cancelled = true
  expect(() => jobs.flush(memtable, NEWEST, shape)).toThrow('cancelled')
  expect(jobs.reports.filter(({ kind }) => kind === 'progress').length).toBe(1)
  expect(fileNames(jobs)).toEqual(before)
})

it('a job that fails or is cancelled leaves neither table nor segment', () => {
  const jobs = new JobBench(new Bench(48 * MIB))
  const shape = shapeOf()
  const entries = someEntries(31)
  const flushed = jobs.flush(jobs.memtable(entries), NEWEST, shape)
  const before = fileNames(jobs)
  jobs.cancelled = true
  expect(() => jobs.flush(jobs.memtable(entries), NEWEST, shape)).toThrow('cancelled')
  expect(fileNames(jobs)).toEqual(before)
  jobs.cancelled = false
  const short = { ...shape, separation: { ...SEPARATION, segmentMaxEntries: 1 } }
  expect(() => jobs.flush(jobs.memtable(entries), NEWEST, short, 20)).toThrow('a number')
  expect(fileNames(jobs)).toEqual(before)
  const relocate = flushed.segments
  expect(() => jobs.compact([flushed.tables], { ...everything, relocate }, short, 20)).toThrow(
    'a number',
  )
  expect(fileNames(jobs)).toEqual(before)
})

it('a job tells of each file it creates, and before it does', () => {
  const fs = new FaultFileSystem()
  const jobs = new JobBench(new Bench(48 * MIB, 'wasm', fs))
  const told = (): string[] =>
    jobs.reports.flatMap((report) => (report.kind === 'output' ? [outputName(report)] : []))
  const created: string[] = []
  fs.watch(({ kind, path }) => {
    if (kind !== 'create') return
    created.push(basename(path))
    expect(told()).toEqual(created)
  })
  const shape = shapeOf({}, { tableSize: 2048 })
  const flushed = jobs.flush(jobs.memtable(someEntries(61)), NEWEST, shape)
  const relocate = flushed.segments
  const moved = jobs.compact([flushed.tables], { ...everything, relocate }, shape)
  for (const { tables, segments } of [flushed, moved]) {
    expect(Math.min(tables.length, segments.length)).toBeGreaterThan(0)
    expect(created).toEqual(expect.arrayContaining([...namesOf(tables, segments)]))
  }
  expect(told()).toEqual(created)
})

it('what a job has answered for survives the loss of all that was not synced', () => {
  const fs = new FaultFileSystem()
  const jobs = new JobBench(new Bench(48 * MIB, 'wasm', fs))
  const shape = shapeOf()
  const entries = someEntries(51)
  const memtable = jobs.memtable(entries)
  const flushed = jobs.flush(memtable, NEWEST, shape)
  const relocate = flushed.segments.slice(0, 1)
  const moved = jobs.compact([flushed.tables], { ...everything, relocate }, shape)
  const left = fs.image({ rule: 'strict', survives: () => 'none' })
  for (const { tables, segments } of [flushed, moved]) {
    expect(segments.length).toBeGreaterThan(0)
    for (const [i, name] of namesOf(tables, segments).entries()) {
      const path = `${DIRECTORY}/${name}`
      expect(left.get(path)?.equals(fileBytes(fs, path)), `file ${i}`).toBe(true)
    }
  }
})

it('damage in a doomed segment is an error, whichever byte it hit', () => {
  const jobs = new JobBench(new Bench(48 * MIB))
  const shape = shapeOf({}, { compression: 'none' })
  const entries = someEntries(41, 12)
  const { tables, segments } = jobs.flush(jobs.memtable(entries), NEWEST, shape)
  const [doomed] = segments
  if (doomed === undefined) throw new Error('there is a segment')
  const before = fileNames(jobs)
  const { fs } = jobs.bench
  const path = segmentPath(DIRECTORY, doomed.number)
  const good = fileBytes(fs, path)
  const relocate = () => jobs.compact([tables], { ...everything, relocate: [doomed] }, shape)
  const write = (bytes: Buffer): void => {
    const file = fs.openSync(path, 'update')
    file.truncateSync(0)
    file.writeSync(bytes, 0)
    file.closeSync()
  }
  const padding = paddingOf(good)
  for (let at = 0; at < good.length; at += at < 400 ? 1 : 37) {
    const bad = Buffer.from(good)
    bad[at] = (bad[at] as number) ^ 0x10
    write(bad)
    if (padding.has(at)) continue
    expect(relocate, `byte ${at}`).toThrow(path)
  }
  write(good.subarray(0, -1))
  expect(relocate).toThrow(path)
  fs.removeSync(path)
  expect(relocate).toThrow('no file')
  expect(fileNames(jobs)).toEqual(before.filter((name) => !path.endsWith(name)))
})

/** Bytes behind a part's stored ones, which nothing covers and no reader looks at. */
function paddingOf(segment: Buffer): ReadonlySet<number> {
  const found = new Set<number>()
  for (let at = 64; at < segment.length - 128; ) {
    const stored = segment.readUInt32LE(at + 8)
    const end = at + 32 + Math.ceil(stored / 8) * 8
    for (let i = at + 32 + stored; i < end; i++) found.add(i)
    at = end
  }
  return found
}
