// One thread per process that does nothing but fdatasync, so that an app which fills libuv's pool cannot delay
// a commit. Main thread side. Started by the first sync, stopped a while after its last user let go. The
// thread holds the process alive only while syncs are pending.
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
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A database's hold on the sync worker; release is idempotent. */
export interface SyncerHandle extends Syncer {
  release(): void
}

/** One thread and the requests it owes an answer. */
class SyncThread {
  readonly #words = new Int32Array(new SharedArrayBuffer(SYNC_WORDS * 4))
  readonly #worker: Worker
  readonly #clock: Clock
  /** Posted to the thread, oldest first. */
  readonly #posted: Request[] = []
  /** Waiting for a slot. */
  readonly #waiting: Request[] = []
  #asked = 0
  #done = 0
  #watching = false
  #lost: unknown
  ended = false

  constructor(url: URL | string, clock: Clock) {
    this.#clock = clock
    this.#worker = new Worker(new URL(url), { workerData: this.#words.buffer })
    this.#worker.unref()
    this.#worker.on('error', (error) => {
      this.#lost = error
    })
    this.#worker.on('exit', (code) => {
      this.#fail(workerFailed(`the sync thread ended with code ${code} (${url})`, this.#lost))
    })
  }

  add(request: Request): void {
    if (this.#posted.length === 0) this.#worker.ref()
    if (this.#posted.length < SYNC_SLOTS) this.#postOne(request)
    else this.#waiting.push(request)
    this.#watch()
  }

  get idle(): boolean {
    return this.#posted.length === 0
  }

  async stop(): Promise<void> {
    this.ended = true
    await this.#worker.terminate()
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
    if (this.#posted.length === 0) this.#worker.unref()
  }

  #fail(error: Error): void {
    this.ended = true
    // What it answered before it died counts.
    this.#takeAnswers()
    for (const request of this.#posted.splice(0)) request.reject(error)
    for (const request of this.#waiting.splice(0)) request.reject(error)
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
    dataSync(descriptor) {
      assert(!released, 'a released syncer is not used')
      return new Promise((resolve, reject) => {
        if (thread === undefined || thread.ended) thread = new SyncThread(url, clock)
        thread.add({ descriptor, resolve, reject })
      })
    },
    release() {
      if (released) return
      released = true
      users--
      if (users === 0 && thread !== undefined) lingerThenStop(clock)
    },
  }
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
