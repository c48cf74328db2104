// One piscina: threads over one worker file, from their first ping to their end. Main thread. A group that
// broke never runs another job; worker-pool.ts then starts a new one. A job is not reported as failed
// before the thread that ran it is gone, so nobody writes to a heap behind its owner's back.
import type { Piscina } from 'piscina'
import type { Clock } from '../base/clock.ts'
import { type ErrorRecord, fromErrorRecord, type SettError } from '../base/errors.ts'
import type { JobReport, JobResult, JobSpec } from '../jobs/job.ts'
import { beatsOf, lowerCancel, setGrant, UNLIMITED } from '../memory/heap-control.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'
import { JobSlot } from './job-slot.ts'
import { watchJob } from './job-watch.ts'
import { workerFailed } from './pool-errors.ts'
import { type JobTask, TASK_EXPORT, type WorkerTask } from './protocol.ts'
import { isJobReply, isResultOf } from './reply-check.ts'
import { TaskList } from './threads/task-list.ts'

/** In place of a thread that dies with jobs waiting for one another is started at once, this often in a row. Then the
 * jobs wait for the threads there are, and the next one that finds none idle starts one; if there are none, the worker
 * file counts as broken. */
const DEATHS_MAX = 3

export interface GroupOptions {
  readonly url: string
  readonly clock: Clock
  /** How long the first thread may take to answer. */
  readonly startTimeoutMs: number
  /** Most threads at this moment; it follows the databases that are open. */
  readonly threadsMax: () => number
  /** A thread did not start, or ended by itself; the group goes on. */
  readonly threadLost: (error: unknown) => void
}

export interface GroupJob {
  readonly spec: JobSpec
  readonly heap: SharedHeap
  /** The job is given up when it shows no sign of life for so long. */
  readonly silenceMs: number
  readonly onReport: ((report: JobReport) => void) | undefined
  /** Told which cancel word of the heap is the job's, lowered, before the job is posted. */
  readonly onStart: (cancelSlot: number) => void
  /** From now on the cancel word is another job's. */
  readonly onEnd: () => void
}

export interface GroupResult {
  readonly result: JobResult
  /** 1 for the first thread of the group, and so on. */
  readonly worker: number
  readonly busyMs: number
}

export class ThreadGroup {
  readonly #options: GroupOptions
  readonly #piscina: Piscina
  readonly #tasks: TaskList
  readonly #slots: JobSlot[] = []
  readonly #freeSlots: JobSlot[] = []
  /** Thread id → number of the worker in statistics. */
  readonly #workers = new Map<number, number>()
  /** Of each job that runs or waits for a thread. */
  readonly #beats = new Set<() => number>()
  #jobsEnded = 0
  #lastJob = 0
  #deaths = 0
  #threadError: unknown
  #broken: SettError | undefined
  #ended: Promise<void> | undefined
  #onBroken: (() => void) | undefined

