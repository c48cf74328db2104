// Byte strings: order, ranges, u64 fields that must stay exact in a double.
import { CorruptionError } from './errors.ts'

/** Unsigned lexicographic order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment
}

/** Reads a u64 that must be below 2^53; anything larger is damage. */
export function readSafeU64(bytes: Buffer, offset: number, file: string): number {
  const high = bytes.readUInt32LE(offset + 4)
  if (high >= 0x200000) {
    throw new CorruptionError({
      file,
      offset,
      expected: 'a number below 2^53',
      found: 'a larger one',
    })
  }
  return high * 2 ** 32 + bytes.readUInt32LE(offset)
}

export function writeSafeU64(bytes: Buffer, value: number, offset: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, offset)
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), offset + 4)
}
