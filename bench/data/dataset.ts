// Keys and values of a run, the same for every engine. A value is half random bytes and half their repetition, so
// that it compresses to about half, or a document (documents.ts).
import { constants } from 'node:buffer'
import { writeDocument } from './documents.ts'
import { shuffled, words } from './random.ts'

export type KeyKind = 'random' | 'sequential' | 'text'

export interface DatasetSpec {
  readonly count: number
  readonly keys: KeyKind
  /** `random`: a multiple of 4; `sequential`: at least 10; `text`: at least 24. Default of the commands: 16, 16, 32. */
  readonly keyBytes: number
  readonly valueBytes: number
  readonly seed: number
  /** Default: half random bytes, half their repetition. */
  readonly values?: 'documents'
}

/** Bytes of all distinct values together; beyond it values repeat. */
const VALUES_BYTES_MAX = 16 * 2 ** 20
const PIECES_MAX = 10_007
const FULL_CHECK_EVERY = 16
const DIGITS = 10
const ORDER_SEED = 7_919
/** `check` always compares the first two bytes of a value. */
const VALUE_BYTES_MIN = 2
const WORDS = 2 ** 32
/** Shared beginnings of `text` keys, each padded with '.' on the right to keyBytes − 10. */
const PREFIXES = [
  'user/profile/',
  'user/session/',
  'shop/article/',
  'shop/invoice/',
  'log/service-a/',
  'log/service-b/',
  'geo/europe/',
  'geo/oceania/',
] as const

/** Place of each prefix among all; none is the beginning of another. */
const PREFIX_RANKS = PREFIXES.map((prefix) => PREFIXES.filter((other) => other < prefix).length)
const KEY_BYTES_MIN: Record<KeyKind, number> = {
  random: 4,
  sequential: DIGITS,
  text: DIGITS + Math.max(...PREFIXES.map((prefix) => prefix.length)),
}

/** Keys are unique as long as the generator, or `mix`, is not asked for more than all 32-bit words. */
function checkSpec({ count, keys, keyBytes, valueBytes, seed }: DatasetSpec): void {
  const whole = Object.entries({ count, keyBytes, valueBytes, seed })
  for (const [name, value] of whole) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`${name} must be a whole number, not ${value}`)
    }
  }
  const smallest = KEY_BYTES_MIN[keys]
  if (smallest === undefined) {
    throw new RangeError(`keys '${keys}': known are ${Object.keys(KEY_BYTES_MIN).join(', ')}`)
  }
  if (keyBytes < smallest || (keys === 'random' && keyBytes % 4 !== 0)) {
    const rule = keys === 'random' ? 'a multiple of 4 bytes' : `at least ${smallest} bytes`
    throw new RangeError(`${keys} keys take ${rule}, not ${keyBytes}`)
  }
  if (valueBytes < VALUE_BYTES_MIN) {
    throw new RangeError(`values take at least ${VALUE_BYTES_MIN} bytes, not ${valueBytes}`)
  }
  const most = Math.min(
    constants.MAX_LENGTH / keyBytes,
    keys === 'random' ? (4 * WORDS) / keyBytes : WORDS,
  )
  if (count < 1 || count > most) {
    throw new RangeError(
      `between 1 and ${Math.floor(most)} keys of ${keyBytes} bytes, not ${count}`,
    )
  }
}

/** A bijection on 32 bits, so that `text` keys are unique and unordered. */
function mix(index: number): number {
  let word = Math.imul((index ^ (index >>> 16)) >>> 0, 0x21f0aaad)
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
  return (word ^ (word >>> 15)) >>> 0
}

export class Dataset {
  readonly spec: DatasetSpec
  readonly count: number
  readonly #keys: Buffer
  readonly #values: Buffer
  readonly #pieces: number

