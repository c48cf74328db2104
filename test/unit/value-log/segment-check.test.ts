import { describe, expect, test } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { checksum } from '../../../src/format/checksum.ts'
import {
  decodeSegmentFooter,
  encodeSegmentFooter,
} from '../../../src/format/segments/segment-part.ts'
import { segmentPath } from '../../../src/io/file-names.ts'
import type { VerifyResult } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { verifyWorkspaceBytes } from '../../../src/jobs/workspace.ts'
import { checkSegment, SEGMENT_CHECK_BYTES } from '../../../src/value-log/segment-check.ts'
import { prng } from '../../model/prng.ts'
import { halfNoise } from '../../support/half-noise.ts'
import { packLz4, type SegmentTwin, segmentTwin } from '../../twins/segment.ts'
import { JobBench } from '../jobs/support.ts'
import { Bench, DIRECTORY } from '../sstable/support.ts'

const MIB = 1024 * 1024
const NUMBER = 7
const salt = Buffer.from('a0a1a2a3a4a5a6a7', 'hex')
const path = segmentPath(DIRECTORY, NUMBER)

function noiseOf(length: number, seed: number): Buffer {
  return Buffer.from(halfNoise(length, seed).padEnd(length, 'z').slice(0, length), 'latin1')
}

/** Empty, odd, packed, not packed, of one and of several parts. */
function someSegment(lengths: readonly number[]): SegmentTwin {
  const values = lengths.map((length, i) => ({
    key: Buffer.from(`key ${i}`),
    value: i % 3 === 1 ? Buffer.alloc(length, i) : noiseOf(length, i),
  }))
  return segmentTwin({ number: NUMBER, salt, values, pack: packLz4 })
}

class Rig {
  readonly bench: Bench = new Bench(8 * MIB)
  readonly jobs: JobBench = new JobBench(this.bench)

  /** Overwrites the file. */
  put(bytes: Buffer): void {
    const { fs } = this.bench
    if (fs.statSync(path) !== undefined) fs.removeSync(path)
    const file = fs.openSync(path, 'create')
    file.writeSync(bytes, 0)
    file.closeSync()
  }

  verify(size: number, hex = salt.toString('hex')): VerifyResult {
    const meta = { number: NUMBER, size, salt: hex }
    const workspace = this.bench.take(verifyWorkspaceBytes([], [meta]))
    const rest = { tables: [], segments: [meta], workspace }
    const spec = { kind: 'verify', directory: DIRECTORY, ...rest } as const
    try {
      return runJob(spec, this.jobs.context) as VerifyResult
    } finally {
      this.bench.allocator.free(workspace)
    }
  }

  /** What is wrong with the segment whose bytes these are. */
  problems(bytes: Buffer): VerifyResult['problems'] {
    this.put(bytes)
    return this.verify(bytes.length).problems
  }
}

/** Sealed anew: what an enemy, or a wrong writer, would leave. */
function reseal(bytes: Buffer, at: number, stored: number): void {
  const place = { salt, fileNumber: NUMBER, position: at }
  bytes.writeBigUInt64LE(checksum(bytes.subarray(at + 8, at + 32 + stored), place), at)
}

describe('a segment is walked', () => {
  test('from part to part, whatever their sizes, each byte read once', () => {
    const rig = new Rig()
    const lengths = [
      [0],
      [1, 0, 7, 8, 9],
      Array.from({ length: 300 }, (_, i) => 13 * i),
      [MIB - 1, MIB, MIB + 1, 3, 2 * MIB + 700, 0],
      [600_000, 600_000, 600_000, 600_000],
    ]
    for (const each of lengths) {
      const { bytes } = someSegment(each)
      rig.put(bytes)
      expect(rig.verify(bytes.length)).toEqual({
        kind: 'verify',
        entries: each.length,
        bytesRead: bytes.length,
        problems: [],
      })
    }
  })

  test('in a buffer of just the room it asks for', () => {
    const rig = new Rig()
    const { bytes } = someSegment([MIB, 5, 2 * MIB])
    rig.put(bytes)
    const file = rig.bench.fs.openSync(path, 'read')
    const region = rig.bench.take(SEGMENT_CHECK_BYTES + 32)
    const guard = Buffer.alloc(24, 0x5a)
    rig.bench.heap.bytes.set(guard, region.address + SEGMENT_CHECK_BYTES + 8)
    const buffer = { address: region.address + 8, length: SEGMENT_CHECK_BYTES }
    const meta = { number: NUMBER, size: bytes.length, salt: salt.toString('hex') }
    checkSegment(rig.bench, { file, meta, saltAddress: region.address, buffer })
    const behind = buffer.address + SEGMENT_CHECK_BYTES
    expect(rig.bench.heap.bytes.subarray(behind, behind + 24)).toEqual(guard)
  })

  test('with progress, and ends when it is cancelled', () => {
    const rig = new Rig()
    const value = noiseOf(MIB, 1)
    const values = Array.from({ length: 9 }, (_, i) => ({ key: Buffer.from(`${i}`), value }))
    const { bytes } = segmentTwin({ number: NUMBER, salt, values })
    rig.put(bytes)
    rig.verify(bytes.length)
    const seen = rig.jobs.reports.map((report) =>
      report.kind === 'progress' ? report.bytesRead : 0,
    )
    expect(seen.length).toBeGreaterThan(1)
    expect(seen[1]! - seen[0]!).toBeGreaterThanOrEqual(4 * MIB)
    rig.jobs.cancelled = true
    expect(() => rig.verify(bytes.length)).toThrow(expect.objectContaining({ code: 'SETT_BUSY' }))
  })
})

