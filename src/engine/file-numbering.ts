// Gives out file numbers: rising, over all kinds together, never twice. Main thread.
import { SettError } from '../base/errors.ts'

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

  /** Takes `count` numbers in a row; returns the first. Throws SETT_TOO_LARGE when there are not so many. */
  takeRange(count: number): number {
    const first = this.#next
    if (first + count > Number.MAX_SAFE_INTEGER) {
      throw new SettError(
        'SETT_TOO_LARGE',
        'No file number is left. Remove the file with a number near 2^53 from the directory, or copy the data ' +
          'into a new database.',
      )
    }
    this.#next += count
    return first
  }
}
