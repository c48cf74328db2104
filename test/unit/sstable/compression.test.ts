// Compressed blocks through the table writer and every reader: what comes back is what went in, a block is stored as it
// is where compressing does not pay, and what is wrong with a compressed block is damage with its place.
import { describe, expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import type { Compression } from '../../../src/base/option-table.ts'
import { findZstd, zstd } from '../../../src/base/zstd.ts'
import { requireCodecs } from '../../../src/engine/require-files.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { EMPTY_STATE } from '../../../src/manifest/apply-edit.ts'
import { isPacked, unpackBlock, unpackCopy } from '../../../src/packing/unpack-block.ts'
import { BlockCache } from '../../../src/sstable/block-cache.ts'
import { readBlockCopy, readTableBlock, roomOf } from '../../../src/sstable/table-blocks.ts'
import { halfNoise } from '../../support/half-noise.ts'
import { Bench, type PlainEntry, SHAPE } from './support.ts'

const MIB = 1024 * 1024
const CODECS: readonly Compression[] =
  zstd === undefined ? ['none', 'lz4'] : ['none', 'lz4', 'zstd']

function entriesOf(value: (i: number) => Buffer, count = 400): PlainEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`key ${String(i).padStart(5, '0')}`),
    version: i + 1,
    value: value(i),
  }))
}

const text = (i: number): Buffer => Buffer.from(halfNoise(100, i))
const noise = (i: number): Buffer => Buffer.from(halfNoise(200, i).slice(0, 100))

function write(compression: Compression, entries: readonly PlainEntry[], bytes = 16 * MIB) {
  const bench = new Bench(bytes)
  const shape = { ...SHAPE, compression, blockSize: 1024, tableSize: 64 * MIB }
  const [table, more] = bench.write(entries, { ...shape, tableSize: MIB })
  if (table === undefined || more !== undefined) throw new Error('the test wants one table')
  return { bench, table }
}

const sizeOf = (compression: Compression, value: (i: number) => Buffer): number =>
  write(compression, entriesOf(value)).table.size

describe.each(CODECS)('blocks compressed by %s', (compression) => {
  it('give back every entry, forward and backward, from any buffer', () => {
    const entries = entriesOf((i) => (i % 50 === 7 ? Buffer.alloc(5000 + i, 'long ') : text(i)))
    const { bench, table } = write(compression, entries)
    expect(table.packing?.codec).toBe({ none: undefined, lz4: 1, zstd: 2 }[compression])
    for (const spare of [true, false]) {
      bench.spare = spare
      for (const [reverse, inlineMax] of [
        [false, 1024],
        [true, 1024],
        [false, 65_536],
      ] as const) {
        const open = bench.open()
        const { source } = bench.source([table], open, { reverse, inlineMax }, 70_000)
        const found = bench.drain(source)
        expect(reverse ? found.toReversed() : found).toEqual(entries)
        open.closeAll()
      }
    }
  })

  it('come into the cache unpacked, at once or later, and into a buffer', async () => {
    const { bench, table } = write(compression, entriesOf(text))
    const open = bench.open()
    const handle = open.acquire(table)
    const cache = new BlockCache(bench, bench.take(MIB), 1024)
    const later = new BlockCache(bench, bench.take(MIB), 1024)
    const room = bench.take(4096)
    let packed = 0
    for (let block = 0; block < handle.blockCount; block++) {
      const length = handle.payloadLength(block)
      if (isPacked(handle.blockLength(block), length)) packed += 1
      const wanted = readBlockCopy(handle, block)
      expect(wanted).toHaveLength(length)
      const at = (address: number): Buffer => bench.heap.bytes.subarray(address, address + length)
      readTableBlock(bench, handle, block, room.address)
      expect(roomOf(handle, block)).toBeLessThanOrEqual(cache.slotBytes)
      expect(at(room.address).equals(wanted)).toBe(true)
      expect(at(cache.address(cache.fetch(handle, block))).equals(wanted)).toBe(true)
      handle.slots.fill(0)
      const slot = await later.fetchAsync(handle, block)
      expect(at(later.address(slot)).equals(wanted)).toBe(true)
      later.unpin(slot)
      handle.slots.fill(0)
    }
    expect(packed > handle.blockCount / 2).toBe(compression !== 'none')
  })
})

