// Copies a page of descriptors out of the heap, in one piece: entries are views of that copy. Main thread.
import type { LazyValues } from '../cursor/lazy-values.ts'
import { type KernelHeap, loadU32 } from '../cursor/words.ts'
import {
  DESC_FLAGS,
  DESC_IN_PLACE,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_LAZY,
  DESC_SIZE,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
} from '../kernel/layout.ts'
import type { Data, DataForm, RangeOptions } from './types.ts'
import { asForm, takeData } from './values.ts'

export class PageCopy {
  readonly #bytes: Buffer
  readonly #u32: Uint32Array
  readonly #page: number
  readonly #count: number
  /** Address of the first byte of the page, and the copy of it all. */
  #begin = 0
  #slab: Buffer | undefined

  constructor({ heap }: KernelHeap, page: number, count: number) {
    this.#bytes = heap.bytes
    this.#u32 = heap.u32
    this.#page = page
    this.#count = count
  }

  lastKey(): Buffer {
    const at = this.#page + (this.#count - 1) * DESC_SIZE
    const address = loadU32(this.#u32, at + DESC_KEY)
    const length = loadU32(this.#u32, at + DESC_KEY_LENGTH)
    return Buffer.from(this.#bytes.subarray(address, address + length))
  }

  /** Adds the entries as the range wants them. */
  appendTo(
    pairs: [Data | undefined, Data | undefined][],
    { keys, values, keyForm, valueForm }: RangeOptions,
    lazy: LazyValues,
  ): void {
    const u32 = this.#u32
    // Bytes of a page lie one behind the other, key and value by turns, from the first key on.
    this.#begin = loadU32(u32, this.#page + DESC_KEY)
    const asText = (!keys || keyForm === 'utf8') && (!values || valueForm === 'utf8')
    if (!asText) this.#copySlab(values)
    for (let i = 0, at = this.#page; i < this.#count; i++, at += DESC_SIZE) {
      const word = at >>> 2
      let key: Data | undefined
      let value: Data | undefined
      if (keys) {
        const address = u32[word + DESC_KEY / 4]!
        key = this.#take(address, u32[word + DESC_KEY_LENGTH / 4]!, keyForm)
      }
      if (values) {
        const address = u32[word + DESC_VALUE / 4]!
        const length = u32[word + DESC_VALUE_LENGTH / 4]!
        const flags = u32[word + DESC_FLAGS / 4]!
        if ((flags & DESC_LAZY) !== 0) value = asForm(lazy.get(address).readBytes(), valueForm)
        else if ((flags & DESC_IN_PLACE) !== 0)
          value = takeData(this.#bytes, address, length, valueForm)
        else value = this.#take(address, length, valueForm)
      }
      pairs.push([key, value])
    }
  }

  #copySlab(values: boolean): void {
    const begin = this.#begin
    const u32 = this.#u32
    const last = this.#page + (this.#count - 1) * DESC_SIZE
    let end = loadU32(u32, last + DESC_KEY) + loadU32(u32, last + DESC_KEY_LENGTH)
    if (values && loadU32(u32, last + DESC_FLAGS) === 0) {
      end += loadU32(u32, last + DESC_VALUE_LENGTH)
    }
    this.#slab = Buffer.allocUnsafeSlow(end - begin)
    this.#bytes.copy(this.#slab, 0, begin, end)
  }

  #take(address: number, length: number, form: DataForm): Data {
    if (form === 'utf8') return this.#bytes.toString('utf8', address, address + length)
    const slab = this.#slab!
    const from = address - this.#begin
    if (form === 'buffer') return slab.subarray(from, from + length)
    return new Uint8Array(slab.buffer, slab.byteOffset + from, length)
  }
}
