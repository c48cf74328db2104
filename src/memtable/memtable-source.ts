// A memtable as a merge input. Stateless towards the memtable: each batch starts from the last entry handed
// over, whose record stays where it is, so linking may go on meanwhile. Descriptors point into the arena.

import { KEY_LENGTH_MAX, VERSION_MAX } from '../base/limits.ts'
import type { RunSource } from '../cursor/run-source.ts'
import { Scratch } from '../cursor/scratch.ts'
import { type KernelHeap, loadU32, loadU64, storeU32 } from '../cursor/words.ts'
import {
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_SIZE,
  DESC_VERSION,
  SOURCE_END,
  SOURCE_LAST,
  SOURCE_NEXT,
} from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'

const BATCH = 128
/** A short scan should not pay for a long one. */
const FIRST_BATCH = 16

/** Scratch of a source. */
export const MEMTABLE_SOURCE_BYTES: number = BATCH * DESC_SIZE + KEY_LENGTH_MAX + 1 + 16

const FROM_START = 0
const INCLUSIVE = 1
const EXCLUSIVE = 2

export interface MemtableSourceOptions {
  readonly arena: number
  readonly reverse: boolean
  /** Where to begin: forward at the first entry of a key >= it, reverse at the last of a key <= it. */
  readonly start?: Uint8Array
}

export class MemtableSource implements RunSource {
  readonly bytesRead = 0
  entries = 0
  readonly #machine: KernelHeap
  readonly #arena: number
  readonly #reverse: number
  readonly #batch: number
  #mode = FROM_START
  #key = 0
  #keyLength = 0
  #version = 0
  #capacity = FIRST_BATCH
  #ended = false

  /** `memory`: MEMTABLE_SOURCE_BYTES that the source keeps until it is closed. */
  constructor(machine: KernelHeap, memory: Region, options: MemtableSourceOptions) {
    const parts = new Scratch(memory)
    this.#machine = machine
    this.#arena = options.arena
    this.#reverse = options.reverse ? 1 : 0
    this.#batch = parts.take(BATCH * DESC_SIZE)
    const { start } = options
    if (start === undefined) return
    this.#mode = INCLUSIVE
    this.#key = parts.take(Math.max(1, start.length), 1)
    this.#keyLength = start.length
    machine.heap.bytes.set(start, this.#key)
    // Versions of a key descend forward, ascend in reverse: all of them come.
    this.#version = options.reverse ? 0 : VERSION_MAX
  }

  refill(slot: number): void {
    const { u32 } = this.#machine.heap
    const count = this.#ended ? 0 : this.#page()
    storeU32(u32, slot + SOURCE_NEXT, this.#batch)
    storeU32(u32, slot + SOURCE_END, this.#batch + count * DESC_SIZE)
    storeU32(u32, slot + SOURCE_LAST, this.#ended ? 1 : 0)
    this.entries += count
  }

  close(): void {
    this.#ended = true
  }

  #page(): number {
    const { kernels, heap } = this.#machine
    const count = kernels.memtablePage(
      this.#arena,
      this.#mode,
      this.#key,
      this.#keyLength,
      this.#version,
      this.#reverse,
      this.#batch,
      this.#capacity,
    )
    if (count < this.#capacity) {
      this.#ended = true
      return count
    }
    const last = this.#batch + (count - 1) * DESC_SIZE
    this.#mode = EXCLUSIVE
    this.#key = loadU32(heap.u32, last + DESC_KEY)
    this.#keyLength = loadU32(heap.u32, last + DESC_KEY_LENGTH)
    this.#version = loadU64(heap.u32, last + DESC_VERSION)
    this.#capacity = BATCH
    return count
  }
}
