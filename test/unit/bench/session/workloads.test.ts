// Workloads over a Map whose calls can be broken: a wrong answer ends the session, cells tell what was done.
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Pair, Store } from '../../../../bench/engines/engine.ts'
import type { Cell, SessionOrder, SessionResult, Step } from '../../../../bench/session/protocol.ts'
import { runSteps } from '../../../../bench/session/session-run.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'
import { type MapEngine, type MapEngineOptions, mapEngine } from './map-engine.ts'

const KEYS = 2_000
const ENTRY_BYTES = 116

function step(workload: string, rest: Partial<Step> = {}): Step {
  return { workload, operations: null, seconds: null, ...rest }
}

const PREPARE = step('prepare')

function run(
  engine: MapEngine,
  steps: readonly Step[],
  rest: Partial<SessionOrder> = {},
): Promise<SessionResult> {
  return runSteps(engine, {
    engine: engine.name,
    location: '',
    dataset: { count: KEYS, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 301 },
    durability: 'os',
    memtableBytes: null,
    workers: null,
    ...rest,
    steps,
  })
}

async function cellOf(
  workload: string,
  rest: Partial<Step> = {},
  options: MapEngineOptions = {},
): Promise<Cell> {
  const info = VOCABULARY.find(({ name }) => name === workload)
  const steps = [...(info?.begins === 'empty' ? [] : [PREPARE]), step(workload, rest)]
  const durability = workload.startsWith('fillsync') ? 'sync' : 'os'
  const { cells, skipped } = await run(mapEngine(options), steps, { durability })
  expect(skipped).toEqual([])
  return cells[0]!
}

function block(ms: number): void {
  for (const from = performance.now(); performance.now() - from < ms; );
}

function sum(numbers: readonly number[] = []): number {
  return numbers.reduce((total, one) => total + one, 0)
}

/** A value of another key, of the right length. */
async function swapped(store: Store): Promise<Uint8Array> {
  const [[, value]] = (await store.seek(Buffer.alloc(16), 1)) as readonly [Pair]
  return value
}

