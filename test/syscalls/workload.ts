// A fixed workload for the comparison of real system calls with those of the file system in memory: what it does is
// the same in every run, and after each step everything it set going has ended.

import { type Clock, systemClock } from '../../src/base/clock.ts'
import { type ResolvedOptions, resolveOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'

export const OPTIONS: ResolvedOptions = resolveOptions(
  {
    workers: 0,
    memtableSize: 65_536,
    memoryBudget: 8 * 1024 * 1024,
    blockSize: 512,
    tableSize: 16_384,
    // What is put is to fill a small volume.
    compression: 'none',
  },
  {},
)

/** Whether a write blocks the thread depends on how long the last one took: here no time passes. */
export const STILL: Clock = { ...systemClock, monotonicMs: () => 0 }

/** Milliseconds without a call to the system after which nothing more comes. */
const QUIET_TURNS = 8

/** Logs are prepared and files removed without anybody waiting for it: the next step does. */
async function step(work: Promise<unknown>, engine?: StorageEngine): Promise<void> {
  await work
  await engine?.settle()
  for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    if (process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))) quiet = 0
  }
}

/** Ends without closing, as a process does that is killed. */
export async function firstLife(open: () => Promise<StorageEngine>): Promise<void> {
  const engine = await open()
  const after = (work: Promise<unknown>): Promise<void> => step(work, engine)
  await after(engine.put('synced', 'x'.repeat(300), { durability: 'sync' }))
  await after(engine.put('unsynced', 'y'.repeat(300), { durability: 'none' }))
  await after(
    engine.batch(
      [
        { type: 'put', key: 'batch 1', value: 'z' },
        { type: 'del', key: 'unsynced' },
        { type: 'put', key: 'batch 2', value: '' },
      ],
      { durability: 'sync' },
    ),
  )
  await after(engine.flush())
  // Longer than a quarter of the memtable: a log of its own.
  await after(engine.put('large', 'L'.repeat(20_000), { durability: 'sync' }))
  for (let i = 0; i < 10; i++) {
    await after(engine.put(`fill ${i % 4}`, `${i} ${'f'.repeat(7_900)}`, { durability: 'none' }))
  }
  await after(engine.compactRange(undefined, undefined))
  await after(engine.put('in the log', '1', { durability: 'sync' }))
  await after(engine.put('in the log too', '2', { durability: 'none' }))
}

/** Recovers what the first left, reads all of it, and closes. */
export async function secondLife(open: () => Promise<StorageEngine>): Promise<void> {
  const engine = await open()
  await step(engine.settle())
  const found = readAll(engine)
  if (found !== 10) throw new Error(`${found} entries instead of 10`)
  await step(engine.del('large', { durability: 'sync' }), engine)
  await step(engine.flush(), engine)
  await step(engine.put('at the end', '3', { durability: 'none' }), engine)
  await step(engine.close())
}

/** How many entries there are. */
export function readAll(engine: StorageEngine): number {
  const { version } = engine
  const form = { keyForm: 'utf8', valueForm: 'utf8' } as const
  const reader = engine.range({ keys: true, values: true, ...form, version })
  let count = 0
  for (let page = reader.next(64); page.length > 0; page = reader.next(64)) count += page.length
  return count
}
