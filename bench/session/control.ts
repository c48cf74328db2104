// The control of event-loop delays: a main thread that idles beside threads as busy as a store's were. No engine: a
// session of its own, `runSession(CONTROL, controlOrder(cell))` with Sett's fillrandom cell; its one cell is called
// `control` and has loopDelay, elapsedMs and cpuMs.
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { watchLoop } from '../workloads/measured.ts'
import { parameter } from '../workloads/workload-code.ts'
import { Usage } from './process-figures.ts'
import type { Cell, SessionOrder, SessionResult } from './protocol.ts'

/** In place of an engine. */
export const CONTROL: { readonly name: string } = { name: 'control' }

/** As long as `beside` and, over all threads, as busy; one thread per core. A cell without busyMs means always busy. */
export function controlOrder({ elapsedMs, busyMs }: Cell): SessionOrder {
  const threads = availableParallelism()
  const duty = busyMs === undefined ? 1 : Math.min(1, busyMs / elapsedMs / threads)
  const seconds = elapsedMs / 1_000
  return {
    engine: CONTROL.name,
    location: '',
    dataset: { count: 1, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 },
    durability: 'os',
    memtableBytes: null,
    workers: null,
    steps: [{ workload: CONTROL.name, operations: null, seconds, parameters: { threads, duty } }],
  }
}

export async function runControl({ steps }: SessionOrder): Promise<SessionResult> {
  const step = steps[0]
  const [threads, duty] = step ? [parameter(step, 'threads'), parameter(step, 'duty')] : []
  if (step?.seconds == null || threads === undefined || duty === undefined) {
    throw new Error('the control needs one step with seconds and the parameters threads and duty')
  }
  const spinners = Array.from(
    { length: threads },
    () => new Worker(new URL('./spin.js', import.meta.url), { workerData: { duty } }),
  )
  await Promise.all(spinners.map((spinner) => once(spinner, 'online')))
  const loop = await watchLoop()
  const before = Usage.now()
  const from = performance.now()
  await setTimeout(step.seconds * 1_000)
  const elapsedMs = performance.now() - from
  const { cpuMs } = before.since()
  const loopDelay = await loop.stop()
  await Promise.all(spinners.map((spinner) => spinner.terminate()))
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  return {
    engine: CONTROL.name,
    version: process.version,
    cells: [{ workload: CONTROL.name, operations: 0, elapsedMs, cpuMs, loopDelay }],
    skipped: [],
    peakMiB: maxRSS / 1024,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
  }
}
