// Drives mergeScan over sources: pages of the newest visible put of each key. One thread; the scratch
// region and the sources belong to the merge until close(). A page stays good until the next one.
import { assert } from '../base/assert.ts'
import { KEY_LENGTH_MAX } from '../base/limits.ts'
import {
  DESC_FLAGS,
  DESC_LAZY,
  DESC_SIZE,
  DESC_VALUE,
  MERGE_DONE,
  MERGE_FULL,
  MERGE_KEY_SCRATCH,
  MERGE_KEYS_ONLY,
  MERGE_LOWER,
  MERGE_NOW,
  MERGE_OUT,
  MERGE_OUT_CAPACITY,
  MERGE_OUT_COUNT,
  MERGE_READ_VERSION,
  MERGE_REFILL,
  MERGE_REVERSE,
  MERGE_SLAB,
  MERGE_SLAB_CAPACITY,
  MERGE_SLAB_USED,
  MERGE_SOURCE_COUNT,
  MERGE_SOURCES,
  MERGE_STATE_SIZE,
  MERGE_UPPER,
  MERGE_WANTED,
  SOURCE_SIZE,
} from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import type { Bound, Bounds } from './bounds.ts'
import type { LazyValues } from './lazy-values.ts'
import type { RunSource } from './run-source.ts'
import { Scratch } from './scratch.ts'
import { type KernelHeap, loadU32, storeU32, storeU64 } from './words.ts'

export interface ScanRequest {
  /** Newest source first is not needed: versions decide. */
  readonly sources: readonly RunSource[]
  /** The registry the sources were made with. */
  readonly lazy: LazyValues
  readonly bounds: Bounds
  readonly reverse: boolean
  readonly readVersion: number
  /** ms since 1970; entries that expired by then are hidden. */
  readonly now: number
  /** Leave values out of the slab. */
  readonly keysOnly: boolean
  /** Most entries a page can have. */
  readonly pageCapacity: number
}

/** A slab holds any key beside what values the sources give out: none longer than a quarter of it. */
export const SLAB_BYTES_MIN: number = 4 * (KEY_LENGTH_MAX + 1)

const SUCCESSOR_OF_EMPTY = new Uint8Array(1)

/** Scratch that ScanMerge needs; slabBytes >= SLAB_BYTES_MIN. */
export function scanScratchBytes(
  sourceCount: number,
  pageCapacity: number,
  slabBytes: number,
): number {
  const bounds = 3 * (KEY_LENGTH_MAX + 1)
  return (
    MERGE_STATE_SIZE +
    sourceCount * SOURCE_SIZE +
    bounds +
    (pageCapacity + 1) * DESC_SIZE +
    slabBytes +
    64
  )
}

export class ScanMerge {
  readonly #machine: KernelHeap
  readonly #sources: readonly RunSource[]
  readonly #lazy: LazyValues
  readonly #slots: number
  readonly #state: number
  readonly #out: number
  readonly #capacity: number
  #count = 0
  #done = false

