import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { SettError } from '../../../src/base/errors.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { JobContext, JobReport, VerifyResult } from '../../../src/jobs/job.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import type { SharedHeap } from '../../../src/memory/shared-heap.ts'
import { createCancelFlag } from '../../../src/pool/cancel-flag.ts'
import { PRIORITY } from '../../../src/pool/executor.ts'
import { type InlineDependencies, inlineExecutor } from '../../../src/pool/inline-executor.ts'
import { order } from './orders.ts'

const heap: SharedHeap = new HeapPool().acquire(1 << 20)
const kernels = {} as Kernels

/** Turns of a clock that the test moves on by hand. */
let turns: (() => void)[] = []
let now = 0
let ran: string[] = []
const clock: Clock = {
  ...systemClock,
  monotonicMs: () => ++now,
  nextTurn: (run) => void turns.push(run),
}

type Action = (context: JobContext) => void
const actions = new Map<string, Action>()

const dependencies: InlineDependencies = {
  runJob: (spec, context) => {
    const { do: name } = JSON.parse(spec.directory) as { do: string }
    ran.push(name)
    actions.get(name)?.(context)
    return { kind: 'verify', entries: name.length, bytesRead: 0, problems: [] }
  },
  fs: memoryFileSystem(),
  kernels: () => kernels,
  random: { fill: (target) => void target.fill(9) },
  clock,
}

async function turn(): Promise<void> {
  for (const run of turns.splice(0)) run()
  await Promise.resolve()
}

beforeEach(() => {
  turns = []
  ran = []
})

afterEach(() => actions.clear())

test('nothing runs inside the call; one job runs per turn, by priority, then by age', async () => {
  const executor = inlineExecutor(dependencies)
  for (const [name, priority] of [
    ['deep1', PRIORITY.deeper],
    ['flush1', PRIORITY.flush],
    ['deep2', PRIORITY.deeper],
    ['flush2', PRIORITY.flush],
  ] as const) {
    void executor.run(order(name), { heap, priority })
  }
  expect(ran).toEqual([])
  await turn()
  expect(ran).toEqual(['flush1'])
  await turn()
  expect(ran).toEqual(['flush1', 'flush2'])
  await turn()
  await turn()
  expect(ran).toEqual(['flush1', 'flush2', 'deep1', 'deep2'])
  await turn()
  expect(turns).toEqual([])
  expect(executor.workers).toBe(0)
})

test('a job gets what it needs and its result comes back', async () => {
  const executor = inlineExecutor(dependencies)
  const reports: JobReport[] = []
  actions.set('look', (context) => {
    expect(context.heap).toBe(heap)
    expect(context.kernels).toBe(kernels)
    expect(context.fs.inMemory).toBe(true)
    expect(context.cancelled()).toBe(false)
    const bytes = new Uint8Array(2)
    context.randomFill(bytes)
    expect(bytes).toEqual(new Uint8Array([9, 9]))
    context.report({ kind: 'progress', bytesRead: 1, bytesWritten: 2 })
  })
  const onReport = (report: JobReport): void => void reports.push(report)
  const result = executor.run<VerifyResult>(order('look'), { heap, priority: 0, onReport })
  await turn()
  expect(await result).toEqual({ kind: 'verify', entries: 4, bytesRead: 0, problems: [] })
  expect(reports).toEqual([{ kind: 'progress', bytesRead: 1, bytesWritten: 2 }])
  expect(executor.stats()).toEqual([
    { worker: 0, flushes: 0, compactions: 0, otherJobs: 1, busyMs: 1 },
  ])
})

test('an error rejects its own job only', async () => {
  const executor = inlineExecutor(dependencies)
  const failure = new SettError('SETT_DISK_FULL', 'full')
  actions.set('fail', () => {
    throw failure
  })
  const failing = executor.run(order('fail'), { heap, priority: 0 })
  const fine = executor.run(order('fine'), { heap, priority: 0 })
  failing.catch(() => undefined)
  await turn()
  await turn()
  await expect(failing).rejects.toBe(failure)
  await expect(fine).resolves.toMatchObject({ entries: 4 })
})

test('cancel rejects what waits at once and is seen by what runs', async () => {
  const executor = inlineExecutor(dependencies)
  const cancel = createCancelFlag()
  let seen = false
  actions.set('stop', (context) => {
    cancel.cancel()
    seen = context.cancelled()
  })
  const running = executor.run(order('stop'), { heap, priority: 0, cancel })
  const waiting = executor.run(order('never'), { heap, priority: 0, cancel })
  waiting.catch(() => undefined)
  await turn()
  await running
  expect(seen).toBe(true)
  await expect(waiting).rejects.toMatchObject({ code: 'SETT_BUSY' })
  const late = executor.run(order('never'), { heap, priority: 0, cancel })
  await expect(late).rejects.toMatchObject({ code: 'SETT_BUSY' })
  await turn()
  expect(ran).toEqual(['stop'])
})

test('close rejects what waits and everything later', async () => {
  const executor = inlineExecutor(dependencies)
  const waiting = executor.run(order('never'), { heap, priority: 0 })
  await Promise.all([
    executor.close(),
    expect(waiting).rejects.toMatchObject({ code: 'SETT_BUSY' }),
  ])
  await executor.close()
  await expect(executor.run(order('never'), { heap, priority: 0 })).rejects.toMatchObject({
    code: 'SETT_BUSY',
  })
  await turn()
  expect(ran).toEqual([])
})
