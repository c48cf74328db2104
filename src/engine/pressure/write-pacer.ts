// Lets groups out no faster than a rate. Owes in bytes, not in time, so that a rate that rises shortens the wait that
// is left; RocksDB's WriteController::GetDelay keeps such an account, too. Time is passed in.

/** One wait, at most: then the rate is looked at again. */
const WAIT_MOST_MS = 4
/** Less is not worth a timer; it stays owed. */
const WAIT_LEAST_MS = 1
/** A timer that came late is made up for, up to so much. */
const CREDIT_MS = 5
/** However large a group was, the next one does not wait longer for it. */
const OWED_MOST_MS = 1_000

export class WritePacer {
  #owed = 0
  #at = 0

  /** Milliseconds until it is worth asking again; 0: the next group may go. */
  waitMs(now: number, bytesPerMs: number): number {
    this.#pay(now, bytesPerMs)
    // It may have gone out when the rate was a higher one, or none was known.
    this.#owed = Math.min(this.#owed, OWED_MOST_MS * bytesPerMs)
    const wait = this.#owed / bytesPerMs
    return wait < WAIT_LEAST_MS ? 0 : Math.min(wait, WAIT_MOST_MS)
  }

  /** A group went out. */
  sent(now: number, bytes: number, bytesPerMs: number): void {
    this.#pay(now, bytesPerMs)
    this.#owed = Math.min(this.#owed + bytes, OWED_MOST_MS * bytesPerMs)
  }

  /** Nothing is owed. */
  forgive(): void {
    this.#owed = 0
  }

  #pay(now: number, bytesPerMs: number): void {
    if (bytesPerMs === Number.POSITIVE_INFINITY) this.#owed = 0
    else {
      const paid = (now - this.#at) * bytesPerMs
      this.#owed = Math.max(this.#owed - paid, -CREDIT_MS * bytesPerMs)
    }
    this.#at = now
  }
}
