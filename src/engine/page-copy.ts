// Copies a page of descriptors out of the heap: keys and short values in one piece, of which entries are views; what
// lies in segments is read when all keys are there. Main thread. Good until its merge goes on.
import type { LazyValues } from '../cursor/lazy-values.ts'
import { type KernelHeap, loadU32 } from '../cursor/words.ts'
import {
  DESC_FLAGS,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_LAZY,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  KIND_MASK,
  KIND_POINTER,
} from '../kernel/layout.ts'
import { copyOut } from '../memory/copy-shared.ts'
import type { WantedValue } from '../value-log/value-walk.ts'
import type { Data, DataForm, RangeOptions } from './types.ts'
import type { SeparatedValues } from './value-log/separated-values.ts'
import { asForm, BufferOver, takeData } from './values.ts'

type Pair = [key: Data | undefined, value: Data | undefined]

export interface PageParts extends KernelHeap {
  readonly values: SeparatedValues
}

export interface PageEntries {
  /** Address of the first descriptor. */
  readonly page: number
  readonly count: number
  readonly lazy: LazyValues
}

/** How much is taken of a page at once. */
export interface PageLimit {
  /** Entries, at least 1. */
  readonly limit: number
  /** Bytes of values that do not lie in the page; the only one of its call may have more. */
  readonly room: number
}

/** Values that lie in segments, and of which pairs they are. */
interface Separated {
  readonly places: number[]
  readonly wanted: WantedValue[]
}

function addTo({ places, wanted }: Separated, place: number, value: WantedValue): void {
  places.push(place)
  wanted.push(value)
}

export class PageCopy {
  readonly #bytes: Buffer
  readonly #u32: Uint32Array
  readonly #values: SeparatedValues
  readonly #lazy: LazyValues
  /** Behind the last descriptor, and the next one to take. */
  readonly #end: number
  #next: number
  /** Address of the first byte of the page, and the copy of it all: its bytes lie one behind the other, key and value
   * by turns, from the first key on. */
  readonly #begin: number
  #slab: ArrayBuffer | undefined

  constructor({ heap, values }: PageParts, { page, count, lazy }: PageEntries) {
    this.#bytes = heap.bytes
    this.#u32 = heap.u32
    this.#values = values
    this.#lazy = lazy
    this.#end = page + count * DESC_SIZE
    this.#next = page
    this.#begin = loadU32(heap.u32, page + DESC_KEY)
  }

  /** All its entries were taken. */
  get ended(): boolean {
    return this.#next === this.#end
  }

  /** Of those taken. */
  lastKey(): Buffer {
    const at = this.#next - DESC_SIZE
    const address = loadU32(this.#u32, at + DESC_KEY)
    const length = loadU32(this.#u32, at + DESC_KEY_LENGTH)
    return Buffer.from(this.#bytes.subarray(address, address + length))
  }

  /** Adds entries as the range wants them. Returns the bytes of values that did not lie in the page. */
  appendTo(pairs: Pair[], range: RangeOptions, { limit, room }: PageLimit): number {
    const { keys, values, keyForm, valueForm } = range
    const u32 = this.#u32
    const asText = (!keys || keyForm === 'utf8') && (!values || valueForm === 'utf8')
    if (!asText) this.#slab ??= this.#copySlab(values)
    const separated: Separated = { places: [], wanted: [] }
    const end = Math.min(this.#end, this.#next + limit * DESC_SIZE)
    let large = 0
    let at = this.#next
    let place = pairs.length
    // Room for all at once: pushed one by one, the array is copied each time it has grown by half.
    pairs.length = place + (end - at) / DESC_SIZE
    for (; at < end; at += DESC_SIZE) {
      const word = at >>> 2
      let key: Data | undefined
      let value: Data | undefined
      if (values) {
        const flags = u32[word + DESC_FLAGS / 4]!
        const pointer = (u32[word + DESC_TAG / 4]! & KIND_MASK) === KIND_POINTER
        if (pointer || flags !== 0) {
          const wanted = pointer ? this.#wanted(at) : undefined
          const length = wanted?.valueLength ?? u32[word + DESC_VALUE_LENGTH / 4]!
          if (large + length > room && place > 0) break
          large += length
          if (wanted === undefined) value = this.#takeLarge(at, valueForm)
          else addTo(separated, place, wanted)
        } else {
          const length = u32[word + DESC_VALUE_LENGTH / 4]!
          value = this.#take(u32[word + DESC_VALUE / 4]!, length, valueForm)
        }
      }
      if (keys) {
        const address = u32[word + DESC_KEY / 4]!
        key = this.#take(address, u32[word + DESC_KEY_LENGTH / 4]!, keyForm)
      }
      pairs[place++] = [key, value]
    }
    pairs.length = place
    this.#next = at
    this.#fill(pairs, separated, valueForm)
    return large
  }

  #fill(pairs: Pair[], { places, wanted }: Separated, form: DataForm): void {
    if (wanted.length === 0) return
    this.#values.takeAll(wanted, form, (index, value) => {
      pairs[places[index]!]![1] = value
    })
  }

  /** A value that lies in a segment. */
  #wanted(at: number): WantedValue {
    const u32 = this.#u32
    const address = loadU32(u32, at + DESC_VALUE)
    const lazy = (loadU32(u32, at + DESC_FLAGS) & DESC_LAZY) !== 0
    const pointer = lazy
      ? { bytes: this.#lazy.get(address).readBytes(), at: 0 }
      : { bytes: this.#bytes, at: address }
    const key = loadU32(u32, at + DESC_KEY)
    return this.#values.wanted(pointer, key, loadU32(u32, at + DESC_KEY_LENGTH))
  }

  /** A value that was left where it lies. */
  #takeLarge(at: number, form: DataForm): Data {
    const address = loadU32(this.#u32, at + DESC_VALUE)
    if ((loadU32(this.#u32, at + DESC_FLAGS) & DESC_LAZY) !== 0) {
      return asForm(this.#lazy.get(address).readBytes(), form)
    }
    return takeData(this.#bytes, address, loadU32(this.#u32, at + DESC_VALUE_LENGTH), form)
  }

  #copySlab(values: boolean): ArrayBuffer {
    const begin = this.#begin
    const u32 = this.#u32
    const last = this.#end - DESC_SIZE
    let end = loadU32(u32, last + DESC_KEY) + loadU32(u32, last + DESC_KEY_LENGTH)
    if (values && loadU32(u32, last + DESC_FLAGS) === 0) {
      end += loadU32(u32, last + DESC_VALUE_LENGTH)
    }
    const slab = Buffer.allocUnsafeSlow(end - begin)
    copyOut(this.#bytes, begin, end, slab)
    return slab.buffer
  }

  #take(address: number, length: number, form: DataForm): Data {
    if (form === 'utf8') return this.#bytes.toString('utf8', address, address + length)
    const from = address - this.#begin
    if (form === 'buffer') return new BufferOver(this.#slab!, from, length)
    return new Uint8Array(this.#slab!, from, length)
  }
}
