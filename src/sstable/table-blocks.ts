// Reading blocks of one table into the heap, each verified before anything else looks at it. Any thread;
// the target memory is the caller's.
import { CorruptionError } from '../base/errors.ts'
import type { KernelHeap } from '../cursor/words.ts'
import { checksum, hex64 } from '../format/checksum.ts'
import { checkTrailer, TRAILER_COVERED } from '../format/sstable-block.ts'
import type { TableMeta } from '../format/table-meta.ts'
import type { OpenFile } from '../io/file-system.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'

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
  /** Payload and trailer. */
  readonly storedLength: number
}

/** Throws unless the block at the heap address is the one that was written at its place. */
export function verifyBlockAt(machine: KernelHeap, place: BlockPlace, address: number): void {
  const payloadLength = place.storedLength - BLOCK_TRAILER
  const trailer = address + payloadLength
  const matches = machine.kernels.checksumMatches(
    address,
    payloadLength + TRAILER_COVERED,
    place.saltAddress,
    place.fileNumber,
    place.offset,
    trailer + TRAILER_COVERED,
  )
  const { file, offset } = place
  if (matches !== 1) throw checksumError(file, offset)
  checkTrailer(machine.heap.bytes, trailer, { file, offset, payloadLength })
}

/** verifyBlockAt for a data block of a table. */
export function verifyTableBlock(
  machine: KernelHeap,
  table: TableBlocks,
  ordinal: number,
  address: number,
): void {
  verifyBlockAt(
    machine,
    {
      file: table.file.path,
      fileNumber: table.meta.number,
      saltAddress: table.saltAddress,
      offset: table.blockOffset(ordinal),
      storedLength: table.blockLength(ordinal),
    },
    address,
  )
}

/** Reads a data block with its trailer to a heap address (blockLength(ordinal) bytes) and verifies it. */
export function readTableBlock(
  machine: KernelHeap,
  table: TableBlocks,
  ordinal: number,
  address: number,
): void {
  const length = table.blockLength(ordinal)
  const target = machine.heap.bytes.subarray(address, address + length)
  readWhole(table.file, target, table.blockOffset(ordinal))
  verifyTableBlock(machine, table, ordinal, address)
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
  const target = machine.heap.bytes.subarray(address, address + length)
  const found = await table.file.read(target, offset)
  if (found !== length) throw shortFile(table.file.path, offset, length, found)
  verifyTableBlock(machine, table, ordinal, address)
}

/** Reads a data block into a buffer of its own, for blocks the heap has no room for; verified, without trailer. */
export function readBlockCopy(table: TableBlocks, ordinal: number): Buffer {
  const length = table.blockLength(ordinal)
  const position = table.blockOffset(ordinal)
  const block = Buffer.allocUnsafeSlow(length)
  readWhole(table.file, block, position)
  verifyBlockCopy(
    block,
    { salt: table.salt, fileNumber: table.meta.number, position },
    table.file.path,
  )
  return block.subarray(0, length - BLOCK_TRAILER)
}

/** verifyBlockAt for a block in an ordinary buffer. */
export function verifyBlockCopy(
  block: Buffer,
  place: { readonly salt: Buffer; readonly fileNumber: number; readonly position: number },
  file: string,
): void {
  const payloadLength = block.length - BLOCK_TRAILER
  const sum = checksum(block.subarray(0, payloadLength + TRAILER_COVERED), place)
  const stored = block.readBigUInt64LE(payloadLength + TRAILER_COVERED)
  if (sum !== stored) {
    const { position: offset } = place
    throw new CorruptionError({
      file,
      offset,
      expected: `checksum ${hex64(sum)}`,
      found: hex64(stored),
    })
  }
  checkTrailer(block, payloadLength, { file, offset: place.position, payloadLength })
}

/** Reads until the target is full; an earlier end of the file is damage. */
export function readWhole(file: OpenFile, target: Uint8Array, offset: number): void {
  const found = file.readSync(target, offset)
  if (found !== target.length) throw shortFile(file.path, offset, target.length, found)
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

function shortFile(file: string, offset: number, length: number, found: number): CorruptionError {
  return new CorruptionError({
    file,
    offset: offset + found,
    expected: `${length} bytes from offset ${offset}`,
    found: `the end of the file after ${found}`,
  })
}
