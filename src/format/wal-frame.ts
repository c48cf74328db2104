// Frame header and link of a WAL (FORMAT §5). Frames lie 8-aligned, in files and in the heap alike,
// so headers are written as 32-bit words; no function here allocates while writing. Checksums are
// the caller's: they need a kernel.
import { readSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'

export const FRAME_HEADER_BYTES = 48
/** `FRAM` */
export const FRAME_MAGIC = 0x4d415246
export const LINK_BYTES = 32
/** Longer than any memtable, and short enough for one buffer and for 32-bit addresses. */
const PAYLOAD_BYTES_MAX: number = 2 ** 31 - 65_536
/** Flag: the payload starts with a link. */
export const FRAME_HAS_LINK = 1

/** The checksum covers the frame from here on. */
export const FRAME_CHECKED = 8
const MAGIC = 8
const PAYLOAD_LENGTH = 12
const SYNCED_OFFSET = 16
const MANIFEST_EDIT = 24
const LAST_VERSION = 32
const RECORD_COUNT = 40
const FLAGS = 44

const LINK_NUMBER = 0
const LINK_LENGTH = 8
const LINK_LAST_VERSION = 16
const LINK_SYNCED = 24

/** The shortest record: a header, an empty key and an empty value. */
export const RECORD_BYTES_MIN = 16

export interface FrameFields {
  /** Bytes of this file known durable when the frame was written. */
  readonly syncedOffset: number
  /** Newest durable manifest edit then known. */
  readonly manifestEdit: number
  /** Highest version in the frame. */
  readonly lastVersion: number
  readonly recordCount: number
  readonly flags: number
}

export interface FrameHeader extends FrameFields {
  readonly payloadLength: number
}

/** The WAL that came before, as the first frame of the next one names it. */
export interface WalLink {
  /** 0: none */
  readonly number: number
  readonly length: number
  readonly lastVersion: number
  /** It was synced to that length before this frame was written. */
  readonly synced: boolean
}

/** Writes all of a frame header but its checksum at the 8-aligned byte address `at` of `words`. */
export function writeFrameHeader(
  words: Uint32Array,
  at: number,
  payloadLength: number,
  fields: FrameFields,
): void {
  words[(at + MAGIC) >>> 2] = FRAME_MAGIC
  words[(at + PAYLOAD_LENGTH) >>> 2] = payloadLength
  writeWords(words, at + SYNCED_OFFSET, fields.syncedOffset)
  writeWords(words, at + MANIFEST_EDIT, fields.manifestEdit)
  writeWords(words, at + LAST_VERSION, fields.lastVersion)
  words[(at + RECORD_COUNT) >>> 2] = fields.recordCount
  words[(at + FLAGS) >>> 2] = fields.flags
}

export function writeLink(words: Uint32Array, at: number, link: WalLink): void {
  writeWords(words, at + LINK_NUMBER, link.number)
  writeWords(words, at + LINK_LENGTH, link.length)
  writeWords(words, at + LINK_LAST_VERSION, link.lastVersion)
  writeWords(words, at + LINK_SYNCED, link.synced ? 1 : 0)
}

function writeWords(words: Uint32Array, at: number, value: number): void {
  // Storing drops what is above 32 bits, and fractions.
  words[at >>> 2] = value
  words[(at >>> 2) + 1] = value / 2 ** 32
}

/**
 * The frame header at `at`, when the bytes there can be one: its payload ends at or before `end`
 * (which may lie behind the bytes at hand) and its fields do not contradict each other. The
 * checksum is still to be verified.
 */
export function readFrameHeader(bytes: Buffer, at: number, end: number): FrameHeader | undefined {
  if (Math.min(end, bytes.length) - at < FRAME_HEADER_BYTES) return undefined
  if (bytes.readUInt32LE(at + MAGIC) !== FRAME_MAGIC) return undefined
  const payloadLength = bytes.readUInt32LE(at + PAYLOAD_LENGTH)
  const flags = bytes.readUInt32LE(at + FLAGS)
  const recordCount = bytes.readUInt32LE(at + RECORD_COUNT)
  const recordBytes = payloadLength - (flags === FRAME_HAS_LINK ? LINK_BYTES : 0)
  if (
    payloadLength % 8 !== 0 ||
    payloadLength > PAYLOAD_BYTES_MAX ||
    payloadLength > end - at - FRAME_HEADER_BYTES ||
    flags > FRAME_HAS_LINK ||
    recordCount === 0 ||
    recordCount * RECORD_BYTES_MIN > recordBytes
  ) {
    return undefined
  }
  const syncedOffset = readWords(bytes, at + SYNCED_OFFSET)
  const manifestEdit = readWords(bytes, at + MANIFEST_EDIT)
  const lastVersion = readWords(bytes, at + LAST_VERSION)
  if (syncedOffset < 0 || manifestEdit < 0 || lastVersion < 0) return undefined
  return { payloadLength, syncedOffset, manifestEdit, lastVersion, recordCount, flags }
}

/** -1: not a number below 2^53. */
function readWords(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32LE(at + 4)
  return high >= 0x200000 ? -1 : high * 2 ** 32 + bytes.readUInt32LE(at)
}

/** The link at `at`, LINK_BYTES of which must be there; `offset` is its file offset, for errors. */
export function readLink(
  bytes: Buffer,
  at: number,
  place: { file: string; offset: number },
): WalLink {
  const link = bytes.subarray(at, at + LINK_BYTES)
  const synced = readSafeU64(link, LINK_SYNCED, place.file)
  if (synced > 1) {
    throw new CorruptionError({
      file: place.file,
      offset: place.offset + LINK_SYNCED,
      expected: 'a link flag of 0 or 1',
      found: `${synced}`,
    })
  }
  return {
    number: readSafeU64(link, LINK_NUMBER, place.file),
    length: readSafeU64(link, LINK_LENGTH, place.file),
    lastVersion: readSafeU64(link, LINK_LAST_VERSION, place.file),
    synced: synced === 1,
  }
}
