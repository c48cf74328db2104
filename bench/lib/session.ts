// Entry of a measured process: one store, one session, the result as one JSON line on stdout.
import { mkdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import { PEERS } from '../peers/all-peers.ts'
import { Dataset } from './dataset.ts'
import { allocatedBytes } from './machine.ts'
import {
  type Measurement,
  READ_WORKLOADS,
  type ReadName,
  WRITE_WORKLOADS,
  type WriteName,
} from './workloads.ts'

export type SessionOrder =
  | ({ readonly kind: 'write'; readonly peer: string; readonly workload: WriteName } & Place)
  | ({
      readonly kind: 'read'
      readonly peer: string
      readonly workloads: readonly ReadName[]
    } & Place)
  | ({ readonly kind: 'empty'; readonly peer: string } & Place)
  | {
      readonly kind: 'control'
      readonly workers: number
      readonly duty: number
      readonly ms: number
    }

export interface Place {
  readonly location: string
  readonly keys: number
  readonly memtableBytes: number
}

export interface SessionResult {
  readonly measurements: { readonly [workload: string]: Measurement }
  readonly emptyBytes?: { readonly open: number; readonly closed: number }
  readonly peakMiB: number
  readonly cpuSeconds: number
}

const SEED = 301

type Partial = Omit<SessionResult, 'peakMiB' | 'cpuSeconds'>

async function run(order: SessionOrder): Promise<Partial> {
  if (order.kind === 'control') return control(order)
  const peer = PEERS.find(({ name }) => name === order.peer)
  if (peer === undefined) throw new Error(`no peer is called ${order.peer}`)
  const open = () => peer.open(order.location, { memtableBytes: order.memtableBytes })
  if (order.kind === 'empty') {
    mkdirSync(order.location, { recursive: true })
    const store = await open()
    const whileOpen = allocatedBytes(order.location)
    await store.close()
    const emptyBytes = { open: whileOpen, closed: allocatedBytes(order.location) }
    return { measurements: {}, emptyBytes }
  }
  const context = { peer, dataset: new Dataset(order.keys, SEED), open }
  if (order.kind === 'write') {
    const measurement = await WRITE_WORKLOADS[order.workload](context)
    return { measurements: { [order.workload]: measurement } }
  }
  // What is not on disk is filled here, off the clock.
  const store = await open()
  const { dataset } = context
  for (let at = 0; at < dataset.count && !peer.persistent; at++) {
    await store.put(dataset.key(at), dataset.value(at))
  }
  const settled = await store.settle()
  const measurements: Record<string, Measurement> = {}
  for (const name of order.workloads) {
    measurements[name] = { ...(await READ_WORKLOADS[name](store, context)), settled }
  }
  await store.close()
  return { measurements }
}

/** An idle main thread beside threads that are as busy as a store's were. */
async function control(order: SessionOrder & { kind: 'control' }): Promise<Partial> {
  const workerData = { duty: order.duty }
  const spinners = Array.from(
    { length: order.workers },
    () => new Worker(new URL('./spin.js', import.meta.url), { workerData }),
  )
  await Promise.all(
    spinners.map((worker) => new Promise((resolve) => worker.once('online', resolve))),
  )
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await new Promise((resolve) => setTimeout(resolve, order.ms))
  delay.disable()
  await Promise.all(spinners.map((worker) => worker.terminate()))
  const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map(
    (ns) => ns / 1e6,
  )
  const loopDelay = { p50: p50!, p99: p99!, max: max! }
  return { measurements: { control: { operations: 0, elapsedMs: order.ms, loopDelay } } }
}

const result = await run(JSON.parse(process.argv[2]!) as SessionOrder)
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6
console.log(JSON.stringify({ ...result, peakMiB: Math.round(maxRSS / 1024), cpuSeconds }))
