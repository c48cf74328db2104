// The YCSB workloads: their mixes, what D may read, and that a store which answers wrongly is noticed.
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Dataset } from '../../../../bench/data/dataset.ts'
import { words } from '../../../../bench/data/random.ts'
import type { Pair, Store } from '../../../../bench/engines/engine.ts'
import { awaited, CellClock } from '../../../../bench/workloads/cell-clock.ts'
import { YcsbClients } from '../../../../bench/workloads/ycsb/clients.ts'
import {
  YCSB_LOAD,
  YCSB_MIXES,
  YcsbDraws,
  type YcsbMix,
  type YcsbOperation,
} from '../../../../bench/workloads/ycsb/mixes.ts'
import { KEY_BYTES, YcsbRecords } from '../../../../bench/workloads/ycsb/records.ts'

const RECORDS = 2_000
const CLIENTS = 16
const DRAWS = 100_000

function mixNamed(letter: string): YcsbMix {
  return YCSB_MIXES.find((mix) => mix.letter === letter)!
}

type Changes = Partial<Pick<Store, 'get' | 'put' | 'seek'>>

/** A Map whose puts are seen when they are acknowledged, a turn of the event loop later. */
function mapStore(changes: (store: Store, entries: Map<string, Buffer>) => Changes = () => ({})) {
  const entries = new Map<string, Buffer>()
  const unused = (): never => {
    throw new Error('not a call of YCSB')
  }
  const store: Store = {
    async put(key, value) {
      await setImmediate()
      entries.set(key.toString('latin1'), value)
    },
    get: async (key) => entries.get(key.toString('latin1')),
    async seek(from, count) {
      const start = from.toString('latin1')
      const keys = [...entries.keys()].filter((key) => key >= start).sort()
      return keys.slice(0, count).map((key): Pair => [Buffer.from(key), entries.get(key)!])
    },
    writeBatch: unused,
    deleteBatch: unused,
    getMany: unused,
    scan: unused,
    scanKeys: unused,
    settle: unused,
    close: unused,
  }
  return { ...store, ...changes(store, entries) }
}

function newRecords(): YcsbRecords {
  return new YcsbRecords(
    new Dataset({ count: RECORDS, keys: 'text', keyBytes: KEY_BYTES, valueBytes: 100, seed: 1 }),
  )
}

async function run(
  store: Store,
  records: YcsbRecords,
  mix: YcsbMix,
  operations: number,
): Promise<YcsbClients['latencies']> {
  const draws = new YcsbDraws(mix, RECORDS, words(7))
  const clients = new YcsbClients({ store, records, draws, checked: true })
  const clock = new CellClock({ operations, seconds: Infinity })
  records.prepareScans()
  await awaited(clock, () => clients.perform(), { lanes: CLIENTS })
  expect(clock.operations).toBe(operations)
  return clients.latencies
}

async function loaded(store: Store): Promise<YcsbRecords> {
  const records = newRecords()
  await run(store, records, YCSB_LOAD, RECORDS)
  return records
}

test.each(YCSB_MIXES)('$letter draws its shares', (mix) => {
  const draws = new YcsbDraws(mix, RECORDS, words(3))
  const drawn = new Map<YcsbOperation, number>()
  const picked = new Uint32Array(RECORDS)
  const lengths = new Set<number>()
  for (let at = 0; at < DRAWS; at++) {
    const operation = draws.operation()
    drawn.set(operation, (drawn.get(operation) ?? 0) + 1)
    const record = draws.record(RECORDS)
    picked[record]!++
    lengths.add(draws.scanLength())
  }
  expect([Math.min(...lengths), Math.max(...lengths), lengths.size]).toEqual([1, 100, 100])
  expect(Object.keys(mix.shares).sort()).toEqual([...drawn.keys()].sort())
  for (const [operation, share] of Object.entries(mix.shares)) {
    const measured = (drawn.get(operation as YcsbOperation) ?? 0) / DRAWS
    expect(Math.abs(measured - share)).toBeLessThan(0.005)
  }
  const hottest = picked.indexOf(Math.max(...picked))
  expect(hottest === RECORDS - 1).toBe(mix.choice === 'latest')
  expect(picked[hottest]! / DRAWS).toBeGreaterThan(0.03)
})

