// Point lookups on the main thread: memtables, then level 0 newest first, then one table per level. The first hit
// wins, because no version of a key lies above a newer one. The way to a hit allocates nothing; what was
// found is left in fields until the next lookup.
import type { Clock } from '../base/clock.ts'
import { CorruptionError, SettError } from '../base/errors.ts'
import { KEY_LENGTH_MAX } from '../base/limits.ts'
import type { KernelHeap } from '../cursor/words.ts'
import { loadU32, loadU64 } from '../cursor/words.ts'
import {
  DESC_EXPIRES_AT,
  DESC_META,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  RECORD_KEY_LENGTH,
  RECORD_META,
  RECORD_TAG,
  RECORD_VERSION,
  TAG_EXPIRY,
} from '../kernel/layout.ts'
import type { TableMeta } from '../manifest/levels.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region } from '../memory/shared-heap.ts'
import { dataLength, place } from '../memtable/memtable.ts'
import { type BlockCache, NO_SLOT } from '../sstable/block-cache.ts'
import type { OpenTables } from '../sstable/open-tables.ts'
import { readTableBlock, roomOf } from '../sstable/table-blocks.ts'
import type { TableHandle } from '../sstable/table-reader.ts'
import type { ReadView } from './read-view.ts'
import type { Data } from './types.ts'

/** Outcome of a lookup. */
export const ABSENT = 0
export const FOUND = 1
/** A block is not in the cache and the caller did not want to wait for it: `cold` says which. */
export const COLD = 2

/** blockGet's answers beside ABSENT and FOUND. */
const NEXT_BLOCK = 2

/** Reads slower than this on average leave the calling thread (DESIGN §2). */
const SLOW_READ_MS = 0.3
const AVERAGE_WEIGHT = 0.2

const SCRATCH_BYTES = KEY_LENGTH_MAX + 1 + 8 + DESC_SIZE

export interface ColdBlock {
  readonly table: TableHandle
  readonly block: number
}

export interface PointReadParts extends KernelHeap {
  readonly allocator: HeapAllocator
  readonly clock: Clock
  readonly tables: OpenTables
  readonly cache: BlockCache
}

export class PointRead {
  // What the last FOUND lookup left. The value lies in the heap until the next lookup or cache use; or, if it is
  // `separated`, a pointer to it does.
  separated = false
  valueAddress = 0
  valueLength = 0
  version = 0
  expiresAt = 0
  meta = 0
  /** After COLD. */
  cold: ColdBlock | undefined
  readonly #parts: PointReadParts
  readonly #key: number
  readonly #hash: number
  readonly #desc: number
  #keyLength = 0
  /** Of the block looked at, or 0. */
  #guide = 0
  #hashed = false
  #readMs = 0
  /** Holds a block too long for the cache while its value is read. */
  #spare: Region | undefined

  constructor(parts: PointReadParts) {
    this.#parts = parts
    const region = parts.allocator.allocate(SCRATCH_BYTES, 64)
    if (region === undefined) {
      throw new SettError(
        'SETT_OUT_OF_MEMORY',
        'The heap is too small to read. Raise memoryBudget.',
      )
    }
    this.#desc = region.address
    this.#hash = region.address + DESC_SIZE
    this.#key = this.#hash + 8
  }

  /** Where the key of the last lookup lies in the heap, until the next one. */
  get keyAddress(): number {
    return this.#key
  }

  get keyLength(): number {
    return this.#keyLength
  }

  /** True when recent reads from disk were slow. */
  get slow(): boolean {
    return this.#readMs > SLOW_READ_MS
  }

  noteReadMs(elapsed: number): void {
    this.#readMs += AVERAGE_WEIGHT * (elapsed - this.#readMs)
  }

