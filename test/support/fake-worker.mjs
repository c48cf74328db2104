// A background worker whose jobs do what the test says: `directory` of the spec holds the order as JSON.
import { pathToFileURL } from 'node:url'
import { threadId } from 'node:worker_threads'

const folder = process.env.SETT_DIST
const dist = folder ? pathToFileURL(`${folder}/`) : new URL('../../dist/', import.meta.url)
const { createTaskRunner } = await import(new URL('src/pool/worker-loop.js', dist))
const { CorruptionError, SettError } = await import(new URL('src/base/errors.js', dist))

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
const done = (entries) => ({ kind: 'verify', entries, bytesRead: threadId, problems: [] })

function table(number, keyLength) {
  return {
    number,
    size: number * 1000,
    salt: '00112233445566ff',
    entries: 1,
    tombstones: 0,
    earliestExpiry: 0,
    latestExpiry: 0,
    packing: { codec: 1, payloadBytes: number * 2000 },
    smallestVersion: 1,
    largestVersion: 2 ** 52,
    baseVersion: 1,
    largestBlock: 4096,
    newestWal: 3,
    smallestKey: new Uint8Array(keyLength).fill(number % 251),
    largestKey: new Uint8Array(keyLength).fill((number + 1) % 251),
  }
}

const orders = {
  echo: ({ value = 0 }) => done(value),
  sleep: ({ ms, value = 0 }) => {
    sleep(ms)
    return done(value)
  },
  exit: ({ code }) => process.exit(code),
  hang: () => {
    for (;;) sleep(5)
  },
  spin: ({ address }, { heap }) => {
    for (;;) Atomics.add(heap.i32, address / 4, 1)
  },
  busy: () => {
    throw new SettError('SETT_BUSY', 'busy on purpose')
  },
  corrupt: () => {
    throw new CorruptionError({ file: 'f.sst', offset: 7, expected: 'a', found: 'b' })
  },
  system: () => {
    throw Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC', errno: -28 })
  },
  /** Adds 1 to a heap word. */
  count: ({ address }, { heap }) => done(Atomics.add(heap.u32, address / 4, 1) + 1),
  isCancelled: (_order, { cancelled }) => done(cancelled() ? 1 : 0),
  /** Looks at the cancel flag now and then, and reports nothing. */
  polls: ({ ms }, { cancelled }) => {
    for (let waited = 0; waited < ms; waited += 10) {
      cancelled()
      sleep(10)
    }
    return done(1)
  },
  untilCancelled: (_order, { cancelled }) => {
    for (let waited = 0; waited < 25_000; waited++) {
      if (cancelled()) throw new SettError('SETT_BUSY', 'cancelled while running')
      sleep(1)
    }
    return done(0)
  },
  /** Waits until a heap word differs from 0, noting that it runs in the next word. */
  gate: ({ address, value }, { heap }) => {
    Atomics.add(heap.i32, address / 4 + 1, 1)
    Atomics.wait(heap.i32, address / 4, 0, 25_000)
    return done(value)
  },
  /** With an address it waits half-way until that heap word differs from 0. */
  progress: ({ count, pauseMs = 0, address }, { heap, report }) => {
    for (let i = 1; i <= count; i++) {
      if (i === count / 2 && address) Atomics.wait(heap.i32, address / 4, 0, 25_000)
      report({ kind: 'progress', bytesRead: i, bytesWritten: 2 * i })
      if (pauseMs > 0) sleep(pauseMs)
    }
    return done(count)
  },
  tables: ({ count, reported, keyLength }, { report }) => {
    const tables = Array.from({ length: count }, (_, i) => table(i + 1, keyLength))
    for (const each of tables.slice(0, reported)) report({ kind: 'table', table: each })
    const entries = { entriesIn: count + 1, entriesOut: count, entriesDropped: 1 }
    const counts = { ...entries, droppedVersion: 4 }
    return { kind: 'tables', tables, segments: [], ...counts, bytesRead: 1, bytesWritten: 2 }
  },
}

export const runTask = createTaskRunner({
  runJob: (spec, context) => {
    const order = JSON.parse(spec.directory)
    return orders[order.do](order, context)
  },
  fs: {},
  kernels: () => ({}),
  random: { fill: () => undefined },
})
