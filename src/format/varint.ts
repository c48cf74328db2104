// LEB128 numbers and the cursor that decodes fields from untrusted bytes. Every read is checked
// against the bytes that are there, so a decoder built on FieldReader gives a value or a
// CorruptionError, whatever it is fed.
import { readSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'

/** Enough for any number below 2^53. */
export const VARINT_BYTES_MAX = 8

export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1
  return length
}

/** Writes `value` at `at` and returns the offset behind it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value
  let next = at
  while (rest >= 128) {
    target[next] = (rest % 128) | 128
    next += 1
    rest = Math.floor(rest / 128)
  }
  target[next] = rest
  return next + 1
}

export class FieldReader {
  readonly #bytes: Buffer
  readonly #file: string
  readonly #base: number
  #at = 0

  /** `base` is the file offset of the first byte, for errors. */
  constructor(bytes: Buffer, file: string, base: number) {
    this.#bytes = bytes
    this.#file = file
    this.#base = base
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** File offset of the next field. */
  get offset(): number {
    return this.#base + this.#at
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  u64(): number {
    const at = this.#take(8)
    return readSafeU64(this.#bytes.subarray(at, at + 8), 0, this.#file)
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < VARINT_BYTES_MAX; i += 1) {
      const byte = this.u8()
      value += (byte & 127) * scale
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) this.fail('a number below 2^53', 'a larger one')
        if (byte === 0 && i > 0) this.fail('the shortest form of a number', 'a longer one')
        return value
      }
      scale *= 128
    }
    return this.fail(`a number of at most ${VARINT_BYTES_MAX} bytes`, 'a longer one')
  }

  /** `length` bytes, as a view. */
  view(length: number): Buffer {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  fail(expected: string, found: string): never {
    throw new CorruptionError({ file: this.#file, offset: this.offset, expected, found })
  }

  #take(length: number): number {
    const at = this.#at
    const left = this.#bytes.length - at
    if (length > left) this.fail(`${length} more bytes`, `${left}`)
    this.#at = at + length
    return at
  }
}

/** Collects fields into a buffer that grows. */
export class FieldWriter {
  #bytes: Buffer
  #at = 0

  constructor(capacity: number) {
    this.#bytes = Buffer.alloc(capacity)
  }

  u8(value: number): this {
    this.#room(1)
    this.#bytes[this.#at] = value
    this.#at += 1
    return this
  }

  varint(value: number): this {
    this.#room(VARINT_BYTES_MAX)
    this.#at = writeVarint(this.#bytes, this.#at, value)
    return this
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  /** What was written; later writes do not change it. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }

  #room(length: number): void {
    const needed = this.#at + length
    if (needed <= this.#bytes.length) return
    const grown = Buffer.alloc(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#at), 0)
    this.#bytes = grown
  }
}
