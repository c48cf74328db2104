// What the entries of one table refer to in segments of the value log, while the table is written.

import type { SegmentUse } from '../format/segments/segment-meta.ts'
import {
  readValuePointer,
  VALUE_POINTER_BYTES,
  type ValuePointer,
} from '../format/segments/value-pointer.ts'
import {
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  KIND_MASK,
  KIND_POINTER,
} from '../kernel/layout.ts'
import { type KernelHeap, loadU32 } from './words.ts'

export class SegmentUses {
  /** Stored bytes, of all segments. */
  bytes = 0
  readonly #bySegment = new Map<number, number>()

  get count(): number {
    return this.#bySegment.size
  }

  has(segment: number): boolean {
    return this.#bySegment.has(segment)
  }

  add({ segment, storedLength }: ValuePointer): void {
    this.bytes += storedLength
    this.#bySegment.set(segment, (this.#bySegment.get(segment) ?? 0) + storedLength)
  }

  /** By number. */
  list(): readonly SegmentUse[] {
    return [...this.#bySegment]
      .map(([number, bytes]) => ({ number, bytes }))
      .sort((a, b) => a.number - b.number)
  }
}

/** The pointer of an entry whose value lies in a segment; undefined: it is another. */
export function pointerOf({ heap }: KernelHeap, descriptor: number): ValuePointer | undefined {
  const { u32, bytes } = heap
  if (loadU32(u32, descriptor + DESC_VALUE_LENGTH) !== VALUE_POINTER_BYTES) return undefined
  if (((bytes[descriptor + DESC_TAG] as number) & KIND_MASK) !== KIND_POINTER) return undefined
  return readValuePointer(bytes, loadU32(u32, descriptor + DESC_VALUE))
}
