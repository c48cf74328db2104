// The table builder: its blocks hold exactly the entries, end where FORMAT §6.1 says, verify, and are listed
// rightly; kernel and twin agree byte for byte, also when they take turns.
import { describe, expect, it } from 'vitest'
import { hash64 } from '../../../src/base/xxh64.ts'
import { BLOCK_TRAILER, DESC_SIZE } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { builderTwin } from '../../twins/builder.ts'
import { encodeBlock, encodeEntry, KEY_STYLES, NO_KEY, styledEntries } from './block-encode.ts'
import {
  Areas,
  isTombstone,
  newMemory,
  Seeded,
  show,
  type TestEntry,
  takeEntries,
} from './block-support.ts'
import {
  type BuiltTable,
  FIRST_OFFSET,
  seedAt,
  TableRun,
  type TableSettings,
} from './builder-driver.ts'

const ROOMY: TableSettings = {
  blockSize: 512,
  outCapacity: 70_000,
  blocksCapacity: 400,
  keysCapacity: 400_000,
  hashesCapacity: 2_000,
  baseVersion: 0,
}

/** The blocks the entries must be cut into. */
function expectedBlocks(table: BuiltTable, settings: TableSettings): TestEntry[][] {
  const { baseVersion, blockSize } = settings
  const blocks: TestEntry[][] = []
  let open: TestEntry[] = []
  let size = 0
  for (const entry of table.entries) {
    const restart = open.length % 16 === 0
    const previous = restart ? NO_KEY : open.at(-1)!.key
    const grown = size + encodeEntry(entry, previous, baseVersion).length
    const restarts = Math.ceil((open.length + 1) / 16)
    const fits = entry.meta !== 255 && grown + 4 * restarts + 4 <= blockSize
    if (!fits && open.length > 0) blocks.push(open.splice(0))
    size = fits ? grown : encodeEntry(entry, NO_KEY, baseVersion).length
    open.push(entry)
    if (entry.meta === 255 || size + 8 > blockSize) {
      blocks.push(open)
      open = []
      size = 0
    }
  }
  if (open.length > 0) blocks.push(open)
  return blocks
}

function checkTable(table: BuiltTable, settings: TableSettings, where: string): void {
  const expected = expectedBlocks(table, settings)
  expect(
    table.blocks.map((block) => block.entries),
    where,
  ).toEqual(expected.map((entries) => entries.length))
  let offset = FIRST_OFFSET
  table.blocks.forEach((block, i) => {
    const entries = expected[i]!
    const { bytes } = encodeBlock(entries, settings.baseVersion, 16)
    expect(block.offset, where).toBe(offset)
    expect(block.payload, where).toBe(bytes.length)
    expect(block.length, where).toBe(bytes.length + BLOCK_TRAILER)
    expect(block.firstKey.equals(entries[0]!.key), `${where}, first key ${i}`).toBe(true)
    expect(block.lastKey.equals(entries.at(-1)!.key), `${where}, last key ${i}`).toBe(true)
    const stored = table.data.subarray(offset - FIRST_OFFSET, offset - FIRST_OFFSET + block.length)
    expect(stored.subarray(0, bytes.length).equals(bytes), `${where}, payload ${i}`).toBe(true)
    expect(stored.readBigUInt64LE(bytes.length), where).toBe(BigInt(bytes.length) << 32n)
    const sum = hash64(stored.subarray(0, bytes.length + 8), seedAt(offset))
    expect(stored.readBigUInt64LE(bytes.length + 8), where).toBe(sum)
    offset += block.length
  })
  expect(table.data.length, where).toBe(offset - FIRST_OFFSET)
  checkCounts(table, where)
}

