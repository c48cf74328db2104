import { describe, expect, test } from 'vitest'
import { CorruptionError, SettError } from '../../../src/base/errors.ts'
import { hash64 } from '../../../src/base/xxh64.ts'
import { checksum, checksumSeed, hex64 } from '../../../src/format/checksum.ts'
import { decodeCurrent, encodeCurrent } from '../../../src/format/current-file.ts'
import { decodeFileHeader, encodeFileHeader } from '../../../src/format/file-header.ts'
import {
  decodeEditPayload,
  editVerifies,
  encodeEditPayload,
  type ManifestEdit,
  readEditFrame,
  sealEdit,
} from '../../../src/format/manifest-edit.ts'
import { decodeRecord, encodeRecord, type LogRecord } from '../../../src/format/record.ts'
import type { ExpiryStep, TableMeta } from '../../../src/format/table-meta.ts'
import { FieldReader, FieldWriter, varintLength, writeVarint } from '../../../src/format/varint.ts'
import { readFrameHeader, readLink } from '../../../src/format/wal-frame.ts'

const FUZZ_ROUNDS = 20_000

/** Numbers below `below`, the same on every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** A decoder gives a value or a typed error for whatever bytes a good example can turn into. */
function fuzz(seed: number, examples: readonly Buffer[], decode: (bytes: Buffer) => unknown): void {
  const next = numbers(seed)
  for (let round = 0; round < FUZZ_ROUNDS; round += 1) {
    const example = examples[next(examples.length)]!
    const extra = Buffer.alloc(next(4), next(256))
    const bytes = Buffer.concat([example.subarray(0, example.length - next(3) * next(20)), extra])
    for (let flips = next(4); flips > 0 && bytes.length > 0; flips -= 1) {
      const at = next(bytes.length)
      bytes[at] = next(2) === 0 ? next(256) : bytes[at]! ^ (1 << next(8))
    }
    try {
      decode(bytes)
    } catch (error) {
      if (!(error instanceof SettError)) throw error
    }
  }
}

describe('checksums', () => {
  const place = { salt: Buffer.from('0102030405060708', 'hex'), fileNumber: 7, position: 64 }
  const bytes = Buffer.from('some bytes')

  test('are those of FORMAT §1', () => {
    const seed = Buffer.from('010203040506070807000000000000004000000000000000', 'hex')
    expect(checksumSeed(place)).toBe(hash64(seed, 0n))
    expect(checksum(bytes, place)).toBe(hash64(bytes, hash64(seed, 0n)))
    expect(hex64(255n)).toBe('00000000000000ff')
  })

  test('depend on salt, file and position', () => {
    const sums = [
      checksum(bytes, place),
      checksum(bytes, { ...place, salt: Buffer.alloc(8) }),
      checksum(bytes, { ...place, fileNumber: 8 }),
      checksum(bytes, { ...place, position: 72 }),
    ]
    expect(new Set(sums).size).toBe(4)
  })
})

