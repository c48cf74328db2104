// Keys and values of a run, the same for every store: 16 random bytes, 100 bytes that compress to about half.

export const KEY_BYTES = 16
export const VALUE_BYTES = 100
const PIECES = 10_007
const FULL_CHECK_EVERY = 16

/** Small multiplicative generator; one 32-bit word per call. */
export function words(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
    return (word ^ (word >>> 15)) >>> 0
  }
}

export class Dataset {
  readonly count: number
  readonly #keys: Buffer
  readonly #values: Buffer

  constructor(count: number, seed: number) {
    this.count = count
    const next = words(seed)
    this.#keys = Buffer.allocUnsafeSlow(count * KEY_BYTES)
    for (let at = 0; at < this.#keys.length; at += 4) this.#keys.writeUInt32LE(next(), at)
    this.#values = Buffer.allocUnsafeSlow(PIECES * VALUE_BYTES)
    const half = VALUE_BYTES / 2
    for (let piece = 0; piece < PIECES; piece++) {
      const start = piece * VALUE_BYTES
      for (let at = 0; at < half; at++) this.#values[start + at] = next() & 0xff
      this.#values.copyWithin(start + half, start, start + half)
    }
  }

  key(index: number): Buffer {
    return this.#keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES)
  }

  value(index: number): Buffer {
    const start = (index % PIECES) * VALUE_BYTES
    return this.#values.subarray(start, start + VALUE_BYTES)
  }

  /** Throws unless `found` is the value of `index`: length and first bytes always, all bytes now and then. */
  check(index: number, found: Uint8Array | undefined): void {
    const start = (index % PIECES) * VALUE_BYTES
    const values = this.#values
    const same =
      found !== undefined &&
      found.length === VALUE_BYTES &&
      found[0] === values[start] &&
      found[1] === values[start + 1] &&
      found[VALUE_BYTES - 1] === values[start + VALUE_BYTES - 1] &&
      (index % FULL_CHECK_EVERY !== 0 || this.value(index).equals(found))
    if (!same) throw new Error(`key ${index}: a wrong value (${found?.length} bytes)`)
  }
}
