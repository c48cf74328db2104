// Takes values out of entries on their way into tables: long ones go to segments, and those of doomed segments to new
// ones; a value pointer stands in their place. Any thread; one per job. It changes the descriptors it is given, whose
// pointers stay good until the next batch.
import { assert } from '../base/assert.ts'
import type { LazyValues } from '../cursor/lazy-values.ts'
import type { SpareMemory } from '../cursor/run-source.ts'
import { Scratch } from '../cursor/scratch.ts'
import { type KernelHeap, loadU32, storeU32 } from '../cursor/words.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import {
  readValuePointer,
  VALUE_POINTER_BYTES,
  type ValuePointer,
  writeValuePointer,
} from '../format/segments/value-pointer.ts'
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
  KIND_PUT,
} from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { OpenSegments } from './open-segments.ts'
import { segmentWriterBytes } from './segment-workspace.ts'
import { type SegmentsPlan, SegmentWriter } from './segment-writer.ts'

export interface SeparationPlan extends Omit<SegmentsPlan, 'written'> {
  /** Values of so many bytes or more go to a segment; Infinity: none. */
  readonly threshold: number
  /** Most entries of a batch. */
  readonly batch: number
  readonly lazy: LazyValues
  /** Room for the longest lazy value. */
  readonly spare: SpareMemory
  /** Values in these segments go to new ones. */
  readonly relocate: readonly SegmentMeta[]
  /** Where these are read; without: from files as the manifest names them. */
  readonly sources?: SegmentSources
}

export type SegmentSources = Pick<OpenSegments, 'get' | 'closeAll'>

/** Doomed segments open at a time. */
const OPEN_MAX = 32

export function separatorBytes(
  compression: SegmentsPlan['shape']['compression'],
  batch: number,
): number {
  return batch * VALUE_POINTER_BYTES + segmentWriterBytes(compression) + 64
}

export class ValueSeparator {
  readonly #machine: KernelHeap
  readonly #plan: SeparationPlan
  readonly #pointers: number
  readonly #writer: SegmentWriter
  readonly #doomed: ReadonlyMap<number, SegmentMeta>
  readonly #sources: SegmentSources
  /** Bytes read from doomed segments. */
  bytesRead = 0
  /** Called while values are written, which may take long for one batch; may throw. */
  onWritten: () => void = () => undefined

  /** `workspace`: separatorBytes(…) for it alone. */
  constructor(machine: KernelHeap, workspace: Region, plan: SeparationPlan) {
    const { fs, directory, batch, relocate } = plan
    const scratch = new Scratch(workspace)
    this.#machine = machine
    this.#plan = plan
    this.#pointers = scratch.take(batch * VALUE_POINTER_BYTES)
    const written = (): void => this.onWritten()
    this.#writer = new SegmentWriter(machine, scratch.region(scratch.free - 8, 8), {
      ...plan,
      written,
    })
    this.#doomed = new Map(relocate.map((segment) => [segment.number, segment]))
    this.#sources =
      plan.sources ??
      new OpenSegments({
        fs,
        directory,
        metaOf: (number) => this.#doomed.get(number),
        filesMax: OPEN_MAX,
        closeOthers: () => false,
      })
  }

  get bytesWritten(): number {
    return this.#writer.bytesWritten
  }

  /** Goes through a batch. What is short, or deleted, stays as it is; so do pointers into segments that live on. */
  separate(descriptors: number, count: number): void {
    const { u32 } = this.#machine.heap
    const { threshold } = this.#plan
    const relocates = this.#doomed.size > 0
    for (let i = 0; i < count; i++) {
      const at = descriptors + i * DESC_SIZE
      const length = loadU32(u32, at + DESC_VALUE_LENGTH)
      if (length >= threshold) this.#separateOne(at, i)
      else if (relocates && length === VALUE_POINTER_BYTES) this.#relocateOne(at, i)
    }
  }

  /** Ends the last segment: all are on disk, but for their directory entries. Returns them by number. */
  finish(): readonly SegmentMeta[] {
    this.#sources.closeAll()
    return this.#writer.finish()
  }

  /** Gives up, and closes what is open; the segments stay. Returns what went wrong with that, if anything. */
  abandon(): unknown {
    this.#sources.closeAll()
    return this.#writer.abandon()
  }

  #kindOf(descriptor: number): number {
    return (this.#machine.heap.bytes[descriptor + DESC_TAG] as number) & KIND_MASK
  }

  #keyOf(descriptor: number): { readonly address: number; readonly length: number } {
    const { u32 } = this.#machine.heap
    const address = loadU32(u32, descriptor + DESC_KEY)
    return { address, length: loadU32(u32, descriptor + DESC_KEY_LENGTH) }
  }

  #separateOne(at: number, index: number): void {
    if (this.#kindOf(at) !== KIND_PUT) return
    const { u32 } = this.#machine.heap
    const key = this.#keyOf(at)
    const value = loadU32(u32, at + DESC_VALUE)
    const length = loadU32(u32, at + DESC_VALUE_LENGTH)
    const lazy = (loadU32(u32, at + DESC_FLAGS) & DESC_LAZY) !== 0
    const pointer = lazy
      ? this.#putLazy(key, value, length)
      : this.#writer.put(key, { address: value, length })
    this.#point(at, index, pointer)
  }

  #putLazy(
    key: { readonly address: number; readonly length: number },
    token: number,
    length: number,
  ): ValuePointer {
    const { lazy, spare } = this.#plan
    const value = lazy.get(token)
    const room = spare.borrow(value.room)
    assert(room !== 0, 'the table writer has room for the longest value')
    try {
      return this.#writer.put(key, { address: value.readInto(room), length })
    } finally {
      spare.giveBack(room)
      lazy.drop(token)
    }
  }

  #relocateOne(at: number, index: number): void {
    if (this.#kindOf(at) !== KIND_POINTER) return
    const { u32, bytes } = this.#machine.heap
    assert((loadU32(u32, at + DESC_FLAGS) & DESC_LAZY) === 0, 'a pointer is in memory')
    const pointer = readValuePointer(bytes, loadU32(u32, at + DESC_VALUE))
    assert(pointer !== undefined, 'pointers were checked when they were decoded')
    if (!this.#doomed.has(pointer.segment)) return
    const source = this.#sources.get(pointer.segment)
    this.#point(at, index, this.#writer.copy(this.#keyOf(at), source, pointer))
    this.bytesRead += pointer.storedLength
  }

  /** The entry of the batch becomes one whose value lies in a segment. */
  #point(at: number, index: number, pointer: ValuePointer): void {
    const { u32, bytes } = this.#machine.heap
    const address = this.#pointers + index * VALUE_POINTER_BYTES
    writeValuePointer(bytes, address, pointer)
    bytes[at + DESC_TAG] = ((bytes[at + DESC_TAG] as number) & ~KIND_MASK) | KIND_POINTER
    storeU32(u32, at + DESC_VALUE, address)
    storeU32(u32, at + DESC_VALUE_LENGTH, VALUE_POINTER_BYTES)
    storeU32(u32, at + DESC_FLAGS, loadU32(u32, at + DESC_FLAGS) & ~DESC_LAZY)
  }
}
