// Gives out shared heaps and takes them back. Owner: the main thread. A memory that was once posted to a
// worker is never collected by V8, so such a heap is kept for the next taker instead of being dropped.
// A heap has at most one taker; its generation rises with each. Recycled memory is dirty: except for the
// control block, a taker must initialise what it reads.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import { HEAP_BYTES_MAX, KIB, MIB } from '../base/limits.ts'
import { initHeapControl } from './heap-control.ts'
import { type HeapHandle, type SharedHeap, viewHeap } from './shared-heap.ts'

const PAGE = 64 * KIB
const CLASS_MIN: number = MIB
/** Free heaps no worker has seen; more than these are left to the garbage collector. */
const UNPOSTED_KEPT = 2

interface Slot {
  heap: SharedHeap
  posted: boolean
}

/** Rounds up to 2^n or 1.5 * 2^n, so that heaps of unlike databases can take each other's place. */
export function heapSizeClass(byteLength: number): number {
  let size = CLASS_MIN
  while (size < byteLength) {
    if (size * 1.5 >= byteLength) return Math.min(size * 1.5, HEAP_BYTES_MAX)
    size *= 2
  }
  return Math.min(size, HEAP_BYTES_MAX)
}

export class HeapPool {
  readonly #taken = new Map<number, Slot>()
  #free: Slot[] = []
  #lastId = 0

  /** A heap of at least `byteLength` bytes, its control block initialised. */
  acquire(byteLength: number): SharedHeap {
    assert(Number.isInteger(byteLength) && byteLength > 0, 'a heap has a size')
    if (byteLength > HEAP_BYTES_MAX) throw outOfMemory(byteLength)
    const size = heapSizeClass(byteLength)
    const slot = this.#reuse(size) ?? { heap: this.#create(size), posted: false }
    initHeapControl(slot.heap)
    this.#taken.set(slot.heap.id, slot)
    return slot.heap
  }

  /** To be called before a heap's memory is posted to a worker for the first time. Heaps of other pools are
   * not this pool's to keep: ignored. */
  markPosted(heap: HeapHandle): void {
    const slot = this.#taken.get(heap.id)
    if (slot?.heap.memory === heap.memory) slot.posted = true
  }

  /** No job, reader or attached thread may use the heap any more. */
  release(heap: HeapHandle): void {
    const slot = this.#taken.get(heap.id)
    assert(
      slot !== undefined && slot.heap.generation === heap.generation,
      'a heap is released once',
    )
    this.#taken.delete(heap.id)
    this.#free.push(slot)
    if (!slot.posted) this.#dropUnposted(UNPOSTED_KEPT)
  }

  /** Heaps now in use and free; bytes are reserved addresses, not touched pages. */
  counts(): { taken: number; free: number; freeBytes: number } {
    let freeBytes = 0
    for (const slot of this.#free) freeBytes += slot.heap.byteLength
    return { taken: this.#taken.size, free: this.#free.length, freeBytes }
  }

  /** The smallest free heap of the size class, or up to twice as large. */
  #reuse(size: number): Slot | undefined {
    let best = -1
    let bestSize = 2 * size + 1
    for (let i = 0; i < this.#free.length; i++) {
      const { byteLength } = this.#free[i]!.heap
      if (byteLength < size || byteLength >= bestSize) continue
      best = i
      bestSize = byteLength
    }
    if (best < 0) return undefined
    const [slot] = this.#free.splice(best, 1)
    const { id, generation, memory } = slot!.heap
    slot!.heap = viewHeap({ id, generation: generation + 1, memory })
    return slot
  }

  #create(size: number): SharedHeap {
    const pages = size / PAGE
    try {
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
      return viewHeap({ id: ++this.#lastId, generation: 1, memory })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw outOfMemory(size, error)
    }
  }

  /** Leaves to the garbage collector what it can collect, oldest first. */
  #dropUnposted(keep: number): void {
    let over = -keep
    for (const slot of this.#free) over += slot.posted ? 0 : 1
    if (over > 0) this.#free = this.#free.filter((slot) => slot.posted || over-- <= 0)
  }
}

function outOfMemory(byteLength: number, cause?: unknown): SettError {
  return new SettError(
    'SETT_OUT_OF_MEMORY',
    `Cannot reserve ${byteLength} bytes of shared memory (at most ${HEAP_BYTES_MAX} per database). ` +
      'Open with a lower memoryBudget, or raise the address space limit (ulimit -v).',
    cause,
  )
}
