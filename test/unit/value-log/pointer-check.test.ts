// What verify says of tables and logs whose pointers lead astray although every checksum is right.
import { describe, expect, test } from 'vitest'
import { hash64 } from '../../../src/base/xxh64.ts'
import { checksum, checksumSeed, hex64 } from '../../../src/format/checksum.ts'
import { encodeFileHeader } from '../../../src/format/file-header.ts'
import { encodeRecord } from '../../../src/format/record.ts'
import type { SegmentMeta } from '../../../src/format/segments/segment-meta.ts'
import { readValuePointer, writeValuePointer } from '../../../src/format/segments/value-pointer.ts'
import { segmentPath, tablePath, walPath } from '../../../src/io/file-names.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { VerifyResult } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { verifyWorkspaceBytes } from '../../../src/jobs/workspace.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import { takeApart, withOtherUse } from '../../corrupt/fuzz/forged-table.ts'
import { pointerTwin, type SegmentTwin, segmentTwin } from '../../twins/segment.ts'
import { JobBench } from '../jobs/support.ts'
import { Bench, DIRECTORY, type PlainEntry, SHAPE } from '../sstable/support.ts'

const MIB = 1024 * 1024
const SEGMENT = 5_000
const TABLE = 6_000
const salt = Buffer.from('a0a1a2a3a4a5a6a7', 'hex')
const path = segmentPath(DIRECTORY, SEGMENT)

/** Reads of segments: how many, and of how many bytes. */
interface Reads {
  count: number
  bytes: number
}

function counting(inner: FileSystem, reads: Reads): FileSystem {
  return {
    ...inner,
    openSync(name, mode) {
      const file = inner.openSync(name, mode)
      if (name !== path || mode !== 'read') return file
      const readSync = file.readSync.bind(file)
      return Object.assign(file, {
        readSync(target: Uint8Array, position: number): number {
          reads.count += 1
          reads.bytes += target.length
          return readSync(target, position)
        },
      })
    },
  }
}

class Rig {
  readonly reads: Reads = { count: 0, bytes: 0 }
  readonly bench: Bench = new Bench(16 * MIB, 'wasm', counting(memoryFileSystem(), this.reads))
  readonly jobs: JobBench = new JobBench(this.bench)
  readonly segment: SegmentTwin
  readonly meta: SegmentMeta
  readonly entries: readonly PlainEntry[]

  constructor(lengths: readonly number[]) {
    const keyOf = (i: number): Buffer => Buffer.from(`key ${String(i).padStart(5, '0')}`)
    const values = lengths.map((length, i) => ({ key: keyOf(i), value: Buffer.alloc(length, i) }))
    this.segment = segmentTwin({ number: SEGMENT, salt, values })
    const { bytes, places } = this.segment
    this.meta = { number: SEGMENT, size: bytes.length, salt: salt.toString('hex') }
    this.put(path, bytes)
    this.entries = values.map(({ key }, i) => {
      return { key, version: i + 1, value: pointerTwin(SEGMENT, places[i]!), pointer: true }
    })
  }

  put(name: string, bytes: Buffer): void {
    const { fs } = this.bench
    if (fs.statSync(name) !== undefined) fs.removeSync(name)
    const file = fs.openSync(name, 'create')
    file.writeSync(bytes, 0)
    file.closeSync()
  }

  write(entries: readonly PlainEntry[] = this.entries): TableMeta {
    const [table] = this.bench.write(entries, { ...SHAPE, tableSize: 8 * MIB }, TABLE)
    return table!
  }

  verify(table: TableMeta, pointed: readonly SegmentMeta[] = [this.meta]): VerifyResult {
    const workspace = this.bench.take(verifyWorkspaceBytes([table]))
    const rest = { tables: [table], pointed, workspace }
    const spec = { kind: 'verify', directory: DIRECTORY, ...rest } as const
    return runJob(spec, this.jobs.context) as VerifyResult
  }
}

