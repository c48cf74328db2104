// Values that lie in segments, in the form asked for. Main thread. A read that waits for the disk holds its segment
// from the call on, which it makes in the turn of the lookup: no file goes while it is read.

import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { SettError } from '../../base/errors.ts'
import type { KernelHeap } from '../../cursor/words.ts'
import { PART_PAYLOAD_MAX } from '../../format/segments/segment-part.ts'
import { readValuePointer } from '../../format/segments/value-pointer.ts'
import type { HeapAllocator } from '../../memory/heap-allocator.ts'
import type { OpenSegments } from '../../value-log/open-segments.ts'
import { readValues } from '../../value-log/read-values.ts'
import { type TakeBytes, VALUE_READER_BYTES, ValueReader } from '../../value-log/value-reader.ts'
import { ValueWalk, type WantedValue } from '../../value-log/value-walk.ts'
import { errorCode, readError } from '../disk/failures.ts'
import type { Data, DataForm, ValueRange, ValueSource } from '../types.ts'
import { asForm, takeData } from '../values.ts'
import { takeRegion } from '../wiring/take-region.ts'
import { SegmentSource } from './value-source.ts'

/** Of the short values that would leave the thread while the disk is slow, one in so many is read on it, to learn
 * whether the disk is quick again. */
const PROBE_EVERY = 16

export interface SeparatedValuesParts extends KernelHeap {
  readonly allocator: HeapAllocator
  readonly clock: Clock
  readonly segments: OpenSegments
  /** How long reading a part of a value took. */
  readonly noteReadMs: (elapsed: number) => void
}

export class SeparatedValues {
  readonly #parts: SeparatedValuesParts
  readonly #reader: ValueReader
  readonly #sources = new Set<SegmentSource>()
  /** Asynchronous reads under way, and begun so far. */
  #underWay = 0
  #begun = 0
  #sinceProbe = 0

  constructor(parts: SeparatedValuesParts) {
    const { heap, kernels, allocator } = parts
    this.#parts = parts
    const scratch = takeRegion(allocator, VALUE_READER_BYTES).address
    this.#reader = new ValueReader({ heap, kernels, memory: allocator, scratch })
  }

  /** What a verified entry points to; its key lies in the heap. */
  wanted(
    pointer: { readonly bytes: Buffer; readonly at: number },
    key: number,
    keyLength: number,
  ): WantedValue {
    const found = readValuePointer(pointer.bytes, pointer.at)
    assert(found !== undefined, 'a verified entry has a well-formed pointer')
    const { segment, offset, valueLength, storedLength } = found
    const keyHash = this.#reader.keyHash(key, keyLength)
    // Spread, a pointer took a tenth of a scan.
    return { segment, offset, valueLength, storedLength, keyHash }
  }

  /** Whether a value is to be read on the calling thread: neither so large that it would hold the thread up, nor on a
   * `slow` disk, but for a probe now and then. */
  mayBlock({ valueLength }: WantedValue, slow: boolean): boolean {
    if (valueLength > PART_PAYLOAD_MAX) return false
    if (!slow) return true
    this.#sinceProbe = (this.#sinceProbe + 1) % PROBE_EVERY
    return this.#sinceProbe === 0
  }

  take(wanted: WantedValue, form: DataForm): Data {
    const { segments, clock } = this.#parts
    const began = clock.monotonicMs()
    try {
      return this.#reader.read(segments.get(wanted.segment), wanted, TAKE[form])
    } catch (error) {
      throw readError(error)
    } finally {
      this.#note(began, wanted)
    }
  }

  /** As take(), without blocking the thread. */
  async takeLater(wanted: WantedValue, form: DataForm): Promise<Data> {
    const { segments, clock } = this.#parts
    try {
      const segment = segments.acquire(wanted.segment)
      const began = clock.monotonicMs()
      const alone = this.#underWay === 0
      this.#underWay += 1
      this.#begun += 1
      const own = this.#begun
      try {
        return await this.#reader.readAsync(segment, wanted, TAKE[form])
      } finally {
        this.#underWay -= 1
        segments.release(segment)
        // Beside others it waited in queues as well.
        if (alone && this.#begun === own) this.#note(began, wanted)
      }
    } catch (error) {
      throw readError(error)
    }
  }

  /** Many, in whatever order they are quickest read. */
  takeAll(
    wanted: readonly WantedValue[],
    form: DataForm,
    into: (index: number, value: Data) => void,
  ): void {
    const { heap, kernels, allocator, segments } = this.#parts
    const reading = { heap, kernels, memory: allocator, segments, reader: this.#reader }
    const take = TAKE[form]
    readValues(reading, wanted, (index, bytes, at, length) => {
      into(index, take(bytes, at, length))
    })
  }

  /** A value part by part. It holds its segment until it is closed. */
  open(wanted: WantedValue, range: ValueRange): ValueSource {
    const { segments } = this.#parts
    try {
      // Refuses a pointer to where no value can lie; nothing is held yet.
      const walk = new ValueWalk(segments.get(wanted.segment), wanted)
      const segment = segments.acquire(wanted.segment)
      const source = new SegmentSource({ reader: this.#reader, walk, range }, () => {
        this.#sources.delete(source)
        segments.release(segment)
      })
      this.#sources.add(source)
      return source
    } catch (error) {
      throw readError(error)
    }
  }

  /** The files are about to be closed; nothing is being read. */
  close(): void {
    for (const source of this.#sources) source.close()
  }

  #note(began: number, { valueLength }: WantedValue): void {
    const parts = Math.max(1, Math.ceil(valueLength / PART_PAYLOAD_MAX))
    this.#parts.noteReadMs((this.#parts.clock.monotonicMs() - began) / parts)
  }
}

const TAKE: { readonly [form in DataForm]: TakeBytes<Data> } = {
  buffer: (bytes, at, length) =>
    bytes.length === length ? bytes : takeData(bytes, at, length, 'buffer'),
  view: (bytes, at, length) =>
    bytes.length === length ? asForm(bytes, 'view') : takeData(bytes, at, length, 'view'),
  utf8: text,
}

function text(bytes: Buffer, at: number, length: number): Data {
  try {
    return takeData(bytes, at, length, 'utf8')
  } catch (error) {
    if (errorCode(error) !== 'ERR_STRING_TOO_LONG') throw error
    throw new SettError(
      'SETT_TOO_LARGE',
      `A value of ${length} bytes is longer than a string can be. Read it with valueEncoding 'buffer' or 'view', ` +
        'or by getStream().',
      error,
    )
  }
}
