// LZ4: kernel and twin give the same bytes; what an independent encoder made is decoded, and the other way round; no
// bytes whatever make the decoder write outside its target or give another length than was demanded.
import fc from 'fast-check'
import { compress, decompress } from 'lz4-wasm-nodejs'
import { describe, expect, it } from 'vitest'
import { PACKED_PAYLOAD_MAX } from '../../../../src/base/limits.ts'
import { decodeLz4 } from '../../../../src/format/lz4.ts'
import { packedMax } from '../../../../src/format/packed-form.ts'
import type { Kernels } from '../../../../src/kernel/kernels.ts'
import { LZ4_TABLE_BYTES } from '../../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import { unpackRoom } from '../../../../src/packing/unpack-block.ts'
import { lz4DecodeTwin, lz4EncodeTwin } from '../../../twins/lz4.ts'
import { newMemory, Seeded } from '../block-support.ts'

const SEED = 20_261_121
const GUARD = 64
const GUARDS = Buffer.alloc(GUARD, 0xa5)
const AREA = 3 * PACKED_PAYLOAD_MAX
const SOURCE = 4096
const TARGET = SOURCE + AREA
const TABLE = TARGET + AREA

const memory = newMemory(TABLE + LZ4_TABLE_BYTES + 4096)
const bytes = Buffer.from(memory.buffer)
const kernels = wasmKernels(memory)

/** Compressed by the kernel with a table that earlier calls left as it is; undefined: longer than `capacity`. */
function pack(plain: Uint8Array, capacity = 2 * plain.length + 64): Buffer | undefined {
  bytes.set(plain, SOURCE)
  bytes.fill(0xa5, TARGET, TARGET + capacity + GUARD)
  const length = kernels.lz4Compress(SOURCE, plain.length, TARGET, capacity, TABLE)
  expect(length).toBeLessThanOrEqual(capacity)
  const guard = bytes.subarray(TARGET + capacity, TARGET + capacity + GUARD)
  expect(guard.every((byte) => byte === 0xa5)).toBe(true)
  return length === 0 ? undefined : Buffer.from(bytes.subarray(TARGET, TARGET + length))
}

/** Decompressed by the kernel between two guards. */
function unpack(block: Uint8Array, length: number): Buffer | undefined {
  bytes.set(block, SOURCE)
  bytes.fill(0xa5, TARGET - GUARD, TARGET + length + GUARD)
  const answer = kernels.lz4Decompress(SOURCE, block.length, TARGET, length)
  const before = bytes.subarray(TARGET - GUARD, TARGET)
  const behind = bytes.subarray(TARGET + length, TARGET + length + GUARD)
  expect(before.equals(GUARDS) && behind.equals(GUARDS)).toBe(true)
  return answer === 1 ? Buffer.from(bytes.subarray(TARGET, TARGET + length)) : undefined
}

/** Text, runs, periods and noise, mixed. */
function sample(random: Seeded, length: number): Buffer {
  const plain = Buffer.alloc(length)
  const alphabet = random.pick([1, 2, 4, 26, 256])
  for (let at = 0; at < length; ) {
    const run = Math.min(length - at, random.int(1, random.pick([4, 40, 700])))
    const back = random.int(1, random.pick([1, 3, 15, 17, 300, 66_000]))
    if (at >= back && random.chance(0.6)) {
      for (let i = 0; i < run; i++) plain[at + i] = plain[at + i - back] as number
    } else {
      for (let i = 0; i < run; i++) plain[at + i] = random.int(0, alphabet - 1)
    }
    at += run
  }
  return plain
}

function* samples(count: number): Generator<Buffer> {
  const random = new Seeded(SEED)
  for (let length = 0; length <= 64; length++) yield sample(random, length)
  for (let i = 0; i < count; i++)
    yield sample(random, random.int(0, random.pick([100, 5000, 70_000])))
}

