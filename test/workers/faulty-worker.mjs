// A background worker that does real jobs on real files, and fails where the test says. What it is to do stands in
// words all threads share; their meaning is told in faults.ts.
import { write } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { getEnvironmentData, threadId } from 'node:worker_threads'

const folder = process.env.SETT_DIST
const dist = folder ? pathToFileURL(`${folder}/`) : new URL('../../dist/', import.meta.url)
const load = (path) => import(new URL(path, dist))
const { createTaskRunner } = await load('src/pool/worker-loop.js')
const { encodeReport, MESSAGE_MAX } = await load('src/pool/report-codec.js')
const { RingWriter } = await load('src/memory/byte-ring.js')
const { nodeFileSystem } = await load('src/io/node-file-system.js')
const { runJob } = await load('src/jobs/run-job.js')
const { wasmKernels } = await load('src/kernel/wasm-kernels.js')
const { systemRandom } = await load('src/base/random.js')

const [ORDER, JOB, NTH, LEFT, TIMES, STRUCK, THREAD, VARIANT, THREADS] = [0, 1, 2, 3, 4, 5, 6, 7, 8]
const JOBS = ['any', 'flush', 'compact', 'replay', 'verify', 'sample']
const LATE_BYTES = 4 << 20

const words = getEnvironmentData('sett-faults')
/** The file created last, for a thread that goes on writing. */
let created
/** Which malformed answer the job is given. */
let malformed = -1

const place = Atomics.add(words, THREADS, 1) + 1
Atomics.store(words, THREADS + (place % 200) + 1, threadId)

/** Another job begins: it may be one more that is to fail. */
function begin(kind) {
  const again = Atomics.load(words, LEFT) <= 0 && Atomics.load(words, TIMES) > 0
  if (again && isMeant(kind)) Atomics.store(words, LEFT, Atomics.load(words, NTH))
}

function isMeant(kind) {
  const job = JOBS[Atomics.load(words, JOB)]
  return job === 'any' || job === kind
}

/** Before each call of the file system, each report and each look at the cancel flag. */
function step(kind) {
  if (!isMeant(kind)) return
  if (Atomics.sub(words, LEFT, 1) !== 1) return
  Atomics.sub(words, TIMES, 1)
  Atomics.store(words, THREAD, threadId)
  Atomics.add(words, STRUCK, 1)
  Atomics.notify(words, STRUCK)
  ORDERS[Atomics.load(words, ORDER)]()
}

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

const ORDERS = [
  function exit() {
    process.exit(3)
  },
  function fail() {
    throw new Error('thrown on purpose')
  },
  /** The job is done, and then the thread ends by an exception nobody catches. */
  function uncaught() {
    queueMicrotask(() => {
      throw new Error('uncaught on purpose')
    })
  },
  function memory() {
    const hold = []
    for (;;) hold.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
  },
  function hang() {
    for (;;);
  },
  function park() {
    sleep(Number.POSITIVE_INFINITY)
  },
  function malform() {
    malformed = Atomics.load(words, VARIANT)
  },
  /** Bytes are on their way to the output when the thread ends. */
  function late() {
    const bytes = Buffer.alloc(LATE_BYTES, 0xee)
    for (let i = 0; i < 4; i++) write(created.descriptor, bytes, 0, LATE_BYTES, 0, () => undefined)
    process.exit(4)
  },
]

/** Answers that are none, made from a good one. */
const MALFORMED = [
  () => undefined,
  () => null,
  () => 'text',
  () => ({ kind: 'pong' }),
  () => ({ kind: 'done' }),
  (reply) => ({ ...reply, thread: 'one' }),
  (reply) => ({ ...reply, outcome: { ok: true } }),
  (reply) => ({ ...reply, outcome: { ok: false } }),
  (reply) => ({ ...reply, outcome: { ok: false, error: { message: 7 } } }),
  (reply) => ({ ...reply, tables: [...reply.tables, 999_999] }),
  (reply) => ({ ...reply, tables: [] }),
  (reply) => ({ ...reply, tables: [...reply.tables, ...reply.tables] }),
  (reply) => withResult(reply, { kind: 'verify', entries: 0, bytesRead: 0, problems: [] }),
  (reply) => withResult(reply, { ...reply.outcome.result, entriesOut: 1_000_000 }),
  (reply) => withResult(reply, { ...reply.outcome.result, bytesWritten: Number.NaN }),
  // It cannot be cloned.
  (reply) => ({ ...reply, more: () => undefined }),
  (reply, task) => {
    const message = Buffer.alloc(24, 77)
    message.writeUInt32LE(task.job, 0)
    sendThroughRing(task, message)
    return reply
  },
  // A table under a number the job was not given.
  (reply, task) => {
    sendThroughRing(task, encodeReport(Buffer.alloc(MESSAGE_MAX), task.job, foreignTable()))
    return { ...reply, tables: [1] }
  },
]

function withResult(reply, result) {
  return { ...reply, outcome: { ok: true, result } }
}

function sendThroughRing(task, message) {
  const ring = new RingWriter(task.ring)
  ring.tryWrite(message)
  ring.publish()
}

function foreignTable() {
  const versions = { smallestVersion: 1, largestVersion: 1, baseVersion: 0 }
  const counts = { size: 4096, entries: 1, tombstones: 0, largestBlock: 512, newestWal: 0 }
  const key = Buffer.from('key')
  const keys = { smallestKey: key, largestKey: key }
  const table = { number: 1, salt: '0011223344556677', ...versions, ...counts, ...keys }
  return { kind: 'table', table }
}

/** `target` with a step before each of its calls. */
function stepping(target, kind) {
  return new Proxy(target, {
    get(_target, name) {
      const member = target[name]
      if (typeof member !== 'function') return member
      return (...given) => {
        step(kind)
        const result = member.apply(target, given)
        if (name !== 'openSync') return result
        if (given[1] === 'create') created = result
        return stepping(result, kind)
      }
    },
  })
}

const run = createTaskRunner({
  runJob(spec, context) {
    const { kind } = spec
    begin(kind)
    return runJob(spec, {
      ...context,
      fs: stepping(context.fs, kind),
      report(report) {
        step(kind)
        context.report(report)
      },
      cancelled() {
        step(kind)
        return context.cancelled()
      },
    })
  },
  fs: nodeFileSystem,
  kernels: (heap) => wasmKernels(heap.memory),
  random: systemRandom,
})

export function runTask(task) {
  const reply = run(task)
  if (task.kind !== 'job' || malformed < 0) return reply
  const make = MALFORMED[malformed]
  malformed = -1
  return make(reply, task)
}
