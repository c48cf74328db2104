// Gives out file numbers: rising, over all kinds together, never twice. Main thread.

export class FileNumbering {
  #next: number

  constructor(next: number) {
    this.#next = next
  }

  /** The number the next file will get. */
  get next(): number {
    return this.#next
  }

  take(): number {
    return this.takeRange(1)
  }

  /** Takes `count` numbers in a row; returns the first. */
  takeRange(count: number): number {
    const first = this.#next
    this.#next += count
    return first
  }
}
