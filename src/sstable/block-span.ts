// Read-ahead of one source: a run of neighbouring blocks of one table in a buffer of its own. Each load is
// twice as long as the one before, up to the buffer.

import { KIB } from '../base/limits.ts'
import type { KernelHeap } from '../cursor/words.ts'
import { readWhole } from '../io/read-whole.ts'
import type { Region } from '../memory/shared-heap.ts'
import { openTableBlock, type TableBlocks } from './table-blocks.ts'

const FIRST_READ = 16 * KIB

export class BlockSpan {
  readonly capacity: number
  readonly #machine: KernelHeap
  readonly #address: number
  /** Where compressed blocks are unpacked, one at a time. */
  readonly #unpacked: number
  #low = 0
  /** Blocks [low, high) of the table are in the buffer. */
  #high = 0
  #addresses: number[] = []
  #readAhead: number

  /** `unpacked` takes the payload of any compressed block that is opened. */
  constructor(machine: KernelHeap, buffer: Region, unpacked: number) {
    this.#machine = machine
    this.#unpacked = unpacked
    this.#address = buffer.address
    this.capacity = buffer.length
    this.#readAhead = Math.min(FIRST_READ, buffer.length)
  }

  /** The next loads are of another table. */
  clear(): void {
    this.#low = 0
    this.#high = 0
  }

  /** Address of a block in the buffer, 0 when it is not there. */
  find(ordinal: number): number {
    if (ordinal < this.#low || ordinal >= this.#high) return 0
    return this.#addresses[ordinal - this.#low] as number
  }

  /** Verifies a block in the buffer; where its payload lies, until the next one is opened. */
  open(table: TableBlocks, ordinal: number, stored: number): number {
    return openTableBlock(this.#machine, table, ordinal, { stored, target: this.#unpacked })
  }

  /** Reads the block and, as far as the read-ahead reaches, those that follow it in the direction of `step`.
   * Returns the bytes read. */
  load(table: TableBlocks, ordinal: number, step: 1 | -1): number {
    let low = ordinal
    let high = ordinal + 1
    let bytes = table.blockLength(ordinal)
    for (;;) {
      const next = step > 0 ? high : low - 1
      if (next < 0 || next >= table.blockCount) break
      const length = table.blockLength(next)
      if (bytes + length > this.#readAhead) break
      const lower = step > 0 ? high - 1 : next
      // Only neighbours are one read.
      if (table.blockOffset(lower) + table.blockLength(lower) !== table.blockOffset(lower + 1))
        break
      bytes += length
      if (step > 0) high += 1
      else low -= 1
    }
    this.clear()
    const start = table.blockOffset(low)
    const { bytes: heap } = this.#machine.heap
    readWhole(table.file, heap.subarray(this.#address, this.#address + bytes), start)
    this.#addresses.length = high - low
    for (let i = low; i < high; i++) {
      this.#addresses[i - low] = this.#address + table.blockOffset(i) - start
    }
    this.#low = low
    this.#high = high
    this.#readAhead = Math.min(2 * this.#readAhead, this.capacity)
    return bytes
  }
}
