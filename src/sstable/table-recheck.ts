// Reads a table back right after it was written, before anyone may rely on it: all parts, all blocks, all entries.
// It runs in the writer's memory, which has nothing left to keep by then.

import { CorruptionError } from '../base/errors.ts'
import { KIB } from '../base/limits.ts'
import type { KernelHeap } from '../cursor/words.ts'
import type { TableFooter, TablePart } from '../format/sstable-footer.ts'
import { type BlockList, decodeBlockList, firstBlockFrom } from '../format/sstable-index.ts'
import type { TableProperties } from '../format/sstable-properties.ts'
import type { TableMeta } from '../format/table-meta.ts'
import type { OpenFile } from '../io/file-system.ts'
import { readWhole } from '../io/read-whole.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { unpackRoom } from '../packing/unpack-block.ts'
import { type TableBlocks, verifyBlockAt } from './table-blocks.ts'
import { checkTable } from './table-check.ts'
import { readPart, readTableParts } from './table-parts.ts'
import { checkFilter, unlikeMeta } from './table-reader.ts'
import { roomiest, type WriterMemory } from './writer-workspace.ts'

const READ_BYTES = 256 * KIB

export function recheckTable(
  machine: KernelHeap,
  memory: WriterMemory,
  file: OpenFile,
  meta: TableMeta,
): void {
  const { footer, properties } = readTableParts(file, meta)
  const place = { file, footer, properties, saltAddress: memory.salt, buffer: memory.out }
  const filter = readPartInHeap(machine, place, footer.filter)
  if (filter > 0) checkFilter(machine, { file, footer, filter })
  const table = openBlockList(machine, { ...place, buffer: roomiest(memory) }, meta)
  const { address, length } = memory.out
  // As much as stays in the processor's cache until it is checked.
  const wanted = Math.max(READ_BYTES, unpackRoom(meta.largestBlock))
  const buffer = { address, length: Math.min(length, wanted) }
  checkTable(machine, table, { buffer, decode: memory.hashes })
}

export interface PartPlace {
  readonly file: OpenFile
  readonly footer: TableFooter
  readonly saltAddress: number
  /** For parts that fit; others are read into ordinary buffers. */
  readonly buffer: Region
}

export interface TablePlace extends PartPlace {
  readonly properties: TableProperties
}

/** Reads and verifies a part; returns the buffer's address, or 0 when the part did not fit there (it is
 * verified all the same). */
export function readPartInHeap(machine: KernelHeap, place: PartPlace, part: TablePart): number {
  const { file, footer, buffer } = place
  const storedLength = part.length + BLOCK_TRAILER
  if (storedLength > buffer.length) {
    readPart(file, footer, part)
    return 0
  }
  const { address } = buffer
  readWhole(file, machine.heap.bytes.subarray(address, address + storedLength), part.offset)
  verifyBlockAt(
    machine,
    {
      file: file.path,
      fileNumber: footer.fileNumber,
      saltAddress: place.saltAddress,
      offset: part.offset,
      storedLength,
    },
    address,
  )
  return address
}

export interface TableIndex {
  readonly list: BlockList
  /** Well formed; it may lie in the buffer it was read into. */
  readonly payload: Buffer
}

/** Reads a table's index and checks it against itself, the properties and the manifest. */
export function readIndex(machine: KernelHeap, place: TablePlace, meta: TableMeta): TableIndex {
  const { file, footer, properties } = place
  const { index } = footer
  const at = readPartInHeap(machine, place, index)
  const limit = footer.filter.offset
  let list: BlockList | undefined
  let payload: Buffer
  if (at > 0) {
    payload = machine.heap.bytes.subarray(at, at + index.length)
    const valid = machine.kernels.fenceValidate(at, index.length, limit) === 1
    list = valid ? decodeBlockList(payload, limit) : undefined
  } else {
    payload = readPart(file, footer, index)
    list = decodeBlockList(payload, limit)
  }
  if (list === undefined) throw badIndex(file, index.offset, 'a malformed one')
  const { offsets, payloads } = list
  if (offsets.length !== properties.blocks) {
    throw badIndex(file, index.offset, `${offsets.length} blocks`)
  }
  if (Buffer.compare(list.smallestKey, meta.smallestKey) !== 0) {
    throw badIndex(file, index.offset, 'another smallest key')
  }
  if (Buffer.compare(list.largestKey, meta.largestKey) !== 0) {
    throw badIndex(file, index.offset, 'another largest key')
  }
  const wrong = unlikeMeta(meta, payloads.length, (ordinal) => payloads[ordinal] as number)
  if (wrong !== undefined) throw badIndex(file, index.offset, wrong)
  return { list, payload }
}

/** A table as its block list: for readers that go through it from its begin, or from the block where `start` belongs,
 * and look no other key up. */
export function openBlockList(
  machine: KernelHeap,
  place: TablePlace,
  meta: TableMeta,
  start?: Uint8Array,
): TableBlocks {
  const { list, payload } = readIndex(machine, place, meta)
  const { offsets, lengths, payloads } = list
  const first = start === undefined ? 0 : firstBlockFrom(payload, start)
  return {
    meta,
    file: place.file,
    saltAddress: place.saltAddress,
    salt: place.footer.salt,
    blockCount: offsets.length,
    slots: NO_SLOTS,
    blockOffset: (ordinal) => offsets[ordinal] as number,
    blockLength: (ordinal) => lengths[ordinal] as number,
    payloadLength: (ordinal) => payloads[ordinal] as number,
    locate: () => first,
  }
}

const NO_SLOTS = new Int32Array(0)

function badIndex(file: OpenFile, offset: number, found: string): CorruptionError {
  const expected = 'an index that agrees with the manifest'
  return new CorruptionError({ file: file.path, offset, expected, found })
}
