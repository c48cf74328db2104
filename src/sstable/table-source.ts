// Tables of one level, one after the other, as a merge input: blocks are read, verified and decoded batch by
// batch. The first blocks come through the cache, if there is one; from then on whole spans of blocks are
// read at once, ever longer. A block too long for that is read by itself; its value stays behind (DESC_LAZY).
import { assert } from '../base/assert.ts'
import { KEY_LENGTH_MAX, KIB, RESTART_INTERVAL } from '../base/limits.ts'
import type { Bounds } from '../cursor/bounds.ts'
import type { LazyValues } from '../cursor/lazy-values.ts'
import type { RunSource, SpareMemory } from '../cursor/run-source.ts'
import { Scratch } from '../cursor/scratch.ts'
import { type KernelHeap, loadU32, storeU32 } from '../cursor/words.ts'
import type { TableMeta } from '../format/table-meta.ts'
import {
  BLOCK_TRAILER,
  DESC_SIZE,
  DESC_VALUE,
  SOURCE_END,
  SOURCE_LAST,
  SOURCE_NEXT,
} from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { lazyTableValue, placeAloneEntry } from './alone-block.ts'
import { type BlockCache, NO_SLOT } from './block-cache.ts'
import { BlockSpan } from './block-span.ts'
import { firstDescriptor } from './entry-order.ts'
import { malformedBlock, type TableBlocks } from './table-blocks.ts'

/** Where a source gets its tables; OpenTables is one. */
export interface TableOpener {
  /** An open table, kept open until release. */
  acquire(meta: TableMeta): TableBlocks
  release(table: TableBlocks): void
}

export interface TableSourceOptions {
  /** By key ascending, disjoint, also for a reverse source. */
  readonly tables: readonly TableMeta[]
  readonly opener: TableOpener
  readonly cache: BlockCache | undefined
  readonly lazy: LazyValues
  readonly spare: SpareMemory
  readonly reverse: boolean
  /** Where to begin, roughly: no entry at or behind it is left out; a few before it may come. */
  readonly start?: Uint8Array
  /** Exactly the entries of this range come. Forward only; `start` is its lower key then, if it has one. */
  readonly within?: Bounds
  /** Blocks with a longer payload are handed over as lazy; at least the block size of the tables. For a scan a
   * quarter of its slab, so that no value stays in a buffer of the source. */
  readonly inlineMax: number
}

const DESCRIPTORS = 256
/** First intervals of a scan are decoded piecemeal, for those that take a few entries only. */
const FIRST_INTERVALS = 2
/** So many blocks of a scan come through the cache: short scans return, long ones must not empty it. */
const CACHED_BLOCKS = 2
export const SPAN_BYTES: number = 256 * KIB
/** No block of several entries has a longer payload (the largest block size allowed). */
const SHARED_BLOCK_MAX = 64 * KIB

/** Room for the keys of one restart interval of a block: each shares all but its tail with the one before. */
export function intervalKeyBytes(largestBlock: number): number {
  const shared = RESTART_INTERVAL * Math.min(largestBlock, SHARED_BLOCK_MAX)
  return Math.max(KEY_LENGTH_MAX + 1, shared)
}

/** Memory of a source whose tables' largest block is this; `spanBytes` >= the blocks it is to read. */
export function tableSourceBytes(largestBlock: number, spanBytes: number = SPAN_BYTES): number {
  const unpacked = unpackedBytes(largestBlock)
  return DESCRIPTORS * DESC_SIZE + intervalKeyBytes(largestBlock) + unpacked + 24 + spanBytes + 64
}

/** Room for the payload of the one block a source is at; longer blocks are read alone. */
function unpackedBytes(largestBlock: number): number {
  return Math.min(largestBlock, SPAN_BYTES)
}

export class TableSource implements RunSource {
  entries = 0
  bytesRead = 0
  readonly #machine: KernelHeap
  readonly #options: TableSourceOptions
  readonly #descriptors: number
  readonly #stopped: number
  readonly #keys: number
  readonly #keysBytes: number
  readonly #span: BlockSpan
  readonly #step: 1 | -1
  /** Index of the current table, or of the next one to open. */
  #position: number
  #table: TableBlocks | undefined
  /** Next block of the current table. */
  #ordinal = 0
  /** Payload of the block being decoded; 0: none. */
  #block = 0
  #payload = 0
  /** Restart intervals of it still to decode: [from, to). */
  #from = 0
  #to = 0
  /** Cache slot pinned under the batch handed over last. */
  #slot = NO_SLOT
  #seeking: boolean
  /** The lower bound lies behind us. */
  #inside = false
  /** The upper bound does. */
  #ended = false
  #intervals = FIRST_INTERVALS
  #cachedBlocks = CACHED_BLOCKS

