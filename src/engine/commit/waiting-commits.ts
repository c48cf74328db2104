// Commits that wait, in the order they came: for room in memory, or for their large values to be on disk. Main thread.
// Whoever waits behind another commits behind it. Invariant: a commit is in the queue until it is resolved or rejected.
import type { WriteOptions } from '../types.ts'
import type { StoredValues } from '../value-log/new-segment.ts'
import type { CommitOperation, Expiries } from './commit-operations.ts'

export interface Commit {
  readonly operations: readonly CommitOperation[]
  readonly expiries: Expiries
  readonly options: WriteOptions
  /** What its pointers point to. */
  readonly stored?: StoredValues
}

export interface WaitingCommit {
  /** undefined: its values are still being written. */
  commit: Commit | undefined
  /** Copied for it. */
  readonly bytes: number
  readonly resolve: (done: Promise<void>) => void
  readonly reject: (error: unknown) => void
}

export class WaitingCommits {
  readonly #waiting: WaitingCommit[] = []
  /** Copied for all of them. */
  bytes = 0

  get length(): number {
    return this.#waiting.length
  }

  get head(): WaitingCommit | undefined {
    return this.#waiting[0]
  }

  push(waiter: WaitingCommit): void {
    this.#waiting.push(waiter)
    this.bytes += waiter.bytes
  }

  has(waiter: WaitingCommit): boolean {
    return this.#waiting.includes(waiter)
  }

  /** False: it was told already. */
  remove(waiter: WaitingCommit): boolean {
    const index = this.#waiting.indexOf(waiter)
    if (index < 0) return false
    this.#waiting.splice(index, 1)
    this.bytes -= waiter.bytes
    return true
  }

  rejectAll(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) {
      waiter.commit?.stored?.release()
      waiter.reject(error)
    }
    this.bytes = 0
  }
}
