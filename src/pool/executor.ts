// The only thing the engine knows of threads: hand in a job, get its result.
import type { JobReport, JobResult, JobSpec } from '../jobs/job.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'

/** Lower runs first. */
export const PRIORITY = { replay: 0, flush: 0, l0: 1, deeper: 2, collect: 3, verify: 4 } as const

export interface JobTicket {
  readonly heap: SharedHeap
  readonly priority: number
  readonly onReport?: (report: JobReport) => void
  /** Cancels: a queued job rejects with SETT_BUSY at once, a running one soon. */
  readonly cancel?: CancelFlag
  /** Limits what the job writes. */
  readonly pace?: Pacer | undefined
}

/** Holds up the writing of a job that runs. */
export interface Valve {
  /** So many bytes more may be written. */
  grant(bytes: number): void
  /** No limit any more. */
  open(): void
}

/** Keeps what several jobs write together below a rate. */
export interface Pacer {
  /** A job begins that writes through the valve; returns what to call when it ended. */
  attach(valve: Valve): () => void
  /** For an executor that cannot hold up a job: what a job wrote all at once. */
  charge(bytes: number): void
  /** For the same: resolves when the next job may begin; undefined: now. */
  paid(): Promise<void> | undefined
}

export interface CancelFlag {
  readonly cancelled: boolean
  /** Called by the owner; the executor forwards it to the job through the heap. */
  cancel(): void
  onCancel(listener: () => void): void
}

export interface WorkerStats {
  /** 0 = the calling thread (inline executor). */
  readonly worker: number
  readonly flushes: number
  readonly compactions: number
  readonly otherJobs: number
  readonly busyMs: number
}

export interface Executor {
  /** How many jobs can run at the same time; 0 = inline on the calling thread. */
  readonly workers: number
  /** How many jobs handed in now would start at once. */
  readonly idle: number
  run<T extends JobResult>(spec: JobSpec, ticket: JobTicket): Promise<T>
  /** Jobs are coming: starts threads until there are that many. Returns at once; failures show at the jobs. */
  warmUp(threads: number): void
  /** Jobs done for the caller's databases, by worker. */
  stats(): readonly WorkerStats[]
  /** Rejects what is queued, waits for what runs; idempotent. The shared pool itself lives on. */
  close(): Promise<void>
}

/** Makes a file's written bytes durable without blocking the calling thread. */
export interface Syncer {
  /** fdatasync of a descriptor the caller keeps open until the promise settles. */
  dataSync(descriptor: number): Promise<void>
}
