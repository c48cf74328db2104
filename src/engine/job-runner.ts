// Runs a job with scratch memory of its own, and again when its worker failed. Main thread.
import { SettError } from '../base/errors.ts'
import type { JobResult, JobSpec } from '../jobs/job.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'
import type { CancelFlag, Executor } from '../pool/executor.ts'
import { errorCode } from './health.ts'

/** A job whose worker died is tried this often in all. */
const TRIES = 3

export interface JobRequest {
  readonly priority: number
  readonly workspaceBytes: number
  readonly cancel: CancelFlag
  readonly spec: (workspace: Region) => JobSpec
}

export class JobRunner {
  readonly #executor: Executor
  readonly #heap: SharedHeap
  readonly #allocator: HeapAllocator

  constructor(executor: Executor, heap: SharedHeap, allocator: HeapAllocator) {
    this.#executor = executor
    this.#heap = heap
    this.#allocator = allocator
  }

  async run<T extends JobResult>(request: JobRequest): Promise<T> {
    const workspace = this.#allocator.allocate(request.workspaceBytes, 64)
    if (workspace === undefined) {
      throw new SettError(
        'SETT_OUT_OF_MEMORY',
        `A background job needs ${request.workspaceBytes} bytes of the heap. Raise memoryBudget, or ` +
          'lower tableSize.',
      )
    }
    const { priority, cancel } = request
    let alive = true
    try {
      for (let tries = 1; ; tries++) {
        try {
          // A spec per try: output numbers are never used twice, not even by a dead worker.
          return await this.#executor.run<T>(request.spec(workspace), {
            heap: this.#heap,
            priority,
            cancel,
          })
        } catch (error) {
          alive = errorCode(error) !== 'SETT_WORKER_FAILED'
          if (alive || tries === TRIES || cancel.cancelled) throw error
        }
      }
    } finally {
      // A worker that was given up may still write into its scratch: that memory is not used again.
      if (alive) this.#allocator.free(workspace)
    }
  }
}
