// Runs a job with scratch memory of its own, and again when its worker failed. Main thread.
import { SettError } from '../base/errors.ts'
import type { JobReport, JobResult, JobSpec } from '../jobs/job.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'
import type { CancelFlag, Executor } from '../pool/executor.ts'
import { errorCode } from './health.ts'
import type { ObsoleteFiles } from './obsolete-files.ts'

/** A job whose worker died is tried this often in all. */
const TRIES = 3

export interface JobRequest {
  readonly priority: number
  readonly workspaceBytes: number
  readonly cancel: CancelFlag
  readonly onReport?: (report: JobReport) => void
  readonly spec: (workspace: Region) => JobSpec
}

export interface JobRunnerParts {
  readonly executor: Executor
  readonly heap: SharedHeap
  readonly allocator: HeapAllocator
  readonly obsolete: ObsoleteFiles
}

export class JobRunner {
  readonly #executor: Executor
  readonly #heap: SharedHeap
  readonly #allocator: HeapAllocator
  readonly #obsolete: ObsoleteFiles

  constructor(parts: JobRunnerParts) {
    this.#executor = parts.executor
    this.#heap = parts.heap
    this.#allocator = parts.allocator
    this.#obsolete = parts.obsolete
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
    const { priority, cancel, onReport } = request
    const watch = onReport === undefined ? {} : { onReport }
    try {
      for (let tries = 1; ; tries++) {
        // A spec per try: output numbers are never used twice, not even by a dead worker.
        const spec = request.spec(workspace)
        try {
          return await this.#executor.run<T>(spec, {
            heap: this.#heap,
            priority,
            cancel,
            ...watch,
          })
        } catch (error) {
          // The worker is gone for good by now: neither files nor memory change any more.
          if (errorCode(error) !== 'SETT_WORKER_FAILED') throw error
          this.#removeOutputs(spec)
          if (tries === TRIES || cancel.cancelled) throw error
        }
      }
    } finally {
      this.#allocator.free(workspace)
    }
  }

  #removeOutputs(spec: JobSpec): void {
    if (!('numbers' in spec)) return
    const { first, count } = spec.numbers
    for (let number = first; number < first + count; number++) this.#obsolete.removeTable(number)
  }
}
