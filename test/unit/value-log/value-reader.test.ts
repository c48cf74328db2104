// Values in segments read back: whole, in part, many at once; and every damage told of.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { zstd } from '../../../src/base/zstd.ts'
import { ValueWalk, type WantedValue } from '../../../src/value-log/value-walk.ts'
import { packLz4, type SegmentTwinSpec, type SegmentTwinValue } from '../../twins/segment.ts'
import { SegmentsOnDisk } from './segments-on-disk.ts'

const MIB = 2 ** 20

/** Bytes that repeat a little, the same for the same seed. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = (seed + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = i % 64 < 32 ? state >>> 24 : 46
  }
  return bytes
}

function packZstd(payload: Buffer): { codec: number; stored: Buffer } | undefined {
  const stored = Buffer.from(zstd!.compress(payload))
  return stored.length > payload.length - (payload.length >>> 3) ? undefined : { codec: 2, stored }
}

/** LZ4 for some parts only, as a writer decides part by part. */
function packSome(payload: Buffer): ReturnType<typeof packLz4> {
  return payload.length % 3 === 0 ? packLz4(payload) : undefined
}

const valuesOf = (lengths: readonly number[]): SegmentTwinValue[] =>
  lengths.map((length, i) => ({ key: Buffer.from(`key ${i}`), value: noise(length, i) }))

const PACKS: readonly (readonly [string, SegmentTwinSpec['pack']])[] = [
  ['as they are', undefined],
  ['LZ4', packLz4],
  ['some LZ4', packSome],
  ...(zstd === undefined ? [] : [['zstd', packZstd] as const]),
]

const LENGTHS = [0, 1, 7, 8, 9, 1_000, 4_095, 65_535, 65_536, 65_537, 200_000]
const LONG = [MIB, MIB + 1, 2 * MIB + 77_777]

describe.each(PACKS)('values stored %s', (_, pack) => {
  it.each([false, true])('are read on and off the thread; heap full: %s', async (full) => {
    const disk = new SegmentsOnDisk()
    const values = valuesOf([...LENGTHS, ...LONG])
    const wanted = disk.write(values, pack)
    disk.full = full
    for (const [i, each] of wanted.entries()) {
      expect(disk.read(each).equals(values[i]!.value)).toBe(true)
      expect((await disk.readAsync(each)).equals(values[i]!.value)).toBe(true)
    }
    disk.allocator.check()
  })
})

it('many values are given as one by one, whichever and in whatever order', () => {
  const disk = new SegmentsOnDisk()
  const lengths = Array.from({ length: 400 }, (_, i) =>
    i % 50 === 7 ? 70_000 + i : (i * 37) % 3_000,
  )
  const values = valuesOf(lengths)
  const wanted = PACKS.flatMap(([, pack]) => disk.write(values, pack))
  fc.assert(
    fc.property(
      fc.array(fc.nat(wanted.length - 1), { maxLength: 60 }),
      fc.boolean(),
      (asked, full) => {
        disk.full = full
        const found = disk.readAll(asked.map((i) => wanted[i]!))
        for (const [place, i] of asked.entries()) {
          if (!found[place]!.equals(values[i % values.length]!.value)) return false
        }
        disk.allocator.check()
        return found.length === asked.length
      },
    ),
    { numRuns: 60 },
  )
})

it('neighbours come with one read of at most 256 KiB, from either end', () => {
  const disk = new SegmentsOnDisk()
  const values = valuesOf(Array.from({ length: 1_000 }, () => 1_000))
  const wanted = disk.write(values)
  disk.segments.get(1)
  for (const asked of [wanted, wanted.toReversed(), wanted.filter((_, i) => i % 3 === 0)]) {
    disk.reads.length = 0
    expect(disk.readAll(asked)).toHaveLength(asked.length)
    expect(disk.reads).toHaveLength(4)
    expect(Math.max(...disk.reads)).toBeLessThanOrEqual(256 * 1024)
  }
  disk.reads.length = 0
  disk.readAll(wanted.filter((_, i) => i % 100 === 0))
  expect(disk.reads).toHaveLength(10)
})

it('a small value costs one read, a long one reads no byte of its values twice', () => {
  const disk = new SegmentsOnDisk()
  const [small, long] = disk.write(valuesOf([5_000, 3 * MIB + 5]), packLz4)
  disk.segments.get(1)
  disk.reads.length = 0
  disk.read(small!)
  expect(disk.reads).toEqual([small!.storedLength])
  disk.reads.length = 0
  disk.read(long!)
  const heads = disk.reads.filter((length) => length === 32).length
  expect(disk.reads.reduce((sum, length) => sum + length, 0)).toBe(long!.storedLength + heads * 32)
})

