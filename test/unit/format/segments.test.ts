import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { GIB, MIB } from '../../../src/base/limits.ts'
import { hash64 } from '../../../src/base/xxh64.ts'
import { checksum } from '../../../src/format/checksum.ts'
import { FOOTER_BYTES } from '../../../src/format/file-footer.ts'
import { decodeFileHeader } from '../../../src/format/file-header.ts'
import { decodeRecord, encodeRecord } from '../../../src/format/record.ts'
import {
  decodePartHeader,
  decodeSegmentFooter,
  encodePartHeader,
  encodeSegmentFooter,
  PART_COVERED,
  PART_HEADER_BYTES,
  PART_PAYLOAD_MAX,
  type PartHeader,
  partBytes,
  partCount,
  SEGMENT_BYTES_MIN,
  SEGMENT_FRAME_BYTES,
  storedBytesMax,
  storedBytesMin,
} from '../../../src/format/segments/segment-part.ts'
import {
  readValuePointer,
  VALUE_POINTER_BYTES,
  type ValuePointer,
  writeValuePointer,
} from '../../../src/format/segments/value-pointer.ts'
import { packLz4, pointerTwin, segmentTwin } from '../../twins/segment.ts'

const SEED = 20_263
const salt = Buffer.from('a0a1a2a3a4a5a6a7', 'hex')

/** Lengths at the edges of parts and of what may be, and any. */
const lengths = fc.oneof(
  fc.constantFrom(0, 1, 7, 8, MIB - 1, MIB, MIB + 1, 5 * MIB, GIB - 1, GIB),
  fc.integer({ min: 0, max: GIB }),
)

describe('sizes in a segment', () => {
  /** One part after the other. */
  function storedTwin(valueLength: number, storedOf: (payload: number) => number): number {
    let stored = 0
    for (let left = valueLength; left > 0 || stored === 0; left -= Math.min(left, MIB)) {
      stored += 32 + Math.ceil(storedOf(Math.min(left, MIB)) / 8) * 8
      if (left === 0) break
    }
    return stored
  }

  test('are those of the parts, one by one', () => {
    expect([0, 1, 8, 9].map(partBytes)).toEqual([32, 40, 40, 48])
    expect([0, 1, MIB, MIB + 1, GIB].map(partCount)).toEqual([1, 1, 1, 2, 1024])
    expect(SEGMENT_BYTES_MIN).toBe(SEGMENT_FRAME_BYTES + storedBytesMin(0))
    fc.assert(
      fc.property(lengths, (length) => {
        expect(storedBytesMax(length)).toBe(storedTwin(length, (payload) => payload))
        expect(storedBytesMin(length)).toBe(storedTwin(length, (payload) => Math.min(1, payload)))
      }),
      { seed: SEED },
    )
    expect(storedBytesMax(GIB)).toBeLessThan(2 ** 32)
  })
})

describe('a value pointer', () => {
  const pointer: ValuePointer = {
    segment: 0x0102030405,
    offset: 0x60708,
    valueLength: 1000,
    storedLength: 520,
  }
  const written = (of: ValuePointer): Buffer => {
    const bytes = Buffer.alloc(VALUE_POINTER_BYTES + 6, 0xee)
    writeValuePointer(bytes, 3, of)
    expect([...bytes.subarray(0, 3), ...bytes.subarray(27)]).toEqual(Array(6).fill(0xee))
    return bytes.subarray(3, 27)
  }

  test('has its fields in their places', () => {
    expect(written(pointer).toString('hex')).toBe(
      '0504030201000000' + '0807060000000000' + 'e803000008020000',
    )
    expect(written(pointer)).toEqual(pointerTwin(pointer.segment, pointer))
  })

  test('is read back, whatever it points to', () => {
    const pointers = fc
      .record({
        segment: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        offset: fc.integer({ min: 8, max: 2 ** 50 }).map((at) => at * 8),
        valueLength: lengths,
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      })
      .map(({ share, ...rest }) => {
        const least = storedBytesMin(rest.valueLength)
        const room = storedBytesMax(rest.valueLength) - least
        return { ...rest, storedLength: least + Math.floor((share * room) / 8) * 8 }
      })
    fc.assert(
      fc.property(pointers, (each) => {
        expect(readValuePointer(written(each), 0)).toEqual(each)
      }),
      { seed: SEED },
    )
  })

  test('to what no segment can hold is none', () => {
    const wrong: Partial<ValuePointer>[] = [
      { segment: 0 },
      { offset: 0 },
      { offset: 56 },
      { offset: 68 },
      { valueLength: GIB + 1, storedLength: storedBytesMax(GIB) },
      { valueLength: 0 },
      { valueLength: 2 ** 32 - 1 },
      { storedLength: 0 },
      { storedLength: 32 },
      { storedLength: 524 },
      { storedLength: storedBytesMax(1000) + 8 },
      { valueLength: MIB + 1, storedLength: 72 },
    ]
    for (const change of wrong) {
      const bytes = Buffer.alloc(VALUE_POINTER_BYTES)
      writeValuePointer(bytes, 0, { ...pointer, ...change })
      expect(readValuePointer(bytes, 0), JSON.stringify(change)).toBeUndefined()
    }
    for (const at of [6, 7, 14, 15]) {
      const bytes = Buffer.from(written(pointer))
      bytes[at] = 0xff
      expect(readValuePointer(bytes, 0), `byte ${at}`).toBeUndefined()
    }
  })

  test('of any bytes is none, or one that asks for no more than its value may take', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), fc.boolean(), (raw, near) => {
        const bytes = Buffer.from(raw)
        if (near) for (const at of [3, 4, 5, 6, 7, 12, 13, 14, 15, 18, 19, 22, 23]) bytes[at] = 0
        const found = readValuePointer(bytes, 0)
        if (found === undefined) return
        expect(found.storedLength).toBeLessThanOrEqual(storedBytesMax(found.valueLength))
        expect(written(found)).toEqual(bytes)
      }),
      { seed: SEED, numRuns: 2_000 },
    )
  })

  test('stands in a record of its kind, and nothing else does', () => {
    const record = {
      kind: 'pointer' as const,
      key: Buffer.from('key'),
      value: written(pointer),
      version: 9,
      expiresAt: 5,
      meta: 0,
      commitEnd: true,
    }
    const bytes = encodeRecord(record)
    expect(decodeRecord(bytes, 'f', 0)).toEqual({ ...record, length: bytes.length })
    for (const value of [Buffer.alloc(24), Buffer.alloc(0), Buffer.concat([record.value, salt])]) {
      const wrong = encodeRecord({ ...record, value })
      expect(() => decodeRecord(wrong, 'f', 0)).toThrow(CorruptionError)
    }
  })
})

