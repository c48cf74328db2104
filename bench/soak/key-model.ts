// What must be in the database: for every key how often it was written, how long its value is, when it expires. A value
// follows from the key and the count of its writes, so that none is kept. A key has one writer at a time.
import { words } from '../data/random.ts'

export const KEY_BYTES = 16
const INDEX_AT = 12
/** Values are pieces of a pool that begin within these bytes. */
const POOL_BYTES = 2 ** 20
export const VALUE_BYTES_MAX: number = POOL_BYTES
/** Of what compresses, half of a run is random, half its repetition. */
const RUN_BYTES = 128
const GONE = 0xff
const SCANNED = 1

/** What a reader must find. */
export interface Claim {
  readonly index: number
  /** undefined: nothing. */
  readonly value: Buffer | undefined
  /** False: the value may as well have expired. */
  readonly sure: boolean
}

/** Wall clock before and after a call, ms: what it took as now lies between. */
export interface Between {
  readonly from: number
  readonly until: number
}

export interface KeySpec {
  readonly keys: number
  /** Bytes. */
  readonly values: readonly number[]
  readonly seed: number
  /** Values compress to about half; else not at all. */
  readonly compressible: boolean
}

const ALWAYS: Between = { from: Number.POSITIVE_INFINITY, until: Number.POSITIVE_INFINITY }

export class KeyModel {
  readonly count: number
  readonly sizes: readonly number[]
  readonly #keys: Buffer
  readonly #pool: Buffer
  readonly #writes: Uint32Array
  /** Place of its length among `sizes`; GONE: there is no value. */
  readonly #size: Uint8Array
  /** The earliest and the latest time at which it expires; Infinity: never. */
  readonly #expiresFrom: Float64Array
  readonly #expiresUntil: Float64Array

  constructor({ keys: count, values: sizes, seed, compressible }: KeySpec) {
    const longest = Math.max(...sizes)
    if (sizes.length === 0 || sizes.length >= GONE || longest > VALUE_BYTES_MAX) {
      throw new RangeError(
        `values take 1 to ${VALUE_BYTES_MAX} bytes, in at most ${GONE - 1} sizes`,
      )
    }
    this.count = count
    this.sizes = sizes
    const next = words(seed)
    this.#keys = Buffer.allocUnsafeSlow(count * KEY_BYTES)
    for (let index = 0; index < count; index++) {
      const at = index * KEY_BYTES
      for (let word = 0; word < INDEX_AT; word += 4) this.#keys.writeUInt32BE(next(), at + word)
      this.#keys.writeUInt32BE(index, at + INDEX_AT)
    }
    this.#pool = Buffer.allocUnsafeSlow(POOL_BYTES + longest)
    for (let at = 0; at < this.#pool.length; at++) this.#pool[at] = next() & 0xff
    for (let at = 0; compressible && at < this.#pool.length; at += RUN_BYTES) {
      this.#pool.copyWithin(at + RUN_BYTES / 2, at, at + RUN_BYTES / 2)
    }
    this.#writes = new Uint32Array(count)
    this.#size = new Uint8Array(count).fill(GONE)
    this.#expiresFrom = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
    this.#expiresUntil = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
  }

  /** A view; the bytes never change. */
  key(index: number): Buffer {
    return this.#keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES)
  }

  /** -1: no key of this model. */
  indexOf(key: Uint8Array): number {
    if (key.length !== KEY_BYTES) return -1
    const index = Buffer.from(key.buffer, key.byteOffset, KEY_BYTES).readUInt32BE(INDEX_AT)
    return index < this.count && this.key(index).equals(key) ? index : -1
  }

  /** What the next put of a key writes, a view; `size`: a place among `sizes`. */
  next(index: number, size: number): Buffer {
    return this.#value(index, this.#writes[index]! + 1, size)
  }

  /** A put of what `next` gave was acknowledged; `expiry`: when its value expires. */
  wrote(index: number, size: number, expiry: Between = ALWAYS): void {
    this.#writes[index]!++
    this.#size[index] = size
    this.#expiresFrom[index] = expiry.from
    this.#expiresUntil[index] = expiry.until
  }

  deleted(index: number): void {
    this.#size[index] = GONE
  }

  /** What somebody must find who looked within `looked`. */
  claim(index: number, looked: Between): Claim {
    const size = this.#size[index]!
    const gone = size === GONE || looked.from >= this.#expiresUntil[index]!
    const value = gone ? undefined : this.#value(index, this.#writes[index]!, size)
    return { index, value, sure: gone || looked.until < this.#expiresFrom[index]! }
  }

  /** Bytes of the keys and values that have not expired at `now`. */
  liveBytes(now: number): number {
    let bytes = 0
    for (let index = 0; index < this.count; index++) {
      const size = this.#size[index]!
      if (size === GONE || this.#expiresUntil[index]! <= now) continue
      bytes += KEY_BYTES + this.sizes[size]!
    }
    return bytes
  }

  /** Where a value begins in the pool: any other write of this key or of another begins elsewhere, but for one in a
   * million. */
  #value(index: number, writes: number, size: number): Buffer {
    let word = Math.imul(index ^ Math.imul(writes, 0x9e3779b9), 0x21f0aaad)
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
    const at = ((word ^ (word >>> 15)) >>> 0) % POOL_BYTES
    return this.#pool.subarray(at, at + this.sizes[size]!)
  }
}

/** Compares answers with claims and keeps what was wrong. */
export class Checker {
  readonly mistakes: string[] = []
  checked = 0
  wrong = 0

  check({ index, value, sure }: Claim, found: Uint8Array | undefined, where: string): void {
    this.checked++
    if (found === undefined ? value === undefined || !sure : value?.equals(found) === true) return
    const told = (bytes: Uint8Array | undefined): string =>
      bytes === undefined ? 'nothing' : `a value of ${bytes.length} bytes`
    const same = value !== undefined && found !== undefined && value.length === found.length
    const expected = same ? 'another one of as many' : told(value)
    this.#mistake(`key ${index}, ${where}: found ${told(found)}, expected ${expected}`)
  }

  #mistake(words: string): void {
    this.wrong++
    if (this.mistakes.length < MISTAKES_TOLD) this.mistakes.push(words)
  }

  /** A scan met every entry of `model` and nothing else: give it each entry, then end it. */
  scan(model: KeyModel, began: number, where: string): ScanCheck {
    const seen = new Uint8Array(model.count)
    return {
      entry: (key, value) => {
        const index = model.indexOf(key)
        if (index < 0 || seen[index] === SCANNED) {
          this.#mistake(`${where}: ${index < 0 ? 'a key that nobody wrote' : `key ${index} twice`}`)
          return
        }
        seen[index] = SCANNED
        this.check(model.claim(index, { from: began, until: began }), value, where)
      },
      end: (now) => {
        for (let index = 0; index < model.count; index++) {
          if (seen[index] === SCANNED) continue
          this.check(model.claim(index, { from: began, until: now }), undefined, where)
        }
      },
    }
  }
}

const MISTAKES_TOLD = 5

export interface ScanCheck {
  entry(key: Uint8Array, value: Uint8Array): void
  end(now: number): void
}