function checkCounts({ entries, hashes, counts }: BuiltTable, where: string): void {
  const keys = new Map(entries.map((entry) => [entry.key.toString('hex'), entry.key]))
  expect(hashes, where).toEqual([...keys.values()].map((key) => hash64(key, 0n)))
  if (entries.length === 0) return
  const sum = (of: (entry: TestEntry) => number) => entries.reduce((s, entry) => s + of(entry), 0)
  const versions = entries.map((entry) => entry.version)
  const expiries = entries.map((entry) => entry.expiresAt)
  const some = expiries.filter((expiry) => expiry > 0)
  expect(counts, where).toEqual([
    entries.length,
    entries.filter(isTombstone).length,
    Math.min(...versions),
    Math.max(...versions),
    some.length > 0 ? Math.min(...some) : 0,
    expiries.includes(0) ? 0 : Math.max(...expiries),
    sum((entry) => entry.key.length),
    sum((entry) => entry.value.length),
  ])
}

/** Builds with the twin, the kernel and both in turns; all must agree. */
function build(entries: readonly TestEntry[], settings: TableSettings, seed: number): BuiltTable {
  const [slow, fast, turns] = [[builderTwin], [wasmKernels], [wasmKernels, builderTwin]].map(
    (bind) => new TableRun(settings, entries).run(bind, entries, new Seeded(seed)),
  )
  expect(fast!.trace, `calls, seed ${seed}`).toEqual(slow!.trace)
  expect(turns!.trace, `taking turns, seed ${seed}`).toEqual(slow!.trace)
  for (const table of [slow!, fast!, turns!]) checkTable(table, settings, `seed ${seed}`)
  expect(fast!.data.equals(slow!.data), `bytes, seed ${seed}`).toBe(true)
  return fast!
}

