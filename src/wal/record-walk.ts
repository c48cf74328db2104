// Walks the records of verified frames to find where commits end, and refuses records that no
// writer of this format makes. Reads the heap as 32-bit words: this runs once per record of every
// WAL opened.
import { CorruptionError } from '../base/errors.ts'
import { readValuePointer, VALUE_POINTER_BYTES } from '../format/segments/value-pointer.ts'
import { type FrameHeader, RECORD_BYTES_MIN } from '../format/wal-frame.ts'
import {
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  TAG_COMMIT_END,
  TAG_EXPIRY,
} from '../kernel/layout.ts'

const TAG_RESERVED = 0x40

export class RecordWalk {
  #words: Uint32Array
  readonly #file: string
  /** Address of file offset 0. */
  #base: number
  /** Version of the commit that is open across frames, 0: none. */
  #openVersion = 0
  #lastVersion = 0
  /**
   * Address behind the last record, of the last frame walked, that ends a commit; its first record
   * if none does.
   */
  committedEnd = 0
  /** Records of that frame before committedEnd. */
  committedRecords = 0
  /** Longest key + value so far. */
  largestEntry = 0

  constructor(words: Uint32Array, file: string, base: number) {
    this.#words = words
    this.#file = file
    this.#base = base
  }

  /** The frames that come lie elsewhere. */
  moveTo(words: Uint32Array, base: number): void {
    this.#words = words
    this.#base = base
  }

  /** The commit that was open is not going on: frames between were lost. */
  forget(): void {
    this.#openVersion = 0
  }

  /** Walks the records in [first, end) of one frame. */
  frame(first: number, end: number, header: FrameHeader): void {
    const words = this.#words
    this.committedEnd = first
    this.committedRecords = 0
    let count = 0
    for (let at = first; at < end; ) {
      if (end - at < RECORD_BYTES_MIN) this.#refuse(at, 'a record', 'fewer bytes than the shortest')
      const word = at >>> 2
      const lengths = words[word + 1]!
      const tag = (lengths >>> 16) & 0xff
      const keyLength = lengths & 0xffff
      const kind = tag & KIND_MASK
      const known = kind === KIND_PUT || kind === KIND_DELETE || kind === KIND_POINTER
      if (!known || (tag & TAG_RESERVED) !== 0) {
        this.#refuse(at, 'a put, a delete or a pointer', `tag ${tag}`)
      }
      const fixed = (tag & TAG_EXPIRY) === 0 ? RECORD_HEADER : RECORD_HEADER_WITH_EXPIRY
      const entry = keyLength + words[word]!
      if (entry > this.largestEntry) this.largestEntry = entry
      const bytes = fixed + entry
      const next = at + bytes + (-bytes & 7)
      if (next > end) this.#refuse(at, 'a record inside its frame', 'none')
      if (kind === KIND_POINTER) this.#pointer(at, at + fixed + keyLength, words[word]!)
      this.#version(at, words[word + 3]! * 2 ** 32 + words[word + 2]!, header.lastVersion)
      count += 1
      at = next
      if ((tag & TAG_COMMIT_END) !== 0) {
        this.#openVersion = 0
        this.committedEnd = at
        this.committedRecords = count
      }
    }
    if (count !== header.recordCount) {
      this.#refuse(first, `${header.recordCount} records in the frame`, `${count}`)
    }
  }

  #pointer(at: number, value: number, length: number): void {
    const { buffer, byteOffset } = this.#words
    const whole = length === VALUE_POINTER_BYTES
    const bytes = Buffer.from(buffer, byteOffset + value, whole ? length : 0)
    if (whole && readValuePointer(bytes, 0) !== undefined) return
    this.#refuse(at, 'a value pointer', `${length} other bytes`)
  }

  #version(at: number, version: number, frameLast: number): void {
    if (version === 0 || version > frameLast) {
      this.#refuse(at, `a version from 1 to ${frameLast}`, `${version}`)
    }
    if (this.#openVersion === 0) {
      if (version < this.#lastVersion) {
        this.#refuse(at, `a version not below ${this.#lastVersion}`, `${version}`)
      }
      this.#openVersion = version
      this.#lastVersion = version
    } else if (version !== this.#openVersion) {
      this.#refuse(at, `version ${this.#openVersion} until its commit ends`, `${version}`)
    }
  }

  #refuse(address: number, expected: string, found: string): never {
    throw new CorruptionError({
      file: this.#file,
      offset: address - this.#base,
      expected,
      found,
    })
  }
}
