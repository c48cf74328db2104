// The segments a thread has open, by number: opened on demand, the least recently used one closed when there are too
// many. One thread. A segment with users is neither closed nor removed: who removes its file waits for the last one.
import { assert } from '../base/assert.ts'
import { CorruptionError } from '../base/errors.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import { segmentPath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { type KeptOpen, leastRecentlyUsed, withDescriptors } from '../io/open-files.ts'
import { openNamed } from '../io/open-named.ts'
import { checkSegmentEnds, valuesEnd } from './segment-ends.ts'

export interface OpenSegment extends KeptOpen {
  readonly number: number
  readonly file: OpenFile
  readonly salt: Buffer
  /** Where the values end and the footer begins. */
  readonly valuesEnd: number
  /** Users, and the tick of its last use; kept by OpenSegments. */
  pins: number
  lastUse: number
}

export interface OpenSegmentsOptions {
  readonly fs: FileSystem
  readonly directory: string
  /** What the manifest says of a segment; undefined: it names none of that number. */
  readonly metaOf: (number: number) => SegmentMeta | undefined
  /** Most descriptors; those of segments in use may be more. */
  readonly filesMax: number
  /** Closes what else holds descriptors and is idle; false: nothing did. */
  readonly closeOthers: () => boolean
}

export class OpenSegments {
  readonly #options: OpenSegmentsOptions
  readonly #open = new Map<number, OpenSegment>()
  /** Retired while in use, and what follows their last release. */
  readonly #retired = new Map<OpenSegment, () => void>()
  #tick = 0

  constructor(options: OpenSegmentsOptions) {
    this.#options = options
  }

  /** Files open now. */
  get count(): number {
    return this.#open.size + this.#retired.size
  }

  /** A segment, opened if need be; good until the next get() or acquire() unless it is pinned. Throws CorruptionError,
   * or what the file system throws. */
  get(number: number): OpenSegment {
    const segment = this.#open.get(number) ?? this.#openNew(number)
    this.#tick += 1
    segment.lastUse = this.#tick
    return segment
  }

  /** get() and pin: the segment stays open, and its file where it is, until release(). */
  acquire(number: number): OpenSegment {
    const segment = this.get(number)
    segment.pins += 1
    return segment
  }

  release(segment: OpenSegment): void {
    assert(segment.pins > 0, 'a segment is released once per acquire')
    segment.pins -= 1
    if (segment.pins > 0) return
    const then = this.#retired.get(segment)
    if (then === undefined) return
    this.#retired.delete(segment)
    segment.file.closeSync()
    then()
  }

  /** No view shows values of the segment any more: closes it, and goes on with `then`, now or at its last release. */
  retire(number: number, then: () => void): void {
    const segment = this.#open.get(number)
    this.#open.delete(number)
    if (segment !== undefined && segment.pins > 0) {
      this.#retired.set(segment, then)
      return
    }
    segment?.file.closeSync()
    then()
  }

  /** Closes every segment nobody is using, so that their descriptors are free; false: there was none. */
  closeIdle(): boolean {
    const idle = [...this.#open.values()].filter(({ pins }) => pins === 0)
    for (const segment of idle) this.#close(segment)
    return idle.length > 0
  }

  /** Closes every segment; none may be in use. Idempotent. */
  closeAll(): void {
    this.closeIdle()
    assert(this.count === 0, 'no segment is in use when all are closed')
  }

  #openNew(number: number): OpenSegment {
    const { fs, directory, metaOf, filesMax } = this.#options
    const meta = metaOf(number)
    if (meta === undefined) {
      const file = segmentPath(directory, number)
      const expected = 'a segment the manifest names'
      throw new CorruptionError({ file, offset: 0, expected, found: 'a pointer to another' })
    }
    while (this.#open.size >= filesMax && this.#closeOldest());
    const open = (): OpenSegment => openSegment(fs, directory, meta)
    const segment = withDescriptors(open, () => this.#closeAnyIdle())
    this.#open.set(number, segment)
    return segment
  }

  #closeAnyIdle(): boolean {
    const mine = this.closeIdle()
    return this.#options.closeOthers() || mine
  }

  #closeOldest(): boolean {
    const oldest = leastRecentlyUsed(this.#open.values())
    if (oldest !== undefined) this.#close(oldest)
    return oldest !== undefined
  }

  #close(segment: OpenSegment): void {
    this.#open.delete(segment.number)
    segment.file.closeSync()
  }
}

/** Opens a segment and holds header, footer, size and salt against the manifest; the caller closes the file. */
function openSegment(fs: FileSystem, directory: string, meta: SegmentMeta): OpenSegment {
  const file = openNamed(fs, segmentPath(directory, meta.number), 'segment')
  try {
    const { salt } = checkSegmentEnds(file, meta)
    return { number: meta.number, file, salt, valuesEnd: valuesEnd(meta), pins: 0, lastUse: 0 }
  } catch (error) {
    file.closeSync()
    throw error
  }
}
