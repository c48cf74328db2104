// The segments a repair found, and whether a value in one of them can still be read: whether every part of it verifies,
// is of the entry's key, and the parts make up what the pointer says. Any thread, read only; one part in memory at a
// time. Ends of a segment may be damaged, and its name another: only what its parts are bound to counts.
import { CorruptionError, type CorruptionPlace } from '../../base/errors.ts'
import { Scratch } from '../../cursor/scratch.ts'
import type { KernelHeap } from '../../cursor/words.ts'
import {
  PART_HEADER_BYTES,
  PART_PAYLOAD_MAX,
  partBytes,
} from '../../format/segments/segment-part.ts'
import type { ValuePointer } from '../../format/segments/value-pointer.ts'
import { segmentPath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import { readWhole } from '../../io/read-whole.ts'
import type { Region } from '../../memory/shared-heap.ts'
import type { OpenSegment } from '../../value-log/open-segments.ts'
import { isSealed } from '../../value-log/part-seal.ts'
import { ValueWalk } from '../../value-log/value-walk.ts'
import type { FoundSegment } from '../job.ts'

/** Files open at a time. */
const OPEN_MAX = 64

export const POINTED_VALUES_BYTES: number = partBytes(PART_PAYLOAD_MAX) + 64

export interface SegmentsPlace {
  readonly directory: string
  readonly segments: readonly FoundSegment[]
}

export class PointedValues {
  readonly #machine: KernelHeap
  readonly #fs: FileSystem
  readonly #directory: string
  readonly #places: ReadonlyMap<number, FoundSegment>
  readonly #open = new Map<number, OpenSegment>()
  readonly #salt: number
  readonly #hash: number
  readonly #part: number

  /** `memory`: POINTED_VALUES_BYTES, kept until closeAll(). */
  constructor(machine: KernelHeap, memory: Region, place: SegmentsPlace, fs: FileSystem) {
    const scratch = new Scratch(memory)
    this.#machine = machine
    this.#fs = fs
    this.#directory = place.directory
    this.#places = new Map(place.segments.map((segment) => [segment.number, segment]))
    this.#salt = scratch.take(8)
    this.#hash = scratch.take(8)
    this.#part = scratch.take(partBytes(PART_PAYLOAD_MAX))
  }

  /** What is wrong with the value of the entry with that key, an address in the heap; undefined: it can be read. */
  damageOf(pointer: ValuePointer, key: number, keyLength: number): CorruptionPlace | undefined {
    const { heap, kernels } = this.#machine
    try {
      const segment = this.get(pointer.segment)
      kernels.hash64(key, keyLength, 0, this.#hash)
      const keyHash = heap.bytes.readBigUInt64LE(this.#hash)
      heap.bytes.set(segment.salt, this.#salt)
      const walk = new ValueWalk(segment, { ...pointer, keyHash })
      while (walk.left > 0) this.#checkPart(walk)
      return undefined
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      const { file, offset, expected, found } = error
      return { file, offset, expected, found }
    }
  }

  /** A segment whatever its ends are like, good until the next call. Throws CorruptionError when it was not found. */
  get(number: number): OpenSegment {
    const known = this.#open.get(number)
    if (known !== undefined) return known
    const place = this.#places.get(number)
    if (place === undefined) {
      const file = segmentPath(this.#directory, number)
      throw new CorruptionError({ file, offset: 0, expected: 'a segment', found: 'no file' })
    }
    const [oldest] = this.#open.values()
    if (oldest !== undefined && this.#open.size >= OPEN_MAX) {
      oldest.file.closeSync()
      this.#open.delete(oldest.number)
    }
    const file = this.#fs.openSync(segmentPath(this.#directory, place.file), 'read')
    const salt = Buffer.from(place.salt, 'hex')
    // A file that was cut has no footer, and values up to its end.
    const valuesEnd = Math.max(place.size, file.sizeSync())
    const opened = { number, file, salt, valuesEnd, pins: 0, lastUse: 0 }
    this.#open.set(number, opened)
    return opened
  }

  closeAll(): void {
    for (const { file } of this.#open.values()) file.closeSync()
    this.#open.clear()
  }

  #checkPart(walk: ValueWalk): void {
    const { heap } = this.#machine
    const { file, number } = walk.segment
    const address = this.#part
    const { offset } = walk
    readWhole(file, heap.bytes.subarray(address, address + PART_HEADER_BYTES), offset)
    const header = walk.header(heap.bytes, address)
    const behind = address + PART_HEADER_BYTES
    const end = address + partBytes(header.storedLength)
    readWhole(file, heap.bytes.subarray(behind, end), offset + PART_HEADER_BYTES)
    const place = { fileNumber: number, saltAddress: this.#salt, position: offset }
    walk.check(header, isSealed(this.#machine, place, address, header.storedLength))
    walk.advance(header)
  }
}
