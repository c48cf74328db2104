// Reading blocks of one table into the heap, each verified before anything else looks at it. Any thread;
// the target memory is the caller's.
import { CorruptionError } from '../base/errors.ts'
import type { KernelHeap } from '../cursor/words.ts'
import { checksum, hex64 } from '../format/checksum.ts'
import { CODEC_NONE } from '../format/packed-form.ts'
import { checkTrailer, TRAILER_COVERED } from '../format/sstable-block.ts'
import type { TableMeta } from '../format/table-meta.ts'
import type { OpenFile } from '../io/file-system.ts'
import { readWhole, shortFile } from '../io/read-whole.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import { blockRoom, unpackBlock, unpackCopy } from '../packing/unpack-block.ts'

/** An open table as far as reading its data blocks goes. */
export interface TableBlocks {
  readonly meta: TableMeta
  readonly file: OpenFile
  /** Address of the 8 salt bytes. */
  readonly saltAddress: number
  readonly salt: Buffer
  readonly blockCount: number
  blockOffset(ordinal: number): number
  /** Stored length, with trailer. */
  blockLength(ordinal: number): number
  /** Payload bytes before compression: what the block kernels are given. */
  payloadLength(ordinal: number): number
  /** kernels.fenceSearch over the blocks. */
  locate(key: number, keyLength: number): number
  /** Per block: cache slot + 1, 0 = not cached. Owned by BlockCache. */
  readonly slots: Int32Array
}

/** A block of some file: what its checksum is bound to. */
export interface BlockPlace {
  readonly file: string
  readonly fileNumber: number
  /** Address of the 8 salt bytes. */
  readonly saltAddress: number
  readonly offset: number
  /** With trailer. */
  readonly storedLength: number
  /** Before compression; undefined: it must not be compressed. */
  readonly payloadLength?: number
}

/** Throws unless the block at the heap address is the one that was written at its place; returns its codec. */
export function verifyBlockAt(machine: KernelHeap, place: BlockPlace, address: number): number {
  const storedLength = place.storedLength - BLOCK_TRAILER
  const trailer = address + storedLength
  const matches = machine.kernels.checksumMatches(
    address,
    storedLength + TRAILER_COVERED,
    place.saltAddress,
    place.fileNumber,
    place.offset,
    trailer + TRAILER_COVERED,
  )
  const { file, offset, payloadLength = storedLength } = place
  if (matches !== 1) throw checksumError(file, offset)
  return checkTrailer(machine.heap.bytes, trailer, { file, offset, storedLength, payloadLength })
}

/** Memory a data block takes while it is read. */
export function roomOf(table: TableBlocks, ordinal: number): number {
  return blockRoom(table.blockLength(ordinal), table.payloadLength(ordinal))
}

/** Verifies the stored data block at a heap address. Returns where its payload lies: there, or, if it is compressed,
 * unpacked at `target`. */
export function openTableBlock(
  machine: KernelHeap,
  table: TableBlocks,
  ordinal: number,
  { stored, target }: { readonly stored: number; readonly target: number },
): number {
  const file = table.file.path
  const offset = table.blockOffset(ordinal)
  const storedLength = table.blockLength(ordinal)
  const payloadLength = table.payloadLength(ordinal)
  const { saltAddress } = table
  const fileNumber = table.meta.number
  const place = { file, fileNumber, saltAddress, offset, storedLength, payloadLength }
  const codec = verifyBlockAt(machine, place, stored)
  if (codec === CODEC_NONE) return stored
  const length = storedLength - BLOCK_TRAILER
  unpackBlock(machine, { file, offset, codec, length, payloadLength }, stored, target)
  return target
}

/** Reads a data block to a heap address (roomOf(table, ordinal) bytes), verifies and unpacks it: the payload begins at
 * the address. */
export function readTableBlock(
  machine: KernelHeap,
  table: TableBlocks,
  ordinal: number,
  address: number,
): void {
  const length = table.blockLength(ordinal)
  const stored = address + roomOf(table, ordinal) - length
  const target = machine.heap.bytes.subarray(stored, stored + length)
  readWhole(table.file, target, table.blockOffset(ordinal))
  openTableBlock(machine, table, ordinal, { stored, target: address })
}

/** As readTableBlock, without blocking the thread; the address stays the call's until it settles. */
export async function readTableBlockAsync(
  machine: KernelHeap,
  table: TableBlocks,
  ordinal: number,
  address: number,
): Promise<void> {
  const length = table.blockLength(ordinal)
  const offset = table.blockOffset(ordinal)
  const stored = address + roomOf(table, ordinal) - length
  const target = machine.heap.bytes.subarray(stored, stored + length)
  const found = await table.file.read(target, offset)
  if (found !== length) throw shortFile(table.file.path, offset, length, found)
  openTableBlock(machine, table, ordinal, { stored, target: address })
}

/** The payload of a data block in a buffer of its own, for blocks the heap has no room for; verified. */
export function readBlockCopy(table: TableBlocks, ordinal: number): Buffer {
  const length = table.blockLength(ordinal)
  const position = table.blockOffset(ordinal)
  const block = Buffer.allocUnsafeSlow(length)
  readWhole(table.file, block, position)
  const payloadLength = table.payloadLength(ordinal)
  const file = table.file.path
  const place = { salt: table.salt, fileNumber: table.meta.number, position, payloadLength }
  const codec = verifyBlockCopy(block, place, file)
  const stored = block.subarray(0, length - BLOCK_TRAILER)
  if (codec === CODEC_NONE) return stored
  const packed = { file, offset: position, codec, length: stored.length, payloadLength }
  return unpackCopy(packed, stored)
}

/** What the checksum of a block in an ordinary buffer is bound to, and its payload length before compression. */
export interface CopyPlace {
  readonly salt: Buffer
  readonly fileNumber: number
  readonly position: number
  /** undefined: it must not be compressed. */
  readonly payloadLength?: number
}

/** verifyBlockAt for a block in an ordinary buffer. */
export function verifyBlockCopy(block: Buffer, place: CopyPlace, file: string): number {
  const storedLength = block.length - BLOCK_TRAILER
  const sum = checksum(block.subarray(0, storedLength + TRAILER_COVERED), place)
  const stored = block.readBigUInt64LE(storedLength + TRAILER_COVERED)
  const { position: offset, payloadLength = storedLength } = place
  if (sum !== stored) {
    throw new CorruptionError({
      file,
      offset,
      expected: `checksum ${hex64(sum)}`,
      found: hex64(stored),
    })
  }
  return checkTrailer(block, storedLength, { file, offset, storedLength, payloadLength })
}

export function checksumError(file: string, offset: number): CorruptionError {
  return new CorruptionError({
    file,
    offset,
    expected: 'a block with its own checksum',
    found: 'other bytes',
  })
}

/** A verified block that does not parse: written wrongly, or its checksum forged. */
export function malformedBlock(table: TableBlocks, ordinal: number): CorruptionError {
  return new CorruptionError({
    file: table.file.path,
    offset: table.blockOffset(ordinal),
    expected: 'a well-formed data block',
    found: 'a malformed one',
  })
}
