// An allocator that puts guards around every region and looks at them when it comes back.
import { HeapAllocator } from '../../../src/memory/heap-allocator.ts'
import type { Region, SharedHeap } from '../../../src/memory/shared-heap.ts'
import { demand } from './decoder.ts'

const GUARD = 64
const FILL = 0xa5

export class GuardedAllocator extends HeapAllocator {
  readonly #bytes: Buffer
  /** By the address given out. */
  readonly #outer = new Map<number, { readonly outer: Region; readonly region: Region }>()

  constructor(heap: SharedHeap) {
    super(heap)
    this.#bytes = heap.bytes
  }

  override allocate(length: number, alignment: number = 8): Region | undefined {
    return this.#guarded(super.allocate(length + 2 * GUARD, alignment), length)
  }

  override allocateBriefly(length: number): Region | undefined {
    return this.#guarded(super.allocateBriefly(length + 2 * GUARD), length)
  }

  override free(region: Region): void {
    const held = this.#outer.get(region.address)
    demand(held !== undefined, 'a region is freed once')
    this.#checkOne(held)
    this.#outer.delete(region.address)
    super.free(held.outer)
  }

  /** Looks at the guards of all regions that are out. */
  check(): void {
    for (const held of this.#outer.values()) this.#checkOne(held)
  }

  #guarded(outer: Region | undefined, length: number): Region | undefined {
    if (outer === undefined) return undefined
    const region = { address: outer.address + GUARD, length }
    this.#bytes.fill(FILL, outer.address, region.address)
    this.#bytes.fill(FILL, region.address + length, outer.address + outer.length)
    this.#outer.set(region.address, { outer, region })
    return region
  }

  #checkOne({ outer, region }: { readonly outer: Region; readonly region: Region }): void {
    const { address, length } = region
    const before = this.#bytes.subarray(outer.address, address)
    const behind = this.#bytes.subarray(address + length, outer.address + outer.length)
    const whole = [before, behind].every((guard) => guard.every((byte) => byte === FILL))
    demand(whole, `bytes around a region of ${length} were changed`)
  }
}
