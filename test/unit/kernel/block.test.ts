// The block kernels and their twin on blocks written by the book: every entry is decoded, found and sought,
// forward and reverse, whole and in pieces that do not fit.
import { describe, expect, it } from 'vitest'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { DESC_SIZE, KIND_PUT } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { blockTwin } from '../../twins/block.ts'
import { guideBytes, guideTwin } from '../../twins/guide.ts'
import { encodeBlock, KEY_STYLES, styledEntries } from './block-encode.ts'
import { Areas, newMemory, Seeded, show, type TestEntry, takeEntries } from './block-support.ts'

type BlockKernels = Pick<
  Kernels,
  'blockGet' | 'blockSeek' | 'blockRestarts' | 'blockDecode' | 'blockGuide'
>
const twins = (memory: WebAssembly.Memory): BlockKernels => ({
  ...blockTwin(memory),
  ...guideTwin(memory),
})
const IMPLEMENTATIONS = [
  ['twin', twins],
  ['kernel', wasmKernels],
] as const
const VERSION_TOP = 2 ** 53 - 1
/** For every entry of the largest block here, for some, for one, and for none. */
const GUIDE_ROOMS = [1_000, 300, 100, 34, 33] as const

/** A block in memory with room for the output of its whole decoding. */
class Bench {
  readonly areas: Areas
  readonly kernels: BlockKernels
  readonly block: number
  readonly length: number
  readonly entries: readonly TestEntry[]
  readonly baseVersion: number
  readonly restarts: number[]
  readonly interval: number
  readonly out: number
  readonly keys: number
  readonly keysCapacity: number
  readonly stopped: number
  /** Addresses of those that could be made. */
  readonly guides: readonly number[]
  private readonly probe: number

  constructor(
    bind: (memory: WebAssembly.Memory) => BlockKernels,
    entries: readonly TestEntry[],
    interval: number,
    baseVersion: number,
  ) {
    const { bytes, restarts } = encodeBlock(entries, baseVersion, interval)
    this.keysCapacity = entries.reduce((sum, entry) => sum + entry.key.length, 0)
    const guides = GUIDE_ROOMS.reduce<number>((sum, room) => sum + room + 8, 0)
    const room = bytes.length + this.keysCapacity + DESC_SIZE * entries.length + guides
    const shared = newMemory(room + 70_000)
    this.areas = new Areas(shared)
    this.kernels = bind(shared)
    this.block = this.areas.bytes(bytes)
    this.length = bytes.length
    this.entries = entries
    this.baseVersion = baseVersion
    this.restarts = restarts
    this.interval = interval
    this.out = this.areas.take(DESC_SIZE * entries.length)
    this.keys = this.areas.take(this.keysCapacity)
    this.stopped = this.areas.take(4)
    this.probe = this.areas.take(65_535, 1)
    this.guides = GUIDE_ROOMS.map((room) => this.guide(room)).filter((guide) => guide !== 0)
  }

  private guide(room: number): number {
    const at = this.areas.take(room)
    return this.kernels.blockGuide(this.block, this.length, at, room) === 1 ? at : 0
  }

  get(key: Buffer, maxVersion: number, guide = 0): TestEntry | number {
    key.copy(this.areas.memory.bytes, this.probe)
    const { block, length, baseVersion, probe, out } = this
    const found = this.kernels.blockGet(
      block,
      length,
      guide,
      baseVersion,
      probe,
      key.length,
      maxVersion,
      out,
    )
    return found === 1 ? takeEntries(this.areas.memory, out, 1)[0]! : found
  }

  seek(key: Buffer): number {
    key.copy(this.areas.memory.bytes, this.probe)
    return this.kernels.blockSeek(this.block, this.length, this.probe, key.length)
  }

  decode(
    from: number,
    to: number,
    reverse: number,
    capacity: number,
    keysCapacity: number,
  ): { count: number; entries: TestEntry[]; stopped: number } {
    const { block, length, baseVersion, out, keys, stopped } = this
    const count = this.kernels.blockDecode(
      block,
      length,
      baseVersion,
      from,
      to,
      reverse,
      out,
      capacity,
      keys,
      keysCapacity,
      stopped,
    )
    const { memory } = this.areas
    const entries = takeEntries(memory, out, Math.max(0, count))
    return { count, entries, stopped: memory.u32(stopped) }
  }

