// The first bytes of a stream, in one buffer that grows: however short the chunks are, they cost what they hold. No IO.

const LEAST = 1024

export class GatheredBytes {
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0

  /** Copies them. */
  add(chunk: Uint8Array): void {
    const length = this.#length + chunk.length
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length, LEAST))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    this.#bytes.set(chunk, this.#length)
    this.#length = length
  }

  /** All of them; it is empty then. */
  take(): Buffer {
    const all = this.#bytes.subarray(0, this.#length)
    this.#bytes = Buffer.alloc(0)
    this.#length = 0
    return all
  }
}
