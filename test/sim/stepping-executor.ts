// Runs the engine's real jobs on one thread, call by call, so that they and the foreground take turns as the seed says.
// Its workers die in the middle of a job, with a last write that lands later, or fall silent until the job's time is
// up; then the job fails, and nothing of it ever becomes a result.
import type { OpenFile } from '../../src/io/file-system.ts'
import type { JobResult, JobSpec } from '../../src/jobs/job.ts'
import type { Kernels } from '../../src/kernel/kernels.ts'
import type { SharedHeap } from '../../src/memory/shared-heap.ts'
import { CancelWatch } from '../../src/pool/cancel-flag.ts'
import type { Executor, JobTicket, WorkerStats } from '../../src/pool/executor.ts'
import { JobCounters } from '../../src/pool/job-counters.ts'
import { cancelledError, executorClosedError, workerFailed } from '../../src/pool/pool-errors.ts'
import { insertByPriority } from '../../src/pool/priority-scheduler.ts'
import type { Disk } from '../faults/disk.ts'
import type { Prng } from '../model/prng.ts'
import type { ProcessFiles } from './process-files.ts'
import { firstDifference, type JobCall, type Rehearsed, rehearse, type Tape } from './rehearsal.ts'
import type { World } from './world.ts'

export interface JobCounts {
  jobs: number
  /** Calls of jobs to the file system, each at a moment of its own. */
  jobCalls: number
  /** Workers that died in the middle of a job. */
  deaths: number
  /** Of these, those that were silent until the job's time was up. */
  silent: number
  /** Writes that landed after the death of the worker that made them. */
  lateWrites: number
}

export interface SteppingParts {
  readonly world: World
  readonly random: Prng
  readonly files: ProcessFiles
  readonly disk: Disk
  readonly workers: number
  readonly kernels: (heap: SharedHeap) => Kernels
  readonly counts: JobCounts
  /** One job in so many meets the death of its worker. */
  readonly deathsOneIn: number
  /** What a worker that died half-way has to say is taken for a result: a planted bug. */
  readonly believesTheDead: boolean
  /** A job saw other memory or files than it was promised. */
  readonly disagreed: (what: string) => void
}

/** A silent worker is given up after so long. */
const JOB_TIMEOUT_MS = 5_000
/** Calls made at one moment, at most. */
const STRIDE = 8
/** One job in so many is rehearsed again before its result counts: what it read must still be there. */
const RECHECKED = 6

interface Job {
  readonly priority: number
  readonly spec: JobSpec
  readonly ticket: JobTicket
  readonly resolve: (result: JobResult) => void
  readonly reject: (error: unknown) => void
  readonly tape: Tape
  /** Of its entropy: the same each time it is rehearsed. */
  readonly salt: number
  readonly open: Map<number, OpenFile>
  rehearsed: Rehearsed | undefined
  /** The next call to make, and the next report. */
  next: number
  reported: number
  /** The call at which its worker dies; Infinity: it lives. */
  diesAt: number
  silent: boolean
  ended: boolean
}

export class SteppingExecutor implements Executor {
  readonly workers: number
  readonly #parts: SteppingParts
  readonly #counters = new JobCounters()
  readonly #cancels: CancelWatch<Job>
  readonly #queue: Job[] = []
  readonly #running = new Set<Job>()
  #closed = false
  #idle: (() => void)[] = []

  constructor(parts: SteppingParts) {
    this.#parts = parts
    this.workers = parts.workers
    this.#cancels = new CancelWatch((job) => this.#cancel(job))
  }