  /** What blockGet must answer. */
  expected(key: Buffer, maxVersion: number): TestEntry | number {
    const versions = this.entries.filter((entry) => entry.key.equals(key))
    const seen = versions.find((entry) => entry.version <= maxVersion)
    return seen ?? (this.entries.at(-1)!.key.equals(key) ? 2 : 0)
  }

  /** What blockSeek must answer. */
  expectedSeek(key: Buffer): number {
    let last = 0
    for (let i = 1; i < this.restarts.length; i++) {
      if (Buffer.compare(this.entries[i * this.interval]!.key, key) < 0) last = i
    }
    return last
  }
}

function text(found: TestEntry | number): string {
  return typeof found === 'number' ? String(found) : show([found])[0]!
}

describe.each(IMPLEMENTATIONS)('blocks: %s', (_name, bind) => {
  for (const style of KEY_STYLES) {
    it(`finds, seeks and decodes ${style} keys`, () => {
      const rounds = style === 'long' ? 2 : 12
      for (let seed = 1; seed <= rounds; seed++) {
        const random = new Seeded(seed)
        const baseVersion = random.pick([0, 17, 2 ** 40])
        const count = style === 'long' ? 5 : random.int(1, 120)
        const entries = styledEntries(random, style, count, baseVersion)
        const interval = random.pick([1, 2, 16, 16, 40])
        const bench = new Bench(bind, entries, interval, baseVersion)
        checkDecode(bench, seed)
        checkProbes(bench, random, seed)
      }
    })
  }

  it('decodes piece by piece when the output is small', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Seeded(seed)
      const entries = styledEntries(random, random.pick(['text', 'versions', 'random']), 100)
      const bench = new Bench(bind, entries, random.pick([1, 4, 16]), 0)
      checkPieces(bench, random, 0, seed)
      checkPieces(bench, random, 1, seed)
    }
  })

  it('gives a further version of a key the same key bytes', () => {
    const random = new Seeded(3)
    const bench = new Bench(bind, styledEntries(random, 'versions', 64), 16, 0)
    expect(bench.decode(0, 4, 0, 64, 28).count).toBe(64)
    expect(bench.decode(0, 4, 0, 64, 3).count).toBe(-2)
  })

  it('answers for ranges outside the block', () => {
    const bench = new Bench(bind, styledEntries(new Seeded(4), 'text', 20), 16, 0)
    expect(bench.decode(1, 9, 0, 20, bench.keysCapacity)).toMatchObject({ count: 4, stopped: 2 })
    expect(bench.decode(2, 2, 0, 20, bench.keysCapacity)).toMatchObject({ count: 0, stopped: 2 })
    expect(bench.decode(7, 9, 0, 20, bench.keysCapacity)).toMatchObject({ count: 0, stopped: 7 })
    expect(bench.decode(7, 9, 1, 20, bench.keysCapacity)).toMatchObject({ count: 0, stopped: 2 })
  })
})

/** Both, of one block whose entries lie in intervals of 16. */
function guidesOf(entries: readonly TestEntry[], room: number): (Buffer | undefined)[] {
  return [twins, wasmKernels].map((bind) => {
    const bench = new Bench(bind, entries, 16, 0)
    const guide = bench.areas.take(room)
    const made = bench.kernels.blockGuide(bench.block, bench.length, guide, room)
    return made === 1 ? Buffer.from(guideBytes(bench.areas.memory, guide)) : undefined
  })
}

