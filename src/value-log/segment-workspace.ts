// The heap memory a segment writer works in, carved the same way by whoever sizes it and by the writer.
import { KIB, MIB } from '../base/limits.ts'
import type { Compression } from '../base/option-table.ts'
import { Scratch } from '../cursor/scratch.ts'
import { PART_PAYLOAD_MAX, partBytes } from '../format/segments/segment-part.ts'
import type { Region } from '../memory/shared-heap.ts'
import { PACKER_BYTES } from '../packing/block-packer.ts'

/** Parts are written once there are so many bytes of them: they still lie in the processor's cache then. */
export const SEGMENT_WRITE_BYTES: number = 256 * KIB
const PART_BYTES_MAX = partBytes(PART_PAYLOAD_MAX)
/** Parts not yet written, and behind them the longest part; when a segment is read back, a part unpacked. */
const BUFFER_BYTES = SEGMENT_WRITE_BYTES + PART_BYTES_MAX + MIB
const SLACK = 256

/** Bytes a segment writer needs; they are touched only when a value is written. */
export function segmentWriterBytes(compression: Compression): number {
  return 24 + BUFFER_BYTES + (compression === 'none' ? 0 : PACKER_BYTES) + SLACK
}

export interface SegmentMemory {
  /** 8 bytes each: of the segment being written, of one that is read; hash of a key. */
  readonly salt: number
  readonly otherSalt: number
  readonly hash: number
  /** Where parts are compressed; 0: they are not. */
  readonly packer: number
  readonly buffer: Region
}

export function carveSegmentMemory(region: Region, compression: Compression): SegmentMemory {
  const scratch = new Scratch(region)
  const salt = scratch.take(8)
  const otherSalt = scratch.take(8)
  const hash = scratch.take(8)
  const packer = compression === 'none' ? 0 : scratch.take(PACKER_BYTES)
  return { salt, otherSalt, hash, packer, buffer: scratch.region(BUFFER_BYTES, 64) }
}
