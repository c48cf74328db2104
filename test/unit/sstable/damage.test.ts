import { expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import type { Compression } from '../../../src/base/option-table.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { tablePath } from '../../../src/io/file-names.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { Bench, DIRECTORY, type PlainEntry, randomEntries, SHAPE, seeded } from './support.ts'

const MIB = 1024 * 1024

function readFile(fs: FileSystem, path: string): Buffer {
  const file = fs.openSync(path, 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0)
  file.closeSync()
  return bytes
}

function replaceFile(fs: FileSystem, path: string, bytes: Buffer): void {
  if (fs.statSync(path) !== undefined) fs.removeSync(path)
  const file = fs.openSync(path, 'create')
  file.writeSync(bytes, 0)
  file.closeSync()
}

function smallTable(compression: Compression = 'lz4'): {
  bench: Bench
  entries: PlainEntry[]
  table: TableMeta
  path: string
} {
  const random = seeded(5)
  const bench = new Bench(8 * MIB)
  const entries = randomEntries(random, {
    keys: 60,
    keyBytes: () => 1 + Math.floor(random() * 20),
    valueBytes: () => Math.floor(random() * 60),
    versions: () => 1 + Math.floor(random() * 2),
  })
  // One that has a block of its own, which the source below hands over as lazy.
  entries.push({ key: Buffer.from('zzz'), version: 1, value: Buffer.alloc(700, 3) })
  const [table, more] = bench.write(entries, { ...SHAPE, compression, tableSize: 65_536 })
  if (table === undefined || more !== undefined) throw new Error('the test wants one table')
  return { bench, entries, table, path: tablePath(DIRECTORY, table.number) }
}

/** All entries by a scan through a fresh handle. */
function scan(bench: Bench, table: TableMeta, reverse: boolean): PlainEntry[] {
  const open = bench.open()
  const { source, memory } = bench.source([table], open, { reverse, inlineMax: 600 }, 4096)
  try {
    return bench.drain(source)
  } finally {
    source.close()
    bench.allocator.free(memory)
    open.closeAll()
  }
}

it.each(['none', 'lz4'] as const)(
  'answers every flipped byte of a table (%s) with the right entries or a CorruptionError',
  (compression) => {
    const { bench, entries, table, path } = smallTable(compression)
    const whole = readFile(bench.fs, path)
    expect(whole.length).toBeGreaterThan(compression === 'none' ? 4096 : 2048)
    expect(whole.length).toBeLessThan(9000)
    expect(table.packing?.codec).toBe(compression === 'none' ? undefined : 1)
    expect(scan(bench, table, false)).toEqual(entries)
    const before = bench.allocator.usedBytes
    let refused = 0
    for (let i = 0; i < whole.length; i++) {
      const bytes = Buffer.from(whole)
      bytes[i] = (bytes[i] as number) ^ (1 << (i % 8))
      replaceFile(bench.fs, path, bytes)
      let found: PlainEntry[] | undefined
      try {
        found = scan(bench, table, i % 2 === 1)
      } catch (error) {
        expect(error, `byte ${i}: ${String(error)}`).toBeInstanceOf(CorruptionError)
        expect((error as CorruptionError).file).toBe(path)
        refused += 1
      }
      if (found !== undefined) {
        if (i % 2 === 1) found.reverse()
        expect(found, `byte ${i}`).toEqual(entries)
      }
    }
    // Every byte of a table is under some checksum.
    expect(refused).toBe(whole.length)
    expect(bench.allocator.usedBytes - before).toBeLessThan(refused * 128)
  },
)

it('refuses a table that is cut short, extended, missing, empty or another one', () => {
  const { bench, table, path } = smallTable()
  const whole = readFile(bench.fs, path)
  const refuses = (meta: TableMeta = table) => {
    expect(() => scan(bench, meta, false)).toThrow(CorruptionError)
  }
  for (let length = 0; length < whole.length; length += 97) {
    replaceFile(bench.fs, path, whole.subarray(0, length))
    refuses()
  }
  replaceFile(bench.fs, path, Buffer.concat([whole, Buffer.alloc(16)]))
  refuses()
  replaceFile(bench.fs, path, Buffer.alloc(whole.length))
  refuses()
  bench.fs.removeSync(path)
  refuses()
  replaceFile(bench.fs, path, whole)
  refuses({ ...table, salt: '0011223344556677' })
  refuses({ ...table, entries: table.entries + 1 })
  refuses({ ...table, tombstones: table.tombstones + 1 })
  refuses({ ...table, baseVersion: table.baseVersion + 1 })
  refuses({ ...table, largestVersion: table.largestVersion + 1 })
  refuses({ ...table, largestBlock: table.largestBlock + 1 })
  refuses({ ...table, newestWal: 9 })
  const { packing, ...plain } = table
  if (packing === undefined) throw new Error('the test wants a compressed table')
  refuses(plain)
  refuses({ ...table, packing: { ...packing, codec: 2 } })
  refuses({ ...table, packing: { ...packing, payloadBytes: packing.payloadBytes - 1 } })
  refuses({ ...table, smallestKey: Buffer.from('!') })
  refuses({ ...table, largestKey: Buffer.from('~~') })
  const other = bench.write(
    [{ key: Buffer.from('a'), version: 1, value: Buffer.alloc(3) }],
    SHAPE,
    7,
  )
  replaceFile(bench.fs, path, readFile(bench.fs, tablePath(DIRECTORY, 7)))
  refuses()
  expect(other[0]?.number).toBe(7)
  replaceFile(bench.fs, path, whole)
  expect(scan(bench, table, false).length).toBe(table.entries)
})

it('moves a whole block elsewhere in the file and is refused', () => {
  const { bench, table, path } = smallTable()
  const whole = readFile(bench.fs, path)
  const open = bench.open()
  const handle = open.get(table)
  const [a, b] = [0, 1].map((i) => ({ at: handle.blockOffset(i), length: handle.blockLength(i) }))
  open.closeAll()
  if (a === undefined || b === undefined) throw new Error('the test wants two blocks')
  const bytes = Buffer.from(whole)
  whole.copy(bytes, a.at, b.at, b.at + Math.min(a.length, b.length))
  replaceFile(bench.fs, path, bytes)
  expect(() => scan(bench, table, false)).toThrow(CorruptionError)
})
