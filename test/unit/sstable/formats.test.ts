import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { checksum } from '../../../src/format/checksum.ts'
import { FOOTER_BYTES } from '../../../src/format/file-footer.ts'
import { decodeAlone, encodeAloneHeader } from '../../../src/format/sstable-block.ts'
import { decodeFooter, encodeFooter } from '../../../src/format/sstable-footer.ts'
import { decodeBlockList, encodeIndex, type IndexEntry } from '../../../src/format/sstable-index.ts'
import {
  decodeProperties,
  encodeProperties,
  PROPERTIES_BYTES,
} from '../../../src/format/sstable-properties.ts'

const FILE = 'x.sst'
const SEED = 20_251
const salt = Buffer.from('0102030405060708', 'hex')

function onlyCorruption(decode: () => unknown): void {
  try {
    decode()
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptionError)
  }
}

describe('footer', () => {
  const parts = {
    filter: { offset: 500, length: 128 },
    rangeTombstones: { offset: 644, length: 8 },
    properties: { offset: 668, length: 104 },
    index: { offset: 788, length: 90 },
  }
  const fileSize = 894 + FOOTER_BYTES
  const expected = { file: FILE, fileSize, fileNumber: 7, salt }

  it('gives back what was written', () => {
    const footer = { ...parts, fileSize, fileNumber: 7, salt }
    expect(decodeFooter(encodeFooter(footer), expected)).toEqual(footer)
  })

  it('refuses parts that overlap or leave the file, even under a right checksum', () => {
    for (const index of [
      { offset: 700, length: 90 },
      { offset: 788, length: 91 },
      { offset: 2 ** 52, length: 2 ** 52 },
    ]) {
      const bytes = encodeFooter({ ...parts, index, fileSize, fileNumber: 7, salt })
      expect(() => decodeFooter(bytes, expected)).toThrow(CorruptionError)
    }
  })

  it('answers any bytes with a value or a CorruptionError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 140 }), (random) => {
        const bytes = Buffer.from(random)
        if (bytes.length >= FOOTER_BYTES) {
          const position = fileSize - FOOTER_BYTES
          bytes.write('SETTSST\0', 120, 'latin1')
          const sum = checksum(bytes.subarray(0, 112), { salt, fileNumber: 7, position })
          bytes.writeBigUInt64LE(sum, 112)
          bytes.writeUInt32LE(1, 88)
        }
        onlyCorruption(() => decodeFooter(bytes.subarray(0, FOOTER_BYTES), expected))
      }),
      { seed: SEED, numRuns: 300 },
    )
  })
})

describe('properties', () => {
  const properties = {
    entries: 12,
    tombstones: 3,
    smallestVersion: 5,
    largestVersion: 2 ** 52,
    earliestExpiry: 6,
    latestExpiry: 0,
    keyBytes: 100,
    valueBytes: 2 ** 40,
    blockSize: 4096,
    largestBlock: 5000,
    newestWal: 9,
    blocks: 4,
    codec: 1,
    segments: [
      { number: 3, bytes: 80 },
      { number: 9, bytes: 2 ** 40 },
    ],
    expiring: [
      { until: 8, entries: 1, bytes: 40, referred: 0 },
      { until: 2 ** 53 - 1, entries: 5, bytes: 2 ** 40, referred: 80 },
    ],
  }

  it('give back what was written', () => {
    expect(decodeProperties(encodeProperties(properties), FILE, 64)).toEqual(properties)
  })

  it('list segments by number, each once and with bytes, and no more than there may be', () => {
    const most = Array.from({ length: 2_048 }, (_, i) => ({ number: i + 1, bytes: 40 }))
    for (const segments of [[], most]) {
      const bytes = encodeProperties({ ...properties, segments, expiring: [] })
      expect(bytes).toHaveLength(PROPERTIES_BYTES + 16 * segments.length)
      expect(decodeProperties(bytes, FILE, 64)).toEqual({ ...properties, segments, expiring: [] })
    }
    const wrong = [
      [{ number: 0, bytes: 8 }],
      [{ number: 3, bytes: 0 }],
      [
        { number: 3, bytes: 8 },
        { number: 3, bytes: 8 },
      ],
      [
        { number: 4, bytes: 8 },
        { number: 3, bytes: 8 },
      ],
      [...most, { number: 9_999, bytes: 8 }],
    ]
    for (const segments of wrong) {
      const bytes = encodeProperties({ ...properties, segments })
      expect(() => decodeProperties(bytes, FILE, 64)).toThrow(CorruptionError)
    }
    const whole = encodeProperties(properties)
    for (const length of [whole.length - 16, whole.length - 1, whole.length + 16]) {
      const bytes = Buffer.concat([whole, Buffer.alloc(16, 1)]).subarray(0, length)
      expect(() => decodeProperties(bytes, FILE, 64)).toThrow(/136 bytes/)
    }
  })

  it('answer any bytes with a value or a CorruptionError', () => {
    const length = { minLength: 0, maxLength: PROPERTIES_BYTES + 40 }
    fc.assert(
      fc.property(fc.uint8Array(length), (bytes) => {
        onlyCorruption(() => decodeProperties(Buffer.from(bytes), FILE, 64))
      }),
      { seed: SEED, numRuns: 300 },
    )
    const whole = encodeProperties(properties)
    for (let i = 0; i < whole.length; i++) {
      const bytes = Buffer.from(whole)
      bytes[i] = 0xff
      onlyCorruption(() => decodeProperties(bytes, FILE, 64))
    }
  })
})

