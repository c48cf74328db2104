// One database's door to the shared worker pool: its queue entries, its cancel flags, its counters. Main
// thread.
import { type Clock, systemClock } from '../base/clock.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import type { WorkerShare } from '../base/shared-resources.ts'
import type { JobResult, JobSpec } from '../jobs/job.ts'
import { CANCEL_SLOTS, raiseCancel } from '../memory/heap-control.ts'
import { CancelWatch } from './cancel-flag.ts'
import type { Executor, JobTicket, WorkerStats } from './executor.ts'
import { JobCounters } from './job-counters.ts'
import { heapValve } from './pace.ts'
import { cancelledError, executorClosedError } from './pool-errors.ts'
import type { SchedulerClient } from './priority-scheduler.ts'
import { processHeaps } from './process-heaps.ts'
import { type PoolJob, sharedPool, type WorkerPool } from './worker-pool.ts'
import { workerUrl } from './worker-url.ts'

const JOB_TIMEOUT_MS = 600_000
const START_TIMEOUT_MS = 30_000

const THREAD_LOST =
  'A background thread ended or did not start; the work goes on without it, and another is started when it is needed'

export interface WorkerExecutorOptions {
  /** Most jobs of this database at one time, 1 or more. */
  readonly workers: number
  /** Worker file, a file: URL; default: the one of this package. */
  readonly workerUrl?: string | URL | undefined
  /** A job that shows no sign of life for so long fails with SETT_WORKER_FAILED, and the pool starts anew. Default
   * 10 min. One that gets on may take as long as it needs. */
  readonly jobTimeoutMs?: number
  /** How long the first thread of the process may take to start. Default 30 s. */
  readonly startTimeoutMs?: number
  readonly clock?: Clock
  /** Told of threads that end by themselves or do not start; default: nobody. */
  readonly logger?: Logger
  /** A limit that this database shares with others. */
  readonly share?: WorkerShare | undefined
}

export function workerExecutor(options: WorkerExecutorOptions): Executor {
  return new WorkerExecutor(options)
}

/** A job of this executor, from run() until its promise settles. */
interface OwnJob extends PoolJob {
  readonly ticket: JobTicket
  /** Cancel word of the heap while the job runs. */
  cancelSlot: number | undefined
}

class WorkerExecutor implements Executor {
  readonly workers: number
  readonly #pool: WorkerPool
  readonly #client: SchedulerClient
  readonly #threadLost: (error: unknown) => void
  readonly #jobTimeoutMs: number
  readonly #counters = new JobCounters()
  readonly #cancels: CancelWatch<OwnJob>
  /** Promises of jobs not yet settled; they never reject. */
  readonly #pending = new Map<OwnJob, Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(options: WorkerExecutorOptions) {
    const {
      clock = systemClock,
      startTimeoutMs = START_TIMEOUT_MS,
      logger = silentLogger,
    } = options
    const url = String(options.workerUrl ?? workerUrl('background'))
    this.workers = Math.max(1, Math.min(options.workers, CANCEL_SLOTS))
    this.#jobTimeoutMs = options.jobTimeoutMs ?? JOB_TIMEOUT_MS
    this.#pool = sharedPool({ url, clock, startTimeoutMs })
    this.#threadLost = (error) => logger.warn({ err: error, url }, THREAD_LOST)
    this.#pool.threadLost.add(this.#threadLost)
    this.#client = this.#pool.scheduler.addClient(this.workers, options.share)
    this.#cancels = new CancelWatch((job) => this.#cancel(job))
  }

  get idle(): number {
    return this.#pool.scheduler.idle(this.#client)
  }

  run<T extends JobResult>(spec: JobSpec, ticket: JobTicket): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(executorClosedError())
    if (ticket.cancel?.cancelled === true) return Promise.reject(cancelledError())
    processHeaps.markPosted(ticket.heap)
    const { promise, job } = this.#newJob(spec, ticket)
    const settled = (): void => {
      this.#pending.delete(job)
      this.#cancels.remove(ticket.cancel, job)
    }
    this.#pending.set(job, promise.then(settled, settled))
    this.#cancels.add(ticket.cancel, job)
    this.#pool.scheduler.submit(this.#client, ticket.priority, job)
    return promise as Promise<T>
  }

  warmUp(threads: number): void {
    if (this.#closing === undefined) this.#pool.warmUp(Math.min(threads, this.workers))
  }

  stats(): readonly WorkerStats[] {
    return this.#counters.stats()
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    for (const job of [...this.#pending.keys()]) {
      if (this.#pool.scheduler.withdraw(job)) job.reject(executorClosedError())
    }
    await Promise.all(this.#pending.values())
    this.#pool.scheduler.removeClient(this.#client)
    this.#pool.threadLost.delete(this.#threadLost)
  }

  #newJob(spec: JobSpec, ticket: JobTicket): { promise: Promise<JobResult>; job: OwnJob } {
    let settle: Pick<PoolJob, 'resolve' | 'reject'> | undefined
    const promise = new Promise<JobResult>((resolve, reject) => {
      settle = {
        resolve: ({ result, worker, busyMs }) => {
          this.#counters.count(worker, spec.kind, busyMs)
          resolve(result)
        },
        reject,
      }
    })
    let detach: (() => void) | undefined
    const job: OwnJob = {
      ...settle!,
      spec,
      ticket,
      heap: ticket.heap,
      silenceMs: this.#jobTimeoutMs,
      onReport: ticket.onReport,
      cancelSlot: undefined,
      onStart: (slot) => {
        job.cancelSlot = slot
        if (ticket.cancel?.cancelled === true) raiseCancel(ticket.heap, slot)
        detach = ticket.pace?.attach(heapValve(ticket.heap, slot))
      },
      onEnd: () => {
        job.cancelSlot = undefined
        detach?.()
      },
    }
    return { promise, job }
  }

  #cancel(job: OwnJob): void {
    if (this.#pool.scheduler.withdraw(job)) job.reject(cancelledError())
    else if (job.cancelSlot !== undefined) raiseCancel(job.ticket.heap, job.cancelSlot)
  }
}
