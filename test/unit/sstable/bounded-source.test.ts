// A source within bounds gives exactly the entries of its range: at the edges of blocks and tables, at keys whose
// versions run over blocks, at blocks of one large entry, and where nothing lies between.
import { expect, it } from 'vitest'
import type { Bounds } from '../../../src/cursor/bounds.ts'
import { inBounds } from '../../../src/cursor/bounds.ts'
import { Scratch } from '../../../src/cursor/scratch.ts'
import { firstBlockFrom, weighKeys } from '../../../src/format/sstable-index.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { JobTables } from '../../../src/jobs/job-tables.ts'
import { openTableParts } from '../../../src/sstable/table-parts.ts'
import { readIndex } from '../../../src/sstable/table-recheck.ts'
import type { TableOpener } from '../../../src/sstable/table-source.ts'
import { Bench, compareEntries, DIRECTORY, type PlainEntry, SHAPE } from './support.ts'

const MIB = 1024 * 1024
const KEYS = 60

const keyOf = (i: number): Buffer => Buffer.from(`key ${String(i).padStart(5, '0')}`)

/** Even keys only: the odd ones lie between. Some have versions for several blocks, some a large value. */
function entries(): PlainEntry[] {
  const all: PlainEntry[] = []
  let version = 1
  for (let i = 0; i < KEYS; i++) {
    const versions = i % 9 === 4 ? 40 : 1
    for (let v = 0; v < versions; v++) {
      const bytes = i % 11 === 7 ? 70_000 : 60 + ((i * 37) % 50)
      const value = i % 13 === 5 && v === 0 ? undefined : Buffer.alloc(bytes, i)
      all.push({ key: keyOf(2 * i), version: version++, value })
    }
  }
  return all.sort(compareEntries)
}

function label({ key, version, value }: PlainEntry): string {
  return `${key} @${version} ${value?.length ?? 'gone'}`
}

interface Rig {
  readonly bench: Bench
  readonly all: readonly PlainEntry[]
  readonly tables: readonly TableMeta[]
}

function rig(): Rig {
  const bench = new Bench(32 * MIB)
  const all = entries()
  const tables = bench.write(all, { ...SHAPE, compression: 'none', tableSize: 4096 })
  expect(tables.length).toBeGreaterThan(5)
  return { bench, all, tables }
}

/** What a source gives, through the main thread's open tables or through those of a job. */
function take({ bench, tables }: Rig, within: Bounds, ofJob: boolean): string[] {
  const start = within.lower?.key
  const open = bench.open()
  const memory = bench.take(MIB)
  const scratch = new Scratch(memory)
  const salts = scratch.take(8 * tables.length)
  const buffer = scratch.region(scratch.free - 64, 64)
  const { fs } = bench
  const job = new JobTables(bench, { fs, directory: DIRECTORY, tables, salts, buffer, start })
  const opener = (ofJob ? job : open) as TableOpener
  const more = { within, ...(start !== undefined && { start }), inlineMax: 4096 }
  const made = bench.source(tables, opener, more)
  const found = bench.drain(made.source)
  expect(made.source.entries).toBe(found.length)
  const texts = found.map(label)
  bench.allocator.free(made.memory)
  bench.allocator.free(memory)
  job.close()
  open.closeAll()
  return texts
}

function boundsOf(from: number, to: number, inclusive: readonly [boolean, boolean]): Bounds {
  return {
    ...(from >= 0 && { lower: { key: keyOf(from), inclusive: inclusive[0] } }),
    ...(to < 2 * KEYS && { upper: { key: keyOf(to), inclusive: inclusive[1] } }),
  }
}

it.each([false, true])(
  'gives what lies within, from every key to every other; of a job: %s',
  (ofJob) => {
    const given = rig()
    for (let from = -1; from < 2 * KEYS; from += 7) {
      for (let to = Math.max(0, from - 2); to <= 2 * KEYS; to += 12) {
        const within = boundsOf(from, to, [true, false])
        const wanted = given.all.filter(({ key }) => inBounds(key, within)).map(label)
        expect(take(given, within, ofJob), `[${from}, ${to})`).toEqual(wanted)
      }
    }
  },
)

it('ends before or behind the key of a bound, as the bound says', () => {
  const given = rig()
  for (let key = 0; key < 2 * KEYS; key += 5) {
    for (const inclusive of [
      [true, true],
      [false, false],
      [false, true],
    ] as const) {
      const within = boundsOf(key, Math.min(2 * KEYS - 1, key + 10), inclusive)
      const wanted = given.all.filter((entry) => inBounds(entry.key, within)).map(label)
      expect(take(given, within, true), `${key} ${inclusive}`).toEqual(wanted)
    }
  }
})

it('parts of any size give each entry once, and leave no value behind that nobody fetches', () => {
  const given = rig()
  const wanted = given.all.map(label)
  for (const step of [1, 2, 5, 17, 40, 200]) {
    const found: string[] = []
    for (let from = -1; from < 2 * KEYS; from += step) {
      found.push(...take(given, boundsOf(from, from + step, [true, false]), true))
    }
    expect(found).toEqual(wanted)
  }
  const { bench } = given
  const before = bench.lazy.size
  // Up to the key of a large value: its block is read, and it is not handed over.
  take(given, boundsOf(2 * 7 - 1, 2 * 7, [true, false]), true)
  expect(bench.lazy.size).toBe(before)
})

it('an index tells where a key belongs, and which keys lie equally far apart', () => {
  const { bench, tables, all } = rig()
  const memory = bench.take(MIB)
  for (const meta of tables) {
    const scratch = new Scratch(memory)
    const saltAddress = scratch.take(8)
    const buffer = scratch.region(scratch.free - 64, 64)
    const { file, footer, properties } = openTableParts(bench.fs, DIRECTORY, meta)
    bench.heap.bytes.set(footer.salt, saltAddress)
    const place = { file, footer, properties, saltAddress, buffer }
    const { payload, list } = readIndex(bench, place, meta)
    const blocks = list.offsets.length
    const stored = list.lengths.reduce((sum, length) => sum + length, 0)
    for (const { key } of all) {
      const found = firstBlockFrom(payload, key)
      if (Buffer.compare(key, meta.largestKey) > 0) expect(found).toBe(blocks)
      else expect(found).toBeLessThan(blocks)
      if (Buffer.compare(key, meta.smallestKey) <= 0) expect(found).toBe(0)
    }
    for (const count of [1, 2, 3, 1e6]) {
      const weighed = weighKeys(payload, count)
      expect(weighed.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(stored)
      expect(weighed[0]!.key).toEqual(new Uint8Array(meta.smallestKey))
      expect(weighed.length).toBeLessThanOrEqual(Math.min(count, blocks))
      if (count === 1e6) expect(weighed.length).toBe(blocks)
      for (const { bytes } of weighed.slice(0, -1)) {
        expect(bytes).toBeGreaterThanOrEqual(stored / count)
      }
    }
    file.closeSync()
  }
})
