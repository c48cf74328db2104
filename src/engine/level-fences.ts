// Where the tables of each level lie, as an index payload in the heap (docs/FORMAT.md §6.2, one entry per table), so
// that the fence kernel finds a key's table. Main thread. A fence lives as long as some view of it may be read.
import { SettError } from '../base/errors.ts'
import { encodeIndex } from '../format/sstable-index.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'

export interface LevelFence {
  /** Address of the index payload. */
  readonly index: number
  readonly tables: readonly TableMeta[]
}

export class LevelFences {
  readonly #heap: SharedHeap
  readonly #allocator: HeapAllocator
  readonly #regions = new Map<LevelFence, Region>()
  #levels: Levels = []
  #fences: readonly (LevelFence | undefined)[] = []

  constructor(heap: SharedHeap, allocator: HeapAllocator) {
    this.#heap = heap
    this.#allocator = allocator
  }

  /** Fences of these levels; a level that did not change keeps its fence. */
  of(levels: Levels): readonly (LevelFence | undefined)[] {
    if (levels === this.#levels) return this.#fences
    const before = this.#levels
    const fencesBefore = this.#fences
    this.#fences = levels.map((tables, level) => {
      if (tables === before[level]) return fencesBefore[level]
      return level === 0 || tables.length === 0 ? undefined : this.#build(tables)
    })
    this.#levels = levels
    return this.#fences
  }

  /** Frees the fences that neither the newest levels nor `live` views use. */
  sweep(live: readonly (LevelFence | undefined)[]): void {
    for (const [fence, region] of this.#regions) {
      if (this.#fences.includes(fence) || live.includes(fence)) continue
      this.#allocator.free(region)
      this.#regions.delete(fence)
    }
  }

  #build(tables: readonly TableMeta[]): LevelFence {
    const payload = encodeIndex(
      tables.map(({ smallestKey, largestKey }) => ({
        offset: 0,
        length: 0,
        firstKey: smallestKey,
        lastKey: largestKey,
      })),
    )
    const region = this.#allocator.allocate(payload.length, 64)
    if (region === undefined) {
      throw new SettError(
        'SETT_OUT_OF_MEMORY',
        `The heap has no ${payload.length} bytes left to index a level. Raise memoryBudget.`,
      )
    }
    this.#heap.bytes.set(payload, region.address)
    const fence = { index: region.address, tables }
    this.#regions.set(fence, region)
    return fence
  }
}
