// How a job in a worker is slowed down: main grants bytes through a word of the heap, the worker counts what it wrote
// and sleeps while it is ahead. The word has one writer, main; what the worker counts is its own.
import { awaitGrant, grantOf, setGrant, UNLIMITED } from '../memory/heap-control.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'
import type { Valve } from './executor.ts'

/** What a worker may have in hand: grants it did not use for long are lost. */
export const BURST_BYTES: number = 256 * 1024
/** A worker that waits looks this often whether it was cancelled. */
const WAIT_MS = 50

/** Main side: the word of a job that runs. */
export function heapValve(heap: SharedHeap, slot: number): Valve {
  let granted = 0
  return {
    grant(bytes) {
      granted = (granted + Math.floor(bytes)) | 0
      // That very number means something else; a byte more does not matter.
      if (granted === UNLIMITED) granted = 1
      setGrant(heap, slot, granted)
    },
    open: () => setGrant(heap, slot, UNLIMITED),
  }
}

/** Worker side, for one job. */
export class JobPace {
  readonly #heap: SharedHeap
  readonly #slot: number
  readonly #cancelled: () => boolean
  readonly #wait: typeof awaitGrant
  #limited = false
  /** Written while limited, on the scale of the grants. */
  #spent = 0

  constructor(
    heap: SharedHeap,
    slot: number,
    cancelled: () => boolean,
    wait: typeof awaitGrant = awaitGrant,
  ) {
    this.#heap = heap
    this.#slot = slot
    this.#cancelled = cancelled
    this.#wait = wait
  }

  /** So many bytes were written: returns when they are granted, there is no limit, or the job is cancelled. */
  spend(bytes: number): void {
    let grant = grantOf(this.#heap, this.#slot)
    if (grant === UNLIMITED) {
      this.#limited = false
      return
    }
    if (!this.#limited || ((grant - this.#spent) | 0) > BURST_BYTES) {
      this.#spent = this.#limited ? (grant - BURST_BYTES) | 0 : grant
      this.#limited = true
    }
    this.#spent = (this.#spent + bytes) | 0
    while (((grant - this.#spent) | 0) < 0 && !this.#cancelled()) {
      this.#wait(this.#heap, this.#slot, grant, WAIT_MS)
      grant = grantOf(this.#heap, this.#slot)
      if (grant === UNLIMITED) return
    }
  }
}
