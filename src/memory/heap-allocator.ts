// Hands out regions of one heap: arenas, workspaces, caches. Owner: the main thread; nothing of the book
// is in shared memory. Regions are 64-aligned, never overlap and never reach below `start`. Region bytes
// are dirty.
import { assert } from '../base/assert.ts'
import { HEAP_CONTROL_BYTES } from './heap-control.ts'
import type { Region, SharedHeap } from './shared-heap.ts'

/** Every region starts and ends at a multiple of this, so no two share a cache line. */
export const REGION_ALIGNMENT = 64

interface Gap {
  start: number
  end: number
}

export class HeapAllocator {
  readonly #start: number
  readonly #end: number
  /** By address; neighbours never touch. */
  readonly #gaps: Gap[]
  /** Address → end of a region given out. */
  readonly #regions = new Map<number, number>()
  #usedBytes = 0

  constructor(heap: Pick<SharedHeap, 'byteLength'>, start: number = HEAP_CONTROL_BYTES) {
    assert(start >= HEAP_CONTROL_BYTES, 'the control block is not given out')
    this.#start = roundUp(start)
    this.#end = heap.byteLength - (heap.byteLength % REGION_ALIGNMENT)
    assert(this.#start <= this.#end, 'an allocator has room')
    this.#gaps = this.#start < this.#end ? [{ start: this.#start, end: this.#end }] : []
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get freeBytes(): number {
    return this.#end - this.#start - this.#usedBytes
  }

  /** Longest region that could be had now. */
  get largestFree(): number {
    let largest = 0
    for (const gap of this.#gaps) largest = Math.max(largest, gap.end - gap.start)
    return largest
  }

  /** A region of exactly `length` bytes out of the smallest gap that holds it; undefined when none does. */
  allocate(length: number, alignment = 8): Region | undefined {
    assert(Number.isSafeInteger(length) && length > 0, 'a region has a length')
    assert(alignment > 0 && (alignment & (alignment - 1)) === 0, 'an alignment is a power of two')
    const size = roundUp(length)
    const align = Math.max(alignment, REGION_ALIGNMENT)
    let best = -1
    let bestSize = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#gaps.length; i++) {
      const gap = this.#gaps[i]!
      const room = gap.end - gap.start
      if (room >= bestSize || alignTo(gap.start, align) + size > gap.end) continue
      best = i
      bestSize = room
    }
    if (best < 0) return undefined
    return this.#take(best, alignTo(this.#gaps[best]!.start, align), length)
  }

  /** As allocate(), but from the far end of the heap: for what is soon given back, so that something small that is
   * allocated meanwhile and stays does not part the free room. */
  allocateBriefly(length: number): Region | undefined {
    assert(Number.isSafeInteger(length) && length > 0, 'a region has a length')
    const size = roundUp(length)
    const last = this.#gaps.findLastIndex(({ start, end }) => end - start >= size)
    if (last < 0) return undefined
    return this.#take(last, this.#gaps[last]!.end - size, length)
  }

  /** Nobody may touch the region afterwards. */
  free(region: Region): void {
    const start = region.address
    const end = this.#regions.get(start)
    assert(end !== undefined, 'a region is freed once')
    assert(end === start + roundUp(region.length), 'a region is freed as it was given')
    this.#regions.delete(start)
    this.#usedBytes -= end - start
    this.#insertGap(start, end)
  }

  /** Gives out [address, address + length) of a gap. */
  #take(index: number, address: number, length: number): Region {
    const gap = this.#gaps[index]!
    const end = address + roundUp(length)
    const rest: Gap[] = []
    if (gap.start < address) rest.push({ start: gap.start, end: address })
    if (end < gap.end) rest.push({ start: end, end: gap.end })
    this.#gaps.splice(index, 1, ...rest)
    this.#regions.set(address, end)
    this.#usedBytes += end - address
    return { address, length }
  }

  #insertGap(start: number, end: number): void {
    let low = 0
    let high = this.#gaps.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#gaps[middle]!.start < start) low = middle + 1
      else high = middle
    }
    const before = this.#gaps[low - 1]
    const after = this.#gaps[low]
    const joinsBefore = before?.end === start
    const joinsAfter = after?.start === end
    if (joinsBefore && joinsAfter) {
      before.end = after.end
      this.#gaps.splice(low, 1)
    } else if (joinsBefore) before.end = end
    else if (joinsAfter) after.start = start
    else this.#gaps.splice(low, 0, { start, end })
  }
}

function roundUp(length: number): number {
  return alignTo(length, REGION_ALIGNMENT)
}

/** Works beyond 2^31, where bit operations would not. */
function alignTo(address: number, alignment: number): number {
  return Math.ceil(address / alignment) * alignment
}
