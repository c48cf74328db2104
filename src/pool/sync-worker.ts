// One thread per process that does nothing but fdatasync, so that an app which fills libuv's pool cannot delay
// a commit. Main thread side. Started when many syncs are to come, stopped a while after its last user let go. Until it
// is up, syncs go another way, one at a time and in order, so that nobody waits for a thread. The thread holds the
// process alive only while syncs are pending.
import { getSystemErrorMap } from 'node:util'
import { Worker } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { type Clock, systemClock, type TimerHandle } from '../base/clock.ts'
import { whenChanged } from '../memory/signal.ts'
import type { Syncer } from './executor.ts'
import { workerFailed } from './pool-errors.ts'
import {
  SYNC_ASKED,
  SYNC_DESCRIPTORS,
  SYNC_DONE,
  SYNC_ONLINE,
  SYNC_RESULTS,
  SYNC_SLOTS,
  SYNC_UNKNOWN,
  SYNC_WORDS,
} from './sync-loop.ts'
import { workerUrl } from './worker-url.ts'

/** Starting a thread costs 25 to 60 ms: an app that closes and reopens keeps the one it has. */
const LINGER_MS = 5_000

interface Request {
  readonly descriptor: number
  readonly early: EarlySync | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Makes the file of a request durable without the thread. */
export type EarlySync = () => Promise<void>

/** A database's hold on the sync worker; release is idempotent. */
export interface SyncerHandle extends Syncer {
  /** `early`: taken until the first thread is up; without it the request starts the thread and waits for it. */
  dataSync(descriptor: number, early?: EarlySync): Promise<void>
  /** Syncs are coming: starts the thread. Returns at once; a failure shows at the syncs. */
  start(): void
  release(): void
}

/** One thread, from before its start, and the requests it owes an answer. */
class SyncThread {
  readonly #words = new Int32Array(new SharedArrayBuffer(SYNC_WORDS * 4))
  readonly #url: URL | string
  readonly #clock: Clock
  /** undefined: not started. */
  #worker: Worker | undefined
  /** A thread before this one died: requests wait until it is up, and fail if it does not come up either. */
  readonly #waitedFor: boolean
  /** Posted to the thread, oldest first. */
  readonly #posted: Request[] = []
  /** Waiting for a slot. */
  readonly #waiting: Request[] = []
  /** Made before the thread is up, oldest first; the first one is under way. Nothing is posted meanwhile. */
  readonly #early: Request[] = []
  #asked = 0
  #done = 0
  #watching = false
  #lost: unknown
  ended = false

  constructor(url: URL | string, clock: Clock, waitedFor: boolean) {
    this.#url = url
    this.#clock = clock
    this.#waitedFor = waitedFor
  }