describe('file header', () => {
  const salt = Buffer.from('a0a1a2a3a4a5a6a7', 'hex')

  test('is read back, with bytes in their places', () => {
    const bytes = encodeFileHeader({ kind: 'sst', number: 513, salt, parameter: 2 ** 40 + 1 })
    expect(bytes.toString('hex', 0, 48)).toBe(
      '53455454535354000100000000000000' +
        '0102000000000000a0a1a2a3a4a5a6a7' +
        '01000000000100000000000000000000',
    )
    expect(decodeFileHeader(bytes, 'sst', 'f')).toEqual({
      number: 513,
      salt,
      parameter: 2 ** 40 + 1,
    })
  })

  test('of another kind, short, or with any bit flipped is damage', () => {
    const bytes = encodeFileHeader({ kind: 'wal', number: 1, salt, parameter: 0 })
    expect(() => decodeFileHeader(bytes, 'sst', 'f')).toThrow(CorruptionError)
    expect(() => decodeFileHeader(bytes.subarray(0, 63), 'wal', 'f')).toThrow(CorruptionError)
    for (let bit = 0; bit < 512; bit += 1) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => decodeFileHeader(flipped, 'wal', 'f')).toThrow(CorruptionError)
    }
  })

  test('of a newer format is refused by name, flags and reserved bytes as damage', () => {
    const change = (at: number, value: number): Buffer => {
      const bytes = encodeFileHeader({ kind: 'wal', number: 1, salt, parameter: 0 })
      bytes[at] = value
      bytes.writeBigUInt64LE(hash64(bytes.subarray(0, 56), 0n), 56)
      return bytes
    }
    expect(() => decodeFileHeader(change(8, 9), 'wal', 'f')).toThrow(
      expect.objectContaining({
        code: 'SETT_NEWER_FORMAT',
        message: expect.stringMatching(/version 9.*up to 1/),
      }),
    )
    for (const at of [12, 32, 45, 55]) {
      expect(() => decodeFileHeader(change(at, 1), 'wal', 'f')).toThrow(CorruptionError)
    }
    expect(() => decodeFileHeader(change(8, 0), 'wal', 'f')).toThrow(CorruptionError)
  })

  test('fuzzed', () => {
    const bytes = encodeFileHeader({ kind: 'wal', number: 1, salt, parameter: 0 })
    fuzz(11, [bytes], (mutant) => decodeFileHeader(mutant, 'wal', 'f'))
  })
})

describe('CURRENT', () => {
  const clean = { manifest: 9, clean: { length: 12345, lastChecksum: 0xfedcba9876543210n } }

  test('is read back, clean and not', () => {
    expect(decodeCurrent(encodeCurrent(clean), 'f')).toEqual(clean)
    expect(decodeCurrent(encodeCurrent({ manifest: 3 }), 'f')).toEqual({ manifest: 3 })
  })

  test('with any bit flipped or byte missing is damage', () => {
    const bytes = encodeCurrent(clean)
    for (let bit = 0; bit < 512; bit += 1) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => decodeCurrent(flipped, 'f')).toThrow(CorruptionError)
    }
    for (let length = 0; length < 64; length += 1) {
      expect(() => decodeCurrent(bytes.subarray(0, length), 'f')).toThrow(CorruptionError)
    }
    fuzz(12, [bytes], (mutant) => decodeCurrent(mutant, 'f'))
  })
})

describe('varint', () => {
  test('holds every size of number up to 2^53 - 1', () => {
    for (let bits = 0; bits <= 53; bits += 1) {
      for (const value of [2 ** bits - 1, Math.min(2 ** bits, Number.MAX_SAFE_INTEGER)]) {
        const bytes = Buffer.alloc(10)
        const length = writeVarint(bytes, 0, value)
        expect(length).toBe(varintLength(value))
        expect(new FieldReader(bytes.subarray(0, length), 'f', 0).varint()).toBe(value)
      }
    }
  })

  test('refuses numbers too large, too long, cut off, or not in their shortest form', () => {
    for (const hex of ['ffffffffffffff7f', 'ffffffffffffffffff01', '80', '8000', '']) {
      const bytes = Buffer.from(hex, 'hex')
      expect(() => new FieldReader(bytes, 'f', 0).varint()).toThrow(CorruptionError)
    }
  })

  test('a writer grows without losing a byte', () => {
    const writer = new FieldWriter(1)
    for (let i = 0; i < 1_000; i += 1)
      writer
        .varint(i)
        .u8(i & 255)
        .bytes(Buffer.from('ab'))
    const reader = new FieldReader(writer.finish(), 'f', 0)
    for (let i = 0; i < 1_000; i += 1) {
      expect([reader.varint(), reader.u8(), reader.view(2).toString()]).toEqual([i, i & 255, 'ab'])
    }
    expect(reader.done).toBe(true)
  })
})

