// An open table for point and range reads: its index and filter lie in the heap, verified; its blocks are
// read on demand. Main thread (or any one thread that owns the memory it was given).

import { alignUp } from '../base/bytes.ts'
import { CorruptionError, SettError } from '../base/errors.ts'
import type { KernelHeap } from '../cursor/words.ts'
import { loadU32, loadU64 } from '../cursor/words.ts'
import type { TableFooter, TablePart } from '../format/sstable-footer.ts'
import {
  indexBoundaries,
  indexKeys,
  indexLengths,
  indexOffsets,
  indexPayloads,
} from '../format/sstable-index.ts'
import type { TableProperties } from '../format/sstable-properties.ts'
import type { TableMeta } from '../format/table-meta.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { readWhole } from '../io/read-whole.ts'
import { BLOCK_TRAILER, FILTER_HEADER } from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { type TableBlocks, verifyBlockAt } from './table-blocks.ts'
import { openTableParts } from './table-parts.ts'

/** Where a table's index and filter go; HeapAllocator is one. */
export interface RegionAllocator {
  /** 64-aligned; undefined: no piece of that length is free. */
  allocate(length: number): Region | undefined
  free(region: Region): void
}

export class TableHandle implements TableBlocks {
  readonly meta: TableMeta
  readonly file: OpenFile
  readonly properties: TableProperties
  readonly salt: Buffer
  readonly saltAddress: number
  /** Address of the filter payload (FORMAT §6.3). */
  readonly filter: number
  /** Address of the index payload (FORMAT §6.2). */
  readonly index: number
  readonly blockCount: number
  /** Per block: cache slot + 1, 0 = not cached. Owned by BlockCache. */
  readonly slots: Int32Array
  /** Heap memory of filter and index; released by whoever allocated it. */
  readonly memory: Region
  /** Users that hold the handle, and the tick of its last use; kept by OpenTables. */
  pins = 0
  lastUse = 0
  readonly #machine: KernelHeap
  readonly #offsets: number
  readonly #lengths: number
  /** 0: no block is compressed. */
  readonly #payloads: number

  constructor(machine: KernelHeap, parts: OpenedTable) {
    this.meta = parts.meta
    this.file = parts.file
    this.properties = parts.properties
    this.salt = parts.footer.salt
    this.memory = parts.memory
    this.saltAddress = parts.memory.address
    this.filter = parts.filter
    this.index = parts.index
    this.#machine = machine
    this.blockCount = loadU32(machine.heap.u32, parts.index)
    this.slots = new Int32Array(this.blockCount)
    this.#offsets = parts.index + indexOffsets(this.blockCount)
    this.#lengths = parts.index + indexLengths(this.blockCount)
    this.#payloads = payloadsOf(machine, parts.index)
  }