describe('damage in a segment is told', () => {
  test('wherever a bit is flipped, header, parts, padding and footer alike', () => {
    const rig = new Rig()
    const { bytes, places } = someSegment([0, 3, 500, 40, 900, 1, 77])
    const random = prng(20_264, 1)
    for (let at = 0; at < bytes.length; at++) {
      const harmed = Buffer.from(bytes)
      harmed[at]! ^= 1 << random.below(8)
      const problems = rig.problems(harmed)
      expect(problems.length, `byte ${at}`).toBeGreaterThan(0)
      for (const { file, offset } of problems) {
        expect(file).toBe(path)
        expect(offset).toBeLessThanOrEqual(bytes.length)
      }
      // The offset is that of the part, or lies in the header or the footer.
      const part = places.findLast(({ offset }) => offset <= at)?.offset
      const end = bytes.length - 128
      if (at >= 64 && at < end) expect(problems.map(({ offset }) => offset)).toEqual([part])
      else expect(problems[0]!.offset < 64 || problems[0]!.offset >= end).toBe(true)
    }
  })

  test('of each damaged part, and what lies between them is still counted', () => {
    const rig = new Rig()
    const { bytes, places } = someSegment(Array.from({ length: 200 }, (_, i) => 100 + 37 * i))
    const harmed = Buffer.from(bytes)
    const damaged = [3, 4, 90, 199].map((i) => places[i]!)
    // A length, a key's hash, a checksum, a byte of the value.
    for (const [i, { offset }] of damaged.entries()) harmed[offset + [9, 17, 2, 40][i]!]! ^= 1
    rig.put(harmed)
    const found = rig.verify(bytes.length)
    const offsets = found.problems.map(({ offset }) => offset)
    // Neighbours are one hole.
    expect(offsets).toEqual([damaged[0]!, damaged[2]!, damaged[3]!].map(({ offset }) => offset))
    expect(found.entries).toBe(200)
  })

  test('in a value of many parts: the first, one in the middle, the last, one gone, two exchanged', () => {
    const rig = new Rig()
    const noise = (seed: number): Buffer => noiseOf(MIB, seed)
    const long = Buffer.concat([noise(1), noise(2), noise(3), Buffer.from('tail')])
    const values = [{ key: Buffer.from('k'), value: long }]
    const { bytes } = segmentTwin({ number: NUMBER, salt, values })
    const parts = [0, 1, 2, 3].map((i) => 64 + i * (MIB + 32))
    for (const at of parts) {
      const harmed = Buffer.from(bytes)
      harmed[at + 33]! ^= 8
      expect(rig.problems(harmed).map(({ offset }) => offset)).toEqual([at])
    }
    const moved = (order: readonly number[]): Buffer => {
      const body = order.map((i) =>
        bytes.subarray(parts[i]!, parts[i]! + (i === 3 ? 40 : MIB + 32)),
      )
      const harmed = Buffer.concat([bytes.subarray(0, 64), ...body, bytes.subarray(-128)])
      let at = 64
      for (const i of order) {
        reseal(harmed, at, i === 3 ? 4 : MIB)
        at += i === 3 ? 40 : MIB + 32
      }
      const size = harmed.length
      const footer = { values: 1, valueBytes: 0, fileSize: size, fileNumber: NUMBER, salt }
      for (const i of order) footer.valueBytes += i === 3 ? 4 : MIB
      encodeSegmentFooter(footer).copy(harmed, size - 128)
      return harmed
    }
    expect(rig.problems(moved([0, 1, 2, 3]))).toEqual([])
    expect(rig.problems(moved([0, 2, 3]))).toMatchObject([
      { offset: parts[1]! + 24, expected: `byte ${MIB} of a value`, found: `${2 * MIB}` },
    ])
    expect(rig.problems(moved([1, 0, 2, 3])).length).toBeGreaterThan(0)
    expect(rig.problems(moved([0, 1, 2]))).toMatchObject([
      { expected: 'the next part of a value', found: 'the footer' },
    ])
  })

  test('that only a forged checksum hides: another key, counts, codecs, bytes behind', () => {
    const rig = new Rig()
    const long = Buffer.concat([noiseOf(MIB, 1), Buffer.from('tail')])
    const values = [{ key: Buffer.from('k'), value: long }]
    const { bytes } = segmentTwin({ number: NUMBER, salt, values })
    const tail = 64 + 32 + MIB
    const other = Buffer.from(bytes)
    other[tail + 16]! ^= 1
    reseal(other, tail, 4)
    expect(rig.problems(other)).toMatchObject([
      { offset: tail + 16, expected: 'the key of the part before', found: 'another' },
    ])
    for (const change of [{ values: 2 }, { valueBytes: MIB }]) {
      const harmed = Buffer.from(bytes)
      const size = harmed.length
      const place = { file: path, fileSize: size, fileNumber: NUMBER, salt }
      const footer = decodeSegmentFooter(harmed.subarray(-128), place)
      encodeSegmentFooter({ ...footer, ...change }).copy(harmed, size - 128)
      expect(rig.problems(harmed)).toMatchObject([{ offset: size - 128, found: `1 of ${MIB + 4}` }])
    }
    const { bytes: packed } = someSegment([10, 5_000])
    const at = 64 + 32 + 16
    const stored = packed.readUIntLE(at + 13, 3)
    expect(packed[at + 12]).toBe(1)
    const broken = Buffer.from(packed)
    broken.fill(0xff, at + 32, at + 36)
    reseal(broken, at, stored)
    expect(rig.problems(broken)).toMatchObject([
      { offset: at + 32, expected: 'a compressed block of 5000 bytes' },
    ])
    broken[at + 12] = 9
    reseal(broken, at, stored)
    rig.put(broken)
    expect(() => rig.verify(broken.length)).toThrow(
      expect.objectContaining({
        code: 'SETT_NEWER_FORMAT',
        message: expect.stringMatching(/codec 9/),
      }),
    )
  })

  test('of a file that is missing, short, long, another, or empty', () => {
    const rig = new Rig()
    const { bytes } = someSegment([100, 2_000, 0])
    const size = bytes.length
    const tell = (file: Buffer | undefined, hex?: string): VerifyResult['problems'][number] => {
      if (file !== undefined) rig.put(file)
      const { problems } = rig.verify(size, hex)
      expect(problems).toHaveLength(1)
      return problems[0]!
    }
    expect(tell(undefined)).toMatchObject({ offset: 0, found: 'no file' })
    for (const length of [0, 63, 64, 191, size - 1]) {
      expect(tell(bytes.subarray(0, length))).toMatchObject({
        offset: length,
        expected: `${size} bytes`,
        found: `${length}`,
      })
    }
    expect(tell(Buffer.concat([bytes, salt]))).toMatchObject({ offset: size, found: `${size + 8}` })
    expect(tell(bytes, '0'.repeat(16))).toMatchObject({ offset: 24, found: 'another' })
    expect(tell(Buffer.alloc(size))).toMatchObject({ offset: 0 })
    const values = [100, 2_000, 0].map((length, i) => {
      return { key: Buffer.from(`key ${i}`), value: noiseOf(length, i) }
    })
    const elsewhere = segmentTwin({ number: 8, salt, values, pack: packLz4 })
    expect(tell(elsewhere.bytes.subarray(0, size))).toMatchObject({ expected: expect.any(String) })
  })

  test('at once when nobody collects it', () => {
    const rig = new Rig()
    const { bytes } = someSegment([100, 2_000, 0])
    bytes[200]! ^= 1
    rig.put(bytes)
    const file = rig.bench.fs.openSync(path, 'read')
    const { address } = rig.bench.take(SEGMENT_CHECK_BYTES + 8)
    const buffer = { address: address + 8, length: SEGMENT_CHECK_BYTES }
    const meta = { number: NUMBER, size: bytes.length, salt: salt.toString('hex') }
    expect(() => checkSegment(rig.bench, { file, meta, saltAddress: address, buffer })).toThrow(
      CorruptionError,
    )
  })
})

