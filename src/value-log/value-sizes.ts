// Counts the bytes of values by their size while they are flushed. Any thread.
import { type KernelHeap, loadU32 } from '../cursor/words.ts'
import {
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  KIND_MASK,
  KIND_POINTER,
} from '../kernel/layout.ts'

/** Where a value pointer has the length of its value. */
const POINTED_LENGTH = 16

export class ValueSizes {
  /** Bytes of the values of 2^i bytes or more, but less than 2^(i + 1), at i. */
  readonly bytesBySize: number[] = new Array<number>(31).fill(0)
  readonly #machine: KernelHeap

  constructor(machine: KernelHeap) {
    this.#machine = machine
  }

  /** Counts a batch. Values that lie in a segment already count by their own length. */
  add(descriptors: number, count: number): void {
    const { u32, bytes } = this.#machine.heap
    const end = descriptors + count * DESC_SIZE
    for (let at = descriptors; at < end; at += DESC_SIZE) {
      let length = loadU32(u32, at + DESC_VALUE_LENGTH)
      if (((bytes[at + DESC_TAG] as number) & KIND_MASK) === KIND_POINTER) {
        length = bytes.readUInt32LE(loadU32(u32, at + DESC_VALUE) + POINTED_LENGTH)
      }
      if (length > 0) (this.bytesBySize[31 - Math.clz32(length)] as number) += length
    }
  }
}
