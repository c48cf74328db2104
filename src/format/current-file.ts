// CURRENT: which manifest counts, and, after a clean close, what it must look like (FORMAT §8).
import { readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'
import { FORMAT_VERSION } from '../base/limits.ts'
import { hash64 } from '../base/xxh64.ts'
import { refuseNewerFormat, verifySelfChecksum } from './file-header.ts'

export const CURRENT_BYTES = 64
const MAGIC = 'SETTCUR\0'
const VERSION = 8
const FLAGS = 12
const MANIFEST = 16
const LENGTH = 24
const LAST_CHECKSUM = 32
const RESERVED = 40
const CHECKSUM = 56

export interface CurrentFile {
  readonly manifest: number
  /** Closed cleanly: the manifest's length and the checksum of its last edit. */
  readonly clean?: { readonly length: number; readonly lastChecksum: bigint }
}

export function encodeCurrent(current: CurrentFile): Buffer {
  const bytes = Buffer.alloc(CURRENT_BYTES)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION)
  writeSafeU64(bytes, current.manifest, MANIFEST)
  if (current.clean !== undefined) {
    bytes.writeUInt32LE(1, FLAGS)
    writeSafeU64(bytes, current.clean.length, LENGTH)
    bytes.writeBigUInt64LE(current.clean.lastChecksum, LAST_CHECKSUM)
  }
  bytes.writeBigUInt64LE(hash64(bytes.subarray(0, CHECKSUM), 0n), CHECKSUM)
  return bytes
}

export function decodeCurrent(bytes: Buffer, file: string): CurrentFile {
  const fail = (offset: number, expected: string, found: string): never => {
    throw new CorruptionError({ file, offset, expected, found })
  }
  if (bytes.length !== CURRENT_BYTES) fail(0, `${CURRENT_BYTES} bytes`, `${bytes.length}`)
  if (bytes.toString('latin1', 0, 8) !== MAGIC) fail(0, 'the magic of CURRENT', 'other bytes')
  verifySelfChecksum(bytes, CHECKSUM, file)
  refuseNewerFormat(bytes.readUInt32LE(VERSION), file, VERSION)
  for (let at = RESERVED; at < CHECKSUM; at += 1) {
    if (bytes[at] !== 0) fail(at, 'a reserved zero', `${bytes[at]}`)
  }
  const flags = bytes.readUInt32LE(FLAGS)
  const manifest = readSafeU64(bytes, MANIFEST, file)
  const length = readSafeU64(bytes, LENGTH, file)
  const lastChecksum = bytes.readBigUInt64LE(LAST_CHECKSUM)
  if (flags > 1) fail(FLAGS, 'known flags', `${flags}`)
  if (manifest === 0) fail(MANIFEST, 'a manifest number', '0')
  if (flags === 1) return { manifest, clean: { length, lastChecksum } }
  if (length !== 0 || lastChecksum !== 0n) fail(LENGTH, 'zeros: not closed cleanly', 'others')
  return { manifest }
}
