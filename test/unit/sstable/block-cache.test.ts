import { expect, it } from 'vitest'
import { OpenTables } from '../../../src/sstable/open-tables.ts'
import type { TableHandle } from '../../../src/sstable/table-reader.ts'
import { Bench, type PlainEntry, SHAPE, seeded } from './support.ts'

const MIB = 1024 * 1024

function manyBlocks(bench: Bench, first = 1): TableHandle {
  const entries: PlainEntry[] = []
  for (let i = 0; i < 400; i++) {
    const key = Buffer.from(`key-${String(i).padStart(5, '0')}`)
    entries.push({ key, version: i + 1, value: Buffer.alloc(100, i) })
  }
  const [table] = bench.write(entries, { ...SHAPE, tableSize: MIB }, first)
  if (table === undefined) throw new Error('no table')
  return bench.open().get(table)
}

it('holds no more blocks than slots and keeps those in use', () => {
  const bench = new Bench(8 * MIB)
  const table = manyBlocks(bench)
  expect(table.blockCount).toBeGreaterThan(50)
  const cache = bench.cache(4)
  const pinned = cache.fetch(table, 0)
  cache.pin(pinned)
  const bytes = () =>
    bench.heap.bytes.toString('hex', cache.address(pinned), cache.address(pinned) + 100)
  const content = bytes()
  for (let i = 1; i < table.blockCount; i++) {
    const slot = cache.fetch(table, i)
    expect(slot).toBeGreaterThanOrEqual(0)
    expect(slot).not.toBe(pinned)
    expect(cache.peek(table, i)).toBe(slot)
  }
  expect(cache.peek(table, 0)).toBe(pinned)
  expect(bytes()).toBe(content)
  expect([...table.slots].filter((slot) => slot > 0).length).toBe(4)
  expect(cache.stats.bytes).toBe(4 * cache.slotBytes)
  cache.unpin(pinned)
  cache.forget(table)
  expect(cache.stats.bytes).toBe(0)
  expect(cache.peek(table, 0)).toBeLessThan(0)
})

it('gives no slot when all are in use or the block is too long', () => {
  const bench = new Bench(8 * MIB)
  const table = manyBlocks(bench)
  const cache = bench.cache(2)
  const slots = [cache.fetch(table, 0), cache.fetch(table, 1)]
  for (const slot of slots) cache.pin(slot)
  expect(cache.fetch(table, 2)).toBeLessThan(0)
  for (const slot of slots) cache.unpin(slot)
  expect(cache.fetch(table, 2)).toBeGreaterThanOrEqual(0)
  const narrow = bench.cache(2, 64)
  expect(narrow.fetch(table, 0)).toBeLessThan(0)
})

it('does not touch its memory before the first block comes in', () => {
  const bench = new Bench(8 * MIB)
  const region = bench.take(64 * 1024)
  bench.heap.bytes.fill(0xaa, region.address, region.address + region.length)
  bench.cache(16)
  expect(
    bench.heap.bytes
      .subarray(region.address, region.address + region.length)
      .every((b) => b === 0xaa),
  ).toBe(true)
})

it('reads a block once for calls that wait for it together', async () => {
  const bench = new Bench(8 * MIB)
  const table = manyBlocks(bench)
  const cache = bench.cache(8)
  const slots = await Promise.all([1, 2, 3].map(() => cache.fetchAsync(table, 5)))
  expect(new Set(slots).size).toBe(1)
  for (const slot of slots) cache.unpin(slot)
  const held = await cache.fetchAsync(table, 5)
  expect(held).toBe(slots[0])
  cache.unpin(held)
  cache.forget(table)
})

it('gives a block a guide at its third lookup, and none to the next block of the slot', () => {
  const bench = new Bench(8 * MIB)
  const table = manyBlocks(bench)
  const cache = bench.cache(2)
  const ask = (block: number) => cache.guide(cache.fetch(table, block), table.payloadLength(block))
  expect([ask(0), ask(0)]).toEqual([0, 0])
  const slot = cache.peek(table, 0)
  const behind = cache.address(slot) + table.payloadLength(0)
  expect(ask(0)).toBeGreaterThanOrEqual(behind)
  expect(ask(0)).toBeLessThan(cache.address(slot) + cache.slotBytes)
  for (let block = 1; cache.peek(table, 0) >= 0; block++) cache.fetch(table, block)
  const other = table.slots.findIndex((held) => held === slot + 1)
  expect(other).toBeGreaterThan(0)
  expect(ask(other)).toBe(0)
})

it('every key is found in blocks that come and go, with guides and without', () => {
  const bench = new Bench(8 * MIB)
  const random = seeded(7)
  const entries = Array.from({ length: 2_000 }, (_, i): PlainEntry => {
    const key = Buffer.alloc(6)
    key.writeUIntBE(Math.floor((i + random()) * (2 ** 48 / 2_000)), 0, 6)
    return { key, version: i + 1, value: Buffer.alloc(4) }
  })
  // Blocks that are not compressed leave the memory behind them as it was.
  const [meta] = bench.write(entries, { ...SHAPE, tableSize: MIB, compression: 'none' })
  const table = bench.open().get(meta!)
  expect(table.blockCount).toBeGreaterThan(50)
  const cache = bench.cache(6)
  const { kernels, heap } = bench
  const [key, out] = [bench.take(64).address, bench.take(64).address]
  let guided = 0
  for (let i = 0; i < 10_000; i++) {
    // Most keys of a while lie close together, so that their blocks are looked up often enough.
    const near = 40 * Math.floor(i / 200) + Math.floor(random() * 40)
    const wanted = entries[random() < 0.1 ? Math.floor(random() * 2_000) : near % 2_000]!
    wanted.key.copy(heap.bytes, key)
    const block = table.locate(key, 6)
    const slot = cache.fetch(table, block)
    const [at, payload] = [cache.address(slot), table.payloadLength(block)]
    const guide = cache.guide(slot, payload)
    if (guide !== 0) guided++
    const answer = kernels.blockGet(at, payload, guide, meta!.baseVersion, key, 6, 5_000, out)
    expect([wanted.version, answer]).toEqual([wanted.version, 1])
    expect(bench.entryAt(out).version).toBe(wanted.version)
  }
  expect(guided).toBeGreaterThan(5_000)
})

it('closes the least recently used tables to stay within its bytes, never one in use', () => {
  const bench = new Bench(8 * MIB)
  const shape = { ...SHAPE, tableSize: 16_384, compression: 'none' as const }
  const entries: PlainEntry[] = []
  for (let i = 0; i < 2000; i++) {
    const key = Buffer.from(`key-${String(i).padStart(5, '0')}`)
    entries.push({ key, version: i + 1, value: Buffer.alloc(50, i) })
  }
  const tables = bench.write(entries, shape)
  expect(tables.length).toBeGreaterThan(6)
  const one = bench.open()
  one.get(tables[0]!)
  const perTable = one.bytes
  one.closeAll()
  expect(one.bytes).toBe(0)
  const open = new OpenTables(bench, {
    fs: bench.fs,
    directory: '/db',
    allocator: bench.allocator,
    capacityBytes: Math.ceil(3.5 * perTable),
    cache: undefined,
  })
  const first = open.acquire(tables[0]!)
  for (const table of tables) open.get(table)
  expect(open.count).toBeLessThanOrEqual(4)
  expect(open.get(tables[0]!)).toBe(first)
  open.close(tables[0]!.number)
  expect(first.blockOffset(0)).toBe(64)
  open.release(first)
  open.closeAll()
  expect(open.bytes).toBe(0)
})
