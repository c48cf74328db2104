// Parts of values in a segment, and its footer (FORMAT §9). No IO. A value is one part, or several in a row of which
// all but the last hold PART_PAYLOAD_MAX bytes; each part is checksummed for itself, so that a value can be written
// and read without ever being held whole.
import { readSafeU64, writeSafeU64 } from '../../base/bytes.ts'
import { MIB, VALUE_LENGTH_MAX } from '../../base/limits.ts'
import {
  checkFooter,
  FOOTER_BYTES,
  FOOTER_OWN_BYTES,
  type FooterExpectation,
  type FooterIdentity,
  requireZeros,
  sealFooter,
} from '../file-footer.ts'
import { FILE_HEADER_BYTES } from '../file-header.ts'
import { CODEC_NONE, packedMax } from '../packed-form.ts'

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

/** Header and footer: what no value takes. */
export const SEGMENT_FRAME_BYTES: number = FILE_HEADER_BYTES + FOOTER_BYTES
/** One empty value. */
export const SEGMENT_BYTES_MIN: number = SEGMENT_FRAME_BYTES + PART_HEADER_BYTES
const VALUES = 0
const VALUE_BYTES = 8
const RESERVED = 16

export interface SegmentFooter extends FooterIdentity {
  /** Values, however many parts they have. */
  readonly values: number
  /** Before compression. */
  readonly valueBytes: number
}

export function encodeSegmentFooter(footer: SegmentFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  writeSafeU64(bytes, footer.values, VALUES)
  writeSafeU64(bytes, footer.valueBytes, VALUE_BYTES)
  return sealFooter(bytes, 'vlog', footer)
}

export function decodeSegmentFooter(bytes: Buffer, expected: FooterExpectation): SegmentFooter {
  const refuse = checkFooter(bytes, 'vlog', expected)
  requireZeros(bytes, RESERVED, FOOTER_OWN_BYTES, refuse)
  const { file, fileSize, fileNumber, salt } = expected
  const number = (at: number): number => readSafeU64(bytes, at, file)
  return { values: number(VALUES), valueBytes: number(VALUE_BYTES), fileSize, fileNumber, salt }
}
