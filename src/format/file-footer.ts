// The last 128 bytes of a table or a segment: what both have alike (FORMAT §6.6, §9). The first half is the kind's own.
// No IO.
import { readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'
import { FORMAT_VERSION } from '../base/limits.ts'
import { checksum, hex64 } from './checksum.ts'
import { FILE_MAGIC, refuseNewerFormat } from './file-header.ts'

export const FOOTER_BYTES = 128
/** Where the kind's own bytes end. */
export const FOOTER_OWN_BYTES = 64
const FILE_SIZE = 64
const FILE_NUMBER = 72
const SALT = 80
const VERSION = 88
const RESERVED = 92
const CHECKSUM = 112
const MAGIC_AT = 120

/** Files that end with a footer, and how errors name them. */
const NAMES = { sst: 'table', vlog: 'segment' } as const

export type FooterKind = keyof typeof NAMES

/** Which file it ends; header, manifest and footer agree on it. */
export interface FooterIdentity {
  readonly fileSize: number
  readonly fileNumber: number
  readonly salt: Buffer
}

/** What the caller knows of the file from elsewhere. */
export interface FooterExpectation extends FooterIdentity {
  readonly file: string
}

/** Throws CorruptionError at an offset into the footer. */
export type RefuseFooter = (at: number, expected: string, found: string) => never

/** Completes a footer whose own bytes are written. */
export function sealFooter(bytes: Buffer, kind: FooterKind, identity: FooterIdentity): Buffer {
  const { fileSize, fileNumber, salt } = identity
  writeSafeU64(bytes, fileSize, FILE_SIZE)
  writeSafeU64(bytes, fileNumber, FILE_NUMBER)
  bytes.set(salt.subarray(0, 8), SALT)
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION)
  const position = fileSize - FOOTER_BYTES
  const sum = checksum(bytes.subarray(0, CHECKSUM), { salt, fileNumber, position })
  bytes.writeBigUInt64LE(sum, CHECKSUM)
  bytes.write(FILE_MAGIC[kind], MAGIC_AT, 'latin1')
  return bytes
}

/** Throws unless it is the footer of that file; its own bytes are then as they were written, and `refuse` tells of what
 * is wrong in them. */
export function checkFooter(
  bytes: Buffer,
  kind: FooterKind,
  { file, fileSize, fileNumber, salt }: FooterExpectation,
): RefuseFooter {
  const position = fileSize - FOOTER_BYTES
  const refuse: RefuseFooter = (at, expected, found) => {
    throw new CorruptionError({ file, offset: position + at, expected, found })
  }
  if (bytes.length !== FOOTER_BYTES) refuse(0, 'a footer of 128 bytes', `${bytes.length} bytes`)
  if (bytes.toString('latin1', MAGIC_AT, MAGIC_AT + 8) !== FILE_MAGIC[kind]) {
    refuse(MAGIC_AT, `the magic of a ${NAMES[kind]}`, 'other bytes')
  }
  const stored = bytes.readBigUInt64LE(CHECKSUM)
  const sum = checksum(bytes.subarray(0, CHECKSUM), { salt, fileNumber, position })
  if (stored !== sum) refuse(CHECKSUM, `checksum ${hex64(sum)}`, hex64(stored))
  refuseNewerFormat(bytes.readUInt32LE(VERSION), file, position + VERSION)
  requireZeros(bytes, RESERVED, CHECKSUM, refuse)
  const size = readSafeU64(bytes, FILE_SIZE, file)
  if (size !== fileSize) refuse(FILE_SIZE, `file size ${fileSize}`, `${size}`)
  const number = readSafeU64(bytes, FILE_NUMBER, file)
  if (number !== fileNumber) refuse(FILE_NUMBER, `file number ${fileNumber}`, `${number}`)
  if (!bytes.subarray(SALT, SALT + 8).equals(salt)) refuse(SALT, "the header's salt", 'another')
  return refuse
}

/** Refuses the first byte in [from, to) that is not zero. */
export function requireZeros(bytes: Buffer, from: number, to: number, refuse: RefuseFooter): void {
  for (let at = from; at < to; at++) {
    if (bytes[at] !== 0) refuse(at, 'a reserved zero', `${bytes[at]}`)
  }
}

/** Number and salt that a footer claims for its file; nothing of it is verified. */
export function claimedIdentity(bytes: Buffer, file: string): Omit<FooterIdentity, 'fileSize'> {
  return {
    fileNumber: readSafeU64(bytes, FILE_NUMBER, file),
    salt: Buffer.from(bytes.subarray(SALT, SALT + 8)),
  }
}
