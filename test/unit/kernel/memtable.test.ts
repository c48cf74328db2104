import { describe, expect, it } from 'vitest'
import {
  ARENA_COUNT,
  ARENA_NODE_START,
  DESC_SIZE,
  KIND_POINTER,
  LINK_RESERVE,
  LINK_RESERVE_PER_RECORD,
} from '../../../src/kernel/layout.ts'
import { randomPointer, Seeded } from './block-support.ts'
import {
  encodeRecord,
  OUT_CAPACITY,
  randomBytes,
  rigs,
  seeded,
  type TestRecord,
} from './memtable-fixture.ts'

const MIB = 1024 * 1024
type Random = (below: number) => number

const digits = (i: number) => Buffer.from(`k${String(i).padStart(15, '0')}`)
const letters = (random: Random, alphabet: readonly number[], length: number) =>
  Buffer.from(Array.from({ length }, () => alphabet[random(alphabet.length)]!))

/** Key shapes: each makes the i-th key of `n`. */
const shapes: Record<string, (i: number, n: number, random: Random) => Buffer> = {
  'random 16 bytes': (_i, _n, random) => randomBytes(random, 16),
  'random 1 to 20 bytes': (_i, _n, random) => randomBytes(random, 1 + random(20)),
  sequential: (i) => digits(i),
  reversed: (i, n) => digits(n - i),
  'two interleaved runs': (i, n) => digits(i % 2 === 0 ? i : n + i),
  'prefix of 45 bytes': (_i, _n, random) =>
    Buffer.concat([Buffer.alloc(45, 'p'), randomBytes(random, random(12))]),
  'prefixes of every length': (_i, _n, random) =>
    Buffer.concat([Buffer.alloc(random(40), 'q'), randomBytes(random, 1 + random(10))]),
  'zeros and high bytes': (_i, _n, random) =>
    letters(random, [0, 0, 1, 0x7f, 0x80, 0xff], 1 + random(20)),
  'few keys, many versions': (_i, _n, random) => digits(random(7)),
  'sequential, then random': (i, n, random) => digits(i < n / 2 ? 1000 * i : random(500 * n)),
}

function randomRecord(key: Buffer, version: number, random: Random): TestRecord {
  const more = random(8)
  const pointer = random(8) === 0
  return {
    key,
    version,
    value: pointer ? randomPointer(new Seeded(random(2 ** 30))) : randomBytes(random, random(20)),
    tag: (pointer ? KIND_POINTER : 1 + random(2)) | (random(4) === 0 ? 0x80 : 0),
    ...(more & 1 ? { meta: 1 + random(255) } : {}),
    ...(more & 2 ? { expiresAt: random(2 ** 31) } : {}),
  }
}

/** Links `n` records in groups into both and returns them. */
function load(pair: ReturnType<typeof rigs>, shape: string, n: number, random: Random) {
  const records: TestRecord[] = []
  while (records.length < n) {
    const group: TestRecord[] = []
    const size = 1 + random(random(4) === 0 ? 200 : 4)
    for (let i = 0; i < size; i++) {
      const at = records.length + i
      group.push(randomRecord(shapes[shape]!(at, n, random), 1 + ((at * 3) >> 1), random))
    }
    expect(pair.wasm.link(group)).toBe(size)
    expect(pair.twin.link(group)).toBe(size)
    records.push(...group)
  }
  expect(pair.wasm.u32(ARENA_COUNT)).toBe(pair.twin.u32(ARENA_COUNT))
  return records
}

/** A key that is there, or one beside it. */
function probe(records: readonly TestRecord[], random: Random): Buffer {
  const { key } = records[random(records.length)]!
  const copy = Buffer.from(key)
  switch (random(6)) {
    case 0:
      return Buffer.concat([key, Buffer.of(random(256))])
    case 1:
      return copy.length > 1 ? copy.subarray(0, random(copy.length - 1) + 1) : copy
    case 2:
      copy[random(copy.length)]!++
      return copy
    default:
      return copy
  }
}