describe('lz4', () => {
  it('kernel and twin compress to the same bytes, and give them back', () => {
    for (const plain of samples(200)) {
      const block = pack(plain)
      expect(block?.equals(lz4EncodeTwin(plain)), `${plain.length} bytes`).toBe(true)
      expect(unpack(block as Buffer, plain.length)?.equals(plain), `${plain.length} bytes`).toBe(
        true,
      )
      expect(decodeLz4(block as Buffer, plain.length)?.equals(plain)).toBe(true)
      if (plain.length < 6000) {
        expect(lz4DecodeTwin(block as Buffer, plain.length)?.equals(plain)).toBe(true)
      }
    }
  })

  it('does not look at what the table holds', () => {
    const plain = sample(new Seeded(3), 6000)
    const clean = pack(plain)
    for (const before of [0x7f, 0xff, 0]) {
      bytes.fill(before, TABLE, TABLE + LZ4_TABLE_BYTES)
      expect(pack(plain)).toEqual(clean)
    }
  })

  it('has slots of two sizes, either side of 64 KiB', () => {
    const random = new Seeded(11)
    for (const length of [65_535, 65_536, 65_537, 131_072]) {
      const plain = sample(random, length)
      // What the block begins with comes again as far back as a match may lie, and a byte further.
      for (const back of [65_535, 65_536]) {
        if (back + 40 <= length) plain.copy(plain, back, 0, 40)
        const block = pack(plain) as Buffer
        expect(block.equals(lz4EncodeTwin(plain)), `${length} bytes`).toBe(true)
        expect(unpack(block, length)?.equals(plain), `${length} bytes`).toBe(true)
      }
    }
  })

  it('notices a compressor that copies from too far back', async () => {
    const broken = await brokenKernels('at - match <= OFFSET_MAX', 'true')
    const plain = new Seeded(12).bytes(70_000)
    plain.copy(plain, 66_000, 0, 2000)
    bytes.set(plain, SOURCE)
    const length = broken.lz4Compress(SOURCE, plain.length, TARGET, AREA, TABLE)
    const block = Buffer.from(bytes.subarray(TARGET, TARGET + length))
    expect(unpack(block, plain.length)?.equals(plain) ?? false).toBe(false)
    expect(unpack(pack(plain) as Buffer, plain.length)?.equals(plain)).toBe(true)
  }, 120_000)

  it('refuses what does not fit, at every capacity', () => {
    const random = new Seeded(5)
    for (const length of [0, 1, 12, 13, 14, 200, 3000]) {
      const plain = sample(random, length)
      const whole = pack(plain) as Buffer
      const step = length > 1000 ? 37 : 1
      for (let capacity = 0; capacity < whole.length + 4; capacity += step) {
        const block = pack(plain, capacity)
        if (capacity >= whole.length) expect(block).toEqual(whole)
        else expect(block).toBeUndefined()
      }
    }
  })

  it('agrees with an independent implementation, both ways', () => {
    for (const plain of samples(200)) {
      if (plain.length === 0) continue
      // Its blocks begin with their length, as u32.
      const theirs = Buffer.from(compress(plain)).subarray(4)
      expect(unpack(theirs, plain.length)?.equals(plain), `${plain.length} bytes`).toBe(true)
      const head = Buffer.alloc(4)
      head.writeUInt32LE(plain.length)
      const back = decompress(Buffer.concat([head, pack(plain) as Buffer]))
      expect(Buffer.from(back).equals(plain), `${plain.length} bytes`).toBe(true)
    }
  })

  it('decodes the sequences of the format description', () => {
    const vectors: [block: number[], plain: string][] = [
      // Five literals and no match.
      [[0x50, 0x68, 0x65, 0x6c, 0x6c, 0x6f], 'hello'],
      // One literal, then a match that overlaps itself (offset 1), then the last five literals.
      [[0x1f, 0x61, 1, 0, 1, 0x50, 0x62, 0x62, 0x62, 0x62, 0x62], `${'a'.repeat(21)}bbbbb`],
      // 15 + 255 + 0 literals.
      [[0xf0, 255, 0, ...Array<number>(270).fill(0x7a)], 'z'.repeat(270)],
    ]
    for (const [block, plain] of vectors) {
      expect(unpack(Buffer.from(block), plain.length)?.toString()).toBe(plain)
      expect(lz4DecodeTwin(Buffer.from(block), plain.length)?.toString()).toBe(plain)
    }
  })

  it('unpacks in place, whatever was packed into seven eighths', () => {
    const random = new Seeded(SEED)
    let packed = 0
    for (let i = 0; i < 600; i++) {
      // Noise up to the very end is the worst case: literals take more than their own length.
      const length = random.int(14, random.pick([60, 600, 5000, 70_000]))
      const plain = random.bytes(length)
      const zeros = Math.min(length, Math.ceil(length / 8) + random.int(4, 40))
      plain.fill(0, 0, zeros)
      if (random.chance(0.5)) sample(random, zeros).copy(plain)
      const block = pack(plain, packedMax(length))
      if (block === undefined) continue
      packed += 1
      const room = unpackRoom(length)
      bytes.fill(0xa5, TARGET - GUARD, TARGET + room + GUARD)
      const from = TARGET + room - 16 - block.length
      bytes.set(block, from)
      expect(kernels.lz4Decompress(from, block.length, TARGET, length)).toBe(1)
      expect(bytes.subarray(TARGET, TARGET + length).equals(plain), `${length} bytes`).toBe(true)
      expect(bytes.subarray(TARGET - GUARD, TARGET).every((byte) => byte === 0xa5)).toBe(true)
    }
    expect(packed).toBeGreaterThan(200)
  })

  it('answers damaged blocks with exactly the length, or not at all', () => {
    const random = new Seeded(SEED)
    let refused = 0
    for (let i = 0; i < 30; i++) {
      const plain = sample(random, random.int(1, 400))
      const block = pack(plain) as Buffer
      for (let cut = 0; cut < block.length; cut++) {
        expectAlike(block.subarray(0, cut), plain.length)
      }
      for (let flip = 0; flip < 60; flip++) {
        const mutant = Buffer.from(block)
        const at = random.int(0, mutant.length - 1)
        mutant[at] = (mutant[at] as number) ^ (1 << random.int(0, 7))
        if (!expectAlike(mutant, plain.length)) refused += 1
      }
      expectAlike(block, plain.length + 1)
      expectAlike(block, plain.length - 1)
    }
    expect(refused).toBeGreaterThan(200)
  })

  it('answers any bytes as the twin does', () => {
    const block = fc.uint8Array({ minLength: 0, maxLength: 60 })
    fc.assert(
      fc.property(block, fc.nat({ max: 400 }), (mutant, length) => {
        expectAlike(mutant, length)
      }),
      { seed: SEED, numRuns: 3000 },
    )
  })

  // What the tests above would say of a decoder that lacks one of its checks.
  const CHECKS = [
    ['the offset', ' || <usize>offset > out - target', ''],
    ['the length', 'return out == targetEnd ? 1 : 0', 'return 1'],
  ] as const
  it.each(CHECKS)(
    'notices a decoder that does not check %s',
    async (_what, check, instead) => {
      const broken = (await brokenKernels(check, instead)).lz4Decompress
      const random = new Seeded(SEED)
      let wrong = 0
      for (let i = 0; i < 1000; i++) {
        const plain = sample(random, random.int(20, 200))
        const block = Buffer.from(lz4EncodeTwin(plain))
        const at = random.int(0, block.length - 1)
        block[at] = (block[at] as number) ^ (1 << random.int(0, 7))
        bytes.set(block, SOURCE)
        bytes.fill(0xa5, TARGET - GUARD, TARGET + 1024)
        const answer = broken(SOURCE, block.length, TARGET, plain.length)
        const expected = lz4DecodeTwin(block, plain.length)
        const behind = bytes.subarray(TARGET + plain.length, TARGET + plain.length + GUARD)
        if ((answer === 1) !== (expected !== undefined) || !behind.equals(GUARDS)) wrong += 1
      }
      expect(wrong).toBeGreaterThan(5)
    },
    120_000,
  )
})

/** The kernels of this file with one of their checks changed, over the same memory. */
async function brokenKernels(
  check: string,
  instead: string,
): Promise<Pick<Kernels, 'lz4Compress' | 'lz4Decompress'>> {
  const build: { compile(options: object): Promise<Buffer> } = await import(
    new URL('../../../../native-wasm/build.mjs', import.meta.url).href
  )
  const wasm = await build.compile({
    entry: 'assembly/lz4.ts',
    edit: (text: string, name: string) => {
      if (!name.endsWith('lz4.ts')) return text
      expect(text).toContain(check)
      return text.replace(check, instead)
    },
  })
  const module = new WebAssembly.Module(new Uint8Array(wasm))
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return exports as unknown as Kernels
}

/** Kernel, decoder without heap and twin agree; true: it is a block of that length. */
function expectAlike(block: Uint8Array, length: number): boolean {
  const expected = lz4DecodeTwin(block, length)
  const found = unpack(block, length)
  const plainly = decodeLz4(block, length)
  if (expected === undefined) {
    expect(found ?? plainly).toBeUndefined()
    return false
  }
  expect(found?.equals(expected) && plainly?.equals(expected)).toBe(true)
  return true
}