  start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const url = this.#url
    const worker = new Worker(new URL(url), { workerData: this.#words.buffer })
    worker.unref()
    worker.on('error', (error) => {
      this.#lost = error
    })
    worker.on('exit', (code) => {
      this.#fail(workerFailed(`the sync thread ended with code ${code} (${url})`, this.#lost))
    })
    this.#worker = worker
    return worker
  }

  add(request: Request): void {
    const first = this.#early.length === 0
    const waits = this.#waitedFor || this.#online || this.#posted.length > 0
    if (first && (waits || request.early === undefined)) {
      this.#post(request)
      return
    }
    this.#early.push(request)
    if (first) void this.#runEarly()
  }

  get idle(): boolean {
    return this.#posted.length + this.#early.length === 0
  }

  async stop(): Promise<void> {
    this.ended = true
    await this.#worker?.terminate()
  }

  get #online(): boolean {
    return Atomics.load(this.#words, SYNC_ONLINE) === 1
  }

  /** One after the other, as the thread would; it takes over between two of them. */
  async #runEarly(): Promise<void> {
    for (let next = this.#early[0]; next !== undefined; next = this.#early[0]) {
      if (next.early === undefined || this.#online) {
        for (const request of this.#early.splice(0)) this.#post(request)
        return
      }
      await next.early().then(next.resolve, next.reject)
      this.#early.shift()
    }
  }

  #post(request: Request): void {
    if (this.#posted.length === 0) this.start().ref()
    if (this.#posted.length < SYNC_SLOTS) this.#postOne(request)
    else this.#waiting.push(request)
    this.#watch()
  }

  #postOne(request: Request): void {
    this.#posted.push(request)
    this.#words[SYNC_DESCRIPTORS + (this.#asked & (SYNC_SLOTS - 1))] = request.descriptor
    this.#asked = (this.#asked + 1) | 0
    Atomics.store(this.#words, SYNC_ASKED, this.#asked)
    Atomics.notify(this.#words, SYNC_ASKED)
  }

  /** One wait at a time, while answers are due. */
  #watch(): void {
    if (this.#watching || this.#posted.length === 0) return
    this.#watching = true
    const stopped = (): boolean => this.ended
    const wait = whenChanged(this.#words, SYNC_DONE, this.#done, { clock: this.#clock, stopped })
    const woken = (): void => {
      this.#watching = false
      this.#takeAnswers()
      this.#watch()
    }
    if (wait === undefined) queueMicrotask(woken)
    else void wait.then(woken)
  }

  #takeAnswers(): void {
    const done = Atomics.load(this.#words, SYNC_DONE)
    while (this.#done !== done && this.#posted.length > 0) {
      const result = this.#words[SYNC_RESULTS + (this.#done & (SYNC_SLOTS - 1))]!
      this.#done = (this.#done + 1) | 0
      const { resolve, reject } = this.#posted.shift()!
      if (result === 0) resolve()
      else reject(syncError(result))
    }
    while (this.#waiting.length > 0 && this.#posted.length < SYNC_SLOTS) {
      this.#postOne(this.#waiting.shift()!)
    }
    if (this.#posted.length === 0) this.#worker?.unref()
  }

  #fail(error: Error): void {
    this.ended = true
    // What it answered before it died counts.
    this.#takeAnswers()
    for (const request of this.#posted.splice(0)) request.reject(error)
    for (const request of this.#waiting.splice(0)) request.reject(error)
    // The one under way answers for itself.
    for (const request of this.#early.splice(1)) request.reject(error)
    Atomics.notify(this.#words, SYNC_DONE)
  }
}

let thread: SyncThread | undefined
let users = 0
let linger: TimerHandle | undefined

export interface SyncWorkerOptions {
  /** Worker file; default: the one of this package. Used by whoever starts the thread. */
  readonly workerUrl?: string | URL
  readonly clock?: Clock
}

export function syncWorker(options: SyncWorkerOptions = {}): SyncerHandle {
  const { clock = systemClock } = options
  const url = options.workerUrl ?? workerUrl('sync')
  let released = false
  users++
  linger?.cancel()
  linger = undefined
  return {
    dataSync(descriptor, early) {
      assert(!released, 'a released syncer is not used')
      return new Promise((resolve, reject) => {
        threadOf(url, clock).add({ descriptor, early, resolve, reject })
      })
    },
    start() {
      try {
        threadOf(url, clock).start()
      } catch {
        // The system gives no thread at the moment: syncs go the other way, and the next one tries again.
      }
    },
    release() {
      if (released) return
      released = true
      users--
      if (users === 0 && thread !== undefined) lingerThenStop(clock)
    },
  }
}

/** The one there is, or a new one. */
function threadOf(url: string | URL, clock: Clock): SyncThread {
  if (thread === undefined || thread.ended) {
    thread = new SyncThread(url, clock, thread !== undefined)
  }
  return thread
}

/** Stops the thread in a while, unless somebody takes hold of it again. */
function lingerThenStop(clock: Clock): void {
  linger = clock.after(LINGER_MS, () => {
    if (thread?.idle === false) lingerThenStop(clock)
    else void stopIdleThread()
  })
  linger.unref()
}

/** For tests and hosts that count threads: stops the thread now if nobody holds it. */
export async function drainSyncWorker(): Promise<void> {
  linger?.cancel()
  linger = undefined
  await stopIdleThread()
}

async function stopIdleThread(): Promise<void> {
  if (users > 0 || thread === undefined || !thread.idle) return
  const stopping = thread
  thread = undefined
  await stopping.stop()
}

/** The error fdatasync itself would have thrown on this thread. */
function syncError(result: number): Error {
  if (result === SYNC_UNKNOWN) return workerFailed('fdatasync failed without an error number')
  const [code, text] = getSystemErrorMap().get(result) ?? ['EUNKNOWN', 'unknown error']
  const error = new Error(`${code}: ${text}, fdatasync`)
  return Object.assign(error, { code, errno: result, syscall: 'fdatasync' })
}