test('loads every record once and counts them when they are acknowledged', async () => {
  const store = mapStore()
  const records = await loaded(store)
  expect(records.acknowledged).toBe(RECORDS)
  const all = await store.seek(Buffer.from('user'), RECORDS + 1)
  expect(all).toHaveLength(RECORDS)
  expect(all.every(([key]) => /^user\d{20}$/.test(Buffer.from(key).toString()))).toBe(true)
})

test.each(YCSB_MIXES)('$letter runs and finds right values', async (mix) => {
  const store = mapStore()
  const records = await loaded(store)
  const operations = mix.shares.scan === undefined ? 5_000 : 300
  const latencies = await run(store, records, mix, operations)
  expect([...latencies.keys()].sort()).toEqual(Object.keys(mix.shares).sort())
  const counts = [...latencies.values()].map(({ count }) => count)
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(operations)
  const inserted = latencies.get('insert')?.count ?? 0
  expect(records.acknowledged).toBe(RECORDS + inserted)
})

test('D reads only what is acknowledged, whatever the order of acknowledgements', async () => {
  let unknown = 0
  let puts = 0
  const store = mapStore((plain) => ({
    async put(key, value) {
      for (let turns = puts++ % 7; turns > 0; turns--) await setImmediate()
      await plain.put(key, value)
    },
    async get(key) {
      const found = await plain.get(key)
      if (found === undefined) unknown++
      return found
    },
  }))
  const latencies = await run(store, await loaded(store), mixNamed('D'), 10_000)
  expect(unknown).toBe(0)
  expect(latencies.get('insert')!.count).toBeGreaterThan(300)
})

test('updates that overlap may end in any order', async () => {
  let puts = 0
  const store = mapStore((plain) => ({
    async put(key, value) {
      for (let turns = (puts++ * 3) % 5; turns > 0; turns--) await setImmediate()
      await plain.put(key, value)
    },
  }))
  await run(store, await loaded(store), mixNamed('A'), 10_000)
})

test.each([
  ['forgets one update in 50', 'A', /version \d+ where \d+ to \d+ may be/],
  ['answers with what is next to it', 'C', /the value of record/],
  ['cuts values', 'C', /99 bytes instead of 100/],
  ['has lost a record', 'C', /is missing/],
  ['mixes two versions', 'A', /torn value/],
  ['leaves out a record of a scan', 'E', /a scan of \d+ records found \d+/],
  ['scans from the next record on', 'E', /begins at another/],
  ['scans backwards', 'E', /out of order/],
] as const)('a store that %s is noticed', async (fault, letter, message) => {
  let calls = 0
  let broken = false
  const store = mapStore((plain, entries) => ({
    async put(key, value) {
      if (broken && fault.startsWith('forgets') && calls++ % 50 === 0) return
      const before = entries.get(key.toString('latin1'))
      if (broken && fault.startsWith('mixes') && before !== undefined) {
        value = Buffer.concat([value.subarray(0, 50), before.subarray(50)])
      }
      await plain.put(key, value)
    },
    async get(key) {
      if (broken && fault.startsWith('has lost') && calls++ === 500) return undefined
      if (broken && fault.startsWith('answers')) return (await plain.seek(key, 2)).at(-1)?.[1]
      const found = await plain.get(key)
      return broken && fault.startsWith('cuts') ? found?.subarray(1) : found
    },
    async seek(from, count) {
      const found = await plain.seek(from, broken ? count + 1 : count)
      if (!broken) return found
      if (fault.startsWith('leaves')) return found.slice(0, Math.max(0, count - 1))
      if (fault.startsWith('scans from')) return found.slice(1)
      return [found[0]!, ...found.slice(1, count).reverse()]
    },
  }))
  const records = await loaded(store)
  broken = true
  await expect(run(store, records, mixNamed(letter), 3_000)).rejects.toThrow(message)
})
