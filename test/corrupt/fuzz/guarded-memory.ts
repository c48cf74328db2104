// A memory for kernels in which nothing but the areas taken may change, and whose other bytes can be filled anew: an
// answer that depends on them was read out of bounds. What is put at the very end traps when it is read past.

import type { Kernels } from '../../../src/kernel/kernels.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { type SharedHeap, viewHeap } from '../../../src/memory/shared-heap.ts'
import { demand } from './decoder.ts'

const PAGE = 65_536

export class GuardedMemory {
  readonly heap: SharedHeap
  readonly kernels: Kernels
  readonly #expected: Buffer
  readonly #areas: { readonly from: number; readonly to: number }[] = []
  #top = 1_024

  constructor(pages: number) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    this.heap = viewHeap({ id: 1, generation: 1, memory })
    this.kernels = wasmKernels(memory)
    this.#expected = Buffer.alloc(pages * PAGE)
  }

  /** An area that may be written, with guards around it. */
  take(length: number): number {
    const from = this.#top
    this.#top = Math.ceil((from + length) / 64) * 64 + 256
    this.#areas.push({ from, to: from + length })
    return from
  }

  /** Fills all bytes but those of the areas. */
  fill(byte: number): void {
    this.#expected.fill(byte)
    let at = 0
    for (const { from, to } of this.#areas) {
      this.heap.bytes.fill(byte, at, from)
      at = to
    }
    this.heap.bytes.fill(byte, at)
  }

  /** Puts bytes that nothing may change at an address, or at the very end. */
  place(bytes: Buffer, address: number = this.heap.byteLength - bytes.length): number {
    bytes.copy(this.heap.bytes, address)
    bytes.copy(this.#expected, address)
    return address
  }

  /** Throws when a byte outside of the areas changed. */
  check(): void {
    let at = 0
    for (const { from, to } of [...this.#areas, { from: this.heap.byteLength, to: 0 }]) {
      const same = this.heap.bytes.compare(this.#expected, at, from, at, from) === 0
      demand(same, `bytes between ${at} and ${from} were changed`)
      at = to
    }
  }
}