describe('the pointers of a table', () => {
  test('lead to values of their keys', () => {
    const rig = new Rig([0, 1, 900, 5_000, MIB + 1, 30, 30, 2 * MIB])
    const table = rig.write()
    expect(table.segments).toEqual([{ number: SEGMENT, bytes: rig.meta.size - 192 }])
    expect(rig.verify(table)).toMatchObject({ entries: 8, problems: [] })
  })

  test('are followed by reading no more than the headers, neighbours together', () => {
    const near = new Rig(Array.from({ length: 2_000 }, (_, i) => 80 + (i % 100)))
    const table = near.write()
    near.reads.bytes = 0
    near.reads.count = 0
    expect(near.verify(table).problems).toEqual([])
    expect(near.reads.bytes).toBeLessThanOrEqual(near.meta.size)
    expect(near.reads.count).toBeLessThan(150)
    const far = new Rig(Array.from({ length: 100 }, () => 20_000))
    const other = far.write()
    far.reads.bytes = 0
    far.reads.count = 0
    expect(far.verify(other).problems).toEqual([])
    expect(far.reads).toEqual({ count: 102, bytes: 192 + 100 * 32 })
  })

  test.each<
    [string, (pointer: { offset: number; valueLength: number; storedLength: number }) => object]
  >([
    ['the value of another key', ({ offset, storedLength }) => ({ offset: offset + storedLength })],
    ['the middle of a value', ({ offset }) => ({ offset: offset + 64 })],
    ['a shorter value', ({ valueLength }) => ({ valueLength: valueLength - 1 })],
    ['a value that takes less', ({ storedLength }) => ({ storedLength: storedLength - 8 })],
    ['bytes behind the last value', () => ({ offset: 64 + 60 * 1_032 - 8 })],
  ])('to %s are told, by table and block', (_what, change) => {
    const rig = new Rig(Array.from({ length: 60 }, () => 1_000))
    const entries = rig.entries.map((entry, i) => {
      if (i !== 30) return entry
      const pointer = readValuePointer(entry.value!, 0)!
      const value = Buffer.alloc(24)
      writeValuePointer(value, 0, { ...pointer, ...change(pointer) })
      return { ...entry, value }
    })
    const table = rig.write(entries)
    const { problems } = rig.verify(table)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({
      file: tablePath(DIRECTORY, TABLE),
      expected: expect.stringMatching(
        /^pointers to values of their keys; at \d+ of .*5000\.vlog: /,
      ),
    })
    expect(problems[0]!.offset).toBeGreaterThanOrEqual(64)
    expect(problems[0]!.offset).toBeLessThan(table.size)
  })

  test('to a part behind the first of its key are told', () => {
    const rig = new Rig([MIB + 1_000, 10])
    const value = Buffer.alloc(24)
    const offset = 64 + 32 + MIB
    writeValuePointer(value, 0, {
      segment: SEGMENT,
      offset,
      valueLength: 1_000,
      storedLength: 1_032,
    })
    const { problems } = rig.verify(rig.write([{ ...rig.entries[0]!, value }]))
    expect(problems).toMatchObject([{ expected: /byte 0 of the value/, found: `${MIB}` }])
  })

  test('are passed over where the segment is missing, damaged or not known: its own check tells', () => {
    const rig = new Rig([100, 200])
    const table = rig.write()
    expect(rig.verify(table, []).problems).toEqual([])
    expect(rig.verify(table, [{ ...rig.meta, salt: '0'.repeat(16) }]).problems).toEqual([])
    rig.put(path, rig.segment.bytes.subarray(0, -8))
    expect(rig.verify(table).problems).toEqual([])
    rig.bench.fs.removeSync(path)
    expect(rig.verify(table).problems).toEqual([])
  })

  test('each block that leads astray is told once', () => {
    const rig = new Rig(Array.from({ length: 300 }, () => 100))
    const table = rig.write()
    const values = rig.entries.map((_, i) => ({
      key: Buffer.from(`other ${i}`),
      value: Buffer.alloc(100, 1),
    }))
    rig.put(path, segmentTwin({ number: SEGMENT, salt, values }).bytes)
    const { problems } = rig.verify(table)
    const offsets = problems.map(({ offset }) => offset)
    expect(offsets.length).toBeGreaterThan(5)
    expect(new Set(offsets).size).toBe(offsets.length)
    expect(problems.every(({ expected }) => /the hash of the key/.test(expected))).toBe(true)
  })
})