describe('index', () => {
  const entries: IndexEntry[] = [
    { offset: 64, length: 100, firstKey: Buffer.from('ab'), lastKey: Buffer.from('abc') },
    { offset: 164, length: 40, firstKey: Buffer.from('abd'), lastKey: Buffer.from('abd') },
    { offset: 204, length: 50, firstKey: Buffer.from('abe'), lastKey: Buffer.from('abz') },
  ]

  it('is laid out as FORMAT says', () => {
    const payload = encodeIndex(entries)
    expect(payload.toString('hex')).toBe(
      [
        '03000000',
        '11000000',
        '02000000',
        '00000000',
        // c, d, z after the common "ab", as big-endian numbers stored little-endian
        '0000000000000063',
        '0000000000000064',
        '000000000000007a',
        '4000000000000000',
        'a400000000000000',
        'cc00000000000000',
        '64000000',
        '28000000',
        '32000000',
        '00000000',
        '02000000',
        '05000000',
        '08000000',
        '0b000000',
        '0e000000',
        '11000000',
        Buffer.from('ababcabdabdabeabz').toString('hex'),
      ].join(''),
    )
    expect(decodeBlockList(payload, 254)).toEqual({
      offsets: new Float64Array([64, 164, 204]),
      lengths: new Uint32Array([100, 40, 50]),
      payloads: new Uint32Array([84, 24, 34]),
      smallestKey: Buffer.from('ab'),
      largestKey: Buffer.from('abz'),
    })
    expect(decodeBlockList(payload, 253)).toBeUndefined()
  })

  it('names the payloads of compressed blocks, and only such as a block may have', () => {
    const packed = (payload: number) => encodeIndex(entries.map((entry) => ({ ...entry, payload })))
    expect(packed(1000).readUInt32LE(12)).toBe(1)
    expect([...decodeBlockList(packed(1000), 254)!.payloads]).toEqual([1000, 1000, 1000])
    expect(decodeBlockList(packed(2 ** 20), 254)).toBeDefined()
    expect(decodeBlockList(packed(2 ** 20 + 1), 254)).toBeUndefined()
    // 84 bytes stored save an eighth of 95.
    expect(decodeBlockList(packed(95), 254)).toBeDefined()
    expect(decodeBlockList(packed(94), 254)).toBeUndefined()
    expect(decodeBlockList(packed(1000).subarray(0, -4), 254)).toBeUndefined()
  })

  it('answers any bytes with a list or undefined', () => {
    const payload = encodeIndex(entries)
    fc.assert(
      fc.property(fc.nat(payload.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = Buffer.from(payload)
        bytes[at] = byte
        decodeBlockList(cut ? bytes.subarray(0, at) : bytes, 254)
      }),
      { seed: SEED, numRuns: 500 },
    )
  })
})

describe('a block of one entry', () => {
  const field = fc.maxSafeNat()

  it('gives back what was written', () => {
    const lengths = { minLength: 1, maxLength: 40 }
    fc.assert(
      fc.property(
        fc.uint8Array(lengths),
        fc.uint8Array({ maxLength: 300 }),
        field,
        field,
        fc.constantFrom(0x01, 0x02, 0x11, 0x21, 0x31),
        (key, value, version, expiry, tag) => {
          const meta = (tag & 0x10) !== 0 ? 7 : 0
          const expiresAt = (tag & 0x20) !== 0 ? expiry : 0
          const bytes = Buffer.alloc(48 + key.length + value.length + 8)
          const keyLength = key.length
          const valueLength = value.length
          const fields = { keyLength, valueLength, tag, meta, versionOffset: version, expiresAt }
          const start = encodeAloneHeader(bytes, 48, fields)
          bytes.writeUInt32LE(1, bytes.length - 4)
          expect(decodeAlone(bytes.subarray(start), 0)).toEqual({
            keyStart: 48 - start,
            keyLength,
            valueLength,
            tag,
            meta,
            version,
            expiresAt,
          })
        },
      ),
      { seed: SEED, numRuns: 200 },
    )
  })

  it('answers any bytes with an entry or undefined', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
        const bytes = Buffer.from(random)
        if (bytes.length >= 8) bytes.writeBigUInt64LE(1n << 32n, bytes.length - 8)
        const entry = decodeAlone(bytes, 2 ** 52)
        if (entry === undefined) return
        expect(entry.keyStart + entry.keyLength + entry.valueLength).toBe(bytes.length - 8)
      }),
      { seed: SEED, numRuns: 1000 },
    )
  })
})
