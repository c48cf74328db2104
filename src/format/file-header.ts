// The 64-byte header every data file starts with (FORMAT §2).
import { readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { CorruptionError, SettError } from '../base/errors.ts'
import { FORMAT_VERSION } from '../base/limits.ts'
import { hash64 } from '../base/xxh64.ts'
import { hex64, SALT_BYTES } from './checksum.ts'

export type FileKind = 'wal' | 'sst' | 'vlog' | 'manifest'

export const FILE_HEADER_BYTES = 64

const VERSION = 8
const FLAGS = 12
const NUMBER = 16
const SALT = 24
const PARAMETER = 32
const RESERVED = 40
const CHECKSUM = 56

export const FILE_MAGIC: Readonly<Record<FileKind, string>> = {
  wal: 'SETTWAL\0',
  sst: 'SETTSST\0',
  vlog: 'SETTVLG\0',
  manifest: 'SETTMAN\0',
}

export interface FileHeader {
  readonly number: number
  readonly salt: Buffer
  /** SSTable: base version; otherwise 0. */
  readonly parameter: number
}

export function encodeFileHeader(header: FileHeader & { readonly kind: FileKind }): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES)
  bytes.write(FILE_MAGIC[header.kind], 0, 'latin1')
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION)
  writeSafeU64(bytes, header.number, NUMBER)
  bytes.set(header.salt.subarray(0, SALT_BYTES), SALT)
  writeSafeU64(bytes, header.parameter, PARAMETER)
  bytes.writeBigUInt64LE(hash64(bytes.subarray(0, CHECKSUM), 0n), CHECKSUM)
  return bytes
}

/** Decodes the first 64 of `bytes`; `file` names the file in errors. The salt is a copy. */
export function decodeFileHeader(bytes: Buffer, kind: FileKind, file: string): FileHeader {
  if (bytes.length < FILE_HEADER_BYTES) {
    throw damaged(file, 0, 'a header of 64 bytes', `${bytes.length} bytes`)
  }
  if (bytes.toString('latin1', 0, 8) !== FILE_MAGIC[kind]) {
    throw damaged(file, 0, `the magic of a ${kind} file`, 'other bytes')
  }
  verifySelfChecksum(bytes, CHECKSUM, file)
  refuseNewerFormat(bytes.readUInt32LE(VERSION), file, VERSION)
  if (bytes.readUInt32LE(FLAGS) !== 0) throw damaged(file, FLAGS, 'no flags', 'unknown flags')
  for (let at = RESERVED; at < CHECKSUM; at += 1) {
    if (bytes[at] !== 0) throw damaged(file, at, 'a reserved zero', `${bytes[at]}`)
  }
  const parameter = readSafeU64(bytes, PARAMETER, file)
  if (kind !== 'sst' && parameter !== 0) {
    throw damaged(file, PARAMETER, 'parameter 0', `${parameter}`)
  }
  return {
    number: readSafeU64(bytes, NUMBER, file),
    salt: Buffer.from(bytes.subarray(SALT, SALT + SALT_BYTES)),
    parameter,
  }
}

/** Checks the unseeded XXH64 that stands at `at` over the bytes before it (headers and CURRENT). */
export function verifySelfChecksum(bytes: Buffer, at: number, file: string): void {
  const expected = bytes.readBigUInt64LE(at)
  const found = hash64(bytes.subarray(0, at), 0n)
  if (expected !== found) {
    throw damaged(file, at, `checksum ${hex64(expected)}`, hex64(found))
  }
}

/** The version is judged after the checksum, so a flipped bit never reads as "newer". */
export function refuseNewerFormat(version: number, file: string, offset: number): void {
  if (version > FORMAT_VERSION) {
    throw new SettError(
      'SETT_NEWER_FORMAT',
      `${file} has format version ${version}; this release reads up to ${FORMAT_VERSION}. ` +
        'Open the database with a newer release.',
    )
  }
  if (version !== FORMAT_VERSION) {
    throw damaged(file, offset, `format version ${FORMAT_VERSION}`, `${version}`)
  }
}

function damaged(file: string, offset: number, expected: string, found: string): CorruptionError {
  return new CorruptionError({ file, offset, expected, found })
}