  /** Newest put of the key at or below `version`, unless a delete is newer. `wait` false: never reads a file. */
  find(view: ReadView, key: Data, version: number, wait: boolean): number {
    if (this.#spare !== undefined) this.#freeSpare()
    if (!this.#placeKey(key)) return ABSENT
    const { kernels } = this.#parts
    for (const memtable of view.memtables) {
      if (memtable.entries === 0) continue
      const { arena } = memtable
      const record = kernels.memtableGet(arena.address, this.#key, this.#keyLength, version)
      if (record !== 0) return this.#takeRecord(record)
    }
    return this.#findInTables(view, version, wait)
  }

  #placeKey(key: Data): boolean {
    if (key.length * 3 > KEY_LENGTH_MAX && dataLength(key) > KEY_LENGTH_MAX) return false
    this.#keyLength = place(this.#parts.heap.bytes, key, this.#key)
    this.#hashed = false
    return true
  }

  #findInTables(view: ReadView, version: number, wait: boolean): number {
    const { levels, fences } = view
    const level0 = levels[0]
    if (level0 !== undefined) {
      for (const table of level0) {
        const answer = this.#findInTable(table, version, wait)
        if (answer >= 0) return answer
      }
    }
    for (let level = 1; level < fences.length; level++) {
      const fence = fences[level]
      if (fence === undefined) continue
      const { kernels } = this.#parts
      const ordinal = kernels.fenceSearch(fence.index, this.#key, this.#keyLength)
      if (ordinal < 0) continue
      const answer = this.#findInTable(fence.tables[ordinal]!, version, wait)
      if (answer >= 0) return answer
    }
    return ABSENT
  }

  /** FOUND, ABSENT (deleted) or COLD; -1: no version of the key that old here. */
  #findInTable(meta: TableMeta, version: number, wait: boolean): number {
    const { kernels, tables } = this.#parts
    if (!this.#hashed) {
      kernels.hash64(this.#key, this.#keyLength, 0, this.#hash)
      this.#hashed = true
    }
    const table = tables.get(meta)
    if (!table.mayContain(this.#hash)) return -1
    let block = table.locate(this.#key, this.#keyLength)
    for (; block >= 0 && block < table.blockCount; block++) {
      const address = this.#blockAddress(table, block, wait)
      if (address === 0) return COLD
      const answer = kernels.blockGet(
        address,
        table.payloadLength(block),
        this.#guide,
        meta.baseVersion,
        this.#key,
        this.#keyLength,
        version,
        this.#desc,
      )
      if (answer === FOUND) return this.#takeDescriptor()
      if (answer < 0) throw damagedBlock(table, block)
      if (answer !== NEXT_BLOCK) return -1
      // The key's older versions go on in the next block.
    }
    return -1
  }

  #blockAddress(table: TableHandle, block: number, wait: boolean): number {
    const { cache, clock } = this.#parts
    const held = cache.peek(table, block)
    if (held >= 0) {
      this.#guide = cache.guide(held, table.payloadLength(block))
      return cache.address(held)
    }
    this.#guide = 0
    if (!wait && roomOf(table, block) <= cache.slotBytes) {
      this.cold = { table, block }
      return 0
    }
    const began = clock.monotonicMs()
    const slot = cache.fetch(table, block)
    const address = slot === NO_SLOT ? this.#readSpare(table, block) : cache.address(slot)
    this.noteReadMs(clock.monotonicMs() - began)
    return address
  }

  /** A block the cache has no slot for is read to memory borrowed for this lookup. */
  #readSpare(table: TableHandle, block: number): number {
    const { allocator } = this.#parts
    if (this.#spare !== undefined) this.#freeSpare()
    const length = roomOf(table, block)
    this.#spare = allocator.allocate(length, 64)
    if (this.#spare === undefined) {
      throw new SettError(
        'SETT_OUT_OF_MEMORY',
        `The heap has no ${length} bytes left to read a large value. Raise memoryBudget.`,
      )
    }
    readTableBlock(this.#parts, table, block, this.#spare.address)
    return this.#spare.address
  }

  #freeSpare(): void {
    if (this.#spare === undefined) return
    this.#parts.allocator.free(this.#spare)
    this.#spare = undefined
  }

  /** False: there is no value. */
  #takeKind(kind: number): boolean {
    this.separated = kind === KIND_POINTER
    return kind === KIND_PUT || kind === KIND_POINTER
  }

  #takeRecord(record: number): number {
    const { heap } = this.#parts
    const tag = heap.bytes[record + RECORD_TAG]!
    if (!this.#takeKind(tag & KIND_MASK)) return ABSENT
    const expires = (tag & TAG_EXPIRY) !== 0
    const word = heap.u32[(record + RECORD_KEY_LENGTH) >>> 2]!
    const header = expires ? RECORD_HEADER_WITH_EXPIRY : RECORD_HEADER
    this.valueAddress = record + header + (word & 0xffff)
    this.valueLength = loadU32(heap.u32, record)
    this.version = loadU64(heap.u32, record + RECORD_VERSION)
    this.meta = heap.bytes[record + RECORD_META]!
    this.expiresAt = expires ? loadU64(heap.u32, record + RECORD_HEADER) : 0
    return FOUND
  }

  #takeDescriptor(): number {
    const { heap } = this.#parts
    const desc = this.#desc
    if (!this.#takeKind(heap.bytes[desc + DESC_TAG]! & KIND_MASK)) return ABSENT
    this.valueAddress = loadU32(heap.u32, desc + DESC_VALUE)
    this.valueLength = loadU32(heap.u32, desc + DESC_VALUE_LENGTH)
    this.version = loadU64(heap.u32, desc + DESC_VERSION)
    this.meta = heap.bytes[desc + DESC_META]!
    this.expiresAt = loadU64(heap.u32, desc + DESC_EXPIRES_AT)
    return FOUND
  }
}

function damagedBlock(table: TableHandle, block: number): CorruptionError {
  return new CorruptionError({
    file: table.file.path,
    offset: table.blockOffset(block),
    expected: `a well-formed block of ${table.payloadLength(block)} bytes`,
    found: 'a malformed one',
  })
}
