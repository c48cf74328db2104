// Parts of values in a segment, and its footer (FORMAT §9). No IO. A value is one part, or several in a row of which
// all but the last hold PART_PAYLOAD_MAX bytes; each part is checksummed for itself, so that a value can be written
// and read without ever being held whole.
import { readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'
import { FORMAT_VERSION, MIB, VALUE_LENGTH_MAX } from '../base/limits.ts'
import { checksum, hex64 } from './checksum.ts'
import { FILE_HEADER_BYTES, refuseNewerFormat } from './file-header.ts'
import { CODEC_NONE, packedMax } from './packed-form.ts'

export const PART_HEADER_BYTES = 32
/** Bytes of a value in one part, before compression. */
export const PART_PAYLOAD_MAX: number = MIB
/** The checksum stands at 0 and covers [8, header + stored bytes). */
export const PART_COVERED = 8
export const PART_PAYLOAD_LENGTH = 8
/** u8 codec, u24 stored length; codec 0: 0. */
export const PART_PACKING = 12
/** xxh64(user key, 0) */
export const PART_KEY_HASH = 16
/** u32: bytes of the value before this part. */
export const PART_POSITION = 24
/** u32 flags: bit 0: the value ends with this part. */
export const PART_FLAGS = 28
export const PART_LAST = 1

export interface PartHeader {
  readonly payloadLength: number
  readonly codec: number
  /** Bytes behind the header, without padding. */
  readonly storedLength: number
  readonly keyHash: bigint
  readonly position: number
  readonly last: boolean
}

/** Bytes a part takes in the segment: a multiple of 8. */
export function partBytes(storedLength: number): number {
  return PART_HEADER_BYTES + ((storedLength + 7) & ~7)
}

/** Parts a value of that length has. */
export function partCount(valueLength: number): number {
  return Math.max(1, Math.ceil(valueLength / PART_PAYLOAD_MAX))
}

/** Fewest bytes a value of that length takes: no part but an empty one is stored in less than a byte. */
export function storedBytesMin(valueLength: number): number {
  return partCount(valueLength) * partBytes(Math.min(valueLength, 1))
}

/** Most bytes a value of that length takes. */
export function storedBytesMax(valueLength: number): number {
  const full = Math.floor(valueLength / PART_PAYLOAD_MAX)
  const rest = valueLength - full * PART_PAYLOAD_MAX
  const tail = rest > 0 || full === 0 ? partBytes(rest) : 0
  return full * partBytes(PART_PAYLOAD_MAX) + tail
}

/** Writes all but the checksum. */
export function encodePartHeader(bytes: Buffer, at: number, header: PartHeader): void {
  const { payloadLength, codec, storedLength, keyHash, position, last } = header
  bytes.writeUInt32LE(payloadLength, at + PART_PAYLOAD_LENGTH)
  const packing = codec === CODEC_NONE ? 0 : ((storedLength << 8) | codec) >>> 0
  bytes.writeUInt32LE(packing, at + PART_PACKING)
  bytes.writeBigUInt64LE(keyHash, at + PART_KEY_HASH)
  bytes.writeUInt32LE(position, at + PART_POSITION)
  bytes.writeUInt32LE(last ? PART_LAST : 0, at + PART_FLAGS)
}

/** Fields as they stand, checked against each other but not verified; undefined: no part has them. The codec may be a
 * newer one. */
export function decodePartHeader(bytes: Buffer, at: number): PartHeader | undefined {
  const payloadLength = bytes.readUInt32LE(at + PART_PAYLOAD_LENGTH)
  const packing = bytes.readUInt32LE(at + PART_PACKING)
  const position = bytes.readUInt32LE(at + PART_POSITION)
  const flags = bytes.readUInt32LE(at + PART_FLAGS)
  const codec = packing & 0xff
  const plain = codec === CODEC_NONE
  const storedLength = plain ? payloadLength : packing >>> 8
  const packed = plain ? packing === 0 : isPackedLength(storedLength, payloadLength)
  const last = flags === PART_LAST
  if (!packed || flags > PART_LAST || !isPlaced({ payloadLength, position, last })) return undefined
  const keyHash = bytes.readBigUInt64LE(at + PART_KEY_HASH)
  return { payloadLength, codec, storedLength, keyHash, position, last }
}

function isPackedLength(storedLength: number, payloadLength: number): boolean {
  return storedLength > 0 && storedLength <= packedMax(payloadLength)
}

/** All parts before the last are full, and none but that of an empty value is empty. */
function isPlaced({
  payloadLength,
  position,
  last,
}: Pick<PartHeader, 'payloadLength' | 'position' | 'last'>): boolean {
  if (payloadLength > PART_PAYLOAD_MAX || position % PART_PAYLOAD_MAX !== 0) return false
  if (position + payloadLength > VALUE_LENGTH_MAX) return false
  return last ? payloadLength > 0 || position === 0 : payloadLength === PART_PAYLOAD_MAX
}

export const SEGMENT_FOOTER_BYTES = 128
/** Header and footer: what no value takes. */
export const SEGMENT_FRAME_BYTES: number = FILE_HEADER_BYTES + SEGMENT_FOOTER_BYTES
/** One empty value. */
export const SEGMENT_BYTES_MIN: number = SEGMENT_FRAME_BYTES + PART_HEADER_BYTES
const VALUES = 0
const VALUE_BYTES = 8
const FILE_SIZE = 64
const FILE_NUMBER = 72
const SALT = 80
const VERSION = 88
const CHECKSUM = 112
const MAGIC_AT = 120
const MAGIC = 'SETTVLG\0'

export interface SegmentFooter {
  /** Values, however many parts they have. */
  readonly values: number
  /** Before compression. */
  readonly valueBytes: number
  readonly fileSize: number
  readonly fileNumber: number
  readonly salt: Buffer
}

export function encodeSegmentFooter(footer: SegmentFooter): Buffer {
  const { values, valueBytes, fileSize, fileNumber, salt } = footer
  const bytes = Buffer.alloc(SEGMENT_FOOTER_BYTES)
  writeSafeU64(bytes, values, VALUES)
  writeSafeU64(bytes, valueBytes, VALUE_BYTES)
  writeSafeU64(bytes, fileSize, FILE_SIZE)
  writeSafeU64(bytes, fileNumber, FILE_NUMBER)
  bytes.set(salt.subarray(0, 8), SALT)
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION)
  const position = fileSize - SEGMENT_FOOTER_BYTES
  const sum = checksum(bytes.subarray(0, CHECKSUM), { salt, fileNumber, position })
  bytes.writeBigUInt64LE(sum, CHECKSUM)
  bytes.write(MAGIC, MAGIC_AT, 'latin1')
  return bytes
}

