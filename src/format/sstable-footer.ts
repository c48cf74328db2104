// The last 128 bytes of an SSTable: where its parts lie (FORMAT §6.6). No IO.
import { readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'
import { FORMAT_VERSION } from '../base/limits.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import { checksum, hex64 } from './checksum.ts'
import { FILE_HEADER_BYTES, refuseNewerFormat } from './file-header.ts'

export const FOOTER_BYTES = 128

const FILE_SIZE = 64
const FILE_NUMBER = 72
const SALT = 80
const VERSION = 88
const RESERVED = 92
const CHECKSUM = 112
const MAGIC_AT = 120
const MAGIC = 'SETTSST\0'

/** A block between the data blocks and the footer. */
export interface TablePart {
  readonly offset: number
  /** Payload bytes; the trailer follows. */
  readonly length: number
}

export interface TableFooter {
  readonly filter: TablePart
  readonly rangeTombstones: TablePart
  readonly properties: TablePart
  readonly index: TablePart
  readonly fileSize: number
  readonly fileNumber: number
  readonly salt: Buffer
}

export function encodeFooter(footer: TableFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  const parts = [footer.filter, footer.rangeTombstones, footer.properties, footer.index]
  for (const [i, part] of parts.entries()) {
    writeSafeU64(bytes, part.offset, i * 16)
    writeSafeU64(bytes, part.length, i * 16 + 8)
  }
  writeSafeU64(bytes, footer.fileSize, FILE_SIZE)
  writeSafeU64(bytes, footer.fileNumber, FILE_NUMBER)
  bytes.set(footer.salt.subarray(0, 8), SALT)
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION)
  const position = footer.fileSize - FOOTER_BYTES
  const { salt, fileNumber } = footer
  const sum = checksum(bytes.subarray(0, CHECKSUM), { salt, fileNumber, position })
  bytes.writeBigUInt64LE(sum, CHECKSUM)
  bytes.write(MAGIC, MAGIC_AT, 'latin1')
  return bytes
}

/** What the caller knows of the table from elsewhere. */
export interface FooterExpectation {
  readonly file: string
  readonly fileSize: number
  readonly fileNumber: number
  readonly salt: Buffer
}

/** Decodes and checks the footer; its parts lie one after the other between header and footer. */
export function decodeFooter(bytes: Buffer, expected: FooterExpectation): TableFooter {
  const { file, fileSize, fileNumber, salt } = expected
  const position = fileSize - FOOTER_BYTES
  const refuse = (at: number, wanted: string, found: string): never => {
    throw new CorruptionError({ file, offset: position + at, expected: wanted, found })
  }
  if (bytes.length !== FOOTER_BYTES) refuse(0, 'a footer of 128 bytes', `${bytes.length} bytes`)
  if (bytes.toString('latin1', MAGIC_AT, MAGIC_AT + 8) !== MAGIC) {
    refuse(MAGIC_AT, 'the magic of a table', 'other bytes')
  }
  const stored = bytes.readBigUInt64LE(CHECKSUM)
  const sum = checksum(bytes.subarray(0, CHECKSUM), { salt, fileNumber, position })
  if (stored !== sum) refuse(CHECKSUM, `checksum ${hex64(sum)}`, hex64(stored))
  refuseNewerFormat(bytes.readUInt32LE(VERSION), file, position + VERSION)
  for (let at = RESERVED; at < CHECKSUM; at++) {
    if (bytes[at] !== 0) refuse(at, 'a reserved zero', `${bytes[at]}`)
  }
  const number = (at: number) => readSafeU64(bytes, at, file)
  if (number(FILE_SIZE) !== fileSize) {
    refuse(FILE_SIZE, `file size ${fileSize}`, `${number(FILE_SIZE)}`)
  }
  if (number(FILE_NUMBER) !== fileNumber) {
    refuse(FILE_NUMBER, `file number ${fileNumber}`, `${number(FILE_NUMBER)}`)
  }
  if (!bytes.subarray(SALT, SALT + 8).equals(salt)) refuse(SALT, "the header's salt", 'another')
  const part = (at: number): TablePart => ({ offset: number(at), length: number(at + 8) })
  const footer: TableFooter = {
    filter: part(0),
    rangeTombstones: part(16),
    properties: part(32),
    index: part(48),
    fileSize,
    fileNumber,
    salt,
  }
  let end = FILE_HEADER_BYTES
  for (const { offset, length } of [
    footer.filter,
    footer.rangeTombstones,
    footer.properties,
    footer.index,
  ]) {
    if (offset < end || offset + length + BLOCK_TRAILER > position) {
      refuse(0, `parts in order before offset ${position}`, `one at ${offset} of ${length} bytes`)
    }
    end = offset + length + BLOCK_TRAILER
  }
  return footer
}
