// A run of entries without those whose value cannot be read any more: what such an entry hid is shown again, by the
// merge behind it. Any thread. It keeps the order of the run it takes from.
import type { RunSource } from '../../cursor/run-source.ts'
import { type KernelHeap, loadU32, storeU32 } from '../../cursor/words.ts'
import { readValuePointer, VALUE_POINTER_BYTES } from '../../format/segments/value-pointer.ts'
import {
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  KIND_MASK,
  KIND_POINTER,
  SOURCE_END,
  SOURCE_LAST,
  SOURCE_NEXT,
} from '../../kernel/layout.ts'
import type { LostValueList } from './lost-values.ts'
import type { PointedValues } from './pointed-values.ts'

export class ValueSieve implements RunSource {
  entries = 0
  readonly #machine: KernelHeap
  readonly #source: RunSource
  readonly #judge: ValueJudge

  constructor(machine: KernelHeap, source: RunSource, judge: ValueJudge) {
    this.#machine = machine
    this.#source = source
    this.#judge = judge
  }

  get bytesRead(): number {
    return this.#source.bytesRead
  }

  refill(slot: number): void {
    const { u32 } = this.#machine.heap
    let kept = 0
    while (kept === 0) {
      this.#source.refill(slot)
      kept = this.#keep(loadU32(u32, slot + SOURCE_NEXT), loadU32(u32, slot + SOURCE_END))
      if (loadU32(u32, slot + SOURCE_LAST) === 1) break
    }
    storeU32(u32, slot + SOURCE_END, loadU32(u32, slot + SOURCE_NEXT) + kept * DESC_SIZE)
    this.entries += kept
  }

  close(): void {
    this.#source.close()
  }

  /** Moves those that can be read to the front of the descriptors; returns how many. */
  #keep(first: number, end: number): number {
    const { bytes, u32 } = this.#machine.heap
    let to = first
    for (let at = first; at < end; at += DESC_SIZE) {
      const kind = loadU32(u32, at + DESC_TAG) & KIND_MASK
      if (kind === KIND_POINTER && !this.#judge.canBeRead(entryAt(u32, at))) continue
      if (to !== at) bytes.copyWithin(to, at, at + DESC_SIZE)
      to += DESC_SIZE
    }
    return (to - first) / DESC_SIZE
  }
}

function entryAt(u32: Uint32Array, at: number): PointerEntry {
  return {
    key: loadU32(u32, at + DESC_KEY),
    keyLength: loadU32(u32, at + DESC_KEY_LENGTH),
    value: loadU32(u32, at + DESC_VALUE),
    valueLength: loadU32(u32, at + DESC_VALUE_LENGTH),
  }
}

/** An entry of kind 5: addresses and lengths in the heap. */
export interface PointerEntry {
  readonly key: number
  readonly keyLength: number
  readonly value: number
  readonly valueLength: number
}

export class ValueJudge {
  readonly #machine: KernelHeap
  readonly #values: PointedValues
  readonly #list: LostValueList
  readonly #file: string

  /** `file`: where the entries come from. */
  constructor(machine: KernelHeap, values: PointedValues, list: LostValueList, file: string) {
    this.#machine = machine
    this.#values = values
    this.#list = list
    this.#file = file
  }

  canBeRead({ key, keyLength, value, valueLength }: PointerEntry): boolean {
    const { bytes } = this.#machine.heap
    const pointer = valueLength === VALUE_POINTER_BYTES ? readValuePointer(bytes, value) : undefined
    const damage =
      pointer === undefined
        ? { file: this.#file, offset: 0, expected: 'a value pointer', found: 'other bytes' }
        : this.#values.damageOf(pointer, key, keyLength)
    if (damage === undefined && pointer !== undefined) {
      this.#list.readable(pointer)
      return true
    }
    const copy = Uint8Array.prototype.slice.call(bytes, key, key + keyLength)
    if (damage !== undefined) this.#list.lost(pointer ?? NOWHERE, copy, damage)
    return false
  }
}

/** What bytes point to that are no pointer: only a writer that was wrong puts them under a right checksum. */
const NOWHERE = { segment: 0, offset: 0, valueLength: 0, storedLength: 0 }