  get idle(): number {
    return Math.max(0, this.workers - this.#running.size - this.#queue.length)
  }

  run<T extends JobResult>(spec: JobSpec, ticket: JobTicket): Promise<T> {
    if (this.#closed) return Promise.reject(executorClosedError())
    if (ticket.cancel?.cancelled === true) return Promise.reject(cancelledError())
    const { random } = this.#parts
    return new Promise<JobResult>((resolve, reject) => {
      const job: Job = {
        priority: ticket.priority,
        spec,
        ticket,
        resolve,
        reject,
        tape: { errors: new Map(), cancelledFrom: Number.POSITIVE_INFINITY, made: [] },
        salt: random.u32(),
        open: new Map(),
        rehearsed: undefined,
        next: 0,
        reported: 0,
        diesAt: Number.POSITIVE_INFINITY,
        silent: false,
        ended: false,
      }
      insertByPriority(this.#queue, job)
      this.#cancels.add(ticket.cancel, job)
      this.#fill()
    }) as Promise<T>
  }

  warmUp(): void {
    // There are no threads to start.
  }

  stats(): readonly WorkerStats[] {
    return this.#counters.stats()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const job of this.#queue.splice(0)) this.#end(job, executorClosedError())
    while (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve)
      })
    }
  }

  /** The process is gone, and its threads with it. */
  die(): void {
    this.#closed = true
    for (const job of this.#queue.splice(0)) this.#end(job, executorClosedError())
    for (const job of [...this.#running]) this.#end(job, workerFailed('the process ended'))
  }

  #fill(): void {
    while (this.#running.size < Math.max(1, this.workers) && this.#queue.length > 0) {
      const job = this.#queue.shift()!
      this.#running.add(job)
      this.#parts.counts.jobs += 1
      this.#soon(job, () => this.#begin(job))
    }
  }

  #soon(job: Job, run: () => void): void {
    const { world } = this.#parts
    world.after(world.latency() * world.slowness, () => {
      if (!job.ended) run()
    })
  }

  #begin(job: Job): void {
    const { random, deathsOneIn, counts } = this.#parts
    this.#rehearse(job)
    if (random.below(deathsOneIn) === 0) {
      job.diesAt = random.below(job.rehearsed!.calls.length + 1)
      job.silent = random.chance(0.3)
      if (job.silent) counts.silent += 1
    }
    this.#soon(job, () => this.#stride(job))
  }