/** What the caller knows of the segment from elsewhere. */
export interface SegmentExpectation {
  readonly file: string
  readonly fileSize: number
  readonly fileNumber: number
  readonly salt: Buffer
}

export function decodeSegmentFooter(bytes: Buffer, expected: SegmentExpectation): SegmentFooter {
  const { file, fileSize, fileNumber, salt } = expected
  const position = fileSize - SEGMENT_FOOTER_BYTES
  const refuse = (at: number, wanted: string, found: string): never => {
    throw new CorruptionError({ file, offset: position + at, expected: wanted, found })
  }
  if (bytes.length !== SEGMENT_FOOTER_BYTES) refuse(0, 'a footer of 128 bytes', `${bytes.length}`)
  if (bytes.toString('latin1', MAGIC_AT, MAGIC_AT + 8) !== MAGIC) {
    refuse(MAGIC_AT, 'the magic of a segment', 'other bytes')
  }
  const stored = bytes.readBigUInt64LE(CHECKSUM)
  const sum = checksum(bytes.subarray(0, CHECKSUM), { salt, fileNumber, position })
  if (stored !== sum) refuse(CHECKSUM, `checksum ${hex64(sum)}`, hex64(stored))
  refuseNewerFormat(bytes.readUInt32LE(VERSION), file, position + VERSION)
  for (const [from, to] of [
    [VALUE_BYTES + 8, FILE_SIZE],
    [VERSION + 4, CHECKSUM],
  ] as const) {
    for (let at = from; at < to; at++) {
      if (bytes[at] !== 0) refuse(at, 'a reserved zero', `${bytes[at]}`)
    }
  }
  const number = (at: number): number => readSafeU64(bytes, at, file)
  if (number(FILE_SIZE) !== fileSize) refuse(FILE_SIZE, `size ${fileSize}`, `${number(FILE_SIZE)}`)
  if (number(FILE_NUMBER) !== fileNumber) {
    refuse(FILE_NUMBER, `file number ${fileNumber}`, `${number(FILE_NUMBER)}`)
  }
  if (!bytes.subarray(SALT, SALT + 8).equals(salt)) refuse(SALT, "the header's salt", 'another')
  return { values: number(VALUES), valueBytes: number(VALUE_BYTES), fileSize, fileNumber, salt }
}