describe('cells', () => {
  it.each(['fillseq', 'fillrandom', 'put1', 'put256', 'fillsync1', 'fillsync64', 'overwrite'])(
    'of %s count every key once, in windows that add up, with the close inside',
    async (workload) => {
      const closing = { close: () => setTimeout(120) }
      const cell = await cellOf(workload, {}, { broken: () => closing })
      expect(cell.operations).toBe(KEYS)
      expect(cell.cut).toBeUndefined()
      expect(sum(cell.windows?.operations)).toBe(KEYS)
      expect(cell.windows!.operations.length * cell.windows!.ms).toBeGreaterThanOrEqual(120)
      expect(cell.figures!['closeMs']).toBeGreaterThan(100)
      expect(cell.elapsedMs).toBeGreaterThan(cell.figures!['closeMs']!)
      expect(cell.figures!['logicalBytes']).toBe(KEYS * ENTRY_BYTES)
    },
  )

  it('of batches have one latency per batch', async () => {
    const cell = await cellOf('fillrandom', { batch: 300 })
    expect(cell.latency?.count).toBe(7)
  })

  it('that end by time are marked, and tell what is there', async () => {
    const slow = (whole: Store): Partial<Store> => ({
      async put(key, value) {
        await setTimeout(2)
        return whole.put(key, value)
      },
    })
    const cell = await cellOf('put1', { seconds: 0.05 }, { broken: slow })
    expect(cell.cut).toBe(true)
    expect(cell.operations).toBeGreaterThan(0)
    expect(cell.operations).toBeLessThan(KEYS)
    expect(cell.figures!['logicalBytes']).toBe(cell.operations * ENTRY_BYTES)
    expect(cell.loopDelay!.max).toBeGreaterThan(0)
  })

  it.each(['readrandom-sync', 'readrandom-await1', 'readrandom-await64', 'getMany100'])(
    'of %s stop at the operations ordered',
    async (workload) => {
      const cell = await cellOf(workload, { operations: 250 })
      expect(cell.operations).toBe(250)
      const calls = workload === 'getMany100' ? 3 : workload === 'readrandom-sync' ? 32 : 250
      expect(cell.latency?.count).toBe(calls)
    },
  )

  it.each(['readrandom-sync', 'readmissing', 'readmissing-await64', 'seekrandom10'])(
    'of %s last as long as ordered and are not cut',
    async (workload) => {
      const cell = await cellOf(workload, { seconds: 0.02 })
      expect(cell.elapsedMs).toBeGreaterThanOrEqual(20)
      expect(cell.operations).toBeGreaterThan(0)
      expect(cell.cut).toBeUndefined()
    },
  )

  it.each([
    ['readseq', ENTRY_BYTES],
    ['readreverse', ENTRY_BYTES],
    ['readseq-keys', 16],
  ])('of %s are whole passes', async (workload, bytes) => {
    const once = await cellOf(workload, { seconds: 0 })
    expect(once.operations).toBe(KEYS)
    const cell = await cellOf(workload, { seconds: 0.02 })
    expect(cell.operations % KEYS).toBe(0)
    expect(cell.figures!['scannedBytes']).toBe(cell.operations * bytes)
  })

  it('of deletes tell what is left', async () => {
    const ranges = await cellOf('deleterange')
    expect(ranges.operations).toBe(100)
    expect(ranges.figures!['logicalBytes']).toBe((KEYS - 200) * ENTRY_BYTES)
    const some = await cellOf('deleterandom', { operations: 1_500 })
    expect(some.figures!['logicalBytes']).toBe(500 * ENTRY_BYTES)
  })

  it('let the event loop turn between calls that block it, and tell how long each did', async () => {
    let turns = 0
    const broken = (whole: Store): Partial<Store> => ({
      writeBatch(pairs) {
        setImmediate(() => turns++)
        block(3)
        return whole.writeBatch(pairs)
      },
      compact: async () => block(20),
    })
    const fill = await cellOf('fillrandom', { batch: 500 }, { broken })
    expect(turns).toBeGreaterThanOrEqual(3)
    expect(fill.loopDelay!.max).toBeGreaterThanOrEqual(3)
    const compacted = await cellOf('compact', {}, { broken })
    expect(compacted.loopDelay!.max).toBeGreaterThanOrEqual(20)
  })

  it('of readwhilewriting tell the rate of the writes, which keep their pace', async () => {
    const cell = await cellOf('readwhilewriting', { seconds: 0.3, writesPerSecond: 10_000 })
    expect(cell.figures!['writesPerSecond']).toBeGreaterThan(0)
    expect(cell.figures!['writesPerSecond']).toBeLessThan(12_000)
    expect(sum(cell.windows?.operations)).toBe(cell.operations)
    expect(cell.latency?.count).toBe(cell.operations)
  })
})