describe('damage', () => {
  const values = [
    { key: Buffer.from('short'), value: noise(300, 1) },
    { key: Buffer.from('long'), value: noise(2 * MIB + 999, 2) },
    { key: Buffer.from('next'), value: noise(300, 3) },
  ]

  async function refusals(disk: SegmentsOnDisk, wanted: WantedValue): Promise<CorruptionError[]> {
    const ways: (() => unknown)[] = [
      () => disk.read(wanted),
      () => disk.readAsync(wanted),
      () => disk.readAll([wanted]),
      () => disk.readAll([wanted, wanted]),
    ]
    const errors: CorruptionError[] = []
    for (const full of [false, true]) {
      disk.full = full
      for (const way of ways) {
        const error: unknown = await Promise.resolve()
          .then(way)
          .then(() => 'it was read')
          .catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(CorruptionError)
        errors.push(error as CorruptionError)
      }
    }
    disk.allocator.check()
    return errors
  }

  it.each([undefined, packLz4])('any byte of a value that is changed is found', async (pack) => {
    const disk = new SegmentsOnDisk()
    const [short, long] = disk.write(values, pack)
    const good = disk.bytes(1)
    const offsets = Array.from({ length: 32 }, (_, i) => i)
    const spots = [
      ...[...offsets, 40, 100, 200].map((at) => [short!, short!.offset + at] as const),
      ...[...offsets, 70_000].map((at) => [long!, long!.offset + at] as const),
      [long!, long!.offset + long!.storedLength - 16] as const,
    ]
    for (const [wanted, at] of spots) {
      const bad = Buffer.from(good)
      bad[at]! ^= 1 << (at % 8)
      disk.segments.closeIdle()
      disk.put(1, bad)
      for (const error of await refusals(disk, wanted)) {
        expect(error.file.endsWith('000001.vlog')).toBe(true)
        expect(error.offset).toBeGreaterThanOrEqual(wanted.offset)
        expect(error.offset).toBeLessThan(wanted.offset + wanted.storedLength)
      }
    }
  })

  it('a file that ends early is found, opened before or not', async () => {
    const disk = new SegmentsOnDisk()
    const [short, long, next] = disk.write(values)
    disk.segments.get(1)
    disk.fs.openSync('/db/000001.vlog', 'update').truncateSync(long!.offset + 5)
    for (const wanted of [long!, next!]) await refusals(disk, wanted)
    expect(disk.read(short!).equals(values[0]!.value)).toBe(true)
    disk.segments.closeIdle()
    for (const { found } of await refusals(disk, short!)) expect(found).toBe(`${long!.offset + 5}`)
  })

  it('a pointer that is right in all but one thing is refused', async () => {
    const disk = new SegmentsOnDisk()
    const [short, long, next] = disk.write(values)
    const part = MIB + 32
    const forged: readonly (readonly [Partial<WantedValue>, WantedValue, string])[] = [
      [{ keyHash: next!.keyHash }, short!, 'the hash of the key'],
      [{ offset: next!.offset }, short!, 'the hash of the key'],
      [{ offset: short!.offset + 8 }, short!, 'part'],
      [{ valueLength: 299 }, short!, '299 bytes'],
      [{ valueLength: 2 * MIB, storedLength: 2 * part }, long!, 'the last part'],
      [{ valueLength: MIB, storedLength: part }, long!, 'the last part'],
      [{ storedLength: long!.storedLength - 8 }, long!, 'a part that ends its value'],
      [{ storedLength: long!.storedLength + 8 }, long!, 'a part that ends its value'],
      [{ valueLength: 2 * MIB + 998 }, long!, 'bytes'],
      [
        { offset: long!.offset + part, valueLength: MIB, storedLength: part },
        long!,
        'byte 0 of the value',
      ],
      [{ offset: 2 ** 50 }, short!, 'a value that ends by'],
      [{ offset: disk.metas.get(1)!.size - 128 }, short!, 'a value that ends by'],
    ]
    for (const [change, value, expected] of forged) {
      for (const error of await refusals(disk, { ...value, ...change })) {
        expect(error.expected).toContain(expected)
      }
    }
  })

  it('a part of another segment, or of another place, is refused', async () => {
    const disk = new SegmentsOnDisk()
    const [short, , next] = disk.write(values)
    disk.write(values)
    const one = disk.bytes(1)
    const moved = Buffer.from(one)
    one.copy(moved, next!.offset, short!.offset, short!.offset + short!.storedLength)
    disk.put(1, moved)
    await refusals(disk, { ...next!, keyHash: short!.keyHash })
    const mixed = Buffer.from(one)
    disk.bytes(2).copy(mixed, short!.offset, short!.offset, short!.offset + short!.storedLength)
    disk.segments.closeIdle()
    disk.put(1, mixed)
    await refusals(disk, short!)
  })

  it('a long value that is damaged far in takes no memory for what its pointer claims', () => {
    const disk = new SegmentsOnDisk()
    const [short] = disk.write(values)
    const claimed = { ...short!, valueLength: 1000 * MIB }
    expect(() => disk.read(claimed)).toThrow(CorruptionError)
    expect(() => new ValueWalk(disk.segments.get(1), claimed)).not.toThrow()
  })
})
