// A compaction in parts on real threads, some of which end in the middle of a part.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { processHeaps } from '../../src/pool/process-heaps.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'
import { Faults } from './faults.ts'
import { codeOf, Field, faultyWorkerUrl, inTime } from './field.ts'

const KEYS = 600
const faults = new Faults()

afterEach(async () => {
  faults.disarm()
  await Field.endThreads()
  expect(processHeaps.counts().taken).toBe(0)
})

interface Opened {
  readonly directory: string
  readonly engine: StorageEngine
}

async function opened(): Promise<Opened> {
  const root = scratchDirectory('split')
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const directory = join(root, 'db')
  const options = resolveOptions({
    compression: 'none',
    workers: 3,
    workerUrl: faultyWorkerUrl,
    durability: 'none',
    memtableSize: 65_536,
    memoryBudget: 8 * 1024 * 1024,
    tableSize: 32 * 1024,
    l0CompactTrigger: 50,
    l0StallTrigger: 'off',
  })
  const splitting = { least: 16_384, most: 65_536, lanes: 3 }
  return { directory, engine: await openEngine(directory, options, { splitting }) }
}

async function fill(engine: StorageEngine, mark: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) {
    const key = `key ${String((i * 7919) % KEYS).padStart(4, '0')}`
    if (i % 7 === 3) await engine.del(key, {})
    else await engine.put(key, `${mark}.${i} ${'x'.repeat(200)}`, {})
  }
  await engine.flush()
}

function content(engine: StorageEngine): unknown[] {
  const form = { keyForm: 'utf8', valueForm: 'utf8', version: engine.version } as const
  return engine.range({ keys: true, values: true, ...form }).next(10 * KEYS)
}

async function checkFiles({ directory, engine }: Opened): Promise<void> {
  const { problems } = await engine.verify({})
  expect(problems).toEqual([])
  await engine.close()
  const named = engine.stats().levels.reduce((sum, { tables }) => sum + tables, 0)
  expect(readdirSync(directory).filter((name) => name.endsWith('.sst')).length).toBe(named)
}

describe('a worker thread that ends in a part of a compaction', () => {
  it('costs that part another try, at whichever step', async () => {
    const given = await opened()
    const { engine } = given
    let struck = 0
    for (let nth = 1; nth < 60; nth += 6) {
      await fill(engine, `${nth}`)
      const before = content(engine)
      const { compactionParts, compactions } = engine.stats()
      faults.arm({ order: 'exit', job: 'compact', nth })
      await inTime(engine.compactRange(undefined, undefined))
      struck += faults.struck
      faults.disarm()
      const after = engine.stats()
      expect(after.compactionParts - compactionParts).toBeGreaterThan(
        after.compactions - compactions,
      )
      expect(content(engine)).toEqual(before)
    }
    expect(struck).toBeGreaterThan(5)
    await checkFiles(given)
  })

  it('three times fails the compaction, and takes the other parts along', async () => {
    const given = await opened()
    const { engine } = given
    await fill(engine, 'first')
    await fill(engine, 'second')
    const before = content(engine)
    faults.arm({ order: 'exit', job: 'compact', nth: 4, times: 9 })
    const failure = await inTime(engine.compactRange(undefined, undefined).catch(codeOf))
    expect(failure).toBe('SETT_WORKER_FAILED')
    faults.disarm()
    expect(content(engine)).toEqual(before)
    await inTime(engine.compactRange(undefined, undefined))
    expect(content(engine)).toEqual(before)
    await checkFiles(given)
  })

  it('or while it looks for where to cut', async () => {
    const given = await opened()
    const { engine } = given
    await fill(engine, 'first')
    const before = content(engine)
    faults.arm({ order: 'exit', job: 'sample', nth: 3 })
    await inTime(engine.compactRange(undefined, undefined))
    expect(faults.struck).toBe(1)
    expect(content(engine)).toEqual(before)
    expect(engine.stats().compactionParts).toBeGreaterThan(engine.stats().compactions)
    await checkFiles(given)
  })
})