  #rehearse(job: Job): void {
    const { disk, kernels } = this.#parts
    const { spec, ticket, tape, salt } = job
    let filled = salt
    const tools = {
      heap: ticket.heap,
      kernels: kernels(ticket.heap),
      randomFill: (target: Uint8Array): void => {
        for (let i = 0; i < target.length; i++) {
          filled = (Math.imul(filled, 1664525) + 1013904223) >>> 0
          target[i] = filled >>> 24
        }
      },
    }
    const before = job.rehearsed?.calls.slice(0, job.next)
    tape.made = before ?? []
    job.rehearsed = rehearse(spec, tools, disk, tape)
    if (before === undefined) return
    const differs = firstDifference(before, job.rehearsed.calls)
    if (differs >= 0) this.#disagree(job, `call ${differs} of the job`)
    if (job.rehearsed.calls.length < job.next) this.#disagree(job, 'how many calls there are')
  }

  #disagree(job: Job, what: string): void {
    this.#parts.disagreed(`what a running ${job.spec.kind} job depends on changed: ${what}`)
  }

  /** Some calls, and then the others get a turn. */
  #stride(job: Job): void {
    const { random, counts } = this.#parts
    for (let left = 1 + random.below(STRIDE); left > 0; left--) {
      this.#report(job)
      if (job.next >= job.diesAt) {
        this.#die(job)
        return
      }
      const call = job.rehearsed!.calls[job.next]
      if (call === undefined) {
        this.#finish(job)
        return
      }
      counts.jobCalls += 1
      this.#make(job, call)
    }
    this.#soon(job, () => this.#stride(job))
  }

  #make(job: Job, call: JobCall): void {
    const number = job.next++
    if (call.kind === 'open' && call.content === undefined) return
    try {
      this.#perform(job, call)
    } catch (error) {
      job.tape.errors.set(number, error)
      this.#rehearse(job)
    }
  }

  #perform(job: Job, call: JobCall): void {
    const { files } = this.#parts
    const file = (handle: number): OpenFile => job.open.get(handle)!
    switch (call.kind) {
      case 'open':
        job.open.set(call.handle, files.openSync(call.path, 'read'))
        return
      case 'create':
        job.open.set(call.handle, files.openSync(call.path, 'create'))
        return
      case 'read': {
        const target = Buffer.alloc(call.length)
        const read = file(call.handle).readSync(target, call.at)
        if (!target.subarray(0, read).equals(call.bytes)) {
          this.#disagree(job, `what ${file(call.handle).path} holds`)
        }
        return
      }
      case 'write':
        file(call.handle).writeSync(Buffer.from(call.bytes), call.at)
        return
      case 'size':
        file(call.handle).sizeSync()
        return
      case 'sync':
        file(call.handle).dataSyncSync()
        return
      case 'close':
        file(call.handle).closeSync()
        job.open.delete(call.handle)
        return
      case 'stat':
        files.statSync(call.path)
        return
      case 'remove':
        files.removeSync(call.path)
        return
      default:
        files.syncDirectorySync(call.path)
    }
  }

  #report(job: Job): void {
    const { reports } = job.rehearsed!
    for (; job.reported < reports.length; job.reported++) {
      const [calls, report] = reports[job.reported]!
      if (calls > job.next) return
      job.ticket.onReport?.(report)
    }
  }

  #finish(job: Job): void {
    const { random, world } = this.#parts
    if (random.below(RECHECKED) === 0) this.#rehearse(job)
    const { outcome } = job.rehearsed!
    this.#counters.count(1, job.spec.kind, 0)
    if ('error' in outcome) {
      this.#end(job, outcome.error)
      return
    }
    this.#end(job, undefined, outcome.result)
    // A worker that answers twice is heard once.
    world.after(world.latency(), () => job.reject(outcome))
  }

  #die(job: Job): void {
    const { world, counts, believesTheDead } = this.#parts
    if (job.silent) {
      job.silent = false
      world.after(JOB_TIMEOUT_MS, () => {
        if (!job.ended) this.#die(job)
      })
      return
    }
    counts.deaths += 1
    const outcome = job.rehearsed!.outcome
    const call = job.rehearsed!.calls[job.next]
    if (call?.kind === 'write') this.#landLater(job, call)
    if (believesTheDead && 'result' in outcome) this.#end(job, undefined, outcome.result)
    else this.#end(job, workerFailed('its thread ended'))
  }

  /** The system call was under way: its bytes arrive when the job is long given up. */
  #landLater(job: Job, { handle, at, bytes }: Extract<JobCall, { length: number }>): void {
    const { world, files, counts } = this.#parts
    const file = job.open.get(handle)
    if (file === undefined) return
    job.open.delete(handle)
    world.after(4 * world.latency(), () => {
      if (!files.isDead) {
        counts.lateWrites += 1
        try {
          file.writeSync(Buffer.from(bytes), at)
        } catch (error) {
          // The disk may refuse it; nobody hears.
          counts.lateWrites -= error instanceof Error ? 1 : 0
        }
        file.closeSync()
      }
    })
  }

  #end(job: Job, error: unknown, result?: JobResult): void {
    job.ended = true
    this.#running.delete(job)
    this.#cancels.remove(job.ticket.cancel, job)
    for (const file of job.open.values()) file.closeSync()
    job.open.clear()
    if (result === undefined) job.reject(error)
    else job.resolve(result)
    this.#fill()
    if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #cancel(job: Job): void {
    const at = this.#queue.indexOf(job)
    if (at >= 0) {
      this.#queue.splice(at, 1)
      this.#end(job, cancelledError())
      return
    }
    if (job.tape.cancelledFrom !== Number.POSITIVE_INFINITY) return
    job.tape.cancelledFrom = job.next
    if (job.rehearsed !== undefined) this.#rehearse(job)
  }
}