describe('a store that answers wrongly ends the session', () => {
  const WRONG: (whole: Store) => Partial<Store> = (whole) => ({
    get: () => swapped(whole),
    getMany: async (keys) => [...(await whole.getMany(keys.slice(1))), await swapped(whole)],
    scan: (visit, how) =>
      whole.scan((page) => visit(page.map(([key], at) => [key, page[at === 0 ? 1 : 0]![1]])), how),
    seek: async (from, count) => (await whole.seek(from, count)).map(([key]) => [key, key]),
  })
  const reads = ['readrandom-await1', 'readrandom-await64', 'getMany100', 'readwhilewriting']
  it.each([...reads, 'readseq', 'readreverse', 'seekrandom10', 'compact'])(
    'with the value of another key: %s',
    async (workload) => {
      await expect(cellOf(workload, { seconds: 0.05 }, { broken: WRONG })).rejects.toThrow(
        /wrong value/,
      )
    },
  )

  it('with the value of another key: readrandom-sync', async () => {
    const broken = (whole: Store): Partial<Store> => {
      const value = Buffer.alloc(100)
      return { getSync: (key) => (whole.getSync?.(key) === undefined ? undefined : value) }
    }
    await expect(cellOf('readrandom-sync', {}, { broken })).rejects.toThrow(/wrong value/)
  })

  it('with a value where there is none', async () => {
    const broken = { getSync: () => Buffer.alloc(100), get: async () => Buffer.alloc(100) }
    for (const workload of ['readmissing', 'readmissing-await64']) {
      await expect(cellOf(workload, {}, { broken: () => broken })).rejects.toThrow(/never written/)
    }
  })

  const PAGES: [string, <Item>(page: readonly Item[]) => readonly Item[], RegExp][] = [
    ['less', (page) => page.slice(0, -1), /another key|saw 1998 of 2000/],
    ['more', (page) => [...page, page[0]!], /another key|more entries/],
    ['in another order', (page) => page.toReversed(), /another key/],
  ]
  for (const [what, change, message] of PAGES) {
    it.each(['readseq', 'readseq-keys', 'readreverse'])(`with ${what}: %s`, async (workload) => {
      const broken = (whole: Store): Partial<Store> => ({
        scan: (visit, how) => whole.scan((page) => visit(change(page)), how),
        scanKeys: (visit) => whole.scanKeys((page) => visit(change(page))),
      })
      await expect(cellOf(workload, {}, { broken })).rejects.toThrow(message)
    })
  }

  it('with an entry less in a later pass', async () => {
    let passes = 0
    const broken = (whole: Store): Partial<Store> => ({
      async scan(visit) {
        const last = ++passes === 3
        await whole.scan((page) => visit(last ? page.slice(1) : page))
      },
    })
    const scan = cellOf('readseq', { seconds: 5 }, { broken })
    await expect(scan).rejects.toThrow(/another key/)
  })

  it('with fewer pairs, or other ones, than follow a key', async () => {
    const fewer = (whole: Store): Partial<Store> => ({
      seek: async (from, count) => (await whole.seek(from, count)).slice(1),
    })
    await expect(cellOf('seekrandom10', {}, { broken: fewer })).rejects.toThrow(/pairs where/)
    const others = (whole: Store): Partial<Store> => ({
      seek: (_, count) => whole.seek(Buffer.alloc(16), count),
    })
    await expect(cellOf('seekrandom10', {}, { broken: others })).rejects.toThrow(/another key/)
  })

  it('with writes or deletes that were not done', async () => {
    const lazy: Partial<Store> = {
      put: async () => undefined,
      deleteBatch: async () => undefined,
      deleteRange: async () => undefined,
    }
    const broken = (): Partial<Store> => lazy
    for (const workload of ['put1', 'put256']) {
      await expect(cellOf(workload, {}, { broken })).rejects.toThrow(/wrong value/)
    }
    const acked = cellOf('readwhilewriting', { seconds: 3 }, { broken })
    await expect(acked).rejects.toThrow(/wrong value/)
    for (const workload of ['deleterandom', 'deleterange']) {
      await expect(cellOf(workload, {}, { broken })).rejects.toThrow(/still there/)
    }
    const again = { writeBatch: async () => undefined }
    const overwritten = cellOf('fillrandom', {}, { broken: () => again })
    await expect(overwritten).rejects.toThrow(/wrong value/)
  })

  it('with a delete of a range that takes a key too many', async () => {
    const broken = (whole: Store): Partial<Store> => ({
      async deleteRange(from, to) {
        await whole.deleteRange?.(from, to)
        await whole.deleteBatch([to])
      },
    })
    await expect(cellOf('deleterange', {}, { broken })).rejects.toThrow(/wrong value/)
  })

  it('with a rejected write beside reads', async () => {
    const broken = { put: () => Promise.reject(new Error('disk full')) }
    const reading = cellOf('readwhilewriting', { seconds: 3 }, { broken: () => broken })
    await expect(reading).rejects.toThrow('disk full')
  })
})

