// Checksums that bind bytes to their place (FORMAT §1): a valid structure copied to another offset,
// or from another file, does not verify. Small inputs only; blocks and frames go through the
// kernels.
import { writeSafeU64 } from '../base/bytes.ts'
import { hash64 } from '../base/xxh64.ts'

export const SALT_BYTES = 8

export interface ChecksumPlace {
  /** The file's 8 salt bytes. */
  readonly salt: Uint8Array
  readonly fileNumber: number
  /** File offset of the structure. */
  readonly position: number
}

export function checksumSeed(place: ChecksumPlace): bigint {
  const bytes = Buffer.alloc(24)
  bytes.set(place.salt.subarray(0, SALT_BYTES), 0)
  writeSafeU64(bytes, place.fileNumber, 8)
  writeSafeU64(bytes, place.position, 16)
  return hash64(bytes, 0n)
}

export function checksum(bytes: Uint8Array, place: ChecksumPlace): bigint {
  return hash64(bytes, checksumSeed(place))
}

/** A 64-bit hash as the 16 hex digits in which it is kept outside of files. */
export function hex64(value: bigint): string {
  return value.toString(16).padStart(16, '0')
}
