// The process's pools of threads: one per worker file, shared by every open database, started by the first
// job. Main thread. Threads are spawned on demand and stay, unreferenced, when the last database closes.
import { SettError } from '../base/errors.ts'
import { PriorityScheduler } from './priority-scheduler.ts'
import { type GroupJob, type GroupOptions, type GroupResult, ThreadGroup } from './thread-group.ts'

export interface PoolJob extends GroupJob {
  readonly resolve: (result: GroupResult) => void
  readonly reject: (error: unknown) => void
}

export type PoolOptions = Omit<GroupOptions, 'threadsMax' | 'threadLost'>

export class WorkerPool {
  readonly scheduler: PriorityScheduler<PoolJob>
  /** Told when a thread ends by itself or does not start, and the others go on. */
  readonly threadLost: Set<(error: unknown) => void> = new Set()
  readonly #options: PoolOptions
  #group: Promise<ThreadGroup> | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    this.scheduler = new PriorityScheduler((job, finished) => {
      // A thread is free before the job's owner learns of the result and may ask for the next one.
      this.#perform(job).then(
        (result) => {
          finished()
          job.resolve(result)
        },
        (error: unknown) => {
          finished()
          job.reject(error)
        },
      )
    })
  }

  /** Starts threads ahead of their jobs; a job that needs one meets the same failure again. */
  warmUp(threads: number): void {
    this.#group ??= this.#open(threads)
    this.#group.then(
      (group) => group.warmUp(threads),
      () => undefined,
    )
  }

  /** Ends the threads; the next job starts new ones. */
  async drain(): Promise<void> {
    const group = await this.#group?.catch(() => undefined)
    await group?.end('the pool was drained')
  }

  async #perform(job: PoolJob): Promise<GroupResult> {
    this.#group ??= this.#open(1)
    return (await this.#group).run(job)
  }

  #open(threads: number): Promise<ThreadGroup> {
    const threadsMax = (): number => this.scheduler.capacity
    const threadLost = (error: unknown): void => {
      for (const told of this.threadLost) told(error)
    }
    const opening = ThreadGroup.start({ ...this.#options, threadsMax, threadLost }, threads)
    const forget = (): void => {
      if (this.#group === opening) this.#group = undefined
    }
    opening.then((group) => group.onBroken(forget), forget)
    return opening
  }
}

const pools = new Map<string, WorkerPool>()

/** The pool of a worker file; options other than the URL are those of the first database that asked. */
export function sharedPool(options: PoolOptions): WorkerPool {
  let pool = pools.get(options.url)
  if (pool === undefined) {
    pool = new WorkerPool(options)
    pools.set(options.url, pool)
  }
  return pool
}

/** For tests and hosts that count threads: ends those of every pool. No database may be open. */
export async function drainProcessPool(): Promise<void> {
  for (const [url, pool] of pools) {
    if (pool.scheduler.clients > 0) {
      throw new SettError(
        'SETT_BUSY',
        'Databases are open and use the worker pool. Close them first.',
      )
    }
    pools.delete(url)
    await pool.drain()
  }
}
