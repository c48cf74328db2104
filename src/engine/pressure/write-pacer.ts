// Lets groups out no faster than a rate. Owes in bytes, not in time, so that a rate that rises shortens the wait that
// is left; RocksDB's WriteController::GetDelay keeps such an account, too. Time is passed in.

/** One wait, at most: then the rate is looked at again. */
const WAIT_MOST_MS = 4
/** Less is not worth a timer; it stays owed. */
const WAIT_LEAST_MS = 1
/** Nor is this, at any rate, worth a look at the clock. */
const LITTLE_BYTES = 64 * 1024
/** A timer that came late is made up for, up to so much. */
const CREDIT_MS = 5
/** However large a group was, the next one does not wait longer for it: values of up to ten seconds are paid for. */
const OWED_MOST_MS = 10_000
/** Nor longer than was to be expected when it went out, or this if that is more: the rate may have fallen since, or
 * none was known. */
const SURPRISE_MOST_MS = 1_000

export class WritePacer {
  #owed = 0
  #at = 0
  /** What is owed then is forgiven. */
  #until = 0

  /** Milliseconds until it is worth asking again; 0: the next group may go. */
  waitMs(now: number, bytesPerMs: number): number {
    this.#pay(now, bytesPerMs)
    const dueMs = this.#owed / bytesPerMs
    if (dueMs < WAIT_LEAST_MS) return 0
    const boundMs = Math.max(this.#until - now, 0)
    if (boundMs < dueMs) this.#owed = boundMs * bytesPerMs
    const wait = Math.min(dueMs, boundMs, WAIT_MOST_MS)
    return wait < WAIT_LEAST_MS ? 0 : wait
  }

  /** With so much more, too, less is owed than is worth a wait, whatever was paid since the last look at the clock. */
  owesLittle(bytes: number, bytesPerMs: number): boolean {
    return this.#owed + bytes < Math.min(WAIT_LEAST_MS * bytesPerMs, LITTLE_BYTES)
  }

  /** A group went out; `now` may be left out while little is owed. */
  sent(now: number | undefined, bytes: number, bytesPerMs: number): void {
    if (now !== undefined) this.#pay(now, bytesPerMs)
    else if (bytesPerMs === Number.POSITIVE_INFINITY) this.#owed = 0
    this.#owed += bytes
    if (now === undefined) return
    const dueMs = Math.min(this.#owed / bytesPerMs, OWED_MOST_MS)
    this.#until = now + Math.max(dueMs, SURPRISE_MOST_MS)
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
