// Runs a job with scratch memory of its own, and again when its worker failed; removes what a failed one wrote. Main
// thread.
import { SettError } from '../base/errors.ts'
import type { JobReport, JobResult, JobSpec, OutputFile } from '../jobs/job.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'
import type { CancelFlag, Executor, JobTicket, Pacer } from '../pool/executor.ts'
import { errorCode } from './disk/failures.ts'
import type { ObsoleteFiles } from './obsolete-files.ts'

/** A job whose worker died is tried this often in all. */
const TRIES = 3

export interface JobRequest {
  readonly priority: number
  readonly workspaceBytes: number
  readonly cancel: CancelFlag
  /** Limits what it writes. */
  readonly pace?: Pacer | undefined
  readonly onReport?: (report: JobReport) => void
  readonly spec: (workspace: Region) => JobSpec
}

export interface JobRunnerParts {
  readonly executor: Executor
  readonly heap: SharedHeap
  readonly allocator: HeapAllocator
  readonly obsolete: ObsoleteFiles
}

export interface JobTries {
  /** One per try: output numbers are never used twice, not even by a dead worker. */
  readonly spec: () => JobSpec
  /** A try failed. It has ended, or its worker is gone for good: neither files nor memory change any more. */
  readonly failed: (spec: JobSpec, error: unknown) => void
}

/** Runs a job again when its worker failed, three times in all. */
export async function runTries<T extends JobResult>(
  executor: Executor,
  ticket: JobTicket,
  { spec: nextSpec, failed }: JobTries,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const spec = nextSpec()
    try {
      return await executor.run<T>(spec, ticket)
    } catch (error) {
      failed(spec, error)
      if (errorCode(error) !== 'SETT_WORKER_FAILED') throw error
      if (tries === TRIES || ticket.cancel?.cancelled === true) throw error
    }
  }
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

  /** Whether a job that needs so much scratch memory would get it now. */
  hasRoom(workspaceBytes: number): boolean {
    return this.#allocator.largestFree >= workspaceBytes
  }

  async run<T extends JobResult>(request: JobRequest): Promise<T> {
    const workspace = this.#allocator.allocateBriefly(request.workspaceBytes)
    if (workspace === undefined) {
      throw new SettError(
        'SETT_OUT_OF_MEMORY',
        `A background job needs ${request.workspaceBytes} bytes of the heap. Raise memoryBudget, or ` +
          'lower tableSize.',
      )
    }
    const { priority, cancel, pace } = request
    const outputs: OutputFile[] = []
    const onReport = (report: JobReport): void => {
      if (report.kind === 'output') outputs.push(report)
      request.onReport?.(report)
    }
    const ticket = { heap: this.#heap, priority, cancel, pace, onReport }
    try {
      return await runTries<T>(this.#executor, ticket, {
        spec: () => request.spec(workspace),
        failed: (spec, error) => this.#removeOutputs(spec, outputs.splice(0), error),
      })
    } finally {
      this.#allocator.free(workspace)
    }
  }

  /** What the job created, under numbers that are its own. Not by the job: it does not know whether the directory is
   * still ours, and what has the name of an output may be somebody else's by now. */
  #removeOutputs(spec: JobSpec, outputs: readonly OutputFile[], error: unknown): void {
    if (!('numbers' in spec)) return
    // The last one was there before: somebody else's file, which stays.
    const created = errorCode(error) === 'EEXIST' ? outputs.slice(0, -1) : outputs
    const { first, count } = spec.numbers
    for (const { file, number } of created) {
      if (number < first || number >= first + count) continue
      if (file === 'sst') this.#obsolete.removeTable(number)
      else this.#obsolete.removeSegment(number)
    }
  }
}
