// Runs jobs on the calling thread, one per turn of the event loop, lowest priority number first, oldest first
// among equals. Deterministic; for `workers: 0`, in-memory databases and simulation.
import { type Clock, systemClock } from '../base/clock.ts'
import type { JobResult, JobSpec } from '../jobs/job.ts'
import type { Kernels } from '../kernel/kernels.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'
import { CancelWatch } from './cancel-flag.ts'
import type { Executor, JobTicket, WorkerStats } from './executor.ts'
import { JobCounters } from './job-counters.ts'
import { cancelledError, executorClosedError } from './pool-errors.ts'
import { insertByPriority } from './priority-scheduler.ts'
import type { JobEnvironment } from './protocol.ts'

export interface InlineDependencies extends JobEnvironment {
  readonly clock?: Clock
}

export function inlineExecutor(dependencies: InlineDependencies): Executor {
  return new InlineExecutor(dependencies)
}

interface InlineJob {
  readonly priority: number
  readonly spec: JobSpec
  readonly ticket: JobTicket
  readonly resolve: (result: JobResult) => void
  readonly reject: (error: unknown) => void
}

class InlineExecutor implements Executor {
  readonly workers = 0
  readonly idle = 0
  readonly #environment: JobEnvironment
  readonly #clock: Clock
  readonly #kernels = new WeakMap<SharedHeap, Kernels>()
  readonly #counters = new JobCounters()
  readonly #cancels: CancelWatch<InlineJob>
  readonly #queue: InlineJob[] = []
  /** Their turn comes when what earlier ones wrote is paid. */
  readonly #held = new Set<InlineJob>()
  #turnDue = false
  #closed = false

  constructor(dependencies: InlineDependencies) {
    this.#environment = dependencies
    this.#clock = dependencies.clock ?? systemClock
    this.#cancels = new CancelWatch((job) => this.#withdraw(job))
  }

  run<T extends JobResult>(spec: JobSpec, ticket: JobTicket): Promise<T> {
    if (this.#closed) return Promise.reject(executorClosedError())
    if (ticket.cancel?.cancelled === true) return Promise.reject(cancelledError())
    const { priority } = ticket
    return new Promise<JobResult>((resolve, reject) => {
      const job: InlineJob = { priority, spec, ticket, resolve, reject }
      this.#cancels.add(ticket.cancel, job)
      this.#enter(job)
    }) as Promise<T>
  }

  /** A job is done in one go, so it is held up before it begins, never while it runs. */
  #enter(job: InlineJob): void {
    const paid = job.ticket.pace?.paid()
    if (paid === undefined) {
      insertByPriority(this.#queue, job)
      this.#arm()
      return
    }
    this.#held.add(job)
    void paid.then(() => {
      if (this.#held.delete(job)) this.#enter(job)
    })
  }

  warmUp(): void {
    // The calling thread is running already.
  }

  stats(): readonly WorkerStats[] {
    return this.#counters.stats()
  }

  async close(): Promise<void> {
    this.#closed = true
    const waiting = [...this.#queue.splice(0), ...this.#held]
    this.#held.clear()
    for (const job of waiting) {
      this.#cancels.remove(job.ticket.cancel, job)
      job.reject(executorClosedError())
    }
  }

  #arm(): void {
    if (this.#turnDue || this.#queue.length === 0) return
    this.#turnDue = true
    this.#clock.nextTurn(() => {
      this.#turnDue = false
      const job = this.#queue.shift()
      if (job !== undefined) this.#perform(job)
      this.#arm()
    })
  }

  #perform(job: InlineJob): void {
    const { spec, ticket, resolve, reject } = job
    this.#cancels.remove(ticket.cancel, job)
    const startedAt = this.#clock.monotonicMs()
    try {
      const result = this.#environment.runJob(spec, {
        fs: this.#environment.fs,
        kernels: this.#kernelsOf(ticket.heap),
        heap: ticket.heap,
        randomFill: (target) => this.#environment.random.fill(target),
        report: (report) => ticket.onReport?.(report),
        cancelled: () => ticket.cancel?.cancelled === true,
      })
      if (result.kind === 'tables') ticket.pace?.charge(result.bytesWritten)
      resolve(result)
    } catch (error) {
      reject(error)
    }
    this.#counters.count(0, spec.kind, this.#clock.monotonicMs() - startedAt)
  }

  #kernelsOf(heap: SharedHeap): Kernels {
    let kernels = this.#kernels.get(heap)
    if (kernels === undefined) {
      kernels = this.#environment.kernels(heap)
      this.#kernels.set(heap, kernels)
    }
    return kernels
  }

  #withdraw(job: InlineJob): void {
    const at = this.#queue.indexOf(job)
    if (at >= 0) this.#queue.splice(at, 1)
    else if (!this.#held.delete(job)) return
    job.reject(cancelledError())
  }
}
