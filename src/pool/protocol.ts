// What crosses between the main thread and a background worker: tasks in, replies out, both plain data; and
// what both sides need to run a job.
import type { Random } from '../base/random.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { JobContext, JobOutcome, JobResult, JobSpec } from '../jobs/job.ts'
import type { Kernels } from '../kernel/kernels.ts'
import type { HeapHandle, SharedHeap } from '../memory/shared-heap.ts'

/** What turns a spec into a result, on whichever thread. */
export interface JobEnvironment {
  readonly runJob: (spec: JobSpec, context: JobContext) => JobResult
  readonly fs: FileSystem
  readonly kernels: (heap: SharedHeap) => Kernels
  readonly random: Random
}

/** Name under which a worker file exports its task function. */
export const TASK_EXPORT = 'runTask'

export interface PingTask {
  readonly kind: 'ping'
}

export interface JobTask {
  readonly kind: 'job'
  /** Marks this job's messages in the ring: a job that died may have left others there. */
  readonly job: number
  readonly spec: JobSpec
  readonly heap: HeapHandle
  /** Cancel word of the heap, and which ring. */
  readonly slot: number
  readonly ring: SharedArrayBuffer
}

export type WorkerTask = PingTask | JobTask

export interface PingReply {
  readonly kind: 'pong'
}

export interface JobReply {
  readonly kind: 'done'
  /** Tables are left out of a result; they come through the ring, in the order of `tables`. */
  readonly outcome: JobOutcome
  readonly tables: readonly number[]
  readonly thread: number
  readonly busyMs: number
}

export type WorkerReply = PingReply | JobReply