describe('table builder', () => {
  for (const style of KEY_STYLES) {
    it(`builds tables of ${style} keys`, () => {
      for (let seed = 1; seed <= (style === 'long' ? 2 : 8); seed++) {
        const random = new Seeded(seed)
        const baseVersion = random.pick([0, 5, 2 ** 33])
        const count = style === 'long' ? 6 : random.int(1, 400)
        const entries = styledEntries(random, style, count, baseVersion)
        const blockSize = random.pick([100, 512, 4096])
        const keysCapacity = style === 'long' ? 900_000 : ROOMY.keysCapacity
        const outCapacity = blockSize + 65_536 + 64
        const settings = { ...ROOMY, blockSize, baseVersion, keysCapacity, outCapacity }
        const table = build(entries, settings, seed)
        expect(table.entries.length).toBe(entries.length)
      }
    })
  }

  it('ends a table when a list is full, never within a user key while the reserve lasts', () => {
    let ended = 0
    for (let seed = 1; seed <= 150; seed++) {
      const random = new Seeded(seed)
      const style = random.pick(['text', 'versions', 'random', 'nested'] as const)
      const entries = styledEntries(random, style, 300)
      const settings: TableSettings = {
        blockSize: random.pick([100, 256, 900]),
        outCapacity: random.int(1_000, 3_000),
        blocksCapacity: random.int(1, 60),
        keysCapacity: random.int(60, 1_500),
        hashesCapacity: random.int(1, 100),
        baseVersion: 0,
      }
      const table = build(entries, settings, seed)
      const next = entries[table.entries.length]
      if (next === undefined) continue
      ended++
      const last = table.entries.at(-1)
      const inside = last?.key.equals(next.key) === true
      if (inside) expect(table.blocks.length, `seed ${seed}`).toBe(settings.blocksCapacity)
    }
    expect(ended).toBeGreaterThan(50)
  })

  it('takes 1,000 versions of one user key with room for one hash and one key', () => {
    const entries: TestEntry[] = Array.from({ length: 1_000 }, (_, i) => ({
      key: Buffer.from('the only key'),
      value: Buffer.alloc(20, i),
      version: 1_000 - i,
      tag: 1,
      meta: 0,
      expiresAt: 0,
    }))
    const settings = { ...ROOMY, blockSize: 256, hashesCapacity: 1, keysCapacity: 12 }
    const table = build(entries, settings, 1)
    expect(table.entries.length).toBe(1_000)
    expect(table.blocks.length).toBeGreaterThan(50)
  })

  it('makes the same blocks when the caller seals each of them', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const entries = styledEntries(new Seeded(seed), 'text', 300)
      const settings = { ...ROOMY, blockSize: 300 }
      const own = build(entries, settings, seed)
      const sealed = build(entries, { ...settings, pack: (payload) => payload }, seed)
      expect(sealed.data.equals(own.data)).toBe(true)
      expect(sealed.blocks).toEqual(own.blocks)
    }
  })

  it('seals a compressed payload with its codec and both lengths', () => {
    const entries = styledEntries(new Seeded(4), 'text', 300)
    const pack = (payload: Buffer): Buffer => payload.subarray(0, payload.length >> 1)
    const settings = { ...ROOMY, blockSize: 300, pack }
    const bind = [wasmKernels, builderTwin]
    const table = new TableRun(settings, entries).run(bind, entries, new Seeded(4))
    expect(table.entries.length).toBe(300)
    let offset = FIRST_OFFSET
    for (const [i, { length, payload, ...block }] of table.blocks.entries()) {
      const stored = table.data.subarray(offset - FIRST_OFFSET, offset - FIRST_OFFSET + length)
      const trailer = stored.subarray(length - BLOCK_TRAILER)
      expect(block.offset).toBe(offset)
      offset += length
      expect(trailer.readUInt32LE(4)).toBe(payload)
      expect(stored.readBigUInt64LE(length - 8)).toBe(
        hash64(stored.subarray(0, length - 8), seedAt(block.offset)),
      )
      if (table.alone.has(i)) continue
      expect(length).toBe((payload >> 1) + BLOCK_TRAILER)
      expect([trailer[0], trailer.readUIntLE(1, 3)]).toEqual([1, payload >> 1])
    }
    expect(table.data.length).toBe(offset - FIRST_OFFSET)
  })

  it('starts anew: nothing of the table before remains', () => {
    const entries = styledEntries(new Seeded(8), 'text', 200)
    const run = new TableRun(ROOMY, entries)
    const first = run.run([wasmKernels], entries.slice(0, 100), new Seeded(1))
    checkTable(first, ROOMY, 'first table')
    expect(first.entries.length).toBe(100)
  })

  it('round trips through blockDecode and blockGet', () => {
    const entries = styledEntries(new Seeded(21), 'text', 2_000)
    const settings = { ...ROOMY, blockSize: 4096, hashesCapacity: 3_000 }
    const table = build(entries, settings, 21)
    const shared = newMemory(table.data.length + 400_000)
    const areas = new Areas(shared)
    const kernels = wasmKernels(shared)
    const data = areas.bytes(table.data)
    const out = areas.take(DESC_SIZE * 1_000)
    const keys = areas.take(100_000)
    const stopped = areas.take(4)
    const decoded: TestEntry[] = []
    for (const block of table.blocks) {
      const at = data + block.offset - FIRST_OFFSET
      const length = block.length - BLOCK_TRAILER
      const restarts = kernels.blockRestarts(at, length)
      const count = kernels.blockDecode(
        at,
        length,
        0,
        0,
        restarts,
        0,
        out,
        1_000,
        keys,
        100_000,
        stopped,
      )
      expect(count).toBe(block.entries)
      const found = takeEntries(areas.memory, out, count)
      decoded.push(...found)
      for (const entry of found) {
        const key = areas.bytes(entry.key)
        expect(kernels.blockGet(at, length, 0, 0, key, entry.key.length, entry.version, out)).toBe(
          1,
        )
        const [got] = takeEntries(areas.memory, out, 1)
        expect(show([got!])).toEqual(show([entry]))
      }
    }
    expect(show(decoded)).toEqual(show(entries))
  })
})