describe('record', () => {
  const full: LogRecord = {
    kind: 'put',
    key: Buffer.from('key'),
    value: Buffer.from('a value'),
    version: 2 ** 40 + 3,
    expiresAt: 1_900_000_000_000,
    meta: 7,
    commitEnd: true,
  }
  const bare: LogRecord = {
    ...full,
    kind: 'delete',
    value: Buffer.alloc(0),
    expiresAt: 0,
    meta: 0,
    commitEnd: false,
  }

  test('is read back, with bytes in their places', () => {
    const bytes = encodeRecord(full)
    expect(bytes.toString('hex')).toBe(
      '070000000300b10703000000000100000038d360ba010000' + '6b6579612076616c7565000000000000',
    )
    const empty = { ...bare, key: Buffer.alloc(0) }
    for (const record of [full, bare, empty]) {
      const encoded = encodeRecord(record)
      expect(decodeRecord(encoded, 'f', 0)).toEqual({ ...record, length: encoded.length })
    }
  })

  test('illegal kinds, reserved bits, stray meta and padding are damage', () => {
    const change = (at: number, value: number): Buffer => {
      const bytes = encodeRecord(bare)
      bytes[at] = value
      return bytes
    }
    const cases: [number, number][] = [
      [6, 0],
      [6, 3],
      [6, 4],
      [6, 5],
      [6, 0x42],
      [7, 1],
      [20, 1],
      [0, 99],
      [15, 0xff],
    ]
    for (const [at, value] of cases) {
      expect(() => decodeRecord(change(at, value), 'f', 0), `${at}`).toThrow(CorruptionError)
    }
    fuzz(13, [encodeRecord(full), encodeRecord(bare)], (mutant) => decodeRecord(mutant, 'f', 0))
  })
})

describe('frame header', () => {
  test('fuzzed: a plausible header or undefined, a link or a typed error', () => {
    const frame = Buffer.alloc(48 + 64)
    frame.writeUInt32LE(0x4d415246, 8)
    frame.writeUInt32LE(64, 12)
    frame.writeUInt32LE(1, 40)
    frame.writeUInt32LE(1, 44)
    expect(readFrameHeader(frame, 0, frame.length)).toMatchObject({ payloadLength: 64 })
    fuzz(14, [frame], (mutant) => {
      const header = readFrameHeader(mutant, 0, mutant.length)
      if (header === undefined) return
      expect(header.payloadLength + 48).toBeLessThanOrEqual(mutant.length)
      if (header.flags === 1) readLink(mutant, 48, { file: 'f', offset: 48 })
    })
  })
})

const FULL_EDIT: ManifestEdit = {
  snapshot: true,
  nextFileNumber: 77,
  lastVersion: 123_456_789,
  historyFloor: 1000,
  tablesRemoved: [
    { level: 0, number: 5 },
    { level: 6, number: 6 },
  ],
  tablesAdded: [
    {
      level: 3,
      table: {
        number: 70,
        size: 64 * 2 ** 20,
        salt: '00112233445566ff',
        entries: 1_000_000,
        tombstones: 10,
        earliestExpiry: 1_700_000_000_000,
        latestExpiry: 0,
        smallestVersion: 100,
        largestVersion: 2 ** 45,
        baseVersion: 99,
        largestBlock: 4_112,
        newestWal: 68,
        smallestKey: Buffer.alloc(0),
        largestKey: Buffer.alloc(300, 0x7a),
        packing: { codec: 2, payloadBytes: 2 ** 28 },
        segments: [
          { number: 61, bytes: 40 },
          { number: 73, bytes: 2 ** 40 },
        ],
        expiring: [
          { until: 1_700_000_000_000, entries: 1, bytes: 30, referred: 0 },
          { until: 2 ** 53 - 1, entries: 999_999, bytes: 2 ** 50, referred: 2 ** 40 },
        ],
      },
    },
  ],
  walsAdded: [{ number: 71, salt: 'ffeeddccbbaa9988' }],
  walsSealed: [{ number: 71, length: 4096, lastVersion: 9, digest: '0123456789abcdef' }],
  walsDropped: [71, 72],
  segmentsAdded: [
    { number: 73, size: 2 ** 41, salt: '8899aabbccddeeff' },
    { number: 74, size: 224, salt: '0000000000000000' },
  ],
  segmentsDropped: [61, 62],
  retentionFloors: [{ name: 'nächtlich', version: 5 }],
  retentionFloorsRemoved: ['alt', ''],
}

