// The work of a sample, in slices of equal size. Reads find a settled database that they do not change; fills include
// all that their writes cause in the background.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from 'sett'
import { Dataset } from '../data/dataset.ts'
import { randomIndexes } from '../data/random.ts'

/** A built engine, whichever one is under test. */
export type Build = typeof import('sett')
type Store = Database<Buffer, Buffer>

export interface Places {
  /** Database that reads open and never change. */
  readonly prepared: string
  /** Existing, empty directory for what writes make. */
  readonly scratch: string
}

/** One opened workload. */
export interface Work {
  /** Of one slice. */
  readonly operations: number
  /** Before each slice, off the clock: the other process has had the caches since the last one. */
  leadIn(): Promise<void>
  /** A slice; throws when an answer is wrong. */
  run(): Promise<void>
  close(): Promise<void>
}

interface Measure {
  /** Of one sample. Many short ones: what disturbs a few of them does not move their median. */
  readonly slices: number
  open(build: Build, places: Places): Promise<Work>
}

/** Few enough to stay in the processor's caches: what lies beyond them belongs to all programs of the machine. */
const DATASET = {
  count: 20_000,
  keys: 'random',
  keyBytes: 16,
  valueBytes: 100,
  seed: 301,
} as const
const ENCODINGS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const BATCH = 1_000
/** Small enough that a fill flushes and compacts. */
const FILL_MEMTABLE_BYTES = 2 ** 20
const LOOKUPS = 20_000
const SCANS = 3
const PUTS = 3_000
const FILL_KEYS = 40_000
const LEAD_IN = 1 / 4

export const SAMPLE_WORKLOADS = ['getSync', 'get', 'scan', 'put', 'fillrandom'] as const
export type SampleWorkload = (typeof SAMPLE_WORKLOADS)[number]

export const MEASURES: { readonly [Name in SampleWorkload]: Measure } = {
  getSync: lookups(async (db, keys) => {
    let found = 0
    for (const key of keys) if (db.getSync(key) !== undefined) found++
    return found
  }),
  get: lookups(async (db, keys) => {
    let found = 0
    for (const key of keys) if ((await db.get(key)) !== undefined) found++
    return found
  }),
  scan: { slices: 24, open: openScan },
  put: { slices: 24, open: openPut },
  fillrandom: { slices: 9, open: openFill },
}

/** Makes the database that reads open: settled, in its last level, every value checked. */
export async function prepare(build: Build, location: string): Promise<void> {
  const data = new Dataset(DATASET)
  const db = await build.open<Buffer, Buffer>(location, { ...ENCODINGS, durability: 'none' })
  await fill(db, data, data.shuffled())
  await db.flush()
  await db.compactRange()
  await db.settle()
  for (let index = 0; index < data.count; index++) data.check(index, db.getSync(data.key(index)))
  await db.close()
}

async function fill(db: Store, data: Dataset, order: Uint32Array): Promise<void> {
  for (let at = 0; at < order.length; at += BATCH) {
    const operations = Array.from(order.subarray(at, at + BATCH), (index) => {
      return { type: 'put', key: data.key(index), value: data.value(index) } as const
    })
    await db.batch(operations)
  }
}

async function openPrepared(build: Build, { prepared }: Places): Promise<Store> {
  const db = await build.open<Buffer, Buffer>(prepared, { ...ENCODINGS, readOnly: true })
  await db.settle()
  return db
}

function expectCount(what: string, found: number, expected: number): void {
  if (found !== expected) throw new Error(`${what}: found ${found} of ${expected} entries`)
}

type Read = (db: Store, keys: readonly Buffer[]) => Promise<number>

function lookups(read: Read): Measure {
  const open = async (build: Build, places: Places): Promise<Work> => {
    const data = new Dataset(DATASET)
    const db = await openPrepared(build, places)
    const keys = Array.from(randomIndexes(LOOKUPS, data.count, 1), (index) => data.key(index))
    const few = keys.slice(0, LOOKUPS * LEAD_IN)
    return {
      operations: keys.length,
      leadIn: async () => expectCount('lookups', await read(db, few), few.length),
      run: async () => expectCount('lookups', await read(db, keys), keys.length),
      close: () => db.close(),
    }
  }
  return { slices: 24, open }
}

async function openScan(build: Build, places: Places): Promise<Work> {
  const db = await openPrepared(build, places)
  const scan = async (): Promise<void> => {
    const iterator = db.iterator()
    let entries = 0
    for (;;) {
      const page = await iterator.nextv(BATCH)
      if (page.length === 0) break
      entries += page.length
    }
    await iterator.close()
    expectCount('a scan', entries, DATASET.count)
  }
  return {
    operations: SCANS * DATASET.count,
    leadIn: scan,
    async run() {
      for (let scans = 0; scans < SCANS; scans++) await scan()
    },
    close: () => db.close(),
  }
}

/** One awaited put after the other, over the same keys again and again; all stays in memory. */
async function openPut(build: Build, { scratch }: Places): Promise<Work> {
  const data = new Dataset(DATASET)
  const options = { ...ENCODINGS, durability: 'none' } as const
  const db = await build.open<Buffer, Buffer>(join(scratch, 'put'), options)
  let next = 0
  const puts = async (count: number): Promise<void> => {
    for (const end = next + count; next < end; next++) {
      const index = next % data.count
      await db.put(data.key(index), data.value(index))
    }
  }
  return {
    operations: PUTS,
    leadIn: () => puts(PUTS * LEAD_IN),
    run: () => puts(PUTS),
    close: () => db.close(),
  }
}

/** A database per slice, from opening to closing, with all the flushing and compacting that its writes cause. */
async function openFill(build: Build, { scratch }: Places): Promise<Work> {
  const data = new Dataset({ ...DATASET, count: FILL_KEYS })
  const order = data.shuffled()
  const options = { ...ENCODINGS, durability: 'none', memtableSize: FILL_MEMTABLE_BYTES } as const
  const location = join(scratch, 'fill')
  return {
    operations: data.count,
    leadIn: () => rm(location, { recursive: true, force: true }),
    async run() {
      const db = await build.open<Buffer, Buffer>(location, options)
      await fill(db, data, order)
      await db.settle()
      await db.close()
    },
    close: async () => undefined,
  }
}
