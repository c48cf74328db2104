// Structures of fixed fields: CURRENT, file headers, footers, properties, trailer, record, part of a value, pointer.
import { hash64 } from '../../../src/base/xxh64.ts'
import { checksum } from '../../../src/format/checksum.ts'
import { decodeCurrent, encodeCurrent } from '../../../src/format/current-file.ts'
import { FOOTER_BYTES } from '../../../src/format/file-footer.ts'
import {
  decodeFileHeader,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  type FileKind,
} from '../../../src/format/file-header.ts'
import { CODEC_NONE, packedMax } from '../../../src/format/packed-form.ts'
import { decodeRecord, encodeRecord } from '../../../src/format/record.ts'
import {
  decodePartHeader,
  decodeSegmentFooter,
  encodePartHeader,
  encodeSegmentFooter,
  PART_PAYLOAD_MAX,
  storedBytesMax,
  storedBytesMin,
} from '../../../src/format/segments/segment-part.ts'
import { readValuePointer, writeValuePointer } from '../../../src/format/segments/value-pointer.ts'
import { checkTrailer, encodeTrailer } from '../../../src/format/sstable-block.ts'
import { decodeFooter, encodeFooter } from '../../../src/format/sstable-footer.ts'
import { decodeProperties, encodeProperties } from '../../../src/format/sstable-properties.ts'
import type { Prng } from '../../model/prng.ts'
import { type Decoder, demand } from './decoder.ts'
import { type Field, mutate, pick, randomBytes, resized, u32s, u64s } from './mutation.ts'

const FILE = '/db/fuzzed'
const CHECKSUM = 56

/** Of headers and CURRENT. */
function repair(bytes: Buffer): void {
  if (bytes.length < 64) return
  bytes.writeBigUInt64LE(hash64(bytes.subarray(0, CHECKSUM), 0n), CHECKSUM)
}

const SIXTY_FOUR: readonly Field[] = [...u32s(8, 2), ...u64s(0, 7)]

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

const current: Decoder = {
  name: 'CURRENT',
  share: 20,
  run(random) {
    const clean = { length: random.u32(), lastChecksum: BigInt(random.u32()) }
    const manifest = 1 + random.below(1000)
    const bytes = encodeCurrent(random.chance(0.5) ? { manifest } : { manifest, clean })
    mutate(bytes, SIXTY_FOUR, random)
    repair(bytes)
    const found = decodeCurrent(resized(bytes, random), FILE)
    demand(isCount(found.manifest) && found.manifest > 0, 'a manifest number')
    demand(found.clean === undefined || isCount(found.clean.length), 'a length')
    return true
  },
}

const KINDS: readonly FileKind[] = ['wal', 'sst', 'vlog', 'manifest']

const header: Decoder = {
  name: 'file header',
  share: 25,
  run(random) {
    const kind = pick(random, KINDS)
    const salt = randomBytes(random, 8)
    const parameter = kind === 'sst' ? random.u32() : 0
    const bytes = encodeFileHeader({ kind, number: 1 + random.below(99), salt, parameter })
    mutate(bytes, SIXTY_FOUR, random)
    repair(bytes)
    const found = decodeFileHeader(resized(bytes, random), kind, FILE)
    demand(isCount(found.number) && isCount(found.parameter), 'numbers')
    demand(found.salt.length === 8, 'a salt')
    return true
  },
}

const footer: Decoder = {
  name: 'table footer',
  share: 25,
  run(random) {
    const fileSize = 2_000 + random.below(100_000)
    const fileNumber = 1 + random.below(99)
    const salt = randomBytes(random, 8)
    const position = fileSize - FOOTER_BYTES
    const part = (i: number) => ({
      offset: 64 + i * 200 + random.below(9),
      length: random.below(170),
    })
    const bytes = encodeFooter({
      filter: part(0),
      rangeTombstones: part(1),
      properties: part(2),
      index: part(3),
      fileSize,
      fileNumber,
      salt,
    })
    mutate(bytes, [...u64s(0, 14), ...u32s(88, 1)], random)
    const place = { salt, fileNumber, position }
    bytes.writeBigUInt64LE(checksum(bytes.subarray(0, 112), place), 112)
    const found = decodeFooter(resized(bytes, random), { file: FILE, fileSize, fileNumber, salt })
    let end = FILE_HEADER_BYTES
    for (const name of ['filter', 'rangeTombstones', 'properties', 'index'] as const) {
      const { offset, length } = found[name]
      demand(offset >= end && length >= 0, `${name} behind what comes before it`)
      end = offset + length + 16
    }
    demand(end <= position, 'parts inside the file')
    return true
  },
}