  /** `memory`: tableSourceBytes(…) that the source keeps until it is closed. */
  constructor(machine: KernelHeap, memory: Region, options: TableSourceOptions) {
    const parts = new Scratch(memory)
    let largestBlock = 0
    for (const { largestBlock: bytes } of options.tables) {
      largestBlock = Math.max(largestBlock, bytes)
    }
    assert(!options.reverse || options.within === undefined, 'a source within bounds goes forward')
    this.#machine = machine
    this.#options = options
    this.#step = options.reverse ? -1 : 1
    this.#descriptors = parts.take(DESCRIPTORS * DESC_SIZE)
    this.#keysBytes = intervalKeyBytes(largestBlock)
    this.#keys = parts.take(this.#keysBytes)
    this.#stopped = parts.take(8)
    const unpacked = parts.take(unpackedBytes(largestBlock))
    this.#span = new BlockSpan(machine, { address: parts.take(0), length: parts.free }, unpacked)
    this.#seeking = options.start !== undefined
    this.#position = this.#firstTable()
  }

  refill(slot: number): void {
    const { u32 } = this.#machine.heap
    let batch: readonly [number, number] = [this.#descriptors, this.#descriptors]
    while (batch[0] === batch[1]) {
      if (this.#from === this.#to && !this.#nextBlock()) break
      const count = this.#block === 0 ? this.#takeAlone() : this.#decode()
      batch = this.#narrow(this.#descriptors + count * DESC_SIZE)
    }
    const [first, end] = batch
    storeU32(u32, slot + SOURCE_NEXT, first)
    storeU32(u32, slot + SOURCE_END, end)
    storeU32(u32, slot + SOURCE_LAST, first === end ? 1 : 0)
    this.entries += (end - first) / DESC_SIZE
  }

  /** Of the descriptors decoded, up to `end`, those within the bounds: [first, end). */
  #narrow(end: number): readonly [number, number] {
    const { within, lazy } = this.#options
    let batch: readonly [number, number] = [this.#descriptors, end]
    if (within === undefined) return batch
    const { lower, upper } = within
    if (lower !== undefined && !this.#inside) {
      batch = [firstDescriptor(this.#machine, batch, lower.key, !lower.inclusive), end]
      this.#inside = batch[0] < end
    }
    if (upper !== undefined) {
      const last: readonly [number, number] = [Math.max(batch[0], end - DESC_SIZE), end]
      if (firstDescriptor(this.#machine, last, upper.key, upper.inclusive) < end) {
        batch = [batch[0], firstDescriptor(this.#machine, batch, upper.key, upper.inclusive)]
        this.#ended = true
        this.#from = this.#to
      }
    }
    if (batch[0] === batch[1] && this.#block === 0) {
      lazy.drop(loadU32(this.#machine.heap.u32, this.#descriptors + DESC_VALUE))
    }
    return batch
  }

  close(): void {
    this.#unpin()
    this.#leaveTable()
    this.#position = this.#step > 0 ? this.#options.tables.length : -1
    this.#from = this.#to
  }

  /** The table in which to begin. */
  #firstTable(): number {
    const { tables, start, reverse } = this.#options
    if (!this.#seeking || start === undefined) return reverse ? tables.length - 1 : 0
    let low = 0
    let high = tables.length
    // Forward: the first table whose largest key is >= start. Reverse: the last whose smallest is <= start.
    while (low < high) {
      const middle = (low + high) >>> 1
      const table = tables[middle] as TableMeta
      const before = reverse
        ? Buffer.compare(table.smallestKey, start) <= 0
        : Buffer.compare(table.largestKey, start) < 0
      if (before) low = middle + 1
      else high = middle
    }
    return reverse ? low - 1 : low
  }

  /** Makes the next block current; false at the end. */
  #nextBlock(): boolean {
    this.#unpin()
    if (this.#ended) return false
    for (;;) {
      const table = this.#table ?? this.#openTable()
      if (table === undefined) return false
      const ordinal = this.#ordinal
      if (ordinal >= 0 && ordinal < table.blockCount) {
        this.#ordinal += this.#step
        this.#enterBlock(table, ordinal)
        return true
      }
      this.#leaveTable()
      this.#position += this.#step
    }
  }

  #openTable(): TableBlocks | undefined {
    const { tables, opener, reverse } = this.#options
    const meta = tables[this.#position]
    if (meta === undefined) return undefined
    const table = opener.acquire(meta)
    this.#table = table
    this.#ordinal = this.#seeking ? this.#seekBlock(table) : reverse ? table.blockCount - 1 : 0
    return table
  }

  #leaveTable(): void {
    if (this.#table !== undefined) this.#options.opener.release(this.#table)
    this.#table = undefined
    this.#span.clear()
    this.#seeking = false
  }

  #seekBlock(table: TableBlocks): number {
    const length = this.#placeStart()
    if (length < 0) return table.blockCount - 1
    const found = table.locate(this.#keys, length)
    if (this.#step > 0) return found >= 0 ? found : -(found + 1)
    // In reverse the key looked for is the least above `start`: a gap lies behind the block wanted.
    return found >= 0 ? found : -(found + 1) - 1
  }

  /** Puts the start key into the (still unused) key area; in reverse its successor, the least key above it.
   * Returns its length, or -1: it has no successor. */
  #placeStart(): number {
    const { start } = this.#options
    assert(start !== undefined, 'a source that seeks knows its start')
    const { bytes } = this.#machine.heap
    bytes.set(start, this.#keys)
    if (this.#step > 0) return start.length
    if (start.length < KEY_LENGTH_MAX) {
      bytes[this.#keys + start.length] = 0
      return start.length + 1
    }
    // No longer key exists: the next one differs in the last byte that can be raised.
    let last = start.length - 1
    while (last >= 0 && start[last] === 0xff) last -= 1
    if (last < 0) return -1
    bytes[this.#keys + last] = (start[last] as number) + 1
    return last + 1
  }

  #enterBlock(table: TableBlocks, ordinal: number): void {
    const { kernels } = this.#machine
    const payload = table.payloadLength(ordinal)
    this.#payload = payload
    this.#from = 0
    this.#to = 1
    this.#block =
      payload > this.#options.inlineMax || payload + BLOCK_TRAILER > this.#span.capacity
        ? 0
        : this.#readBlock(table, ordinal)
    if (this.#block === 0) {
      this.#seeking = false
      return
    }
    const restarts = kernels.blockRestarts(this.#block, payload)
    if (restarts <= 0) throw malformedBlock(table, ordinal)
    this.#to = restarts
    if (this.#seeking) this.#seekInterval(table, ordinal)
  }

  #seekInterval(table: TableBlocks, ordinal: number): void {
    const { kernels } = this.#machine
    const length = this.#placeStart()
    this.#seeking = false
    if (length < 0) return
    const restart = kernels.blockSeek(this.#block, this.#payload, this.#keys, length)
    if (restart < 0) throw malformedBlock(table, ordinal)
    if (this.#step > 0) this.#from = restart
    else this.#to = Math.min(this.#to, restart + 1)
  }

  /** Address of the verified block. */
  #readBlock(table: TableBlocks, ordinal: number): number {
    const { cache } = this.#options
    const inSpan = this.#span.find(ordinal)
    if (inSpan > 0) return this.#span.open(table, ordinal, inSpan)
    if (cache !== undefined) {
      const early = this.#cachedBlocks > 0
      this.#cachedBlocks -= 1
      const slot = early ? cache.fetch(table, ordinal) : cache.peek(table, ordinal)
      if (slot !== NO_SLOT) {
        cache.pin(slot)
        this.#slot = slot
        return cache.address(slot)
      }
    }
    this.bytesRead += this.#span.load(table, ordinal, this.#step)
    return this.#span.open(table, ordinal, this.#span.find(ordinal))
  }

  #decode(): number {
    const { kernels, heap } = this.#machine
    const table = this.#table
    assert(table !== undefined, 'a block is decoded while its table is open')
    const reverse = this.#step < 0
    const few = this.#intervals
    const from = reverse ? Math.max(this.#from, this.#to - few) : this.#from
    const to = reverse ? this.#to : Math.min(this.#to, this.#from + few)
    this.#intervals = Math.min(few * 4, 1 << 20)
    const count = kernels.blockDecode(
      this.#block,
      this.#payload,
      table.meta.baseVersion,
      from,
      to,
      reverse ? 1 : 0,
      this.#descriptors,
      DESCRIPTORS,
      this.#keys,
      this.#keysBytes,
      this.#stopped,
    )
    const stopped = loadU32(heap.u32, this.#stopped)
    if (count <= 0 || stopped < from || stopped > to) {
      throw malformedBlock(table, this.#ordinal - this.#step)
    }
    if (reverse) this.#to = stopped
    else this.#from = stopped
    return count
  }

  /** Hands over the only entry of a block that is not kept in memory. */
  #takeAlone(): number {
    const { lazy, spare, opener } = this.#options
    const table = this.#table
    assert(table !== undefined, 'a block is read while its table is open')
    const ordinal = this.#ordinal - this.#step
    this.#from = this.#to
    const access = { machine: this.#machine, opener, spare }
    const token = lazy.add(lazyTableValue(access, table, ordinal))
    placeAloneEntry(this.#machine, spare, {
      table,
      ordinal,
      token,
      descriptor: this.#descriptors,
      key: this.#keys,
    })
    this.bytesRead += table.blockLength(ordinal)
    return 1
  }

  #unpin(): void {
    if (this.#slot === NO_SLOT) return
    this.#options.cache?.unpin(this.#slot)
    this.#slot = NO_SLOT
  }
}
