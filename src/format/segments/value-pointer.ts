// What stands in a record or table entry in place of a value that lies in a segment (FORMAT §9). No IO.
import { readSafeU64, writeSafeU64 } from '../../base/bytes.ts'
import { VALUE_LENGTH_MAX } from '../../base/limits.ts'
import { FILE_HEADER_BYTES } from '../file-header.ts'
import { storedBytesMax, storedBytesMin } from './segment-part.ts'

export const VALUE_POINTER_BYTES = 24

export interface ValuePointer {
  readonly segment: number
  /** Of the value's first part. */
  readonly offset: number
  readonly valueLength: number
  /** Bytes the value takes in the segment: all its parts, with headers and padding. */
  readonly storedLength: number
}

export function writeValuePointer(target: Buffer, at: number, pointer: ValuePointer): void {
  writeSafeU64(target, pointer.segment, at)
  writeSafeU64(target, pointer.offset, at + 8)
  target.writeUInt32LE(pointer.valueLength, at + 16)
  target.writeUInt32LE(pointer.storedLength, at + 20)
}

/** undefined: the 24 bytes are no pointer. One that is given asks for no more room than its value may take. */
export function readValuePointer(bytes: Buffer, at: number): ValuePointer | undefined {
  if (bytes.readUInt32LE(at + 4) >= 0x200000 || bytes.readUInt32LE(at + 12) >= 0x200000) {
    return undefined
  }
  const segment = readSafeU64(bytes, at, '')
  const offset = readSafeU64(bytes, at + 8, '')
  const valueLength = bytes.readUInt32LE(at + 16)
  const storedLength = bytes.readUInt32LE(at + 20)
  const placed = segment > 0 && offset >= FILE_HEADER_BYTES && offset % 8 === 0
  const sized =
    valueLength <= VALUE_LENGTH_MAX &&
    storedLength % 8 === 0 &&
    storedLength >= storedBytesMin(valueLength) &&
    storedLength <= storedBytesMax(valueLength)
  return placed && sized ? { segment, offset, valueLength, storedLength } : undefined
}