describe('memtable kernels equal their twin', () => {
  for (const shape of Object.keys(shapes)) {
    it(shape, () => {
      const random = seeded(shape.length * 7919)
      const pair = rigs(2 * MIB)
      const records = load(pair, shape, 3000, random)
      const newest = 5000
      for (let i = 0; i < 3000; i++) {
        const key = probe(records, random)
        const version = random(3) === 0 ? newest : random(newest)
        expect(pair.wasm.get(key, version)).toBe(pair.twin.get(key, version))
      }
      for (let i = 0; i < 400; i++) {
        const at = [random(3), probe(records, random), random(newest)] as const
        const capacity = 1 + random(random(3) === 0 ? 600 : 5)
        const reverse = random(2)
        const page = pair.wasm.page(...at, reverse, capacity)
        expect(page.equals(pair.twin.page(...at, reverse, capacity))).toBe(true)
      }
      for (const reverse of [0, 1]) {
        const all = pair.wasm.page(0, Buffer.of(0), 0, reverse, OUT_CAPACITY)
        expect(all.length / DESC_SIZE).toBe(pair.wasm.u32(ARENA_COUNT))
        expect(all.equals(pair.twin.page(0, Buffer.of(0), 0, reverse, OUT_CAPACITY))).toBe(true)
      }
    })
  }

  it('keys of 65,535 bytes that differ in the last one', () => {
    const random = seeded(11)
    const pair = rigs(16 * MIB)
    const long = (last: number) => Buffer.concat([Buffer.alloc(65_534, 'x'), Buffer.of(last)])
    const group = Array.from({ length: 150 }, (_, i) => ({
      key: long(random(200)),
      version: i + 1,
    }))
    expect(pair.wasm.link(group)).toBe(150)
    expect(pair.twin.link(group)).toBe(150)
    for (let i = 0; i < 256; i++) {
      const version = random(160)
      expect(pair.wasm.get(long(i), version)).toBe(pair.twin.get(long(i), version))
    }
    const page = pair.wasm.page(1, long(100), 80, 1, 200)
    expect(page.equals(pair.twin.page(1, long(100), 80, 1, 200))).toBe(true)
  })

  it('a record with the same key and version takes the place of the older one', () => {
    const { wasm } = rigs(MIB)
    const records = Array.from({ length: 500 }, (_, i) => ({ key: digits(i), version: 9 }))
    wasm.link(records)
    const before = wasm.get(digits(77), 9)
    const second = wasm.recordsEnd
    expect(wasm.link([{ key: digits(77), version: 9, value: Buffer.from('new') }])).toBe(1)
    expect(before).not.toBe(second)
    expect(wasm.get(digits(77), 9)).toBe(second)
    expect(wasm.get(digits(77), 8)).toBe(0)
    expect(wasm.u32(ARENA_COUNT)).toBe(500)
  })

  it('an empty memtable and an empty run', () => {
    const { wasm, twin } = rigs(MIB)
    for (const rig of [wasm, twin]) {
      expect(rig.link([])).toBe(0)
      expect(rig.get(digits(1), 5)).toBe(0)
      for (const mode of [0, 1, 2]) {
        expect(rig.page(mode, digits(1), 5, 0, 10).length).toBe(0)
        expect(rig.page(mode, digits(1), 5, 1, 10).length).toBe(0)
      }
    }
  })
})

