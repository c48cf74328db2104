// Values too large for a source's buffers. Their descriptors have DESC_LAZY and carry a token in
// DESC_VALUE; the holder of the descriptor fetches the value by it. One registry per merge, shared by its
// sources, on one thread; a token is good until it is dropped.
import { assert } from '../base/assert.ts'

export interface LazyValue {
  /** Bytes that readInto works in. */
  readonly room: number
  /** Reads, verifies and unpacks the value's block at a heap address with `room` bytes behind it; returns the
   * address of the value. The key lies right before it, as one run of bytes. */
  readInto(address: number): number
  /** A copy of the value, verified. */
  readBytes(): Buffer
}

export class LazyValues {
  readonly #values = new Map<number, LazyValue>()
  #next = 1

  get size(): number {
    return this.#values.size
  }

  /** Returns the token. */
  add(value: LazyValue): number {
    const token = this.#next
    this.#next = token === 0xffff_ffff ? 1 : token + 1
    this.#values.set(token, value)
    return token
  }

  get(token: number): LazyValue {
    const value = this.#values.get(token)
    assert(value !== undefined, 'a lazy value is fetched while its token is good')
    return value
  }

  drop(token: number): void {
    this.#values.delete(token)
  }
}