const properties: Decoder = {
  name: 'table properties',
  share: 15,
  run(random) {
    const bytes = encodeProperties({
      entries: random.u32(),
      tombstones: random.below(99),
      smallestVersion: random.below(99),
      largestVersion: random.u32(),
      earliestExpiry: random.u32(),
      latestExpiry: random.below(2) * random.u32(),
      keyBytes: random.u32(),
      valueBytes: random.u32(),
      blockSize: 4096,
      largestBlock: 4096,
      newestWal: 3,
      blocks: random.below(99),
      codec: random.below(3),
      segments: Array.from({ length: random.below(4) }, (_, i) => ({ number: i + 1, bytes: 8 })),
      expiring: Array.from({ length: random.below(4) }, (_, i) => {
        return { until: 5 + 9 * i, entries: 1 + i, bytes: random.below(99), referred: 8 * i }
      }),
    })
    mutate(bytes, [...u64s(0, bytes.length / 8), ...u32s(64, 2), ...u32s(96, 2)], random)
    const { segments, expiring, ...counts } = decodeProperties(resized(bytes, random), FILE, 1000)
    demand(Object.values(counts).every(isCount), 'counts')
    demand(expiring.length <= 16, 'few steps of expiry')
    for (const [i, step] of expiring.entries()) {
      demand(Object.values(step).every(isCount), 'counts of a step')
      const before = expiring[i - 1]?.until ?? 0
      demand(step.until > before && step.entries > 0, 'steps by time, each with entries')
    }
    for (const [i, use] of segments.entries()) {
      demand(use.number > (segments[i - 1]?.number ?? 0) && use.bytes > 0, 'segments in order')
    }
    return true
  },
}

const trailer: Decoder = {
  name: 'block trailer',
  share: 5,
  run(random) {
    const payloadLength = 8 + random.below(9_000)
    const packed = random.below(2) === 0
    const codec = packed ? 1 + random.below(2) : CODEC_NONE
    const storedLength = packed ? 1 + random.below(packedMax(payloadLength)) : payloadLength
    const bytes = Buffer.alloc(16)
    encodeTrailer(bytes, 0, payloadLength, { codec, length: storedLength })
    mutate(bytes, [{ at: 0, size: 1 }, ...u32s(0, 2)], random)
    const found = checkTrailer(bytes, 0, { file: FILE, offset: 64, storedLength, payloadLength })
    demand(bytes.readUInt32LE(4) === payloadLength, 'the length of the payload')
    demand((found === CODEC_NONE) === !packed, 'a codec where the lengths differ, and only there')
    return true
  },
}

const RECORD: readonly Field[] = [
  { at: 0, size: 4 },
  { at: 4, size: 2 },
  { at: 6, size: 1 },
  { at: 7, size: 1 },
  ...u64s(8, 2),
]

function record(random: Prng): Buffer {
  const kind = pick(random, ['put', 'put', 'delete', 'pointer'] as const)
  return encodeRecord({
    kind,
    key: randomBytes(random, random.below(40)),
    value: kind === 'pointer' ? pointerBytes(random) : randomBytes(random, random.below(60)),
    version: 1 + random.u32(),
    expiresAt: random.chance(0.3) ? 1 + random.u32() : 0,
    meta: random.chance(0.3) ? 1 + random.below(255) : 0,
    commitEnd: random.chance(0.5),
  })
}

const logRecord: Decoder = {
  name: 'log record',
  share: 25,
  run(random) {
    const bytes = record(random)
    mutate(bytes, RECORD, random)
    const given = resized(bytes, random)
    const found = decodeRecord(given, FILE, 64)
    demand(found.length <= given.length && found.length % 8 === 0, 'a record inside its bytes')
    demand(found.key.length + found.value.length < found.length, 'key and value inside')
    demand(isCount(found.version) && isCount(found.expiresAt), 'numbers')
    return true
  },
}

