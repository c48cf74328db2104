import { describe, expect, it } from 'vitest'
import { openTableParts } from '../../../src/sstable/table-parts.ts'
import { carveWriter, writerBytes } from '../../../src/sstable/writer-workspace.ts'
import {
  Bench,
  DIRECTORY,
  type KernelKind,
  type PlainEntry,
  randomEntries,
  SHAPE,
  seeded,
} from './support.ts'

const MIB = 1024 * 1024

/** What a point lookup would find, by the blocks the index names. */
function summary(entries: readonly PlainEntry[]): string[] {
  return entries.map(({ key, version, value, expiresAt, meta }) => {
    const shown =
      key.length > 40
        ? `${key.subarray(0, 40).toString('latin1')}…${key.length}`
        : key.toString('latin1')
    const data = value === undefined ? 'gone' : `${value.length}:${value[0] ?? 0}`
    return `${shown} @${version} ${data} ${expiresAt ?? ''} ${meta ?? ''}`
  })
}

describe.each<KernelKind>(['twin', 'wasm'])('tables written and read back (%s)', (kind) => {
  it.each([1, 2, 3])('gives back random entries, forward and in reverse (seed %i)', (seed) => {
    const random = seeded(seed)
    const bench = new Bench(24 * MIB, kind)
    const entries = randomEntries(random, {
      keys: 300,
      keyBytes: () => 1 + Math.floor(random() * 30),
      valueBytes: () => Math.floor(random() * 200),
      versions: () => 1 + Math.floor(random() ** 4 * 40),
    })
    const tables = bench.write(entries)
    expect(tables.length).toBeGreaterThan(2)
    expect(tables.reduce((sum, table) => sum + table.entries, 0)).toBe(entries.length)
    const open = bench.open()
    const forward = bench.drain(bench.source(tables, open).source)
    expect(summary(forward)).toEqual(summary(entries))
    const reverse = bench.drain(bench.source(tables, open, { reverse: true }).source)
    expect(summary(reverse)).toEqual(summary(entries).reverse())
    for (const handle of tables.map((table) => open.get(table))) expect(handle.pins).toBe(0)
    open.closeAll()
  })

  it('never spreads the versions of a key over two tables', () => {
    const bench = new Bench(24 * MIB, kind)
    const entries: PlainEntry[] = []
    for (let k = 0; k < 6; k++) {
      for (let v = 300; v > 0; v--) {
        entries.push({ key: Buffer.from(`key-${k}`), version: v, value: Buffer.alloc(60, v) })
      }
    }
    const tables = bench.write(entries, { ...SHAPE, compression: 'none' })
    expect(tables.length).toBeGreaterThan(3)
    for (let i = 1; i < tables.length; i++) {
      expect(Buffer.compare(tables[i - 1]!.largestKey, tables[i]!.smallestKey)).toBeLessThan(0)
    }
    const open = bench.open()
    expect(summary(bench.drain(bench.source(tables, open).source))).toEqual(summary(entries))
    open.closeAll()
  })

  it('says so when one key has more versions than a table can hold', () => {
    const bench = new Bench(24 * MIB, kind)
    const entries: PlainEntry[] = []
    // A block that is compressed takes as much of the writer's lists as one that is not.
    for (let version = 2600; version > 0; version--) {
      entries.push({ key: Buffer.from('k'), version, value: Buffer.alloc(600) })
    }
    expect(() => bench.write(entries)).toThrow(/Release old snapshots/)
  })

  it('keeps keys of every length and values larger than blocks, spans and the cache', () => {
    const random = seeded(7)
    const bench = new Bench(64 * MIB, kind)
    const lengths = [1, 7, 8, 9, 255, 256, 511, 512, 513, 4095, 20_000, 65_534, 65_535]
    const large = kind === 'wasm' ? [300_000, 1_000_000] : [66_000]
    const values = [0, 1, 500, 512, 513, 5000, 65_535, 65_536, 70_000, ...large]
    const entries: PlainEntry[] = []
    for (const [i, length] of [...lengths, ...lengths].entries()) {
      const key = Buffer.alloc(length, 100 + (i >= lengths.length ? 1 : 0))
      for (let v = 1 + Math.floor(random() * 3); v > 0; v--) {
        const size = values[Math.floor(random() * values.length)]!
        entries.push({ key, version: 10 * i + v, value: Buffer.alloc(size, v) })
      }
    }
    for (const [i, size] of values.entries()) {
      entries.push({ key: Buffer.from(`zz${i}`), version: 1, value: Buffer.alloc(size, i) })
    }
    entries.sort((a, b) => Buffer.compare(a.key, b.key) || b.version - a.version)
    const tables = bench.write(entries)
    const open = bench.open(bench.cache(4))
    expect(summary(bench.drain(bench.source(tables, open).source))).toEqual(summary(entries))
    bench.spare = false
    const reverse = bench.drain(bench.source(tables, open, { reverse: true }).source)
    expect(summary(reverse)).toEqual(summary(entries).reverse())
    open.closeAll()
  })

  it('starts at a key without leaving out anything behind it', () => {
    const random = seeded(11)
    const bench = new Bench(64 * MIB, kind)
    const entries = randomEntries(random, {
      keys: 200,
      keyBytes: () => 1 + Math.floor(random() * 6),
      valueBytes: () => Math.floor(random() * 100),
      versions: () => 1 + Math.floor(random() ** 3 * 12),
    })
    const tables = bench.write(entries, { ...SHAPE, tableSize: 16_384 })
    const open = bench.open(bench.cache(8))
    const cache = bench.cache(8)
    const starts = [Buffer.alloc(0), Buffer.from('~'), ...entries.map(({ key }) => key)]
    for (const key of entries) starts.push(Buffer.concat([key.key, Buffer.from([0])]))
    for (let i = 0; i < 60; i++) {
      const start = starts[Math.floor(random() * starts.length)]!
      for (const reverse of [false, true]) {
        const { source, memory } = bench.source(tables, open, {
          reverse,
          start,
          cache: i % 2 ? cache : undefined,
        })
        const found = summary(bench.drain(source))
        bench.allocator.free(memory)
        const wanted = entries.filter(({ key }) =>
          reverse ? Buffer.compare(key, start) <= 0 : Buffer.compare(key, start) >= 0,
        )
        if (reverse) wanted.reverse()
        expect(wanted.length).toBeLessThanOrEqual(found.length)
        const tail = wanted.length === 0 ? [] : found.slice(-wanted.length)
        expect(tail, `start ${start.toString('latin1')}`).toEqual(summary(wanted))
        // Roughly: at most a block of entries before the start.
        expect(found.length - wanted.length).toBeLessThan(80)
      }
    }
  })
})

