// Bounds the bytes in flight: whoever wants more waits until others have let go. One alone always passes.

interface Waiter {
  readonly bytes: number
  readonly pass: () => void
}

export class ByteGate {
  readonly #max: number
  readonly #waiting: Waiter[] = []
  #taken = 0

  constructor(max: number) {
    this.#max = max
  }

  get taken(): number {
    return this.#taken
  }

  get waiting(): number {
    return this.#waiting.length
  }

  enter(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#taken += bytes
      return Promise.resolve()
    }
    return new Promise((pass) => this.#waiting.push({ bytes, pass }))
  }

  leave(bytes: number): void {
    this.#taken -= bytes
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (!this.#fits(first.bytes)) break
      this.#taken += first.bytes
      this.#waiting.shift()
      first.pass()
    }
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#max
  }
}
