// Real threads over one arena: this thread links records, a worker reads the same tree at the same
// time and checks that every entry below the published count is found, and pages are complete and
// in order.
//   node memtable-stress.mjs <milliseconds> [broken]
// `broken` compiles a reader that ignores versions: it must be caught, or the check could see
// nothing. Prints one line of JSON: { rounds, gets, pages, misses, traps, seed }.
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { committedModule } from '../../../native-wasm/sources.mjs'

const PAGE = 65_536
const ENTRIES = 30_000
const KEY_MAX = 48
const STRIDE = 72
// Control words, then a table of keys, the reader's page, the arena.
const PHASE = 0
const ACKNOWLEDGED = 1
const KEYS_AT = 4096
// Entries in key order, and the place of each in that order (u32).
const ORDER_AT = KEYS_AT + ENTRIES * KEY_MAX
const RANKS_AT = ORDER_AT + ENTRIES * 4
const OUT_AT = RANKS_AT + ENTRIES * 4
const OUT_CAPACITY = 200
const ARENA = OUT_AT + OUT_CAPACITY * 48
const RECORDS = ARENA + 64
const END = ARENA + 8 * 1024 * 1024
const STOP = -1
const SEED = 20_251

function seeded(seed) {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

// Every shape makes distinct keys of at most KEY_MAX bytes: the index, scrambled, stands in each.
const scramble = (i) => String((i * 7_368_787) % 1_000_003).padStart(8, '0')
const shapes = [
  (i) => scramble(i),
  (i) => `user:profile:settings:value:${scramble(i)}`,
  // The shared prefix of a node shrinks again and again: the writer rewrites whole nodes.
  (i) => `${'q'.repeat((i * 37) % 38)}${scramble(i)}`,
  (i) => `k${String(i).padStart(15, '0')}`,
  (i) => `k${String(ENTRIES - i).padStart(15, '0')}`,
  (i) => `${i < ENTRIES / 2 ? 'common:prefix:of:many:keys:' : scramble(i).slice(5)}${scramble(i)}`,
]

const keyLengthOf = (bytes, i) => bytes[KEYS_AT + i * KEY_MAX + KEY_MAX - 1]

/** Key table with order and ranks, and the records, as they are to lie in memory. */
function prepare(shape) {
  const tables = Buffer.alloc(OUT_AT - KEYS_AT)
  const records = Buffer.alloc(ENTRIES * STRIDE)
  const keys = Array.from({ length: ENTRIES }, (_, i) => Buffer.from(shape(i)))
  keys.forEach((key, i) => {
    key.copy(tables, i * KEY_MAX)
    tables[i * KEY_MAX + KEY_MAX - 1] = key.length
    const record = i * STRIDE
    records.writeUInt32LE(STRIDE - 16 - key.length, record)
    records.writeUInt16LE(key.length, record + 4)
    records[record + 6] = 1
    records.writeUInt32LE(i + 1, record + 8)
    key.copy(records, record + 16)
  })
  const order = keys.map((_, i) => i).sort((a, b) => keys[a].compare(keys[b]))
  order.forEach((i, rank) => {
    tables.writeUInt32LE(i, ORDER_AT - KEYS_AT + rank * 4)
    tables.writeUInt32LE(rank, RANKS_AT - KEYS_AT + i * 4)
  })
  return { tables, records }
}

function write(kernels, memory, milliseconds) {
  const bytes = Buffer.from(memory.buffer)
  const control = new Int32Array(memory.buffer, 0, 16)
  const random = seeded(SEED)
  const prepared = shapes.map(prepare)
  const until = Date.now() + milliseconds
  let rounds = 0
  for (; Date.now() < until; rounds++) {
    // The reader is outside the arena (it waits for an even phase): it may be reset.
    const { tables, records } = prepared[rounds % shapes.length]
    tables.copy(bytes, KEYS_AT)
    records.copy(bytes, RECORDS)
    kernels.memtableInit(ARENA, END)
    Atomics.add(control, PHASE, 1)
    Atomics.notify(control, PHASE)
    for (let i = 0; i < ENTRIES; ) {
      const next = Math.min(ENTRIES, i + 1 + random(6))
      const linked = kernels.memtableLink(ARENA, RECORDS + i * STRIDE, RECORDS + next * STRIDE)
      if (linked !== next - i) throw new Error(`memtableLink: ${linked}`)
      i = next
    }
    const phase = Atomics.add(control, PHASE, 1) + 1
    while (Atomics.load(control, ACKNOWLEDGED) !== phase) Atomics.wait(control, 2, 0, 1)
  }
  Atomics.store(control, PHASE, STOP)
  Atomics.notify(control, PHASE)
  return rounds
}

function read({ module, memory, result }) {
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports
  const bytes = Buffer.from(memory.buffer)
  const control = new Int32Array(memory.buffer, 0, 16)
  const count = new Int32Array(memory.buffer, ARENA, 1)
  const tally = new Float64Array(result)
  const [GETS, PAGES, MISSES, TRAPS] = [0, 1, 2, 3]
  const random = seeded(SEED + 1)
  const recordOf = (i) => RECORDS + i * STRIDE

  const checkGet = (published) => {
    // Half of them among the newest, where the writer is at work.
    const i = random(2) ? random(published) : Math.max(0, published - 1 - random(64))
    const got = kernels.memtableGet(ARENA, KEYS_AT + i * KEY_MAX, keyLengthOf(bytes, i), 2 ** 40)
    tally[GETS]++
    if (got >>> 0 !== recordOf(i)) tally[MISSES]++
  }
  const checkPage = (published) => {
    const i = random(published)
    const reverse = random(2)
    const keyAt = KEYS_AT + i * KEY_MAX
    const length = keyLengthOf(bytes, i)
    const got = kernels.memtablePage(
      ARENA,
      1,
      keyAt,
      length,
      i + 1,
      reverse,
      OUT_AT,
      1 + random(OUT_CAPACITY),
    )
    tally[PAGES]++
    if (!pageIsRight(bytes, got, i, reverse, published)) tally[MISSES]++
  }

  for (;;) {
    const phase = Atomics.load(control, PHASE)
    if (phase === STOP) return
    if (phase % 2 === 0) {
      Atomics.store(control, ACKNOWLEDGED, phase)
      Atomics.wait(control, PHASE, phase, 100)
      continue
    }
    const published = Atomics.load(count, 0)
    if (published === 0) continue
    try {
      for (let i = 0; i < 20; i++) checkGet(published)
      checkPage(published)
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error
      tally[TRAPS]++
    }
  }
}

/** The page starts with entry `first`, ascends (descends) strictly, and leaves out no published
 * entry. */
function pageIsRight(bytes, got, first, reverse, published) {
  const step = reverse ? -1 : 1
  let rank = bytes.readUInt32LE(RANKS_AT + first * 4)
  for (let j = 0; j < got; j++) {
    const i = (bytes.readUInt32LE(OUT_AT + j * 48 + 8) - 16 - RECORDS) / STRIDE
    if (!Number.isInteger(i) || i < 0 || i >= ENTRIES) return false
    const wanted = bytes.readUInt32LE(RANKS_AT + i * 4)
    if ((wanted - rank) * step < 0) return false
    for (; rank !== wanted; rank += step) {
      if (bytes.readUInt32LE(ORDER_AT + rank * 4) < published) return false
    }
    rank += step
  }
  return got > 0
}

/** A reader that takes whatever it sees, the moment it sees it. */
function ignoreVersions(text, name) {
  if (!name.endsWith('assembly/nodes.ts')) return text
  const edited = text
    .replaceAll('return atomic.load<u32>(node) == version', 'return true')
    .replace('while (version & 1)', 'while (false)')
  if (edited.split('return true').length !== 3) throw new Error('nodes.ts is not what it was')
  return edited
}

async function brokenReader() {
  const { compile } = await import('../../../native-wasm/build.mjs')
  const entry = 'assembly/memtable-read.ts'
  return new WebAssembly.Module(await compile({ entry, edit: ignoreVersions }))
}

async function main() {
  const milliseconds = Number(process.argv[2])
  const pages = Math.ceil(END / PAGE)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const module = new WebAssembly.Module(committedModule())
  const readerModule = process.argv[3] === 'broken' ? await brokenReader() : module
  const result = new SharedArrayBuffer(32)
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: { module: readerModule, memory, result },
  })
  await new Promise((resolve) => worker.once('online', resolve))
  const ended = new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', resolve)
  })
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports
  const rounds = write(kernels, memory, milliseconds)
  await ended
  const [gets, pagesRead, misses, traps] = new Float64Array(result)
  const line = { rounds, gets, pages: pagesRead, misses, traps, seed: SEED }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

if (isMainThread) await main()
else read(workerData)
