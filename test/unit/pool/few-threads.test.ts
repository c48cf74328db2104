// A system that gives no more threads: `new Worker` throws ERR_WORKER_INIT_FAILED at once, in the middle of piscina.
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setEnvironmentData } from 'node:worker_threads'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { open as openDatabase } from '../../../src/index.ts'
import type { VerifyResult } from '../../../src/jobs/job.ts'
import type { SharedHeap } from '../../../src/memory/shared-heap.ts'
import type { Executor } from '../../../src/pool/executor.ts'
import { processHeaps } from '../../../src/pool/process-heaps.ts'
import { drainSyncWorker } from '../../../src/pool/sync-worker.ts'
import { workerExecutor } from '../../../src/pool/worker-executor.ts'
import { drainProcessPool } from '../../../src/pool/worker-pool.ts'
import { supportUrl } from '../../support/built.ts'
import { soon } from '../../support/small-engine.ts'
import { fakeWorkerUrl, order } from './orders.ts'

const GATE = 8192
const COUNT = GATE + 32

const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: unknown }
const { Worker } = threads

function giveNoThreads(): void {
  threads.Worker = class {
    constructor() {
      const code = 'ERR_WORKER_INIT_FAILED'
      throw Object.assign(new Error('Worker initialization failure: EAGAIN'), { code })
    }
  }
  syncBuiltinESMExports()
}

function giveThreads(): void {
  threads.Worker = Worker
  syncBuiltinESMExports()
}

let heap: SharedHeap
let executor: Executor
const lost: unknown[] = []

function run(what: string, details: object = {}): Promise<VerifyResult> {
  return executor.run<VerifyResult>(order(what, details), { heap, priority: 1 })
}

/** One with a pool of its own. */
function open(workerUrl: string, jobTimeoutMs?: number): void {
  const warn = ({ err }: { readonly err?: unknown }): void => void lost.push(err)
  const logger = { ...silentLogger, warn }
  const time = jobTimeoutMs === undefined ? {} : { jobTimeoutMs }
  executor = workerExecutor({ workers: 3, workerUrl, logger, ...time })
}

async function atGate(): Promise<void> {
  await soon(() => expect(Atomics.load(heap.i32, GATE / 4 + 1)).toBe(1))
}

function openGate(): void {
  Atomics.store(heap.i32, GATE / 4, 1)
  Atomics.notify(heap.i32, GATE / 4)
}

beforeEach(() => {
  lost.length = 0
  heap = processHeaps.acquire(1 << 20)
  heap.bytes.fill(0, GATE, GATE + 64)
})

afterEach(async () => {
  giveThreads()
  await executor.close()
  processHeaps.release(heap)
})

afterAll(() => drainProcessPool())

describe('where the system gives no more threads', () => {
  test('jobs wait for those there are, and each is done once', async () => {
    open(`${fakeWorkerUrl}?waits`)
    await run('echo')
    giveNoThreads()
    const long = run('gate', { address: GATE, value: 1 })
    await atGate()
    const others = [run('count', { address: COUNT }), run('count', { address: COUNT })]
    openGate()
    const done = await Promise.all([long, ...others])
    expect(done.map(({ entries }) => entries)).toEqual([1, 1, 2])
    expect(lost).toHaveLength(2)
  })

  test('threads wanted ahead are done without', async () => {
    open(`${fakeWorkerUrl}?ahead`)
    await run('echo')
    giveNoThreads()
    executor.warmUp(3)
    await expect(run('echo', { value: 4 })).resolves.toMatchObject({ entries: 4 })
    expect(lost.length).toBeGreaterThan(0)
  })

  test('a first job fails, and the next one after that does not', async () => {
    open(`${fakeWorkerUrl}?first`)
    giveNoThreads()
    executor.warmUp(3)
    await expect(run('count', { address: COUNT })).rejects.toMatchObject({
      code: 'SETT_WORKER_FAILED',
    })
    giveThreads()
    await expect(run('count', { address: COUNT })).resolves.toMatchObject({ entries: 1 })
  })

  test('what waits for a thread that ends fails, and is not done later', async () => {
    open(`${fakeWorkerUrl}?ends`)
    await run('echo')
    giveNoThreads()
    const ending = run('exit', { code: 1 })
    const waiting = run('count', { address: COUNT })
    const ends = await Promise.allSettled([ending, waiting])
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    giveThreads()
    await expect(run('count', { address: COUNT })).resolves.toMatchObject({ entries: 1 })
  })
})

test('commits are synced without a thread of their own', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sett-few-'))
  await drainSyncWorker()
  const db = await openDatabase(join(directory, 'db'), { durability: 'sync', workers: 1 })
  giveNoThreads()
  await db.put('a', '1')
  await db.put('b', '2')
  expect(await db.get('b')).toBe('2')
  giveThreads()
  await db.close()
  rmSync(directory, { recursive: true })
})

test('a job that waits for the one thread behind a long one is not silent', async () => {
  const words = new Int32Array(new SharedArrayBuffer(12))
  words[1] = ~0b1
  words[2] = 1
  setEnvironmentData('reluctant-worker', words)
  open(`${supportUrl('reluctant-worker.mjs')}?behind`, 1000)
  const long = run('polls', { ms: 3000 })
  const waiting = run('echo', { value: 2 })
  await expect(long).resolves.toMatchObject({ entries: 1 })
  await expect(waiting).resolves.toMatchObject({ entries: 2 })
})