describe('guides to blocks', () => {
  it('the twin writes the same bytes', () => {
    let made = 0
    for (let seed = 1; seed <= 120; seed++) {
      const random = new Seeded(seed)
      const style = random.pick(KEY_STYLES.filter((name) => name !== 'long'))
      const entries = styledEntries(random, style, random.int(1, 150))
      const [slow, fast] = guidesOf(entries, random.int(20, 1_500))
      expect(fast?.toString('hex'), `seed ${seed}`).toBe(slow?.toString('hex'))
      if (fast !== undefined) made++
    }
    expect(made).toBeGreaterThan(100)
  })

  it('samples every entry where there is room, and evenly where there is not', () => {
    const entries = styledEntries(new Seeded(5), 'sequential', 100)
    const samples = (room: number) => guidesOf(entries, room)[1]?.readUInt16LE(0)
    expect(samples(28 + 600)).toBe(100)
    expect(samples(28 + 599)).toBe(50)
    expect(samples(28 + 6)).toBe(1)
    expect(samples(28 + 5)).toBeUndefined()
  })

  it('there is none to a block of more than 64 KiB, nor to one whose keys do not ascend', () => {
    const [low, high] = ['a', 'b'].map((name): TestEntry => {
      const key = Buffer.from(`${name}-key`)
      const value = Buffer.alloc(40_000)
      return { key, value, version: 1, tag: KIND_PUT, meta: 0, expiresAt: 0 }
    }) as [TestEntry, TestEntry]
    const small = [low, high].map((entry) => ({ ...entry, value: Buffer.alloc(4) }))
    expect(guidesOf([low, high], 400)).toEqual([undefined, undefined])
    expect(guidesOf(small, 400)[1]).toBeDefined()
    expect(guidesOf(small.reverse(), 400)).toEqual([undefined, undefined])
  })
})

function checkDecode(bench: Bench, seed: number): void {
  const { entries, restarts, interval, keysCapacity } = bench
  const all = restarts.length
  expect(bench.kernels.blockRestarts(bench.block, bench.length)).toBe(all)
  const forward = bench.decode(0, all, 0, entries.length, keysCapacity)
  expect(show(forward.entries), `seed ${seed}`).toEqual(show(entries))
  expect(forward.stopped).toBe(all)
  const backward = bench.decode(0, all, 1, entries.length, keysCapacity)
  expect(show(backward.entries), `seed ${seed}`).toEqual(show([...entries].reverse()))
  expect(backward.stopped).toBe(0)
  const from = Math.floor(all / 3)
  const part = bench.decode(from, all, 0, entries.length, keysCapacity)
  expect(show(part.entries), `seed ${seed}`).toEqual(show(entries.slice(from * interval)))
}

function checkProbes(bench: Bench, random: Seeded, seed: number): void {
  const probes: [Buffer, number][] = bench.entries.flatMap(({ key, version }) => [
    [key, version] as [Buffer, number],
    [key, Math.max(0, version - 1)] as [Buffer, number],
    [key, VERSION_TOP] as [Buffer, number],
    [Buffer.concat([key, Buffer.alloc(1)]).subarray(0, 65_535), VERSION_TOP] as [Buffer, number],
    [key.subarray(0, key.length - 1), VERSION_TOP] as [Buffer, number],
  ])
  for (let i = 0; i < 30; i++) probes.push([random.bytes(random.int(1, 20)), VERSION_TOP])
  for (const [key, version] of probes) {
    if (key.length === 0) continue
    const where = `seed ${seed}, key of ${key.length} at ${version}`
    for (const guide of [0, ...bench.guides]) {
      const found = text(bench.get(key, version, guide))
      expect(found, `${where}, guide ${guide}`).toBe(text(bench.expected(key, version)))
    }
    expect(bench.seek(key), where).toBe(bench.expectedSeek(key))
  }
}

function checkPieces(bench: Bench, random: Seeded, reverse: number, seed: number): void {
  const found: TestEntry[] = []
  let from = 0
  let to = bench.restarts.length
  let room = 0
  while (from < to) {
    const capacity = random.int(0, 20) + room
    const keysCapacity = random.int(0, 300) + 20 * room
    const piece = bench.decode(
      from,
      to,
      reverse,
      Math.min(capacity, bench.entries.length),
      Math.min(keysCapacity, bench.keysCapacity),
    )
    room = piece.count === -2 ? room + 10 : 0
    if (piece.count === -2) expect(piece.stopped).toBe(reverse ? to : from)
    found.push(...piece.entries)
    if (reverse !== 0) to = piece.stopped
    else from = piece.stopped
  }
  const expected = reverse !== 0 ? [...bench.entries].reverse() : bench.entries
  expect(show(found), `seed ${seed}`).toEqual(show(expected))
}