describe('node space', () => {
  const orders: Record<string, (i: number) => Buffer> = {
    sequential: (i) => digits(i),
    // Full leaves first, then a split in each: the most node bytes per entry.
    'sequential, then into every leaf': (i) =>
      digits(i < 6000 ? 1000 * i : 64_000 * (i % 94) + 999 - i / 94),
    reversed: (i) => digits(1e9 - i),
    random: (i) => digits((i * 7_368_787) % 1_000_003),
  }
  for (const [name, keyOf] of Object.entries(orders)) {
    for (const arenaBytes of [65_536, MIB]) {
      it(`a caller who keeps the reserve is never refused: ${name}, ${arenaBytes}`, () => {
        const { wasm } = rigs(arenaBytes)
        const random = seeded(5)
        let linked = 0
        for (;;) {
          const size = 1 + random(random(3) === 0 ? 300 : 3)
          const group = Array.from({ length: size }, (_, i) => ({
            key: keyOf(linked + i),
            version: linked + i + 1,
          }))
          const bytes = group.reduce((sum, record) => sum + encodeRecord(record).length, 0)
          const reserve = LINK_RESERVE + LINK_RESERVE_PER_RECORD * size
          if (wasm.recordsEnd + bytes + reserve > wasm.u32(ARENA_NODE_START)) break
          expect(wasm.link(group)).toBe(size)
          linked += size
          // ARENA_BUMP, kernel-private: the lowest node itself.
          expect(wasm.u32(16)).toBeGreaterThanOrEqual(wasm.recordsEnd)
        }
        expect(linked).toBeGreaterThan(arenaBytes / 150)
        const all = wasm.page(0, Buffer.of(0), 0, 0, OUT_CAPACITY)
        expect(all.length / DESC_SIZE).toBe(Math.min(OUT_CAPACITY, linked))
      })
    }
  }

  it('refuses a run without room for its nodes and links nothing of it', () => {
    const pair = rigs(65_536)
    const group = Array.from({ length: 10 }, (_, i) => ({ key: digits(i), version: 1 }))
    for (;;) {
      const wasm = pair.wasm.link(group)
      expect(pair.twin.link(group)).toBe(wasm)
      if (wasm < 0) {
        expect(wasm).toBe(-1)
        break
      }
    }
    expect(pair.wasm.u32(ARENA_COUNT)).toBe(10)
    expect(pair.wasm.get(digits(3), 1)).toBe(pair.twin.get(digits(3), 1))
  })
})

describe('malformed runs', () => {
  it('20,000 corrupted runs get the answer of the twin, and a refused one links nothing', () => {
    const random = seeded(99)
    const pair = rigs(65_536)
    const answers = new Map<number, number>()
    for (let i = 0; i < 20_000; i++) {
      const group = Array.from({ length: 1 + random(3) }, (_, j) =>
        encodeRecord(randomRecord(randomBytes(random, 1 + random(12)), j + 1, random)),
      )
      const run = Buffer.concat(group)
      for (let j = random(3); j > 0; j--) run[random(run.length)] = random(256)
      const cut = run.length - (random(4) === 0 ? random(run.length) : 0)
      const results = [pair.wasm, pair.twin].map((rig) => {
        rig.kernels.memtableInit(rig.arena, rig.end)
        rig.recordsEnd = rig.arena + 64
        const end = rig.write([run.subarray(0, cut)])
        const result = rig.kernels.memtableLink(rig.arena, rig.recordsEnd, end)
        expect(rig.u32(ARENA_COUNT) > 0).toBe(result > 0)
        return result
      })
      expect(results[0]).toBe(results[1])
      answers.set(Math.sign(results[0]!), (answers.get(Math.sign(results[0]!)) ?? 0) + 1)
    }
    expect(answers.get(-1)).toBeGreaterThan(1000)
    expect(answers.get(1)).toBeGreaterThan(1000)
  })

  it('refuses addresses outside the arena', () => {
    const { wasm } = rigs(65_536)
    const { memtableLink } = wasm.kernels
    expect(memtableLink(wasm.arena, wasm.arena, wasm.arena + 64)).toBe(-2)
    expect(memtableLink(wasm.arena, wasm.arena + 68, wasm.arena + 96)).toBe(-2)
    expect(memtableLink(wasm.arena, wasm.arena + 64, wasm.end + 64)).toBe(-2)
  })
})