  constructor(spec: DatasetSpec) {
    checkSpec(spec)
    const { count, keyBytes, valueBytes } = spec
    this.spec = spec
    this.count = count
    const next = words(spec.seed)
    this.#keys = Buffer.allocUnsafeSlow(count * keyBytes)
    if (spec.keys === 'random') {
      for (let at = 0; at < this.#keys.length; at += 4) this.#keys.writeUInt32LE(next(), at)
    } else {
      for (let index = 0; index < count; index++) this.#writeTextKey(index)
    }
    this.#pieces = Math.min(PIECES_MAX, Math.max(1, Math.floor(VALUES_BYTES_MAX / valueBytes)))
    this.#values = Buffer.allocUnsafeSlow(this.#pieces * valueBytes)
    if (spec.values === 'documents') this.#writeDocuments(next)
    else this.#writeHalves(next)
  }

  #writeDocuments(next: () => number): void {
    const { valueBytes } = this.spec
    for (let start = 0; start < this.#values.length; start += valueBytes) {
      writeDocument(this.#values.subarray(start, start + valueBytes), next)
    }
  }

  #writeHalves(next: () => number): void {
    const { valueBytes } = this.spec
    const half = valueBytes >>> 1
    for (let piece = 0; piece < this.#pieces; piece++) {
      const start = piece * valueBytes
      for (let at = 0; at < valueBytes - half; at++) this.#values[start + at] = next() & 0xff
      this.#values.copyWithin(start + valueBytes - half, start, start + half)
    }
  }

  /** `sequential`: the index in decimal; `text`: a shared beginning and ten digits of the mixed index. */
  #writeTextKey(index: number): void {
    const { keys, keyBytes } = this.spec
    const number = keys === 'sequential' ? index : mix(index)
    const digits = String(number).padStart(DIGITS, '0')
    const head = keyBytes - DIGITS
    const text =
      keys === 'sequential' ? ''.padStart(head, '0') : PREFIXES[number & 7]!.padEnd(head, '.')
    this.#keys.write(text + digits, index * keyBytes, 'latin1')
  }

  /** A view; the bytes never change. */
  key(index: number): Buffer {
    const { keyBytes } = this.spec
    return this.#keys.subarray(index * keyBytes, (index + 1) * keyBytes)
  }

  /** A key that was never written and lies between two that may have been. */
  missingKey(index: number): Buffer {
    const { keyBytes } = this.spec
    const key = Buffer.allocUnsafe(keyBytes + 1)
    this.#keys.copy(key, 0, index * keyBytes, (index + 1) * keyBytes)
    key[keyBytes] = 0x21
    return key
  }

  /** A view. `generation` tells a rewritten value from the first one. */
  value(index: number, generation = 0): Buffer {
    const { valueBytes } = this.spec
    const start = ((index + generation) % this.#pieces) * valueBytes
    return this.#values.subarray(start, start + valueBytes)
  }

  /** All indexes in an order without pattern; the same in every process. */
  shuffled(): Uint32Array {
    return shuffled(this.count, ORDER_SEED)
  }

  /** Orders the keys as their bytes do; no two keys share a number. */
  #place(index: number): number {
    if (this.spec.keys === 'sequential') return index
    if (this.spec.keys === 'random') return this.#keys.readUInt32BE(index * this.spec.keyBytes)
    // The lowest three bits chose the prefix, so that below one prefix they are all the same.
    const number = mix(index)
    return ((PREFIX_RANKS[number & 7]! << 29) | (number >>> 3)) >>> 0
  }

  /** All indexes in key order. */
  ascending(): Uint32Array {
    // Numbers sort without a comparator, ten times as fast. Little-endian: the place is the upper half.
    const places = new BigUint64Array(this.count)
    const halves = new Uint32Array(places.buffer)
    for (let index = 0; index < this.count; index++) {
      halves[2 * index] = index
      halves[2 * index + 1] = this.#place(index)
    }
    places.sort()
    const order = new Uint32Array(this.count)
    for (let at = 0; at < this.count; at++) order[at] = halves[2 * at]!
    return order
  }

  /** Throws unless `found` is the value of `index`: length and some bytes always, all bytes now and then. */
  check(index: number, found: Uint8Array | undefined, generation = 0): void {
    const { valueBytes } = this.spec
    const start = ((index + generation) % this.#pieces) * valueBytes
    const values = this.#values
    const same =
      found !== undefined &&
      found.length === valueBytes &&
      found[0] === values[start] &&
      found[1] === values[start + 1] &&
      found[valueBytes - 1] === values[start + valueBytes - 1] &&
      (index % FULL_CHECK_EVERY !== 0 || this.value(index, generation).equals(found))
    if (!same) throw new Error(`key ${index}: a wrong value (${found?.length} bytes)`)
  }
}
