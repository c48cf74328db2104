import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setEnvironmentData } from 'node:worker_threads'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { type Logger, silentLogger } from '../../../src/base/logger.ts'
import type { JobReport, TablesResult, VerifyResult } from '../../../src/jobs/job.ts'
import type { SharedHeap } from '../../../src/memory/shared-heap.ts'
import { createCancelFlag } from '../../../src/pool/cancel-flag.ts'
import type { Executor } from '../../../src/pool/executor.ts'
import { processHeaps } from '../../../src/pool/process-heaps.ts'
import { workerExecutor } from '../../../src/pool/worker-executor.ts'
import { drainProcessPool } from '../../../src/pool/worker-pool.ts'
import { supportUrl } from '../../support/built.ts'
import { soon } from '../../support/small-engine.ts'
import { fakeWorkerUrl, flushOrder, order } from './orders.ts'

const GATE = 8192

let heap: SharedHeap
const executors: Executor[] = []

function open(
  workers: number,
  options: { jobTimeoutMs?: number; workerUrl?: string; logger?: Logger } = {},
): Executor {
  const executor = workerExecutor({ workers, workerUrl: fakeWorkerUrl, ...options })
  executors.push(executor)
  return executor
}

function run(
  executor: Executor,
  what: string,
  details: object = {},
  priority = 1,
): Promise<VerifyResult> {
  return executor.run<VerifyResult>(order(what, details), { heap, priority })
}

/** Resolves once `count` jobs wait at the gate. */
async function atGate(count: number): Promise<void> {
  while (Atomics.load(heap.i32, GATE / 4 + 1) < count) await new Promise((r) => setTimeout(r, 1))
}

function openGate(): void {
  Atomics.store(heap.i32, GATE / 4, 1)
  Atomics.notify(heap.i32, GATE / 4)
}

beforeEach(() => {
  heap = processHeaps.acquire(1 << 20)
  heap.bytes.fill(0, GATE, GATE + 64)
})

afterEach(async () => {
  await Promise.all(executors.splice(0).map((executor) => executor.close()))
  processHeaps.release(heap)
})

afterAll(() => drainProcessPool())

describe('a job', () => {
  test('comes back with its result', async () => {
    await expect(run(open(1), 'echo', { value: 7 })).resolves.toMatchObject({ entries: 7 })
  })

  test('works on the heap the main thread sees', async () => {
    const executor = open(1)
    expect((await run(executor, 'count', { address: GATE })).entries).toBe(1)
    Atomics.add(heap.u32, GATE / 4, 10)
    expect((await run(executor, 'count', { address: GATE })).entries).toBe(12)
  })

  test('sees a recycled heap under its new generation', async () => {
    const executor = open(1)
    await run(executor, 'count', { address: GATE })
    const old = heap
    processHeaps.release(old)
    heap = processHeaps.acquire(1 << 20)
    expect([heap.id, heap.generation]).toEqual([old.id, old.generation + 1])
    heap.u32[GATE / 4] = 100
    expect((await run(executor, 'count', { address: GATE })).entries).toBe(101)
    const stale = executor.run(order('echo'), { heap: old, priority: 1 })
    await expect(stale).rejects.toMatchObject({ code: 'SETT_INTERNAL' })
  })

  test('fails with the code it threw', async () => {
    const executor = open(1)
    await expect(run(executor, 'busy')).rejects.toMatchObject({
      code: 'SETT_BUSY',
      message: 'busy on purpose',
    })
    await expect(run(executor, 'system')).rejects.toMatchObject({ code: 'ENOSPC' })
    const corruption = await run(executor, 'corrupt').catch((error: unknown) => error)
    expect(corruption).toBeInstanceOf(CorruptionError)
    expect(corruption).toMatchObject({ file: 'f.sst', offset: 7 })
    expect((corruption as Error).stack).toContain('fake-worker.mjs')
  })

  test('that ends its thread fails, and the pool goes on', async () => {
    const executor = open(1)
    await expect(run(executor, 'exit', { code: 3 })).rejects.toMatchObject({
      code: 'SETT_WORKER_FAILED',
    })
    await expect(run(executor, 'echo', { value: 1 })).resolves.toMatchObject({ entries: 1 })
  })

  test('that never answers fails after its time, and the pool goes on', async () => {
    const executor = open(2, { jobTimeoutMs: 500 })
    for (const kind of ['hang', 'spin']) {
      const job = run(executor, kind, { address: GATE })
      await expect(job).rejects.toMatchObject({ code: 'SETT_WORKER_FAILED' })
      // The thread is gone by then: its heap and its files are the caller's again.
      const count = Atomics.load(heap.i32, GATE / 4)
      if (kind === 'spin') expect(count).toBeGreaterThan(0)
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect(Atomics.load(heap.i32, GATE / 4)).toBe(count)
      await expect(run(executor, 'echo', { value: 2 })).resolves.toMatchObject({ entries: 2 })
    }
  })
})