describe('a session', () => {
  it('leaves out what the store lacks or the engine does not run, and says why', async () => {
    const broken = (): Partial<Store> => {
      const lacking: Partial<Store> = {}
      return Object.assign(lacking, { getSync: undefined, compact: undefined })
    }
    const steps = [PREPARE, ...['readrandom-sync', 'compact', 'put1'].map((name) => step(name))]
    const only = ['readrandom-sync', 'compact']
    const { cells, skipped } = await run(mapEngine({ broken, only }), steps)
    expect(cells).toEqual([])
    expect(skipped.map(({ workload }) => workload)).toEqual(['readrandom-sync', 'compact', 'put1'])
    expect(skipped.every(({ why }) => why !== '')).toBe(true)
  })

  it('settles once before the reads, again after what spoils it, and closes once', async () => {
    const engine = mapEngine()
    const read = step('readrandom-await1', { operations: 10 })
    const mixed = step('readwhilewriting', { operations: 10 })
    const either = { ...read, parameters: { generation: 'either' } }
    const { cells } = await run(engine, [PREPARE, read, read, mixed, either])
    expect(cells.map(({ settled }) => settled?.layout)).toEqual(Array(4).fill('in memory'))
    expect(engine.counts).toEqual({ settle: 2, close: 1 })
    expect(cells.map(({ figures }) => figures?.['closeMs'] === undefined)).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  it('reads values of the generation the step names', async () => {
    const engine = mapEngine({ persistent: true })
    const location = temporaryDirectory()
    await run(engine, [PREPARE, step('overwrite')], { location })
    const read = step('readrandom-await1', { operations: 100 })
    const as = (generation: number | string): readonly Step[] => [
      { ...read, parameters: { generation } },
    ]
    await run(engine, as(1), { location })
    await run(engine, as('either'), { location })
    await expect(run(engine, [read], { location })).rejects.toThrow(/wrong value/)
    await expect(run(engine, as('all'), { location })).rejects.toThrow(/must be a number/)
  })

  it('refuses orders whose figures would lie', async () => {
    const engine = mapEngine({ persistent: true })
    const location = temporaryDirectory()
    const refused = (steps: readonly Step[], message: RegExp): Promise<void> =>
      expect(run(engine, steps, { location })).rejects.toThrow(message)
    const read = step('readrandom-await1', { operations: 1 })
    await refused([step('fillrandom'), read], /last step/)
    await refused([step('fillsync1')], /needs durability sync/)
    await refused([step('nonsense')], /no workload is called nonsense; known: .*fillseq/)
    const other = mapEngine({ persistent: true })
    const empty = temporaryDirectory()
    await expect(run(other, [read], { location: empty })).rejects.toThrow(/needs a filled/)
    await refused([step('fillrandom')], /begins with an empty database/)
    await refused([PREPARE, step('reopen-close')], /must be the first step/)
  })

  it('fills up what is missing, and only that', async () => {
    const written: number[] = []
    const broken = (whole: Store): Partial<Store> => ({
      writeBatch(pairs) {
        written.push(pairs.length)
        return whole.writeBatch(pairs)
      },
    })
    const engine = mapEngine({ persistent: true, broken })
    const location = temporaryDirectory()
    await run(engine, [PREPARE, step('deleterange')], { location })
    expect(sum(written.splice(0))).toBe(KEYS)
    const { cells } = await run(engine, [PREPARE, step('readseq', { seconds: 0 })], { location })
    expect(sum(written.splice(0))).toBe(200)
    expect(cells[0]?.operations).toBe(KEYS)
    expect(cells[0]?.figures?.['diskBytes']).toBeGreaterThanOrEqual(5_000)
    const from = step('prepare', { parameters: { from: 1_500 } })
    await run(engine, [from], { location })
    expect(sum(written)).toBe(500)
  })

  it('counts the acked puts that a killed process lost', async () => {
    const lost = new Set<string>()
    const broken = (whole: Store): Partial<Store> => ({
      async put(key, value) {
        if (lost.size < 3) lost.add(key.toString('hex'))
        else await whole.put(key, value)
      },
    })
    const engine = mapEngine({ persistent: true, broken })
    const location = temporaryDirectory()
    const steps = [PREPARE, step('unclean', { operations: 500 })]
    const { cells } = await run(engine, steps, { location })
    expect(cells[0]?.figures?.['acked']).toBe(500)
    expect(engine.counts.close).toBe(0)
    const parameters = { acked: 500 }
    const again = await run(engine, [step('reopen-kill', { parameters })], { location })
    expect(again.cells[0]?.figures).toMatchObject({ acked: 500, lost: 3 })
    const { openMs, firstGetMs } = again.cells[0]!.figures!
    expect(again.cells[0]?.elapsedMs).toBe(openMs! + firstGetMs!)
  })
})