describe('manifest edit', () => {
  test('is read back with every field, and with none', () => {
    for (const edit of [FULL_EDIT, {}]) {
      const payload = encodeEditPayload(edit)
      expect(decodeEditPayload(payload, 'f', 0)).toEqual(edit)
    }
  })

  test('unknown and reserved fields, impossible levels, numbers, keys and names are damage', () => {
    const refused = [
      '00',
      '0b01',
      '0d01',
      '0f',
      // An expiry of a table that is not added, of none at all, and of no time.
      '0f460507',
      '0f000507',
      '0f460000',
      // A segment without salt, of number 0, of less than an empty value takes.
      '0b49800230313233343536',
      '0b0080023031323334353637',
      '0b49df013031323334353637',
      '0c00',
      // Segments of a table that is not added.
      '1046013d28',
      '10',
      // Steps of expiry of a table that is not added.
      '1146010501010000',
      '11',
      'ff',
      '050001',
      '050700',
      '050000',
      '0800',
      '09',
      '0902c328',
    ]
    for (const hex of refused) {
      const decode = (): unknown => decodeEditPayload(Buffer.from(hex, 'hex'), 'f', 0)
      if (hex === '050001') expect(decode()).toEqual({ tablesRemoved: [{ level: 0, number: 1 }] })
      else expect(decode, hex).toThrow(CorruptionError)
    }
    const table = FULL_EDIT.tablesAdded![0]!.table
    const bad = [
      { smallestKey: Buffer.from('zzzz'), largestKey: Buffer.from('a') },
      { largestKey: Buffer.alloc(65_536, 0x7a) },
      { tombstones: 1_000_001 },
      { smallestVersion: 2 ** 46 },
      { baseVersion: 101 },
      { earliestExpiry: 5, latestExpiry: 4 },
    ]
    const twice = Buffer.from('0f4605000f460500', 'hex')
    const added = encodeEditPayload({ tablesAdded: FULL_EDIT.tablesAdded! })
    const { expiring: _, ...plain } = table
    const expiryBytes = encodeEditPayload({
      tablesAdded: [{ level: 3, table: { ...plain, earliestExpiry: 0 } }],
    })
    expect(() => decodeEditPayload(Buffer.concat([added, twice]), 'f', 0)).toThrow(CorruptionError)
    const second = Buffer.concat([added, twice.subarray(0, 4)])
    expect(() => decodeEditPayload(second, 'f', 0)).toThrow(/one expiry per table/)
    const told = decodeEditPayload(Buffer.concat([expiryBytes, twice.subarray(4)]), 'f', 0)
    expect(told.tablesAdded![0]!.table).toMatchObject({ earliestExpiry: 5, latestExpiry: 0 })
    for (const change of bad) {
      const edit = { tablesAdded: [{ level: 1, table: { ...table, ...change } }] }
      expect(() => decodeEditPayload(encodeEditPayload(edit), 'f', 0)).toThrow(CorruptionError)
    }
  })

  test('a table’s segments stand right behind it, once, by number and with bytes', () => {
    const { segments: _, expiring: __, ...table } = FULL_EDIT.tablesAdded![0]!.table
    const added = encodeEditPayload({ tablesAdded: [{ level: 3, table }] })
    const decode = (...fields: string[]): ManifestEdit =>
      decodeEditPayload(
        Buffer.concat([added, ...fields.map((hex) => Buffer.from(hex, 'hex'))]),
        'f',
        0,
      )
    const first = '1046013d28'
    expect(decode(first).tablesAdded![0]!.table.segments).toEqual([{ number: 61, bytes: 40 }])
    const refused: [string[], RegExp][] = [
      [[first, first], /one list of segments per table/],
      [['1047013d28'], /the segments of the table before it/],
      [['104600'], /1 to 2048 segments/],
      [['10468110'], /1 to 2048 segments/],
      [['1046013d00'], /by number, each with bytes/],
      [['1046010028'], /by number, each with bytes/],
      [['1046023d283d28'], /by number, each with bytes/],
      [['1046023d283c28'], /by number, each with bytes/],
      [['1046023d28'], /./],
    ]
    for (const [fields, reason] of refused) {
      expect(() => decode(...fields), fields.join()).toThrow(reason)
      expect(() => decode(...fields)).toThrow(CorruptionError)
    }
    const most = Array.from({ length: 2_048 }, (_, i) => ({ number: i + 1, bytes: 40 }))
    const edit = { tablesAdded: [{ level: 3, table: { ...table, segments: most } }] }
    expect(decodeEditPayload(encodeEditPayload(edit), 'f', 0)).toEqual(edit)
  })

  test('a table’s steps of expiry stand behind it, once, by time, and hold no more than it does', () => {
    const { expiring: _, ...table } = FULL_EDIT.tablesAdded![0]!.table
    const step = { until: table.earliestExpiry, entries: 400_000, bytes: 7, referred: 2 ** 39 }
    const steps = (...changes: Partial<ExpiryStep>[]): ExpiryStep[] =>
      changes.map((change, i) => ({ ...step, until: step.until + i, ...change }))
    const coded = (expiring: readonly ExpiryStep[], change: Partial<TableMeta> = {}): Buffer =>
      encodeEditPayload({ tablesAdded: [{ level: 3, table: { ...table, ...change, expiring } }] })
    const read = (bytes: Buffer): unknown =>
      decodeEditPayload(bytes, 'f', 0).tablesAdded![0]!.table.expiring
    for (const good of [steps({}), steps({}, { bytes: 2 ** 53 - 1, referred: 0 })]) {
      expect(read(coded(good))).toEqual(good)
    }
    const few = { entries: 1, referred: 0 }
    const most = steps(...Array.from({ length: 16 }, () => few))
    expect(read(coded(most))).toEqual(most)
    expect(read(coded(most, { latestExpiry: most[15]!.until }))).toEqual(most)
    const refused: [Buffer, RegExp][] = [
      [coded([]), /1 to 16 steps/],
      [coded(steps(...most, few)), /1 to 16 steps/],
      [coded(steps({ until: step.until - 1 })), /from the earliest/],
      [coded(steps({}, { until: step.until })), /by time/],
      [coded(steps({ entries: 0 })), /by time/],
      [coded(most, { latestExpiry: most[15]!.until + 1 }), /to the latest/],
      [coded(most, { earliestExpiry: 0 }), /from the earliest/],
      [coded(steps({}, {}, {})), /no more that expires/],
      [coded(steps({ referred: 2 ** 41 })), /no more that expires/],
      [Buffer.concat([coded(steps(few)), Buffer.from('1146', 'hex')]), /once per table/],
    ]
    for (const [bytes, reason] of refused) {
      expect(() => read(bytes)).toThrow(reason)
      expect(() => read(bytes)).toThrow(CorruptionError)
    }
  })

  test('verifies only behind the edit it was written behind', () => {
    const payload = encodeEditPayload(FULL_EDIT)
    const { bytes, checksum: sum } = sealEdit(payload, 12, 99n)
    expect(bytes.length % 8).toBe(0)
    const frame = readEditFrame(bytes, 0)!
    expect(frame).toEqual({
      number: 12,
      payloadLength: payload.length,
      checksum: sum,
      end: bytes.length,
    })
    expect(editVerifies(bytes, 0, frame, 99n)).toBe(true)
    expect(editVerifies(bytes, 0, frame, 98n)).toBe(false)
    for (let bit = 0; bit < 64 * 8; bit += 1) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const other = readEditFrame(flipped, 0)
      expect(other !== undefined && editVerifies(flipped, 0, other, 99n)).toBe(false)
    }
  })

  test('fuzzed', () => {
    const { tablesAdded, ...small } = FULL_EDIT
    const table = { ...tablesAdded![0]!.table, largestKey: Buffer.from('b') }
    const examples = [small, { ...small, tablesAdded: [{ level: 3, table }] }]
    fuzz(15, examples.map(encodeEditPayload), (mutant) => decodeEditPayload(mutant, 'f', 0))
    const sealed = examples.map((edit) => sealEdit(encodeEditPayload(edit), 3, 1n).bytes)
    fuzz(16, sealed, (mutant) => {
      const frame = readEditFrame(mutant, 0)
      if (frame !== undefined) editVerifies(mutant, 0, frame, 1n)
    })
  })
})
