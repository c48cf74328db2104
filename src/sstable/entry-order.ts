// The order of entries: user key ascending as unsigned bytes, then version descending. Descriptors only.
import { type KernelHeap, loadU32, loadU64 } from '../cursor/words.ts'
import { DESC_KEY, DESC_KEY_LENGTH, DESC_SIZE, DESC_VERSION } from '../kernel/layout.ts'

/** Remembers the last entry of a batch beyond the memory its descriptor points into. */
export class LastEntry {
  /** False before the first. */
  known = false
  version = 0
  #keyLength = 0
  #key: Buffer = Buffer.allocUnsafeSlow(256)

  get key(): Buffer {
    return this.#key.subarray(0, this.#keyLength)
  }

  remember({ heap }: KernelHeap, descriptor: number): void {
    const address = loadU32(heap.u32, descriptor + DESC_KEY)
    const length = loadU32(heap.u32, descriptor + DESC_KEY_LENGTH)
    if (length > this.#key.length) this.#key = Buffer.allocUnsafeSlow(65_536)
    heap.bytes.copy(this.#key, 0, address, address + length)
    this.#keyLength = length
    this.version = loadU64(heap.u32, descriptor + DESC_VERSION)
    this.known = true
  }

  forget(): void {
    this.known = false
  }

  hasKeyOf({ heap }: KernelHeap, descriptor: number): boolean {
    if (!this.known) return false
    const address = loadU32(heap.u32, descriptor + DESC_KEY)
    const length = loadU32(heap.u32, descriptor + DESC_KEY_LENGTH)
    if (length !== this.#keyLength) return false
    return heap.bytes.compare(this.#key, 0, length, address, address + length) === 0
  }

  /** True when the descriptor's entry comes after this one. */
  isBefore({ heap }: KernelHeap, descriptor: number): boolean {
    if (!this.known) return true
    const address = loadU32(heap.u32, descriptor + DESC_KEY)
    const length = loadU32(heap.u32, descriptor + DESC_KEY_LENGTH)
    const order = heap.bytes.compare(this.#key, 0, this.#keyLength, address, address + length)
    return order > 0 || (order === 0 && loadU64(heap.u32, descriptor + DESC_VERSION) < this.version)
  }
}

/** First of the ascending descriptors [first, end) whose key is `key` (not with `behind`) or lies behind it; `end`:
 * there is none. */
export function firstDescriptor(
  { heap }: KernelHeap,
  [first, end]: readonly [number, number],
  key: Uint8Array,
  behind: boolean,
): number {
  let low = 0
  let high = (end - first) / DESC_SIZE
  while (low < high) {
    const middle = (low + high) >>> 1
    const at = first + middle * DESC_SIZE
    const address = loadU32(heap.u32, at + DESC_KEY)
    const length = loadU32(heap.u32, at + DESC_KEY_LENGTH)
    const order = heap.bytes.compare(key, 0, key.length, address, address + length)
    if (order < 0 || (order === 0 && behind)) low = middle + 1
    else high = middle
  }
  return first + low * DESC_SIZE
}
