// What must not grow, each scenario in a process of its own (started with --expose-gc), result as one JSON line.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Database } from 'sett'
import { seededBytes } from '../model/prng.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'
import { openStore, type Store } from '../model/store.ts'
import { FILL_BUDGET_MIB, type Holdings, holdings } from './probe.ts'

const [scenario, amount] = [process.argv[2], Number(process.argv[3])]
const root = scratchDirectory('growth')
const options = {
  memtableSize: 64 * 1024,
  memoryBudget: 8 * 2 ** 20,
  durability: 'none',
  workers: 2,
}

async function fill(store: Store, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    await store.put(Buffer.from(`key-${at}`), seededBytes(at, 200))
  }
}

/** Opens `amount` databases at once, uses each, closes all. */
async function openMany(round: number): Promise<Holdings> {
  const stores = await Promise.all(
    Array.from({ length: amount }, (_, at) =>
      openStore(Database, join(root, `${round}-${at}`), options),
    ),
  )
  await Promise.all(stores.map((store) => fill(store, 20)))
  const open = await holdings()
  await Promise.all(stores.map((store) => store.close()))
  return open
}

/** Opens one database, uses it so that a flush happens, closes it. */
async function cycle(): Promise<void> {
  const store = await openStore(Database, join(root, 'one'), options)
  await fill(store, 30)
  await store.flush()
  if ((await store.get(Buffer.from('key-7'))) === undefined)
    throw new Error('a written key is gone')
  await store.close()
}

/** Writes so many MB as fast as it is let: awaited batches, large commits, and first a flood that nobody awaits. */
async function floodFill(megabytes: number): Promise<number> {
  const store = await openStore(Database, join(root, 'fill'), {
    memoryBudget: FILL_BUDGET_MIB * 2 ** 20,
    durability: 'none',
    workers: 2,
  })
  // Made once: what grows is not the caller's.
  const [small, large, huge] = [1_000, 500_000, 6_000_000].map((length) => seededBytes(1, length))
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 5)
  const key = (at: number): Buffer => Buffer.from(String(Math.imul(at, 2654435761) >>> 0))
  for (let at = 0; at < megabytes * 1000; at += 1000) {
    const puts = Array.from({ length: 900 }, (_, i) => store.put(key(at + i), small!))
    await Promise.all(puts)
    if (at % 10_000 === 0) await store.put(key(at), huge!)
    if (at > 0) continue
    // Much more than may wait: most of it is refused, and none of it copied for that.
    const flood = Array.from({ length: 600 }, (_, i) => store.put(key(at + i), large!))
    await Promise.allSettled(flood)
  }
  clearInterval(timer)
  await store.close()
  return Math.ceil(Math.max(peak, process.memoryUsage.rss()) / 2 ** 20)
}

function report(result: unknown): void {
  console.log(JSON.stringify(result))
}

if (scenario === 'many') {
  await cycle()
  const before = await holdings()
  const open = await openMany(0)
  const afterOne = await holdings()
  await openMany(1)
  const afterTwo = await holdings()
  report({ before, open, afterOne, afterTwo })
} else if (scenario === 'cycles') {
  const warmUp = Math.ceil(amount / 5)
  for (let at = 0; at < warmUp; at++) await cycle()
  const before = await holdings()
  for (let at = 0; at < amount; at++) await cycle()
  const after = await holdings()
  report({ before, after, files: readdirSync(join(root, 'one')).length })
} else if (scenario === 'idle') {
  // Never closed: an idle database must not keep the process alive.
  const store = await openStore(Database, join(root, 'idle'), options)
  await fill(store, 2_000)
  await store.flush()
  report({ before: await holdings() })
} else if (scenario === 'fill') {
  await cycle()
  const before = await holdings()
  report({ before, peakMiB: await floodFill(amount) })
} else throw new Error(`no such scenario: ${scenario}`)
process.on('exit', () => rmSync(root, { recursive: true }))