describe('a job that takes long', () => {
  test('is not given up while it gets on', async () => {
    const executor = open(2, { jobTimeoutMs: 1_000 })
    const reports = run(executor, 'progress', { count: 150, pauseMs: 10 })
    const polls = run(executor, 'polls', { ms: 1_500 })
    await expect(reports).resolves.toMatchObject({ entries: 150 })
    await expect(polls).resolves.toMatchObject({ entries: 1 })
  })
})

describe('scheduling', () => {
  test('sixteen jobs run over two workers, two at a time', async () => {
    const executor = open(2)
    const jobs = Array.from({ length: 16 }, (_, i) => run(executor, 'sleep', { ms: 5, value: i }))
    const results = await Promise.all(jobs)
    expect(results.map(({ entries }) => entries)).toEqual(Array.from({ length: 16 }, (_, i) => i))
    expect(new Set(results.map(({ bytesRead }) => bytesRead)).size).toBe(2)
    const stats = executor.stats()
    expect(stats.reduce((sum, { otherJobs }) => sum + otherJobs, 0)).toBe(16)
    expect(stats.reduce((sum, { busyMs }) => sum + busyMs, 0)).toBeGreaterThan(70)
    expect(stats.every(({ worker }) => worker > 0)).toBe(true)
  })

  test('no more threads start than jobs may run', async () => {
    await drainProcessPool()
    let spawned = 0
    const count = (): void => void spawned++
    process.on('worker', count)
    const executor = open(3)
    await Promise.all(Array.from({ length: 300 }, () => run(executor, 'echo')))
    process.off('worker', count)
    expect(spawned).toBeGreaterThan(0)
    expect(spawned).toBeLessThanOrEqual(3)
  })

  test('waiting jobs start by priority, first come first served among equals', async () => {
    const executor = open(1)
    const finished: string[] = []
    const note = (name: string, priority: number): Promise<void> =>
      run(executor, 'echo', {}, priority).then(() => void finished.push(name))
    const first = run(executor, 'gate', { address: GATE, value: 0 }, 3)
    const others = [note('c1', 2), note('f1', 0), note('v1', 4), note('c2', 2), note('f2', 0)]
    await atGate(1)
    openGate()
    await Promise.all([first, ...others])
    expect(finished).toEqual(['f1', 'f2', 'c1', 'c2', 'v1'])
  })

  test('two databases share the pool, and each keeps to its own limit', async () => {
    const one = open(1)
    const two = open(2)
    const jobs = [
      run(one, 'gate', { address: GATE, value: 1 }),
      run(one, 'gate', { address: GATE, value: 2 }),
      run(two, 'gate', { address: GATE, value: 3 }),
    ]
    await atGate(2)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(Atomics.load(heap.i32, GATE / 4 + 1)).toBe(2)
    openGate()
    expect((await Promise.all(jobs)).map(({ entries }) => entries)).toEqual([1, 2, 3])
    expect(one.stats().reduce((sum, { otherJobs }) => sum + otherJobs, 0)).toBe(2)
    expect(two.stats().reduce((sum, { otherJobs }) => sum + otherJobs, 0)).toBe(1)
  })

  test('cancel rejects a queued job at once and reaches a running one', async () => {
    const executor = open(1)
    const cancel = createCancelFlag()
    const running = executor.run(order('untilCancelled'), { heap, priority: 1, cancel })
    const queued = executor.run(order('echo'), { heap, priority: 1, cancel })
    const other = run(executor, 'echo', { value: 5 })
    queued.catch(() => undefined)
    setTimeout(() => cancel.cancel(), 30)
    await expect(queued).rejects.toMatchObject({ code: 'SETT_BUSY' })
    await expect(running).rejects.toMatchObject({ message: 'cancelled while running' })
    await expect(other).resolves.toMatchObject({ entries: 5 })
    // The word is lowered for the next job that gets the slot.
    await expect(run(executor, 'isCancelled')).resolves.toMatchObject({ entries: 0 })
    const late = executor.run(order('echo'), { heap, priority: 1, cancel })
    await expect(late).rejects.toMatchObject({ code: 'SETT_BUSY' })
  })
})