test('a segment made to look like parts everywhere is searched no longer than it is worth', () => {
  const rig = new Rig()
  const size = 2 * MIB
  const bytes = Buffer.alloc(size)
  const { bytes: ends } = segmentTwin({ number: NUMBER, salt, values: [] })
  ends.copy(bytes, 0, 0, 64)
  // Each 32 bytes read as the header of a part of 1 MiB whose checksum is wrong.
  for (let at = 64; at + 32 <= size - 128; at += 32) bytes.writeUInt32LE(MIB, at + 8)
  const counts = { values: 0, valueBytes: 0, fileSize: size, fileNumber: NUMBER, salt }
  encodeSegmentFooter(counts).copy(bytes, size - 128)
  let reads = 0
  rig.put(bytes)
  const file = rig.bench.fs.openSync(path, 'read')
  const { address } = rig.bench.take(SEGMENT_CHECK_BYTES + 8)
  const buffer = { address: address + 8, length: SEGMENT_CHECK_BYTES }
  const meta = { number: NUMBER, size, salt: salt.toString('hex') }
  const problems: CorruptionError[] = []
  checkSegment(
    rig.bench,
    { file, meta, saltAddress: address, buffer },
    {
      damaged: (error) => void problems.push(error),
      read: (length) => {
        reads += length
      },
    },
  )
  expect(problems).toHaveLength(1)
  expect(reads).toBeLessThanOrEqual(8 * size)
})
