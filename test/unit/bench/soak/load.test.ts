// The load against a store in memory that may lie: honest it finds nothing wrong, each lie is found.
import { afterEach, expect, test, vi } from 'vitest'
import { Checker, KeyModel } from '../../../../bench/soak/key-model.ts'
import { Load, type SoakDatabase, scanAll } from '../../../../bench/soak/load.ts'

interface Held {
  readonly value: Uint8Array
  readonly expiresAt: number
}

type State = Map<string, Held>

/** What the load calls of a database; `lie` makes one answer in some of them wrong. */
class Store {
  state: State = new Map()
  snapshots = 0
  readonly #lie: Lie | undefined

  constructor(lie?: Lie) {
    this.#lie = lie
  }

  async put(key: Buffer, value: Buffer, { ttl = Infinity }: { ttl?: number } = {}): Promise<void> {
    await undefined
    const expiresAt = this.#lie === 'never expires' ? Infinity : Date.now() + ttl
    const name = key.toString('hex')
    if (this.#lie === 'loses a put' && this.state.has(name) && ttl === Infinity) return
    this.state.set(name, { value: Uint8Array.from(value), expiresAt })
  }

  async del(key: Buffer): Promise<void> {
    await undefined
    if (this.#lie !== 'keeps what was deleted') this.state.delete(key.toString('hex'))
  }

  async batch(puts: { key: Buffer; value: Buffer }[]): Promise<void> {
    for (const { key, value } of puts) await this.put(key, value)
  }

  async get(key: Buffer, options?: { snapshot?: View }): Promise<Uint8Array | undefined> {
    await undefined
    const { state, now } = options?.snapshot ?? { state: this.state, now: Date.now() }
    const found = (this.#lie === 'snapshots move' ? this.state : state).get(key.toString('hex'))
    return found === undefined || found.expiresAt <= now ? undefined : found.value
  }

  snapshot(): View {
    this.snapshots++
    const close = async (): Promise<void> => void this.snapshots--
    return { state: new Map(this.state), now: Date.now(), close }
  }

  iterator(): { nextv(size: number): Promise<[Buffer, Uint8Array][]>; close(): Promise<void> } {
    const now = Date.now()
    const left = [...this.state].filter(([, { expiresAt }]) => expiresAt > now)
    if (this.#lie === 'scans too little') left.pop()
    return {
      nextv: async (size) =>
        left
          .splice(0, size)
          .map(([key, { value }]) => [Buffer.from(key, 'hex'), value] as [Buffer, Uint8Array]),
      close: async () => undefined,
    }
  }
}

interface View {
  readonly state: State
  readonly now: number
  close(): Promise<void>
}

const LIES = [
  'loses a put',
  'keeps what was deleted',
  'never expires',
  'snapshots move',
  'scans too little',
] as const
type Lie = (typeof LIES)[number]

interface Outcome {
  readonly load: Load
  readonly checker: Checker
  readonly model: KeyModel
  readonly store: Store
}

async function soak(lie?: Lie): Promise<Outcome> {
  const store = new Store(lie)
  const model = new KeyModel({ keys: 200, values: [8, 40], seed: 5, compressible: false })
  const checker = new Checker()
  const parts = { db: store as unknown as SoakDatabase, model, checker }
  const load = new Load({ ...parts, seed: 5 })
  await load.write(0)
  // A process that is held up for so long has done nothing in it.
  do await load.mixed(200)
  while (load.snapshots === 0 || load.operations < 2_000)
  const later = Date.now() + 10_000
  vi.useFakeTimers({ toFake: ['Date'], now: later })
  await scanAll(parts, 'scan')
  return { load, checker, model, store }
}

afterEach(() => void vi.useRealTimers())

test('an honest store has no mistakes, and everything was counted', async () => {
  const { load, checker, model, store } = await soak()
  expect(checker.mistakes).toEqual([])
  expect(checker.checked).toBeGreaterThan(200)
  expect(load.puts).toBeGreaterThan(200)
  expect(load.deletes).toBeGreaterThan(0)
  expect(load.snapshots).toBeGreaterThan(0)
  expect(store.snapshots, 'snapshots left open').toBe(0)
  expect(load).toMatchObject({ rounds: expect.closeTo(1, 6), share: 1 })
  const now = Date.now()
  const held = [...store.state.values()].filter(({ expiresAt }) => expiresAt > now)
  const bytes = held.reduce((sum, { value }) => sum + 16 + value.length, 0)
  expect(model.liveBytes(now)).toBe(bytes)
})

test.each(LIES)('a store that %s is found out', async (lie) => {
  const { checker } = await soak(lie)
  expect(checker.wrong).toBeGreaterThan(0)
})

test('a pass of writes puts every key once, in another order each time', async () => {
  const orders: string[][] = []
  const store = new Store()
  store.batch = async (puts) => {
    orders.at(-1)!.push(...puts.map(({ key }) => key.toString('hex')))
  }
  const model = new KeyModel({ keys: 300, values: [8], seed: 5, compressible: false })
  const db = store as unknown as SoakDatabase
  const load = new Load({ db, model, checker: new Checker(), seed: 5 })
  for (const pass of [0, 1]) {
    orders.push([])
    await load.write(pass)
  }
  expect(orders[0]).not.toEqual(orders[1])
  for (const order of orders) expect(new Set(order).size).toBe(300)
  expect([load.puts, load.userBytes]).toEqual([600, 600 * 24])
})