test('what a table says of its segments is what its entries add up to', () => {
  const rig = new Rig([100, 200, 300])
  const table = rig.write()
  const file = rig.bench.fs.openSync(tablePath(DIRECTORY, TABLE), 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0)
  const base = takeApart(table, bytes)
  for (const change of [8, -8]) {
    const forged = withOtherUse(base, change)
    rig.put(tablePath(DIRECTORY, TABLE), forged.bytes)
    expect(rig.verify(forged.meta).problems).toMatchObject([{ expected: /segments/ }])
    // Forged in one of both places only.
    expect(rig.verify(table).problems).toMatchObject([
      { expected: /the segments the manifest says/ },
    ])
  }
})

describe('the pointers of a log', () => {
  function verifyLog(rig: Rig, values: readonly Buffer[], pointed = [rig.meta]): VerifyResult {
    const number = 7_000
    const records = values.map((value, i) =>
      encodeRecord({
        kind: i === 0 ? 'put' : 'pointer',
        key: rig.entries[i]!.key,
        value,
        version: i + 1,
        expiresAt: i === 2 ? 99 : 0,
        meta: 0,
        commitEnd: true,
      }),
    )
    const { bytes, digest } = oneFrameWal(number, salt, records)
    rig.put(walPath(DIRECTORY, number), bytes)
    const workspace = rig.bench.take(verifyWorkspaceBytes([]))
    const wal = { number, salt: salt.toString('hex'), length: bytes.length, digest }
    const rest = { tables: [], wals: [wal], pointed, workspace }
    const spec = { kind: 'verify', directory: DIRECTORY, ...rest } as const
    return runJob(spec, rig.jobs.context) as VerifyResult
  }

  test('lead to values of their keys, or are told', () => {
    const rig = new Rig([100, 300, 500, 700])
    const [, first, second, third] = rig.entries.map(({ value }) => value!) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ]
    const plain = Buffer.from('a value of the log')
    const right = [plain, first, second, third]
    expect(verifyLog(rig, right)).toMatchObject({ entries: 4, problems: [] })
    const file = walPath(DIRECTORY, 7_000)
    expect(verifyLog(rig, [plain, first, third, second]).problems).toMatchObject([{ file }])
    expect(verifyLog(rig, right, []).problems).toMatchObject([
      { file, expected: /a segment the manifest names/ },
    ])
    rig.bench.fs.removeSync(path)
    expect(verifyLog(rig, right).problems).toEqual([])
  })
})

/** FORMAT §5: a log of one frame. */
function oneFrameWal(
  number: number,
  fileSalt: Buffer,
  records: readonly Buffer[],
): { bytes: Buffer; digest: string } {
  const payload = Buffer.concat([Buffer.alloc(32), ...records])
  payload[24] = 1
  const frame = Buffer.concat([Buffer.alloc(48), payload])
  frame.writeUInt32LE(0x4d415246, 8)
  frame.writeUInt32LE(payload.length, 12)
  frame.writeBigUInt64LE(64n, 16)
  frame.writeBigUInt64LE(1n, 24)
  frame.writeBigUInt64LE(BigInt(records.length), 32)
  frame.writeUInt32LE(records.length, 40)
  frame.writeUInt32LE(1, 44)
  const place = { salt: fileSalt, fileNumber: number }
  frame.writeBigUInt64LE(checksum(frame.subarray(8), { ...place, position: 64 }), 0)
  const header = encodeFileHeader({ kind: 'wal', number, salt: fileSalt, parameter: 0 })
  const digest = hash64(frame.subarray(0, 8), checksumSeed({ ...place, position: 0 }))
  return { bytes: Buffer.concat([header, frame]), digest: hex64(digest) }
}
