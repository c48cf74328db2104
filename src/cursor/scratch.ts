// Carves one region of the heap into parts, front to back. Nothing is ever given back: the owner of the
// region drops the whole.
import { assert } from '../base/assert.ts'
import { alignUp } from '../base/bytes.ts'
import type { Region } from '../memory/shared-heap.ts'

export class Scratch {
  #next: number
  readonly #end: number

  constructor(region: Region) {
    this.#next = region.address
    this.#end = region.address + region.length
  }

  /** Bytes still free. */
  get free(): number {
    return this.#end - this.#next
  }

  /** Address of `bytes` bytes; the alignment is a power of two. */
  take(bytes: number, alignment = 8): number {
    const address = alignUp(this.#next, alignment)
    assert(address + bytes <= this.#end, 'the scratch region is large enough')
    this.#next = address + bytes
    return address
  }

  region(bytes: number, alignment = 8): Region {
    return { address: this.take(bytes, alignment), length: bytes }
  }
}