it('makes tables smaller, and stores noise as it is', () => {
  const [plain, packed] = [sizeOf('none', text), sizeOf('lz4', text)]
  expect(packed).toBeLessThan(0.8 * plain)
  if (zstd !== undefined) expect(sizeOf('zstd', text)).toBeLessThan(0.8 * plain)
  const { table } = write('lz4', entriesOf(noise))
  // Keys are prefix-compressed already: nothing is left to gain.
  expect(table.packing).toBeUndefined()
  expect(table.size).toBe(sizeOf('none', noise))
})

it('tries again after a stretch of noise', () => {
  const entries = entriesOf((i) => (i < 600 ? noise(i) : text(i)), 1200)
  const { bench, table } = write('lz4', entries)
  const handle = bench.open().acquire(table)
  const packed = Array.from({ length: handle.blockCount }, (_, block) =>
    isPacked(handle.blockLength(block), handle.payloadLength(block)),
  )
  expect(packed.indexOf(true)).toBeGreaterThan(30)
  expect(packed.slice(packed.indexOf(true)).every(Boolean)).toBe(true)
  const lastRaw = packed.lastIndexOf(false)
  expect(lastRaw).toBeLessThan(packed.length * 0.6)
})

it('compresses single values up to 1 MiB, longer ones not', () => {
  const sizes = [MIB - 4096, MIB + 10]
  const entries = entriesOf((i) => Buffer.alloc(sizes[i] as number, 'a value '), 2)
  const { bench, table } = write('lz4', entries, 64 * MIB)
  const handle = bench.open().acquire(table)
  const packed = [0, 1].map((block) =>
    isPacked(handle.blockLength(block), handle.payloadLength(block)),
  )
  expect(packed).toEqual([true, false])
  expect(table.largestBlock).toBe(handle.payloadLength(1) + 16)
  expect(table.size).toBeLessThan(MIB + 40_000)
})

it('tells a block that does not unpack, under whatever checksum, by file and offset', () => {
  const bench = new Bench(8 * MIB)
  const { address } = bench.take(8192)
  const place = { file: '/db/000009.sst', offset: 4711, length: 500, payloadLength: 1000 }
  const expected = expect.objectContaining({
    code: 'LEVEL_CORRUPTION',
    ...{ file: place.file, offset: 4711 },
  })
  bench.heap.bytes.fill(0, address, address + 500)
  for (const codec of zstd === undefined ? [1] : [1, 2]) {
    const block = { ...place, codec }
    expect(() => unpackBlock(bench, block, address, address + 2048)).toThrow(expected)
    expect(() => unpackCopy(block, Buffer.alloc(500))).toThrow(expected)
    expect(() => unpackCopy(block, Buffer.alloc(500))).toThrow(CorruptionError)
  }
})

describe('zstd', () => {
  const table = { number: 9, packing: { codec: 2, payloadBytes: 1 } } as TableMeta
  const state = { ...EMPTY_STATE, levels: [[], [table]] }

  it('is asked for when a table is opened that has it', () => {
    const missing = expect.objectContaining({
      code: 'SETT_CODEC_UNAVAILABLE',
      message: expect.stringMatching(/000009\.sst is compressed with zstd.*Node 22\.15/),
    })
    expect(() => requireCodecs('/db', state, findZstd({}))).toThrow(missing)
    const lz4 = { ...table, packing: { codec: 1, payloadBytes: 1 } }
    requireCodecs('/db', { ...EMPTY_STATE, levels: [[lz4]] }, findZstd({}))
  })

  it('is found where Node has it, and keeps to the length', () => {
    const calls: unknown[][] = []
    const call = (...given: unknown[]) => {
      calls.push(given)
      return new Uint8Array(3)
    }
    const constants = { ZSTD_c_compressionLevel: 100 }
    const found = findZstd({ zstdCompressSync: call, zstdDecompressSync: call, constants })
    const bytes = Buffer.from('bytes')
    expect(found?.compress(bytes)).toHaveLength(3)
    found?.decompress(bytes, 77)
    expect(calls).toEqual([
      [bytes, { params: { 100: 1 } }],
      [bytes, { maxOutputLength: 77 }],
    ])
    expect(findZstd({ zstdCompressSync: call, constants })).toBeUndefined()
  })
})
