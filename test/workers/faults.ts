// Tells the threads of test/workers/faulty-worker.mjs what to do, through words they all share, and ends threads.
import { setEnvironmentData, type Worker } from 'node:worker_threads'

/** In the order of the worker file. */
const ORDERS = ['exit', 'fail', 'uncaught', 'memory', 'hang', 'park', 'malform', 'late'] as const
const JOBS = ['any', 'flush', 'compact', 'replay', 'verify', 'sample'] as const

/** Malformed answers the worker file knows. */
export const MALFORMED_COUNT = 18

const [ORDER, JOB, NTH, LEFT, TIMES, STRUCK, THREAD, VARIANT, THREADS] = [0, 1, 2, 3, 4, 5, 6, 7, 8]
const WORDS = 256

export interface Fault {
  readonly order: (typeof ORDERS)[number]
  readonly job?: (typeof JOBS)[number]
  /** At which step of such jobs, from 1 on. Default 1. */
  readonly nth?: number
  /** So many jobs, one after the other, each at its nth step. Default 1. */
  readonly times?: number
  readonly variant?: number
}

export class Faults {
  readonly #words = new Int32Array(new SharedArrayBuffer(WORDS * 4))
  /** Every thread of the process that was started and has not ended. */
  readonly #threads = new Map<number, Worker>()

  constructor() {
    setEnvironmentData('sett-faults', this.#words)
    process.on('worker', (worker) => {
      const { threadId } = worker
      this.#threads.set(threadId, worker)
      worker.once('exit', () => this.#threads.delete(threadId))
    })
  }

  arm({ order, job = 'any', nth = 1, times = 1, variant = 0 }: Fault): void {
    const words = this.#words
    words[ORDER] = ORDERS.indexOf(order)
    words[JOB] = JOBS.indexOf(job)
    words[NTH] = nth
    words[TIMES] = times
    words[VARIANT] = variant
    Atomics.store(words, STRUCK, 0)
    Atomics.store(words, LEFT, nth)
  }

  disarm(): void {
    this.#words[TIMES] = 0
    Atomics.store(this.#words, LEFT, 0)
  }

  /** How often since it was armed. */
  get struck(): number {
    return Atomics.load(this.#words, STRUCK)
  }

  /** The thread that stands at the armed step; undefined: `other` settled before one came there. */
  async parked(other: Promise<unknown>): Promise<number | undefined> {
    let settled = false
    const done = (): void => {
      settled = true
    }
    other.then(done, done)
    while (this.struck === 0) {
      if (settled) return undefined
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return this.#words[THREAD]
  }

  /** Background threads that live. */
  get background(): readonly number[] {
    const loaded = new Set(this.#words.subarray(THREADS + 1))
    return [...this.#threads.keys()].filter((thread) => loaded.has(thread))
  }

  /** Threads that live and run another file: the one that syncs. */
  get others(): readonly number[] {
    const background = new Set(this.background)
    return [...this.#threads.keys()].filter((thread) => !background.has(thread))
  }

  async terminate(thread: number): Promise<void> {
    await this.#threads.get(thread)?.terminate()
  }
}
