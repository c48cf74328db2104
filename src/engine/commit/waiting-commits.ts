// Commits that wait, in the order they came: for room in memory, or for their large values to be on disk. Main thread.
// Whoever waits behind another commits behind it. Invariant: a commit is in the queue until it is resolved or rejected.
import type { WriteOptions } from '../types.ts'
import type { StoredValues } from '../value-log/new-segment.ts'
import { type CommitOperation, type Expiries, tooManyWaiting } from './commit-operations.ts'

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

/** Somebody who waits for those that wait. */
interface Watcher {
  readonly left: Set<WaitingCommit>
  readonly resolve: () => void
}

export class WaitingCommits {
  readonly #waiting: WaitingCommit[] = []
  readonly #watchers = new Set<Watcher>()
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

  /** Throws where so many bytes more are more than may wait; the first commit may have any length. */
  checkRoom(bytes: number, bytesMax: number): void {
    if (this.#waiting.length > 0 && this.bytes + bytes > bytesMax) throw tooManyWaiting(this.bytes)
  }

  has(waiter: WaitingCommit): boolean {
    return this.#waiting.includes(waiter)
  }

  /** Resolves once none of those that wait now does. */
  passed(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#watchers.add({ left: new Set(this.#waiting), resolve })
    })
  }

  /** False: it was told already. */
  remove(waiter: WaitingCommit): boolean {
    const index = this.#waiting.indexOf(waiter)
    if (index < 0) return false
    this.#waiting.splice(index, 1)
    this.bytes -= waiter.bytes
    this.#left(waiter)
    return true
  }

  rejectAll(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) {
      waiter.commit?.stored?.release()
      waiter.reject(error)
      this.#left(waiter)
    }
    this.bytes = 0
  }

  #left(waiter: WaitingCommit): void {
    for (const watcher of this.#watchers) {
      watcher.left.delete(waiter)
      if (watcher.left.size > 0) continue
      this.#watchers.delete(watcher)
      watcher.resolve()
    }
  }
}