describe('the header of a part', () => {
  const header: PartHeader = {
    payloadLength: 1000,
    codec: 1,
    storedLength: 300,
    keyHash: 0xfedcba9876543210n,
    position: 3 * MIB,
    last: true,
  }
  const encoded = (of: PartHeader): Buffer => {
    const bytes = Buffer.alloc(PART_HEADER_BYTES)
    encodePartHeader(bytes, 0, of)
    return bytes
  }

  test('has its fields in their places', () => {
    expect(encoded(header).toString('hex', 8)).toBe(
      'e8030000012c0100' + '1032547698badcfe' + '0000300001000000',
    )
    expect(encoded({ ...header, codec: 0, storedLength: 1000 }).toString('hex', 12, 16)).toBe(
      '00000000',
    )
  })

  test('is read back, and is that of the twin’s segment', () => {
    const key = Buffer.from('some key')
    const value = Buffer.concat([Buffer.alloc(MIB, 'x'), Buffer.from('the rest of it')])
    const values = [
      { key, value: Buffer.alloc(0) },
      { key, value },
    ]
    const { bytes, places } = segmentTwin({ number: 7, salt, values, pack: packLz4 })
    const keyHash = hash64(key, 0n)
    const [empty, long] = places
    const first = decodePartHeader(bytes, long!.offset)!
    const second = decodePartHeader(bytes, long!.offset + partBytes(first.storedLength))!
    const bare = { keyHash, codec: 0, last: true, position: 0 }
    expect(decodePartHeader(bytes, empty!.offset)).toEqual({
      ...bare,
      payloadLength: 0,
      storedLength: 0,
    })
    expect(first).toMatchObject({ payloadLength: MIB, codec: 1, keyHash, position: 0, last: false })
    expect(first.storedLength).toBeLessThan(MIB / 100)
    expect(second).toEqual({ ...bare, payloadLength: 14, storedLength: 14, position: MIB })
    for (const part of [header, first, second]) {
      expect(decodePartHeader(encoded(part), 0)).toEqual(part)
    }
    expect(long!.storedLength).toBe(partBytes(first.storedLength) + partBytes(14))
  })

  test('that no part can have is none', () => {
    const wrong: Partial<PartHeader>[] = [
      { payloadLength: PART_PAYLOAD_MAX + 1 },
      { payloadLength: 0 },
      { storedLength: 0 },
      { storedLength: 876 },
      { position: 1 },
      { position: GIB },
      { position: 2 ** 32 - 8 },
      { last: false },
    ]
    expect(decodePartHeader(encoded({ ...header, storedLength: 875 }), 0)).toBeDefined()
    for (const change of wrong) {
      const bytes = encoded({ ...header, ...change })
      expect(decodePartHeader(bytes, 0), JSON.stringify(change)).toBeUndefined()
    }
    for (const [at, value] of [
      [12, 0],
      [28, 2],
      [29, 1],
      [31, 0x80],
    ] as const) {
      const bytes = encoded(header)
      bytes[at] = value
      expect(decodePartHeader(bytes, 0), `byte ${at}`).toBeUndefined()
    }
    const full = { ...header, payloadLength: MIB, storedLength: 9, last: false }
    expect(decodePartHeader(encoded(full), 0)).toEqual(full)
  })

  test('of any bytes is none, or one that stays within the limits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.boolean(), (raw, near) => {
        const bytes = Buffer.from(raw)
        if (near) for (const at of [10, 11, 13, 14, 15, 24, 25, 27, 29, 30, 31]) bytes[at] = 0
        if (near) bytes[28]! &= 1
        const found = decodePartHeader(bytes, 0)
        if (found === undefined) return
        const { payloadLength, storedLength, position } = found
        expect(payloadLength).toBeLessThanOrEqual(PART_PAYLOAD_MAX)
        expect(storedLength).toBeLessThanOrEqual(payloadLength)
        expect(position + payloadLength).toBeLessThanOrEqual(GIB)
        expect(encoded(found).subarray(PART_COVERED)).toEqual(bytes.subarray(PART_COVERED))
      }),
      { seed: SEED, numRuns: 2_000 },
    )
  })
})

