// A record: one write as it lies in memtable arenas and WAL payloads (FORMAT §4). The write path
// encodes in place with the offsets of kernel/layout.ts; this codec serves readers, inspection and
// tests.
import { alignUp, readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'
import {
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  RECORD_KEY_LENGTH,
  RECORD_META,
  RECORD_TAG,
  RECORD_VALUE_LENGTH,
  RECORD_VERSION,
  TAG_COMMIT_END,
  TAG_EXPIRY,
  TAG_META,
} from '../kernel/layout.ts'
import { readValuePointer, VALUE_POINTER_BYTES } from './segments/value-pointer.ts'

const TAG_RESERVED = 0x40

/** `pointer`: a put whose value lies in a segment; in its place stands the value pointer of FORMAT §9. */
export type RecordKind = 'put' | 'delete' | 'pointer'

const KINDS: Readonly<Record<RecordKind, number>> = {
  put: KIND_PUT,
  delete: KIND_DELETE,
  pointer: KIND_POINTER,
}

export interface LogRecord {
  readonly kind: RecordKind
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly version: number
  /** ms since 1970, 0: never */
  readonly expiresAt: number
  readonly meta: number
  /** Last record of its commit. */
  readonly commitEnd: boolean
}

export function recordLength(record: LogRecord): number {
  const header = record.expiresAt === 0 ? RECORD_HEADER : RECORD_HEADER_WITH_EXPIRY
  return alignUp(header + record.key.length + record.value.length, 8)
}

export function encodeRecord(record: LogRecord): Buffer {
  const bytes = Buffer.alloc(recordLength(record))
  const header = record.expiresAt === 0 ? RECORD_HEADER : RECORD_HEADER_WITH_EXPIRY
  bytes.writeUInt32LE(record.value.length, RECORD_VALUE_LENGTH)
  bytes.writeUInt16LE(record.key.length, RECORD_KEY_LENGTH)
  bytes[RECORD_TAG] =
    KINDS[record.kind] |
    (record.meta === 0 ? 0 : TAG_META) |
    (record.expiresAt === 0 ? 0 : TAG_EXPIRY) |
    (record.commitEnd ? TAG_COMMIT_END : 0)
  bytes[RECORD_META] = record.meta
  writeSafeU64(bytes, record.version, RECORD_VERSION)
  if (record.expiresAt !== 0) writeSafeU64(bytes, record.expiresAt, RECORD_HEADER)
  bytes.set(record.key, header)
  bytes.set(record.value, header + record.key.length)
  return bytes
}

export interface DecodedRecord extends LogRecord {
  /** Bytes it takes, a multiple of 8. */
  readonly length: number
}

/**
 * Decodes the record `bytes` starts with; key and value are views. `offset` is its file offset, for
 * errors.
 */
export function decodeRecord(bytes: Buffer, file: string, offset: number): DecodedRecord {
  const fail = (expected: string, found: string): never => {
    throw new CorruptionError({ file, offset, expected, found })
  }
  if (bytes.length < RECORD_HEADER) fail('a record header', `${bytes.length} bytes`)
  const tag = bytes[RECORD_TAG]!
  const kind = kindOf(tag) ?? fail('a put, a delete or a pointer', `tag ${tag}`)
  const keyLength = bytes.readUInt16LE(RECORD_KEY_LENGTH)
  const header = (tag & TAG_EXPIRY) === 0 ? RECORD_HEADER : RECORD_HEADER_WITH_EXPIRY
  const end = header + keyLength + bytes.readUInt32LE(RECORD_VALUE_LENGTH)
  const length = alignUp(end, 8)
  if (length > bytes.length) fail(`a record of ${length} bytes`, `${bytes.length} bytes`)
  const meta = bytes[RECORD_META]!
  if (meta !== 0 && (tag & TAG_META) === 0) fail('no meta byte', `${meta}`)
  for (let at = end; at < length; at += 1) if (bytes[at] !== 0) fail('zero padding', `${bytes[at]}`)
  const value = bytes.subarray(header + keyLength, end)
  const pointed = value.length === VALUE_POINTER_BYTES && readValuePointer(value, 0) !== undefined
  if (kind === 'pointer' && !pointed) fail('a value pointer', 'other bytes')
  return {
    kind,
    key: bytes.subarray(header, header + keyLength),
    value,
    version: readSafeU64(bytes, RECORD_VERSION, file),
    expiresAt: header === RECORD_HEADER ? 0 : readSafeU64(bytes, RECORD_HEADER, file),
    meta,
    commitEnd: (tag & TAG_COMMIT_END) !== 0,
    length,
  }
}

function kindOf(tag: number): RecordKind | undefined {
  if ((tag & TAG_RESERVED) !== 0) return undefined
  const kinds: readonly RecordKind[] = ['put', 'delete', 'pointer']
  return kinds.find((kind) => KINDS[kind] === (tag & KIND_MASK))
}
