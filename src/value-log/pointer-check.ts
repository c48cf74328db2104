// Whether the pointers of a table or a log lead to values of their keys: to parts inside their segments that begin a
// value of the pointer's length and carry the key's hash. Reads headers only, those that lie near each other together;
// what the parts hold is the segment check's to verify. Any thread.
import { CorruptionError } from '../base/errors.ts'
import { KIB } from '../base/limits.ts'
import { hash64 } from '../base/xxh64.ts'
import { type KernelHeap, loadU32 } from '../cursor/words.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import { PART_HEADER_BYTES } from '../format/segments/segment-part.ts'
import { readValuePointer } from '../format/segments/value-pointer.ts'
import { segmentPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import { readWhole } from '../io/read-whole.ts'
import {
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  KIND_MASK,
  KIND_POINTER,
} from '../kernel/layout.ts'
import { type OpenSegment, OpenSegments } from './open-segments.ts'
import { ValueWalk, type WantedValue } from './value-walk.ts'

const FILES_MAX = 16
/** Headers that far apart are read one by one. */
const GAP_MAX = 4 * KIB
const WINDOW = 64 * KIB

export interface PointerCheckParts extends KernelHeap {
  readonly fs: FileSystem
  readonly directory: string
  /** Those the values may lie in; pointers into others are not followed. */
  readonly segments: readonly SegmentMeta[]
  /** Address of 8 bytes. */
  readonly hash: number
}

/** A record whose value is a pointer. */
export interface PointedRecord {
  readonly key: Uint8Array
  readonly value: Buffer
}

export class PointerCheck {
  readonly #parts: PointerCheckParts
  readonly #metas: ReadonlyMap<number, SegmentMeta>
  readonly #open: OpenSegments
  /** Those that cannot be opened. */
  readonly #damaged = new Set<number>()
  readonly #window: Buffer = Buffer.allocUnsafeSlow(WINDOW)

  constructor(parts: PointerCheckParts) {
    const { fs, directory, segments } = parts
    this.#parts = parts
    this.#metas = new Map(segments.map((meta) => [meta.number, meta]))
    this.#open = new OpenSegments({
      fs,
      directory,
      metaOf: (number) => this.#metas.get(number),
      filesMax: FILES_MAX,
      closeOthers: () => false,
    })
  }

  /** Looks where the pointers among the descriptors [first, end) lead. Throws CorruptionError, naming the place in the
   * segment. A segment that cannot be opened is passed over: whoever checks it says why. */
  follow(first: number, end: number): void {
    this.#followAll(this.#wanted(first, end))
  }

  /** The same for the records of a log, each with kind, key and value. */
  followRecords(records: readonly PointedRecord[]): void {
    const { directory } = this.#parts
    const wanted = records.map(({ key, value }) => {
      const pointer = readValuePointer(value, 0)
      if (pointer !== undefined && this.#metas.has(pointer.segment)) {
        return { ...pointer, keyHash: hash64(key, 0n) }
      }
      const file = segmentPath(directory, pointer?.segment ?? 1)
      const expected = 'a segment the manifest names'
      throw new CorruptionError({ file, offset: 0, expected, found: 'another' })
    })
    this.#followAll(wanted)
  }

  #followAll(wanted: WantedValue[]): void {
    wanted.sort((a, b) => a.segment - b.segment || a.offset - b.offset)
    for (let from = 0; from < wanted.length; ) {
      const to = runEnd(wanted, from)
      const segment = this.#segment(wanted[from]!.segment)
      if (segment !== undefined) this.#checkRun(segment, wanted.slice(from, to))
      from = to
    }
  }

  close(): void {
    this.#open.closeAll()
  }

  #wanted(first: number, end: number): WantedValue[] {
    const { heap, kernels, hash } = this.#parts
    const { u32, bytes } = heap
    const wanted: WantedValue[] = []
    for (let at = first; at < end; at += DESC_SIZE) {
      if (((bytes[at + DESC_TAG] as number) & KIND_MASK) !== KIND_POINTER) continue
      const pointer = readValuePointer(bytes, loadU32(u32, at + DESC_VALUE))
      if (pointer === undefined || !this.#metas.has(pointer.segment)) continue
      kernels.hash64(loadU32(u32, at + DESC_KEY), loadU32(u32, at + DESC_KEY_LENGTH), 0, hash)
      wanted.push({ ...pointer, keyHash: bytes.readBigUInt64LE(hash) })
    }
    return wanted
  }

  #segment(number: number): OpenSegment | undefined {
    if (this.#damaged.has(number)) return undefined
    try {
      return this.#open.get(number)
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      this.#damaged.add(number)
      return undefined
    }
  }

  #checkRun(segment: OpenSegment, run: readonly WantedValue[]): void {
    const walks = run.map((wanted) => new ValueWalk(segment, wanted))
    const start = run[0]!.offset
    const target = this.#window.subarray(0, run.at(-1)!.offset + PART_HEADER_BYTES - start)
    readWhole(segment.file, target, start)
    for (const walk of walks) walk.check(walk.header(target, walk.offset - start), true)
  }
}

/** Behind the last of the neighbours that one read covers. */
function runEnd(wanted: readonly WantedValue[], from: number): number {
  const { segment, offset } = wanted[from]!
  let to = from + 1
  while (to < wanted.length) {
    const next = wanted[to]!
    const gap = next.offset - wanted[to - 1]!.offset - PART_HEADER_BYTES
    const far = gap > GAP_MAX || next.offset + PART_HEADER_BYTES - offset > WINDOW
    if (next.segment !== segment || far) break
    to += 1
  }
  return to
}