describe('the footer of a segment', () => {
  const fileSize = 5_000
  const footer = { values: 12, valueBytes: 2 ** 40, fileSize, fileNumber: 7, salt }
  const expected = { file: 'x.vlog', fileSize, fileNumber: 7, salt }
  const position = fileSize - FOOTER_BYTES
  const sealed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = encodeSegmentFooter(footer)
    change(bytes)
    const sum = checksum(bytes.subarray(0, 112), { salt, fileNumber: 7, position })
    bytes.writeBigUInt64LE(sum, 112)
    return bytes
  }

  test('is read back, and is that of the twin’s segment', () => {
    expect(decodeSegmentFooter(encodeSegmentFooter(footer), expected)).toEqual(footer)
    const values = [1, 2_000].map((length) => {
      return { key: Buffer.from(`${length}`), value: Buffer.alloc(length, 1) }
    })
    const { bytes } = segmentTwin({ number: 7, salt, values })
    expect(bytes.length).toBe(SEGMENT_FRAME_BYTES + 40 + 2_032)
    const found = decodeSegmentFooter(bytes.subarray(-FOOTER_BYTES), {
      ...expected,
      fileSize: bytes.length,
    })
    const counts = { values: 2, valueBytes: 2_001, fileSize: bytes.length }
    expect(found).toEqual({ ...footer, ...counts })
    expect(encodeSegmentFooter(found)).toEqual(bytes.subarray(-FOOTER_BYTES))
    const head = decodeFileHeader(bytes, 'vlog', 'x.vlog')
    expect(head).toEqual({ number: 7, salt, parameter: 0 })
  })

  test('with any bit flipped, cut short or of another file is damage', () => {
    const bytes = encodeSegmentFooter(footer)
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => decodeSegmentFooter(flipped, expected)).toThrow(CorruptionError)
    }
    for (const length of [0, 64, 127]) {
      expect(() => decodeSegmentFooter(bytes.subarray(0, length), expected)).toThrow(/128 bytes/)
    }
    for (const change of [{ fileSize: 5_008 }, { fileNumber: 8 }, { salt: Buffer.alloc(8) }]) {
      expect(() => decodeSegmentFooter(bytes, { ...expected, ...change })).toThrow(CorruptionError)
    }
  })

  test('under a right checksum is refused by the field that is wrong, or as a newer format', () => {
    const wrong: [(bytes: Buffer) => void, RegExp][] = [
      [(bytes) => bytes.writeUInt32LE(0xffffffff, 4), /below 2\^53/],
      [(bytes) => bytes.writeUInt8(1, 16), /reserved zero/],
      [(bytes) => bytes.writeUInt8(1, 63), /reserved zero/],
      [(bytes) => bytes.writeUInt8(1, 92), /reserved zero/],
      [(bytes) => bytes.writeUInt8(1, 111), /reserved zero/],
      [(bytes) => bytes.writeUInt32LE(5_008, 64), /size 5000/],
      [(bytes) => bytes.writeUInt32LE(8, 72), /file number 7/],
      [(bytes) => bytes.writeUInt8(0, 80), /salt/],
      [(bytes) => bytes.writeUInt32LE(0, 88), /format version 1/],
      [(bytes) => bytes.writeUInt8(0, 120), /magic of a segment/],
    ]
    for (const [change, reason] of wrong) {
      expect(() => decodeSegmentFooter(sealed(change), expected)).toThrow(reason)
      expect(() => decodeSegmentFooter(sealed(change), expected)).toThrow(CorruptionError)
    }
    const newer = sealed((bytes) => bytes.writeUInt32LE(2, 88))
    expect(() => decodeSegmentFooter(newer, expected)).toThrow(
      expect.objectContaining({ code: 'SETT_NEWER_FORMAT' }),
    )
    const offset = position + 64
    const longer = sealed((bytes) => bytes.writeUInt32LE(5_008, 64))
    expect(() => decodeSegmentFooter(longer, expected)).toThrow(expect.objectContaining({ offset }))
  })

  test('of any bytes under a right checksum is a value or a CorruptionError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 112, maxLength: 112 }), (raw) => {
        const bytes = sealed((all) => all.set(raw))
        try {
          decodeSegmentFooter(bytes, expected)
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/^(LEVEL_CORRUPTION|SETT_NEWER_FORMAT)$/)
        }
      }),
      { seed: SEED, numRuns: 300 },
    )
  })
})