describe('reports', () => {
  test('arrive in order, complete, some of them while the job runs', async () => {
    const reports: JobReport[] = []
    const job = order('progress', { count: 60, pauseMs: 2, address: GATE })
    const promise = open(1).run(job, {
      heap,
      priority: 1,
      onReport: (report) => void reports.push(report),
    })
    await soon(() => expect(reports.length).toBeGreaterThan(0))
    expect(reports.length).toBeLessThan(60)
    openGate()
    await promise
    expect(reports).toEqual(
      Array.from({ length: 60 }, (_, i) => ({
        kind: 'progress',
        bytesRead: i + 1,
        bytesWritten: 2 * (i + 1),
      })),
    )
  })

  test('more than a ring holds arrive too', async () => {
    let count = 0
    let last = 0
    await open(1).run(order('progress', { count: 50_000 }), {
      heap,
      priority: 1,
      onReport: (report) => {
        count++
        if (report.kind === 'progress' && report.bytesRead === last + 1) last++
      },
    })
    expect([count, last]).toEqual([50_000, 50_000])
  })

  test('tables of a result are put back, reported or not, with keys of any length', async () => {
    for (const keyLength of [1, 65_535]) {
      const seen: number[] = []
      const result = await open(1).run<TablesResult>(
        flushOrder('tables', { count: 9, reported: 4, keyLength }),
        {
          heap,
          priority: 1,
          onReport: (report) => {
            if (report.kind === 'table') seen.push(report.table.number)
          },
        },
      )
      expect(seen).toEqual([1, 2, 3, 4])
      expect(result.tables.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(result.entriesIn).toBe(10)
      const { smallestKey, largestKey, ...rest } = result.tables[4]!
      expect(Buffer.compare(smallestKey, new Uint8Array(keyLength).fill(5))).toBe(0)
      expect(Buffer.compare(largestKey, new Uint8Array(keyLength).fill(6))).toBe(0)
      expect(smallestKey.buffer).toBeInstanceOf(ArrayBuffer)
      expect(rest).toMatchObject({
        size: 5000,
        salt: '00112233445566ff',
        largestVersion: 2 ** 52,
        packing: { codec: 1, payloadBytes: 10_000 },
      })
    }
  })

  test('a callback that throws fails its job, not the process', async () => {
    const executor = open(1)
    const promise = executor.run(order('progress', { count: 3, pauseMs: 25 }), {
      heap,
      priority: 1,
      onReport: () => {
        throw new RangeError('from the callback')
      },
    })
    await expect(promise).rejects.toThrow('from the callback')
    await expect(run(executor, 'echo', { value: 1 })).resolves.toMatchObject({ entries: 1 })
  })

  test('nothing of a job that died reaches the next one', async () => {
    const executor = open(1)
    const reports: JobReport[] = []
    for (let i = 0; i < 3; i++) {
      await expect(run(executor, 'exit', { code: 1 })).rejects.toMatchObject({
        code: 'SETT_WORKER_FAILED',
      })
      reports.length = 0
      await executor.run(order('progress', { count: 2 }), {
        heap,
        priority: 1,
        onReport: (report) => void reports.push(report),
      })
      expect(reports).toHaveLength(2)
    }
  })
})

describe('a thread that does not start', () => {
  /** A pool of its own; `failing` has a bit for each thread, in the order in which they are started. */
  function reluctant(failing: number, onWarning = (): void => undefined) {
    const words = new Int32Array(new SharedArrayBuffer(12))
    setEnvironmentData('reluctant-worker', words)
    words[1] = failing
    const lost: unknown[] = []
    const warn = ({ err }: { readonly err?: unknown }): void => {
      lost.push(err)
      onWarning()
    }
    const workerUrl = `${supportUrl('reluctant-worker.mjs')}?${failing}`
    const executor = open(2, { workerUrl, logger: { ...silentLogger, warn } })
    const letLoad = (): void => {
      Atomics.store(words, 2, 1)
      Atomics.notify(words, 2)
    }
    return { executor, lost, letLoad }
  }

  test('leaves the work to the other, is told of, and is started again', async () => {
    // The other one has loaded only once the first is gone.
    const { executor, lost, letLoad } = reluctant(0b1, () => letLoad())
    executor.warmUp(2)
    await expect(run(executor, 'echo', { value: 3 })).resolves.toMatchObject({ entries: 3 })
    expect(lost.map(String)).toEqual(['Error: not today'])
    const both = [1, 2].map((value) => run(executor, 'gate', { address: GATE, value }))
    await atGate(2)
    openGate()
    expect((await Promise.all(both)).map(({ entries }) => entries)).toEqual([1, 2])
    expect(lost).toHaveLength(1)
  })

  test('however often, does not end the job of one that did', async () => {
    const { executor, lost, letLoad } = reluctant(~0b1)
    letLoad()
    const long = run(executor, 'gate', { address: GATE, value: 1 })
    await atGate(1)
    const waiting = run(executor, 'echo', { value: 2 })
    await soon(() => expect(lost.length).toBeGreaterThan(3))
    await new Promise((resolve) => setTimeout(resolve, 20))
    openGate()
    await expect(long).resolves.toMatchObject({ entries: 1 })
    await expect(waiting).resolves.toMatchObject({ entries: 2 })
  })
})

describe('lifetime', () => {
  test('close rejects what is queued, waits for what runs, and can be repeated', async () => {
    const executor = open(1)
    const running = run(executor, 'sleep', { ms: 60, value: 9 })
    const queued = run(executor, 'echo')
    queued.catch(() => undefined)
    let settled = false
    void running.then(() => {
      settled = true
    })
    const closing = executor.close()
    expect(executor.close()).toBe(closing)
    await expect(queued).rejects.toMatchObject({ code: 'SETT_BUSY' })
    await closing
    expect(settled).toBe(true)
    await expect(run(executor, 'echo')).rejects.toMatchObject({ code: 'SETT_BUSY' })
  })

  test('threads that are wanted together start side by side', async () => {
    const executor = open(2, { workerUrl: supportUrl('paired-worker.mjs') })
    executor.warmUp(2)
    await expect(run(executor, 'echo', { value: 3 })).resolves.toMatchObject({ entries: 3 })
  })

  test.each([1, 2])('a worker file that does not load is named, each time: %i', async (threads) => {
    for (const name of ['broken-worker.mjs', 'exiting-worker.mjs', 'missing-worker.mjs']) {
      const executor = open(2, { workerUrl: supportUrl(name) })
      executor.warmUp(threads)
      for (let i = 0; i < 2; i++) {
        const error = await run(executor, 'echo').catch((caught: unknown) => caught)
        expect(error).toMatchObject({ code: 'SETT_WORKER_FAILED' })
        expect(String(error)).toContain(name)
        expect(String(error)).toContain('workerUrl')
      }
    }
  })

  test('a thousand executors come and go without a trace', async () => {
    await run(open(1), 'echo')
    const before = process.listenerCount('exit') + process.getActiveResourcesInfo().length
    const { taken } = processHeaps.counts()
    for (let i = 0; i < 1000; i++) {
      const own = processHeaps.acquire(1 << 20)
      const executor = workerExecutor({ workers: 2, workerUrl: fakeWorkerUrl })
      if (i % 10 === 0) await executor.run(order('echo'), { heap: own, priority: 1 })
      await executor.close()
      processHeaps.release(own)
    }
    expect(processHeaps.counts().taken).toBe(taken)
    expect(processHeaps.counts().free).toBeLessThan(5)
    const after = process.listenerCount('exit') + process.getActiveResourcesInfo().length
    expect(after).toBeLessThanOrEqual(before + 3)
  })

  test('an idle open pool lets the process end, a running job does not', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sett-idle-'))
    const script = fileURLToPath(supportUrl('idle-process.mjs'))
    const child = spawn(process.execPath, [script, join(directory, 'file')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 50_000,
    })
    let output = ''
    child.stdout.on('data', (data) => {
      output += String(data)
    })
    const code = await new Promise((resolve) => child.on('exit', resolve))
    rmSync(directory, { recursive: true })
    expect([output.trim(), code]).toEqual(['done 42', 0])
  }, 60_000)
})
