// Payloads from compressed blocks (FORMAT §6.7). Any thread; memory is the caller's. What is unpacked was verified:
// its checksum covers the stored bytes, and is looked at before any of them is decoded.
import { CorruptionError, SettError } from '../base/errors.ts'
import { ZSTD_NEEDS, type Zstd, zstd } from '../base/zstd.ts'
import { decodeLz4 } from '../format/lz4.ts'
import { CODEC_LZ4 } from '../format/packed-form.ts'
import type { Kernels } from '../kernel/kernels.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'

/** What packing works with. */
export interface PackingMachine {
  readonly heap: SharedHeap
  readonly kernels: Pick<Kernels, 'lz4Compress' | 'lz4Decompress' | 'moveBytes'>
}

/** Bytes in which a block of that payload can be unpacked in place: the stored block ends at their end, the payload
 * begins at their start. The margin is that of LZ4 (LZ4_DECOMPRESS_INPLACE_MARGIN in lz4.h): literals
 * take one byte more per 255, and copies run up to 15 bytes ahead. */
export function unpackRoom(payloadLength: number): number {
  return payloadLength + (payloadLength >>> 8) + 32 + BLOCK_TRAILER
}

/** Memory a block takes while it is read: `storedLength` with trailer. */
export function blockRoom(storedLength: number, payloadLength: number): number {
  return isPacked(storedLength, payloadLength) ? unpackRoom(payloadLength) : storedLength
}

export function isPacked(storedLength: number, payloadLength: number): boolean {
  return storedLength !== payloadLength + BLOCK_TRAILER
}

/** A compressed block that verified. */
export interface PackedBlock {
  readonly file: string
  readonly offset: number
  readonly codec: number
  /** Without trailer. */
  readonly length: number
  readonly payloadLength: number
}

/** Unpacks from one heap address to another; both are blockRoom's two ends, or apart. */
export function unpackBlock(
  { kernels, heap }: PackingMachine,
  block: PackedBlock,
  from: number,
  to: number,
): void {
  const { codec, length, payloadLength } = block
  if (codec === CODEC_LZ4) {
    if (kernels.lz4Decompress(from, length, to, payloadLength) !== 1) throw badBlock(block)
    return
  }
  heap.bytes.set(unpackZstd(block, heap.bytes.subarray(from, from + length)), to)
}

/** As unpackBlock, in ordinary buffers. */
export function unpackCopy(block: PackedBlock, stored: Buffer): Buffer {
  if (block.codec !== CODEC_LZ4) return unpackZstd(block, stored)
  const payload = decodeLz4(stored, block.payloadLength)
  if (payload === undefined) throw badBlock(block)
  return payload
}

function unpackZstd(block: PackedBlock, stored: Buffer): Buffer {
  const { decompress } = requireZstd(block.file, zstd)
  const payload = orBad(block, () => decompress(stored, block.payloadLength))
  if (payload.length !== block.payloadLength) throw badBlock(block)
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length)
}

function orBad<T>(block: PackedBlock, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw badBlock(block, error)
  }
}

/** A verified block that does not unpack: written wrongly, or its checksum forged. */
function badBlock({ file, offset, payloadLength }: PackedBlock, cause?: unknown): CorruptionError {
  const expected = `a compressed block of ${payloadLength} bytes`
  return new CorruptionError({ file, offset, expected, found: 'one that does not unpack' }, cause)
}

/** `library`, or SETT_CODEC_UNAVAILABLE when this Node has none. */
export function requireZstd(file: string, library: Zstd | undefined): Zstd {
  if (library !== undefined) return library
  throw new SettError(
    'SETT_CODEC_UNAVAILABLE',
    `${file} is compressed with zstd, which this Node (${process.version}) does not have. Open the ` +
      `database with ${ZSTD_NEEDS}. To leave zstd, open it there with compression 'lz4' and call compactRange().`,
  )
}
