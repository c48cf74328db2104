// One shared wasm memory of a database, as every thread sees it. Created by heap-pool.ts on the main thread;
// other threads rebuild the views from the memory they were sent.
import type { HeapMemory } from '../base/heap-memory.ts'

/** A heap as plain data, for posting to a worker. */
export interface HeapHandle {
  /** Unique in the process; a recycled heap keeps its id. */
  readonly id: number
  /** Raised each time the heap is given to another database. */
  readonly generation: number
  readonly memory: HeapMemory
}

/** A heap with views over it. The memory never grows, so views never go stale. */
export interface SharedHeap extends HeapHandle {
  readonly bytes: Buffer
  readonly u32: Uint32Array
  readonly i32: Int32Array
  readonly byteLength: number
}

export function viewHeap(handle: HeapHandle): SharedHeap {
  const { id, generation, memory } = handle
  const { buffer } = memory
  return {
    id,
    generation,
    memory,
    bytes: Buffer.from(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    byteLength: buffer.byteLength,
  }
}

/** A piece of a heap: an 8-aligned address (64-aligned when asked for) and a length. */
export interface Region {
  readonly address: number
  readonly length: number
}