  /** What the scratch has beyond state, bounds and descriptors becomes the slab. */
  constructor(machine: KernelHeap, scratch: Region, request: ScanRequest) {
    const parts = new Scratch(scratch)
    this.#machine = machine
    this.#sources = request.sources
    this.#lazy = request.lazy
    this.#capacity = request.pageCapacity
    this.#state = parts.take(MERGE_STATE_SIZE)
    this.#slots = parts.take(request.sources.length * SOURCE_SIZE)
    const { bytes, u32 } = machine.heap
    bytes.fill(0, this.#state, this.#state + MERGE_STATE_SIZE)
    bytes.fill(0, this.#slots, this.#slots + request.sources.length * SOURCE_SIZE)
    this.#placeBound(MERGE_LOWER, request.bounds.lower, parts)
    this.#placeBound(MERGE_UPPER, request.bounds.upper, parts)
    const keyScratch = parts.take(KEY_LENGTH_MAX + 1)
    // One slot more than a page has: a reverse scan keeps its candidate behind the final ones.
    this.#out = parts.take((request.pageCapacity + 1) * DESC_SIZE)
    const slabBytes = parts.free - (parts.free % 8) - 8
    assert(slabBytes >= SLAB_BYTES_MIN, 'the scan has a slab for its longest keys')
    const set = (field: number, value: number) => storeU32(u32, this.#state + field, value)
    set(MERGE_SOURCES, this.#slots)
    set(MERGE_SOURCE_COUNT, request.sources.length)
    set(MERGE_REVERSE, request.reverse ? 1 : 0)
    set(MERGE_OUT, this.#out)
    set(MERGE_OUT_CAPACITY, request.pageCapacity)
    set(MERGE_SLAB, parts.take(slabBytes))
    set(MERGE_SLAB_CAPACITY, slabBytes)
    set(MERGE_KEYS_ONLY, request.keysOnly ? 1 : 0)
    set(MERGE_KEY_SCRATCH, keyScratch)
    storeU64(u32, this.#state + MERGE_READ_VERSION, request.readVersion)
    storeU64(u32, this.#state + MERGE_NOW, request.now)
  }

  /** Address of the first descriptor of the page. */
  get page(): number {
    return this.#out
  }

  /** True once the last entry was handed over (or the page before was the last). */
  get done(): boolean {
    return this.#done
  }

  /** Fills the next page with up to `limit` entries; returns how many it has. 0 only at the end. */
  next(limit: number): number {
    const { kernels, heap } = this.#machine
    const { u32 } = heap
    this.#dropTokens()
    storeU32(u32, this.#state + MERGE_OUT_COUNT, 0)
    storeU32(u32, this.#state + MERGE_SLAB_USED, 0)
    storeU32(u32, this.#state + MERGE_OUT_CAPACITY, Math.max(1, Math.min(limit, this.#capacity)))
    while (!this.#done) {
      const status = kernels.mergeScan(this.#state)
      if (status === MERGE_REFILL) {
        const wanted = loadU32(u32, this.#state + MERGE_WANTED)
        const source = this.#sources[wanted]
        assert(source !== undefined, 'the merge asks for one of its sources')
        source.refill(this.#slots + wanted * SOURCE_SIZE)
      } else if (status === MERGE_FULL) {
        break
      } else {
        assert(status === MERGE_DONE, 'the merge kernel answers with a known status')
        this.#done = true
      }
    }
    this.#count = loadU32(u32, this.#state + MERGE_OUT_COUNT)
    return this.#count
  }

  /** Closes the sources. Idempotent. */
  close(): void {
    this.#dropTokens()
    this.#done = true
    for (const source of this.#sources) source.close()
  }

  #dropTokens(): void {
    if (this.#lazy.size > 0) {
      const { u32 } = this.#machine.heap
      for (let i = 0; i < this.#count; i++) {
        const at = this.#out + i * DESC_SIZE
        if ((loadU32(u32, at + DESC_FLAGS) & DESC_LAZY) !== 0) {
          this.#lazy.drop(loadU32(u32, at + DESC_VALUE))
        }
      }
    }
    this.#count = 0
  }

  #placeBound(field: number, bound: Bound | undefined, parts: Scratch): void {
    if (bound === undefined) return
    const { bytes, u32 } = this.#machine.heap
    let { key, inclusive } = bound
    if (key.length === 0) {
      // Length 0 means unbounded to the kernel; below the successor of the empty key only that key lies.
      if (field === MERGE_LOWER && inclusive) return
      if (field === MERGE_UPPER && !inclusive) this.#done = true
      key = SUCCESSOR_OF_EMPTY
      inclusive = field === MERGE_LOWER
    }
    const address = parts.take(key.length)
    bytes.set(key, address)
    // Address, length and inclusive flag follow each other in both bounds.
    storeU32(u32, this.#state + field, address)
    storeU32(u32, this.#state + field + 4, key.length)
    storeU32(u32, this.#state + field + 8, inclusive ? 1 : 0)
  }
}