const VALUE_MOST = 2 ** 30

/** An answer instead of an error: whoever finds none there knows where it is. */
const pointer: Decoder = {
  name: 'value pointer',
  share: 15,
  run(random) {
    const bytes = pointerBytes(random)
    mutate(bytes, [...u64s(0, 2), ...u32s(16, 2)], random)
    const found = readValuePointer(bytes, 0)
    if (found === undefined) return false
    const { segment, offset, valueLength, storedLength } = found
    demand(isCount(segment) && segment > 0, 'the number of a segment')
    demand(isCount(offset) && offset >= 64 && offset % 8 === 0, 'a place behind the header')
    demand(valueLength <= VALUE_MOST, 'a value of at most 1 GiB')
    demand(storedLength <= storedBytesMax(valueLength), 'no more than the value may take')
    return true
  },
}

function pointerBytes(random: Prng): Buffer {
  const valueLength = random.chance(0.5) ? random.below(5_000) : random.below(VALUE_MOST)
  const storedLength = random.chance(0.5)
    ? storedBytesMax(valueLength)
    : storedBytesMin(valueLength)
  const bytes = Buffer.alloc(24)
  const offset = 64 + 8 * random.below(9_000)
  writeValuePointer(bytes, 0, { segment: 1 + random.below(99), offset, valueLength, storedLength })
  return bytes
}

const part: Decoder = {
  name: 'part of a value',
  share: 20,
  run(random) {
    const last = random.chance(0.7)
    const payloadLength = last ? 1 + random.below(PART_PAYLOAD_MAX) : PART_PAYLOAD_MAX
    const codec = random.below(3)
    const storedLength = codec === 0 ? payloadLength : 1 + random.below(packedMax(payloadLength))
    const position = PART_PAYLOAD_MAX * random.below(1_024)
    const keyHash = BigInt(random.u32()) << 20n
    const bytes = Buffer.alloc(32)
    encodePartHeader(bytes, 0, { payloadLength, codec, storedLength, keyHash, position, last })
    mutate(bytes, [...u32s(8, 6), { at: 12, size: 1 }], random)
    const found = decodePartHeader(bytes, 0)
    if (found === undefined) return false
    demand(found.payloadLength <= PART_PAYLOAD_MAX, 'a part of at most 1 MiB')
    demand(found.storedLength <= found.payloadLength, 'no more stored than there is')
    // Of less than eight bytes an eighth is none: compressed they may be as long as before.
    const most = found.codec === 0 ? found.payloadLength : packedMax(found.payloadLength)
    demand(found.storedLength <= most, 'a codec that fits')
    demand(found.codec !== 0 || found.storedLength === most, 'all of it, as it is')
    demand(found.position + found.payloadLength <= VALUE_MOST, 'a part inside its value')
    demand(found.last || found.payloadLength === PART_PAYLOAD_MAX, 'full parts before the last')
    return true
  },
}

const segmentFooter: Decoder = {
  name: 'segment footer',
  share: 15,
  run(random) {
    const fileSize = 224 + 8 * random.below(100_000)
    const place = { fileSize, fileNumber: 1 + random.below(99), salt: randomBytes(random, 8) }
    const counts = { values: random.u32(), valueBytes: random.u32() }
    const bytes = encodeSegmentFooter({ ...counts, ...place })
    mutate(bytes, [...u64s(0, 14), ...u32s(88, 1)], random)
    const position = fileSize - FOOTER_BYTES
    const sum = checksum(bytes.subarray(0, 112), { ...place, position })
    bytes.writeBigUInt64LE(sum, 112)
    const found = decodeSegmentFooter(resized(bytes, random), { file: FILE, ...place })
    demand(isCount(found.values) && isCount(found.valueBytes), 'counts')
    demand(found.fileSize === fileSize && found.fileNumber === place.fileNumber, 'this segment')
    return true
  },
}

export const FIXED_DECODERS: readonly Decoder[] = [
  current,
  header,
  footer,
  properties,
  trailer,
  logRecord,
  pointer,
  part,
  segmentFooter,
]