  private constructor(piscina: Piscina, tasks: TaskList, options: GroupOptions) {
    this.#piscina = piscina
    this.#tasks = tasks
    this.#options = options
    // Errors of idle or starting threads; without a listener they would end the process.
    piscina.on('error', (error) => {
      this.#threadError = error
    })
    piscina.on('workerDestroy', () => queueMicrotask(() => this.#threadDied()))
  }

  /** Starts so many threads side by side; resolves when a first one has loaded the worker file and answered, whatever
   * becomes of the others. */
  static async start(options: GroupOptions, threads: number): Promise<ThreadGroup> {
    const { Piscina } = await import('piscina')
    const taskQueue = new TaskList()
    const group = new ThreadGroup(
      new Piscina({
        filename: options.url,
        name: TASK_EXPORT,
        minThreads: 0,
        maxThreads: 1,
        idleTimeout: Number.POSITIVE_INFINITY,
        concurrentTasksPerWorker: 1,
        atomics: 'sync',
        recordTiming: false,
        taskQueue,
      }),
      taskQueue,
      options,
    )
    const answered = group.#firstPing()
    if (threads > 1) group.warmUp(threads)
    await answered
    return group
  }

  get broken(): boolean {
    return this.#broken !== undefined
  }

  /** Called once when the group breaks, whoever broke it. */
  onBroken(listener: () => void): void {
    this.#onBroken = listener
  }

  async run(job: GroupJob): Promise<GroupResult> {
    const { clock, url } = this.#options
    if (this.#broken !== undefined) throw this.#broken
    const slot = this.#takeSlot()
    const number = ++this.#lastJob
    const { heap, silenceMs } = job
    const { id, generation, memory } = heap
    lowerCancel(heap, slot.index)
    setGrant(heap, slot.index, UNLIMITED)
    job.onStart(slot.index)
    slot.begin(number, job.onReport)
    const own = (): number => beatsOf(heap, slot.index)
    const before = own()
    this.#beats.add(own)
    const unwatch = watchJob({
      clock,
      silenceMs,
      // Its thread begins with a beat. Until it has one, it gets on as those before it do.
      beats: () => (own() === before ? this.#allBeats() : own()),
      silent: () => void this.end(`a ${job.spec.kind} job was silent for ${silenceMs} ms (${url})`),
    })
    try {
      const reply = await this.#post({
        kind: 'job',
        job: number,
        spec: job.spec,
        heap: { id, generation, memory },
        slot: slot.index,
        ring: slot.ring,
      })
      if (!isJobReply(reply)) throw await this.#distrust(job.spec)
      if (!reply.outcome.ok) throw rebuilt(reply.outcome.error)
      const result = slot.complete(reply.outcome.result, reply.tables)
      if (result === undefined || !isResultOf(job.spec, result))
        throw await this.#distrust(job.spec)
      return { result, worker: this.#workerNumber(reply.thread), busyMs: reply.busyMs }
    } finally {
      unwatch()
      this.#beats.delete(own)
      this.#jobsEnded += 1
      job.onEnd()
      slot.end()
      this.#freeSlots.push(slot)
    }
  }

  /** Starts threads until there are that many. */
  warmUp(threads: number): void {
    if (this.#broken !== undefined || this.#piscina.threads.length >= threads) return
    // Piscina starts a thread only for a task that finds none idle.
    for (let i = 0; i < threads; i++) this.#ping(Math.max(threads, this.#threadsMax))
  }

  /** Ends every thread; jobs that run or wait reject with SETT_WORKER_FAILED. Resolves when all are gone. */
  end(why: string): Promise<void> {
    if (this.#ended !== undefined) return this.#ended
    this.#broken = workerFailed(why, this.#threadError)
    this.#ended = this.#piscina.destroy().then(() => {
      for (const slot of this.#slots) slot.close()
    })
    this.#onBroken?.()
    return this.#ended
  }

  async #post(task: JobTask): Promise<unknown> {
    try {
      // The scheduler keeps as many jobs in flight.
      const reply = await this.#run(task, this.#threadsMax)
      this.#deaths = 0
      return reply
    } catch (error) {
      await this.#ended
      if (this.#broken !== undefined) throw this.#broken
      throw workerFailed(
        `a thread ended during a ${task.spec.kind} job (${this.#options.url})`,
        error,
      )
    }
  }

  /** What answers nonsense may do anything, so its thread goes before the caller is told, and all others with it. */
  async #distrust({ kind }: JobSpec): Promise<SettError> {
    const { url } = this.#options
    const why = `a ${kind} job was answered with what is no result of one (${url})`
    await this.end(`${why}; the file must be the worker file of this version of Sett`)
    return this.#broken ?? workerFailed(why)
  }

  async #firstPing(): Promise<void> {
    const { clock, url, startTimeoutMs } = this.#options
    const timer = clock.after(startTimeoutMs, () => {
      void this.end(`${url} did not start within ${startTimeoutMs} ms`)
    })
    timer.unref()
    try {
      const reply = await this.#run({ kind: 'ping' }, 1)
      if (!isPong(reply)) throw new TypeError('The file answers, but not as a worker file does.')
    } catch (error) {
      this.#threadError ??= error
      await this.end(`${url} could not be started as a worker`)
      throw this.#broken ?? error
    } finally {
      timer.cancel()
    }
  }

  /** Piscina starts no thread in place of one that died while tasks wait; one more task makes it. */
  #threadDied(): void {
    if (this.#broken !== undefined) return
    const wanted = this.#piscina.queueSize > 0
    const again = wanted && this.#lastJob > 0 && ++this.#deaths <= DEATHS_MAX
    if (wanted && !again && this.#piscina.threads.length === 0) {
      void this.end(`${this.#options.url} could not be started as a worker`)
      return
    }
    this.#options.threadLost(this.#threadError)
    this.#threadError = undefined
    if (again) this.#ping(this.#threadsMax)
  }

  get #threadsMax(): number {
    return Math.max(1, this.#options.threadsMax())
  }

  /** A task for the sake of the thread that piscina starts for it. */
  #ping(threads: number): void {
    this.#run({ kind: 'ping' }, threads).catch((error: unknown) => {
      this.#threadError = error
      if (this.#piscina.queueSize === 0 || this.#piscina.threads.length > 0) return
      void this.end(`the system starts no thread for ${this.#options.url}`)
    })
  }

  /** Gives a task to a thread; one is started if none is idle and there are fewer than so many. Piscina starts threads
   * in here only, never amid the messages of others: where the system gives none, starting one throws. Then the task
   * waits for the threads there are. */
  #run(task: WorkerTask, threads: number): Promise<unknown> {
    const { options } = this.#piscina
    options.maxThreads = threads
    const waiting = this.#tasks.size
    try {
      return this.#piscina.run(task)
    } catch (error) {
      this.#tasks.takeBack(waiting)
      if (this.#piscina.threads.length === 0) return Promise.reject(error)
      this.#options.threadLost(error)
      options.maxThreads = 0
      return this.#piscina.run(task)
    } finally {
      options.maxThreads = 0
    }
  }

  /** Changes while any job gets on. */
  #allBeats(): number {
    let sum = this.#jobsEnded
    for (const beats of this.#beats) sum += beats()
    return sum
  }

  #takeSlot(): JobSlot {
    const free = this.#freeSlots.pop()
    if (free !== undefined) return free
    const slot = new JobSlot(this.#slots.length, this.#options.clock)
    this.#slots.push(slot)
    return slot
  }

  #workerNumber(thread: number): number {
    let number = this.#workers.get(thread)
    if (number === undefined) {
      number = this.#workers.size + 1
      this.#workers.set(thread, number)
    }
    return number
  }
}

/** The worker's error with the worker's stack: where it was thrown is what helps. */
function rebuilt(record: ErrorRecord): Error {
  const error = fromErrorRecord(record)
  if (record.stack !== '') error.stack = record.stack
  return error
}

function isPong(reply: unknown): boolean {
  return typeof reply === 'object' && reply !== null && 'kind' in reply && reply.kind === 'pong'
}
