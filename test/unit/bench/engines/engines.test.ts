// Every engine answers as the bench's interface says, whatever store lies behind it. Peers that are not installed are
// skipped by name: npm run bench:peers.

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, type TestContext } from 'vitest'
import { Dataset } from '../../../../bench/data/dataset.ts'
import { ENGINES, engineNamed } from '../../../../bench/engines/all-engines.ts'
import type {
  DurabilityClass,
  LoadedEngine,
  NodeEngine,
  Pair,
  Store,
  StoreSettings,
} from '../../../../bench/engines/engine.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'

const SPEC = { count: 2_350, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 77 } as const
const dataset = new Dataset(SPEC)
/** Indexes in key order. */
const ascending = [...dataset.ascending()]
const SINGLE_PUTS = 50

function settingsOf(durability: DurabilityClass): StoreSettings {
  const { valueBytes } = SPEC
  return { durability, memtableBytes: 65_536, workers: undefined, valueBytes }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function pair(index: number, generation = 0): Pair {
  return [dataset.key(index), dataset.value(index, generation)]
}

function pairTexts(pairs: readonly Pair[]): string[] {
  return pairs.map(([key, value]) => `${text(key)} ${text(value)}`)
}

async function fill(store: Store): Promise<void> {
  const order = [...dataset.shuffled()]
  const batched = order.slice(SINGLE_PUTS)
  for (let at = 0; at < batched.length; at += 1_000) {
    await store.writeBatch(batched.slice(at, at + 1_000).map((index) => pair(index)))
  }
  const [first, ...others] = order.slice(0, SINGLE_PUTS)
  await store.put(dataset.key(first!), dataset.value(first!))
  await Promise.all(others.map((index) => store.put(dataset.key(index), dataset.value(index))))
}

/** Looked at only when all pages have come: what a page holds must stay as it was. */
async function scanned(store: Store, reverse: boolean): Promise<string[]> {
  const pages: (readonly Pair[])[] = []
  await store.scan((page) => pages.push(page), { reverse })
  return pairTexts(pages.flat())
}

async function expectContents(store: Store, expected: readonly Pair[]): Promise<void> {
  const texts = pairTexts(expected)
  expect(await scanned(store, false)).toEqual(texts)
  expect(await scanned(store, true)).toEqual(texts.toReversed())
  const keys: (readonly Uint8Array[])[] = []
  await store.scanKeys((page) => keys.push(page))
  expect(keys.flat().map(text)).toEqual(expected.map(([key]) => text(key)))
}

async function expectReads(store: Store): Promise<void> {
  for (const index of [0, 1, SPEC.count - 1]) {
    dataset.check(index, await store.get(dataset.key(index)))
    if (store.getSync !== undefined) dataset.check(index, store.getSync(dataset.key(index)))
  }
  expect(await store.get(dataset.missingKey(7))).toBeUndefined()
  if (store.getSync !== undefined) expect(store.getSync(dataset.missingKey(7))).toBeUndefined()
  const [there, missing, last] = await store.getMany([
    dataset.key(3),
    dataset.missingKey(3),
    dataset.key(SPEC.count - 1),
  ])
  dataset.check(3, there)
  expect(missing).toBeUndefined()
  dataset.check(SPEC.count - 1, last)
}

async function expectSeeks(store: Store): Promise<void> {
  const from = (at: number): string[] => pairTexts(ascending.slice(at, at + 10).map((i) => pair(i)))
  expect(pairTexts(await store.seek(dataset.key(ascending[500]!), 10))).toEqual(from(500))
  expect(pairTexts(await store.seek(dataset.missingKey(ascending[500]!), 10))).toEqual(from(501))
  const third = SPEC.count - 3
  expect(pairTexts(await store.seek(dataset.key(ascending[third]!), 10))).toEqual(from(third))
  expect(await store.seek(dataset.missingKey(ascending.at(-1)!), 10)).toEqual([])
}

/** Rewrites one key, deletes a batch and, where it can, a range; what must be left. */
async function change(store: Store): Promise<Pair[]> {
  const [rewritten, ...doomed] = ascending.slice(0, 11)
  await store.put(dataset.key(rewritten!), dataset.value(rewritten!, 1))
  dataset.check(rewritten!, await store.get(dataset.key(rewritten!)), 1)
  await store.deleteBatch(doomed.map((index) => dataset.key(index)))
  expect(await store.get(dataset.key(doomed[0]!))).toBeUndefined()
  const left = [pair(rewritten!, 1), ...ascending.slice(11).map((index) => pair(index))]
  if (store.deleteRange === undefined) return left
  await store.deleteRange(Buffer.from(left[100]![0]), Buffer.from(left[300]![0]))
  return left.toSpliced(100, 200)
}

async function expectSettled(store: Store, name: string): Promise<void> {
  await store.compact?.()
  const { tableShare, layout } = await store.settle()
  expect(layout).not.toBe('')
  if (name.startsWith('sett')) expect(tableShare).toBe(1)
  else if (tableShare !== undefined) expect(tableShare).toBeGreaterThan(0.9)
  for (const figure of [...(store.busyMs?.() ?? []), store.bytesWritten?.()]) {
    if (figure !== undefined) expect(figure).toBeGreaterThanOrEqual(0)
  }
  const tables = store.levels?.().reduce((sum, level) => sum + level.tables, 0)
  if (tables !== undefined) expect(tables).toBeGreaterThan(0)
}

async function conform(engine: NodeEngine, loaded: LoadedEngine, durability: DurabilityClass) {
  expect(loaded.version).toMatch(/\d+\.\d+/)
  const location = join(temporaryDirectory(), 'database')
  const store = await loaded.open(location, settingsOf(durability))
  await fill(store)
  await expectReads(store)
  await expectContents(
    store,
    ascending.map((index) => pair(index)),
  )
  await expectSeeks(store)
  const stop = new Error('seen enough')
  const stopped = store.scan(() => {
    throw stop
  })
  await expect(stopped).rejects.toBe(stop)
  const left = await change(store)
  await expectContents(store, left)
  await expectSettled(store, engine.name)
  await expectContents(store, left)
  await store.close()
  if (!engine.persistent) return
  const again = await loaded.open(location, settingsOf(durability))
  await expectContents(again, left)
  await again.close()
}

async function loadOrSkip(engine: NodeEngine, { skip }: TestContext): Promise<LoadedEngine> {
  try {
    return await engine.load()
  } catch (error) {
    // Only some versions of Node have zstd.
    if (engine.kind !== 'peer' && !engine.name.endsWith('+zstd')) throw error
    const why = `${engine.name} is not tested: ${String(error)}`
    console.warn(why)
    return skip(why)
  }
}

const nodeEngines = ENGINES.filter((engine): engine is NodeEngine => 'load' in engine)

describe('a store', () => {
  const classes = nodeEngines
    .filter(({ answers }) => answers)
    .flatMap((engine) =>
      (['os', 'sync'] as const)
        .filter((durability) => engine.durability[durability] !== undefined)
        // A preset differs from `sett` in sizes alone; one class shows that it opens.
        .filter((durability) => durability === 'os' || !engine.name.includes(':'))
        .map((durability) => ({ engine, durability, name: engine.name })),
    )
  it.for(classes)('answers as it should: $name, $durability', async (one, context) => {
    await conform(one.engine, await loadOrSkip(one.engine, context), one.durability)
  })
})

describe('sett', () => {
  it('takes further options of the run and refuses those it does not know', async () => {
    const { open } = await engineNamedInNode('sett:lowMemory').load()
    const settings = { ...settingsOf('os'), ownDurability: true }
    const store = await open(temporaryDirectory(), { ...settings, settOptions: { workers: 0 } })
    await store.close()
    const refused = open(temporaryDirectory(), { ...settings, settOptions: { wrokers: 0 } })
    await expect(refused).rejects.toThrow(/wrokers/)
  })
})

function engineNamedInNode(name: string): NodeEngine {
  const engine = engineNamed(name)
  if (!('load' in engine)) throw new Error(`${name} is a program`)
  return engine
}

async function opened(name: string): Promise<[store: Store, location: string]> {
  const location = temporaryDirectory()
  const { open } = await engineNamedInNode(name).load()
  return [await open(location, settingsOf('sync')), location]
}

describe('the bounds', () => {
  it('null scans as many entries as were put', async () => {
    const [store] = await opened('null')
    await store.writeBatch(ascending.slice(0, 1_999).map((index) => pair(index)))
    await store.put(dataset.key(0), dataset.value(0))
    const sizes: number[] = []
    await store.scan((page) => sizes.push(page.length))
    await store.scanKeys((page) => sizes.push(page.length))
    expect(sizes).toEqual([1_000, 1_000, 1_000, 1_000])
    expect((await store.get(dataset.key(0)))?.length).toBe(SPEC.valueBytes)
  })

  it('raw-append grows its file by every record', async () => {
    const [store, location] = await opened('raw-append')
    for (const index of [0, 1, 2]) await store.put(dataset.key(index), dataset.value(index))
    await store.close()
    const written = readFileSync(join(location, 'raw.log'))
    expect(written.length).toBe(3 * 128)
    expect(written.subarray(128 + 12, 256)).toEqual(Buffer.concat(pair(1)))
  })

  it('raw-overwrite writes within its file and refuses the rest', async () => {
    const [store, location] = await opened('raw-overwrite')
    const file = join(location, 'raw.log')
    expect(statSync(file).size).toBe(64 * 2 ** 20)
    await store.put(dataset.key(0), dataset.value(0))
    await store.put(dataset.key(1), dataset.value(1))
    await expect(store.get(dataset.key(0))).rejects.toThrow(/only writes/)
    await store.close()
    const written = readFileSync(file)
    expect(written.length).toBe(64 * 2 ** 20)
    expect(written.subarray(128 + 12, 256)).toEqual(Buffer.concat(pair(1)))
  })
})

describe('the list of engines', () => {
  it('names each once and lists them all when asked for another', () => {
    const names = ENGINES.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(expect.arrayContaining(['sett', 'sett:bulkLoad', 'lmdb', 'null']))
    expect(() => engineNamed('leveldb')).toThrow(/leveldb; known: sett, .*classic-level/)
  })
})