describe('the index of a large table', () => {
  const shape = { ...SHAPE, tableSize: 16 * MIB, compression: 'none' } as const
  const { hashes, out } = carveWriter({ address: 64, length: writerBytes(shape, 600) }, shape)

  it.each([
    ['fits the output memory', 8, 2000, 0, out.length],
    ['fits the memory of the hashes', 8, 30_000, out.length, hashes.length],
    ['fits nowhere in the heap', 100, 20_000, hashes.length, Number.POSITIVE_INFINITY],
  ])('%s, and is written and read back', (_, keyBytes, count, above, most) => {
    const bench = new Bench(64 * MIB)
    const value = Buffer.alloc(400, 7)
    const entries = Array.from({ length: count }, (_entry, i): PlainEntry => {
      return { key: Buffer.from(`${i}`.padStart(keyBytes, '0')), version: i + 1, value }
    })
    const tables = bench.write(entries, shape)
    expect(tables).toHaveLength(1)
    const { smallestKey, largestKey } = tables[0]!
    const { file, footer } = openTableParts(bench.fs, DIRECTORY, tables[0]!)
    file.closeSync()
    const { index } = footer
    expect(index.length).toBeGreaterThan(above)
    expect(index.length).toBeLessThan(most)
    expect(Buffer.from(smallestKey)).toEqual(entries[0]!.key)
    expect(Buffer.from(largestKey)).toEqual(entries.at(-1)!.key)
    const open = bench.open()
    const found = bench.drain(bench.source(tables, open).source)
    expect(found.map(({ key }) => key)).toEqual(entries.map(({ key }) => key))
    open.closeAll()
  })
})
