// A value that is handed out piece by piece. Main thread. Whoever opened one closes it; what it holds is let go once
// nothing is being read any more.
import { SettError } from '../../base/errors.ts'
import { PART_PAYLOAD_MAX } from '../../format/segments/segment-part.ts'
import type { ValueReader } from '../../value-log/value-reader.ts'
import type { ValueWalk } from '../../value-log/value-walk.ts'
import { readError } from '../disk/failures.ts'
import type { ValueRange, ValueSource } from '../types.ts'

interface SegmentPieces {
  readonly reader: ValueReader
  /** At the start of the value; its segment is held, and let go by the source. */
  readonly walk: ValueWalk
  readonly range: ValueRange
}

/** Of a value in a segment: its parts, each verified when its turn comes. */
export class SegmentSource implements ValueSource {
  readonly length: number
  readonly #reader: ValueReader
  readonly #walk: ValueWalk
  readonly #start: number
  /** The first byte no longer wanted. */
  readonly #end: number
  readonly #letGo: () => void
  #reading = false
  #closed = false

  constructor({ reader, walk, range }: SegmentPieces, letGo: () => void) {
    this.length = walk.wanted.valueLength
    this.#reader = reader
    this.#walk = walk
    this.#letGo = letGo
    this.#start = range.start
    this.#end = Math.min(range.end, this.length)
  }

  async next(): Promise<Buffer | undefined> {
    if (this.#closed) throw closed()
    this.#reading = true
    try {
      const walk = this.#walk
      if (this.#start >= this.#end || walk.position >= this.#end) return undefined
      while (walk.position + walk.payloadLength <= this.#start) {
        await this.#reader.skipPart(walk)
        if (this.#closed) throw closed()
      }
      const from = Math.max(0, this.#start - walk.position)
      const to = Math.min(walk.payloadLength, this.#end - walk.position)
      return await this.#reader.readPartAsync(walk, (bytes, at) => {
        return Buffer.from(bytes.subarray(at + from, at + to))
      })
    } catch (error) {
      throw readError(error)
    } finally {
      this.#reading = false
      if (this.#closed) this.#letGo()
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (!this.#reading) this.#letGo()
  }
}

/** Of a value that lies with its key: a copy of it. */
export class CopySource implements ValueSource {
  readonly length: number
  readonly #value: Buffer
  readonly #end: number
  #at: number
  #closed = false

  constructor(value: Buffer, { start, end }: ValueRange) {
    this.length = value.length
    this.#value = value
    this.#at = start
    this.#end = Math.min(end, value.length)
  }

  async next(): Promise<Buffer | undefined> {
    if (this.#closed) throw closed()
    if (this.#at >= this.#end) return undefined
    const from = this.#at
    this.#at = Math.min(this.#end, from + PART_PAYLOAD_MAX)
    return this.#value.subarray(from, this.#at)
  }

  close(): void {
    this.#closed = true
  }
}

function closed(): SettError {
  return new SettError(
    'LEVEL_DATABASE_NOT_OPEN',
    'The value was being read when the database was closed. Open it again, and read it once more.',
  )
}
