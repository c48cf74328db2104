// The parts of one value, one after the other: what each of them must be, and whether it is. No IO; one thread.
import { CorruptionError } from '../base/errors.ts'
import { refuseNewerCodec } from '../format/packed-form.ts'
import {
  decodePartHeader,
  PART_FLAGS,
  PART_HEADER_BYTES,
  PART_KEY_HASH,
  PART_PACKING,
  PART_PAYLOAD_LENGTH,
  PART_PAYLOAD_MAX,
  PART_POSITION,
  type PartHeader,
  partBytes,
} from '../format/segments/segment-part.ts'
import type { ValuePointer } from '../format/segments/value-pointer.ts'
import type { OpenSegment } from './open-segments.ts'

/** Where a value lies, and whose it must be. */
export interface WantedValue extends ValuePointer {
  /** xxh64(user key, 0) */
  readonly keyHash: bigint
}

/** The next part of a value, from its pointer and the parts before it. */
export class ValueWalk {
  readonly segment: OpenSegment
  readonly wanted: WantedValue
  /** Of the next part in the file. */
  offset: number
  /** Bytes of the value before it. */
  position = 0

  /** Throws CorruptionError when no value can lie where the pointer says. */
  constructor(segment: OpenSegment, wanted: WantedValue) {
    const { offset, storedLength } = wanted
    this.segment = segment
    this.wanted = wanted
    this.offset = offset
    const end = offset + storedLength
    if (end > segment.valuesEnd) {
      this.#refuse(0, `a value that ends by ${segment.valuesEnd}`, `a pointer to ${end}`)
    }
  }

  get file(): string {
    return this.segment.file.path
  }

  /** Stored bytes from the next part on. */
  get left(): number {
    return this.wanted.offset + this.wanted.storedLength - this.offset
  }

  /** Bytes of the value in the next part. */
  get payloadLength(): number {
    return Math.min(PART_PAYLOAD_MAX, this.wanted.valueLength - this.position)
  }

  /** The next part is the only one. */
  get isSingle(): boolean {
    return this.position === 0 && this.wanted.valueLength <= PART_PAYLOAD_MAX
  }

  get #last(): boolean {
    return this.position + this.payloadLength === this.wanted.valueLength
  }

  /** The header of the next part as far as its lengths go: what is to be read, and checked by checksum then. */
  header(bytes: Buffer, at: number): PartHeader {
    if (this.left < PART_HEADER_BYTES) {
      this.#refuse(0, 'another part of the value', `${this.left} bytes`)
    }
    const header = decodePartHeader(bytes, at)
    if (header === undefined) return this.#refuse(0, 'a well-formed part', 'a malformed one')
    const { payloadLength } = this
    if (header.payloadLength !== payloadLength) {
      this.#refuse(PART_PAYLOAD_LENGTH, `${payloadLength} bytes`, `${header.payloadLength}`)
    }
    const length = partBytes(header.storedLength)
    const fits = this.#last ? length === this.left : length < this.left
    if (!fits) {
      const where = this.#last ? 'that ends its value' : 'before the last of its value'
      this.#refuse(PART_PACKING, `a part ${where}, ${this.left} bytes before its end`, `${length}`)
    }
    return header
  }

  /** Throws unless a part whose checksum is right (`verified`) is the next one of this value. */
  check(header: PartHeader, verified: boolean): void {
    if (!verified) this.#refuse(0, 'a part with its own checksum', 'other bytes')
    const { position, last, keyHash, codec } = header
    if (keyHash !== this.wanted.keyHash) {
      this.#refuse(PART_KEY_HASH, 'the hash of the key that points here', 'another')
    }
    if (position !== this.position) {
      this.#refuse(PART_POSITION, `byte ${this.position} of the value`, `${position}`)
    }
    if (last !== this.#last) {
      this.#refuse(PART_FLAGS, this.#last ? 'the last part' : 'a part before the last', 'not so')
    }
    refuseNewerCodec(codec, this.file, this.offset)
  }

  /** On to the part behind. */
  advance(header: PartHeader): void {
    this.position += header.payloadLength
    this.offset += partBytes(header.storedLength)
  }

  #refuse(behind: number, expected: string, found: string): never {
    throw new CorruptionError({ file: this.file, offset: this.offset + behind, expected, found })
  }
}