  blockOffset(ordinal: number): number {
    return loadU64(this.#machine.heap.u32, this.#offsets + 8 * ordinal)
  }

  blockLength(ordinal: number): number {
    return loadU32(this.#machine.heap.u32, this.#lengths + 4 * ordinal)
  }

  payloadLength(ordinal: number): number {
    if (this.#payloads === 0) return this.blockLength(ordinal) - BLOCK_TRAILER
    return loadU32(this.#machine.heap.u32, this.#payloads + 4 * ordinal)
  }

  /** False: the key is certainly not in the table. `hash` is the address of xxh64(key, 0). */
  mayContain(hash: number): boolean {
    return this.#machine.kernels.filterProbe(this.filter, hash) !== 0
  }

  /** fenceSearch: the first block whose last key is >= key, or -(block + 1) when the key lies before it; see
   * kernels.ts. */
  locate(key: number, keyLength: number): number {
    return this.#machine.kernels.fenceSearch(this.index, key, keyLength)
  }
}

interface OpenedTable {
  readonly meta: TableMeta
  readonly file: OpenFile
  readonly footer: TableFooter
  readonly properties: TableProperties
  readonly memory: Region
  readonly filter: number
  readonly index: number
}

export interface TableOpening {
  readonly fs: FileSystem
  readonly directory: string
  readonly meta: TableMeta
  readonly allocator: RegionAllocator
}

/** Opens a table: every part but the data blocks is read, verified and checked against the manifest. The caller
 * closes the file and releases `memory`. Throws CorruptionError, or SETT_OUT_OF_MEMORY when the allocator
 * has no room for index and filter. */
export function openTable(machine: KernelHeap, opening: TableOpening): TableHandle {
  const { fs, directory, meta, allocator } = opening
  const { file, footer, properties } = openTableParts(fs, directory, meta)
  let memory: Region | undefined
  try {
    const filterBytes = alignUp(footer.filter.length + BLOCK_TRAILER, 8)
    const bytes = 64 + filterBytes + footer.index.length + BLOCK_TRAILER
    memory = allocator.allocate(bytes)
    if (memory === undefined) throw noRoom(bytes)
    const filter = memory.address + 64
    const index = filter + filterBytes
    machine.heap.bytes.set(footer.salt, memory.address)
    const table = { meta, file, footer, properties, memory, filter, index }
    readHeapPart(machine, table, footer.filter, filter)
    readHeapPart(machine, table, footer.index, index)
    checkFilter(machine, table)
    checkIndex(machine, table)
    const handle = new TableHandle(machine, table)
    checkBlocks(handle, footer.index.offset)
    return handle
  } catch (error) {
    if (memory !== undefined) allocator.free(memory)
    file.closeSync()
    throw error
  }
}

function noRoom(bytes: number): SettError {
  return new SettError(
    'SETT_OUT_OF_MEMORY',
    `No room for a table's index and filter (${bytes} bytes). Raise indexCacheSize or memoryBudget.`,
  )
}

function readHeapPart(
  machine: KernelHeap,
  table: OpenedTable,
  part: TablePart,
  address: number,
): void {
  const storedLength = part.length + BLOCK_TRAILER
  readWhole(table.file, machine.heap.bytes.subarray(address, address + storedLength), part.offset)
  verifyBlockAt(
    machine,
    {
      file: table.file.path,
      fileNumber: table.meta.number,
      saltAddress: table.memory.address,
      offset: part.offset,
      storedLength,
    },
    address,
  )
}

/** The probe kernel trusts k and the block count. */
export function checkFilter(
  machine: KernelHeap,
  table: Pick<OpenedTable, 'file' | 'footer' | 'filter'>,
): void {
  const { length, offset } = table.footer.filter
  const { u32 } = machine.heap
  const ok =
    length > FILTER_HEADER &&
    loadU32(u32, table.filter) >= 1 &&
    loadU32(u32, table.filter) <= 32 &&
    length === FILTER_HEADER + 64 * loadU32(u32, table.filter + 4)
  if (!ok) {
    throw new CorruptionError({
      file: table.file.path,
      offset,
      expected: 'a well-formed filter',
      found: 'a malformed one',
    })
  }
}

function checkIndex(machine: KernelHeap, table: OpenedTable): void {
  const { kernels, heap } = machine
  const { length, offset } = table.footer.index
  const refuse = (found: string): never => {
    throw new CorruptionError({
      file: table.file.path,
      offset,
      expected: 'an index that agrees with the manifest',
      found,
    })
  }
  const limit = table.footer.filter.offset
  if (kernels.fenceValidate(table.index, length, limit) !== 1) refuse('a malformed one')
  const blocks = loadU32(heap.u32, table.index)
  if (blocks === 0 || blocks !== table.properties.blocks) refuse(`${blocks} blocks`)
  const keys = table.index + indexKeys(blocks)
  const boundaries = table.index + indexBoundaries(blocks)
  const at = (i: number) => keys + loadU32(heap.u32, boundaries + 4 * i)
  const smallest = heap.bytes.subarray(at(0), at(1))
  const largest = heap.bytes.subarray(at(2 * blocks - 1), at(2 * blocks))
  if (Buffer.compare(smallest, table.meta.smallestKey) !== 0) refuse('another smallest key')
  if (Buffer.compare(largest, table.meta.largestKey) !== 0) refuse('another largest key')
}

function checkBlocks(handle: TableHandle, offset: number): void {
  const found = unlikeMeta(handle.meta, handle.blockCount, (i) => handle.payloadLength(i))
  if (found === undefined) return
  const expected = 'an index that agrees with the manifest'
  throw new CorruptionError({ file: handle.file.path, offset, expected, found })
}

/** Address of the payload lengths of a validated index; 0: it has none. */
function payloadsOf({ heap }: KernelHeap, index: number): number {
  const { u32 } = heap
  if (loadU32(u32, index + 12) === 0) return 0
  return index + indexPayloads(loadU32(u32, index), loadU32(u32, index + 4))
}

/** In what the payload lengths of an index differ from the manifest. */
export function unlikeMeta(
  { largestBlock, packing }: TableMeta,
  blocks: number,
  payloadLength: (ordinal: number) => number,
): string | undefined {
  let longest = 0
  let sum = 0
  for (let i = 0; i < blocks; i++) {
    const payload = payloadLength(i)
    longest = Math.max(longest, payload)
    sum += payload
  }
  const largest = longest + BLOCK_TRAILER
  if (largest !== largestBlock) return `a largest block of ${largest} bytes`
  if (packing !== undefined && packing.payloadBytes !== sum) return `blocks of ${sum} bytes`
  return undefined
}
