// Every option does what it says: for each row of the option table a test that shows its effect.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LIVE_OPTIONS, OPTION_NAMES, type OptionName } from '../../../src/base/option-table.ts'
import {
  createResources,
  type Database,
  type DatabaseOptions,
  open,
  SettError,
} from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'
import { BenchEngine } from './bench-engine.ts'
import { type Effect, MEASURED, watchPages } from './measured.ts'

const SMALL = { memtableSize: 65_536, memoryBudget: 8 << 20, workers: 0 } as const

afterEach(() => void vi.restoreAllMocks())

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const cause = error instanceof Error && error.cause instanceof SettError ? error.cause : error
  return cause instanceof SettError ? cause.code : 'none'
}

function at(location: string, options: DatabaseOptions<string, string>): Promise<Database> {
  return open(location, { ...SMALL, ...options })
}

/** Options whose effect is no figure. */
const SHOWN: { readonly [Name in OptionName]?: () => Promise<void> } = {
  async preset() {
    const bench = await BenchEngine.open({ preset: 'bulkLoad', memtableSize: undefined })
    expect(bench.engine.options.durability).toBe('none')
    await bench.put(0, 10)
    expect(bench.fs.calls.filter(({ kind }) => kind === 'write')).not.toHaveLength(0)
    expect(bench.engine.stats().walSyncs).toBe(0)
    await bench.close()
  },
  async workers() {
    const busy = async (workers: number): Promise<number[]> => {
      const db = await at(temporaryDirectory(), { workers })
      await db.put('a', '1')
      await db.flush()
      const { workers: figures } = db.stats()
      await db.close()
      return figures.map(({ worker }) => worker)
    }
    expect(await busy(0)).toEqual([0])
    // Threads are the process's: which one it is depends on what ran before.
    expect(await busy(1)).toEqual([expect.toSatisfy((worker: number) => worker > 0)])
  },
  async workerUrl() {
    const workerUrl = new URL('file:///nowhere/worker.js')
    const db = await at(temporaryDirectory(), { workers: 1, workerUrl })
    await db.put('a', '1')
    expect(await refusal(db.flush())).toBe('SETT_WORKER_FAILED')
    await db.close()
  },
  async readOnly() {
    const location = temporaryDirectory()
    await (await at(location, {})).close()
    const db = await at(location, { readOnly: true })
    expect(await refusal(db.put('a', '1'))).toBe('LEVEL_READONLY')
    expect(db.health().status).toBe('readOnly')
    await db.close()
  },
  async inMemory() {
    const location = join(temporaryDirectory(), 'db')
    const db = await at(location, { inMemory: true })
    await db.put('a', '1')
    await db.close()
    expect(existsSync(location)).toBe(false)
    await db.open()
    expect(await db.get('a')).toBe(undefined)
    await db.close()
  },
  async resources() {
    const resources = createResources({ memoryBudget: 20 << 20, workers: 1 })
    const own = { resources, workers: 0, memoryBudget: 8 << 20 }
    const first = await at(temporaryDirectory(), own)
    const second = await at(temporaryDirectory(), own)
    expect(await refusal(at(temporaryDirectory(), own))).toBe('SETT_OUT_OF_MEMORY')
    await first.close()
    await (await at(temporaryDirectory(), own)).close()
    await second.close()
  },
  async lockTimeout() {
    const location = temporaryDirectory()
    const first = await at(location, {})
    expect(await refusal(at(location, { lockTimeout: 0 }))).toBe('LEVEL_LOCKED')
    const second = at(location, { lockTimeout: 20_000 })
    await first.close()
    await (await second).close()
  },
  async lock() {
    const location = temporaryDirectory()
    const first = await at(location, {})
    const second = await at(location, { lock: 'none' })
    await first.close().catch(() => undefined)
    await second.close()
  },
  async createIfMissing() {
    const location = join(temporaryDirectory(), 'db')
    expect(await refusal(at(location, { createIfMissing: false }))).toBe('LEVEL_NOT_FOUND')
    expect(existsSync(location)).toBe(false)
    await (await at(location, {})).close()
    await (await at(location, { createIfMissing: false })).close()
  },
  async errorIfExists() {
    const location = temporaryDirectory()
    await (await at(location, { errorIfExists: true })).close()
    expect(await refusal(at(location, { errorIfExists: true }))).toBe('LEVEL_EXISTS')
  },
  async logger() {
    const said: string[] = []
    const say = (_fields: object, message: string): void => void said.push(message)
    const logger = { debug: say, info: say, warn: say, error: say }
    const bench = await BenchEngine.open({ logger })
    bench.fs.inject({ on: 'create', path: /\.sst$/, errno: 'EIO' })
    await bench.put(0, 1)
    await bench.engine.flush().catch(() => undefined)
    expect(said).toContain('A background job failed')
    await bench.close()
  },
}

async function measure({ with: others, held, measure: take }: Effect, name: string, by: By) {
  const open = by.open === undefined ? {} : { [name]: by.open }
  const bench = await BenchEngine.open({ ...others, ...open }, held)
  if (by.tune !== undefined) bench.engine.tune({ [name]: by.tune })
  const figure = await take(bench)
  await bench.close()
  return figure
}

interface By {
  readonly open: unknown
  readonly tune?: unknown
}

function expectChange({ becomes }: Effect, from: number, to: number): void {
  if (becomes === 'more') expect(to).toBeGreaterThan(from)
  else expect(to).toBeLessThan(from)
}

describe('every option', () => {
  it('has a test of its effect', () => {
    const shown = new Set([...Object.keys(MEASURED), ...Object.keys(SHOWN)])
    expect(OPTION_NAMES.filter((name) => !shown.has(name))).toEqual([])
  })

  it.each(Object.keys(MEASURED) as OptionName[])('%s changes a figure', async (name) => {
    const effect = MEASURED[name]!
    const from = await measure(effect, name, { open: effect.from })
    const to = await measure(effect, name, { open: effect.to })
    expectChange(effect, from, to)
  })

  it.each(Object.keys(SHOWN) as OptionName[])('%s', async (name) => {
    await SHOWN[name]!()
  })

  it('scanPageSize bounds the pages of an iterator, tuned too', async () => {
    const pages = watchPages()
    const db = await open('memory', { ...SMALL, inMemory: true, scanPageSize: 40 })
    await db.batch(Array.from({ length: 200 }, (_, i) => ({ type: 'put', key: `${i}`, value: '' })))
    expect(await db.keys().all()).toHaveLength(200)
    expect(pages.largest()).toBe(40)
    db.tune({ scanPageSize: 90 })
    expect(await db.keys().all()).toHaveLength(200)
    expect(pages.largest()).toBe(90)
    await db.close()
  })
})

describe('every live option', () => {
  it.each(LIVE_OPTIONS)('%s does by tune() what it does at open', async (name) => {
    const effect = MEASURED[name]!
    const opened = await measure(effect, name, { open: effect.from })
    const tuned = await measure(effect, name, { open: effect.from, tune: effect.to })
    expectChange(effect, opened, tuned)
  })
})
