// The vocabulary: what is done to a store and counted. Every workload checks what it reads.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Dataset, words } from './dataset.ts'
import type { Pair, Peer, PeerStore, SettleReport } from './peer.ts'

export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface Measurement {
  readonly operations: number
  readonly elapsedMs: number
  readonly loopDelay?: LoopDelay
  /** Busy background threads, in ms, where the store tells. */
  readonly busyMs?: number | undefined
  readonly settled?: SettleReport
}

export interface WorkloadContext {
  readonly peer: Peer
  readonly dataset: Dataset
  readonly open: () => Promise<PeerStore>
}

export const WRITES = ['fillrandom', 'put256'] as const
export const READS = ['getSync', 'get64', 'scan'] as const
export type WriteName = (typeof WRITES)[number]
export type ReadName = (typeof READS)[number]

const BATCH = 1_000
const WARM_UP_READS = 20_000
const READS_MAX = 300_000

/** Runs `work` and the store's close on the clock, with the event loop's delay beside it. */
async function timedFill(
  context: WorkloadContext,
  work: (store: PeerStore) => Promise<void>,
): Promise<Measurement> {
  const store = await context.open()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const started = performance.now()
  await work(store)
  const busyMs = store.busyMs()
  delay.disable()
  await store.close()
  const elapsedMs = performance.now() - started
  const ms = (nanoseconds: number): number => nanoseconds / 1e6
  const loopDelay = {
    p50: ms(delay.percentile(50)),
    p99: ms(delay.percentile(99)),
    max: ms(delay.max),
  }
  return { operations: context.dataset.count, elapsedMs, loopDelay, busyMs }
}

/** `lanes` loops side by side, each awaiting one call at a time. */
async function inLanes(
  lanes: number,
  count: number,
  call: (at: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

export const WRITE_WORKLOADS: {
  readonly [Name in WriteName]: (context: WorkloadContext) => Promise<Measurement>
} = {
  fillrandom: (context) =>
    timedFill(context, async (store) => {
      const { dataset } = context
      for (let at = 0; at < dataset.count; at += BATCH) {
        const pairs: Pair[] = []
        const end = Math.min(at + BATCH, dataset.count)
        for (let index = at; index < end; index++)
          pairs.push([dataset.key(index), dataset.value(index)])
        await store.writeBatch(pairs)
      }
    }),
  put256: (context) =>
    timedFill(context, (store) => {
      const { dataset } = context
      return inLanes(256, dataset.count, (at) => store.put(dataset.key(at), dataset.value(at)))
    }),
}

type Read = (store: PeerStore, context: WorkloadContext) => Promise<Measurement>

async function timed(operations: number, work: () => Promise<void>): Promise<Measurement> {
  const started = performance.now()
  await work()
  return { operations, elapsedMs: performance.now() - started }
}

/** Indexes in random order, with repetition. */
function randomIndexes(count: number, below: number): Uint32Array {
  const next = words(20_231)
  return Uint32Array.from({ length: count }, () => next() % below)
}

export const READ_WORKLOADS: { readonly [Name in ReadName]: Read } = {
  getSync(store, { dataset, peer }) {
    const warm = randomIndexes(WARM_UP_READS, dataset.count)
    const order = randomIndexes(Math.min(READS_MAX, dataset.count), dataset.count)
    for (const index of warm) store.getSync(dataset.key(index))
    return timed(order.length, async () => {
      for (const index of order) {
        const found = store.getSync(dataset.key(index))
        if (peer.answers) dataset.check(index, found)
      }
    })
  },
  async get64(store, { dataset, peer }) {
    const warm = randomIndexes(WARM_UP_READS, dataset.count)
    const order = randomIndexes(Math.min(READS_MAX, dataset.count), dataset.count)
    const read = async (index: number): Promise<void> => {
      const found = await store.get(dataset.key(index))
      if (peer.answers) dataset.check(index, found)
    }
    await inLanes(64, warm.length, (at) => read(warm[at]!))
    return timed(order.length, () => inLanes(64, order.length, (at) => read(order[at]!)))
  },
  async scan(store, { dataset, peer }) {
    let entries = 0
    let previous = Buffer.alloc(0)
    let disorder = 0
    const result = await timed(dataset.count, () =>
      store.scan((page) => {
        entries += page.length
        const first = page[0]?.[0]
        if (first === undefined) return
        if (Buffer.compare(previous, first) >= 0) disorder++
        previous = Buffer.from(page.at(-1)![0])
      }),
    )
    if (!peer.answers) return result
    if (disorder > 0) throw new Error(`${disorder} pages of the scan are out of order`)
    if (entries !== dataset.count)
      throw new Error(`scan saw ${entries} of ${dataset.count} entries`)
    return result
  },
}
