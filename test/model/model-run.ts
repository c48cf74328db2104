// Runs steps against the database and the sorted map at once and compares every answer.
import type { AbstractSnapshot } from 'abstract-level'
import {
  type ByteBounds,
  byteBounds,
  bytesOf,
  compareKeys,
  comparePairs,
  compareValue,
  lengthError,
  outside,
  type PairIterator,
  pages,
  showKey,
  takeUpTo,
} from './compare.ts'
import { ITERATOR_SLOTS, SNAPSHOT_SLOTS, type Step, stepOf, type WriteStep } from './operations.ts'
import { seededBytes } from './prng.ts'
import { type Bounds, type Pair, SortedMap } from './sorted-map.ts'
import type { Store } from './store.ts'

export interface ModelPlan {
  readonly seed: number
  readonly from: number
  readonly to: number
  /** Opens the database; called again by every reopen step. */
  readonly open: () => Promise<Store>
  readonly beforeClose?: () => void
}

/** The answer of a step differs from the model's. */
export class ModelMismatch extends Error {
  readonly step: number
  constructor(step: number, what: string, cause?: unknown) {
    super(`step ${step}: ${what}`, cause === undefined ? undefined : { cause })
    this.name = 'ModelMismatch'
    this.step = step
  }
}

interface OpenSnapshot {
  readonly snapshot: AbstractSnapshot
  readonly map: SortedMap
}

interface OpenIterator {
  readonly iterator: PairIterator
  readonly pairs: readonly Pair[]
  at: number
}

/** A full comparison is made this often and at the end. */
const FULL_CHECK_STEPS = 5_000

export async function runModel(plan: ModelPlan): Promise<{ readonly entries: number }> {
  const run = new ModelRun(await plan.open(), plan)
  try {
    for (let index = plan.from; index < plan.to; index++) {
      const step = stepOf(plan.seed, index)
      try {
        await run.step(step, index)
        if ((index + 1) % FULL_CHECK_STEPS === 0) await run.fullCheck()
      } catch (error) {
        throw new ModelMismatch(index, `${describe(step)}: ${reason(error)}`, error)
      }
    }
    try {
      await run.fullCheck()
    } catch (error) {
      throw new ModelMismatch(plan.to - 1, `full comparison: ${reason(error)}`, error)
    }
    return { entries: run.entries }
  } finally {
    await run.close()
  }
}

class ModelRun {
  readonly #plan: ModelPlan
  #store: Store
  #map = new SortedMap()
  #snapshots: (OpenSnapshot | undefined)[] = Array.from({ length: SNAPSHOT_SLOTS })
  #iterators: (OpenIterator | undefined)[] = Array.from({ length: ITERATOR_SLOTS })

  constructor(store: Store, plan: ModelPlan) {
    this.#store = store
    this.#plan = plan
  }

  get entries(): number {
    return this.#map.size
  }

  async step(step: Step, index: number): Promise<void> {
    switch (step.kind) {
      case 'write':
        return this.#write(step.write, index)
      case 'batch':
        return this.#batch(step, index)
      case 'burst':
        return this.#burst(step.writes, index)
      case 'clear':
        return this.#clear(step.bounds, step.slot)
      case 'get':
      case 'has':
      case 'entry':
      case 'getMany':
        return this.#read(step)
      case 'scan':
      case 'seek':
        return this.#scanOrSeek(step)
      case 'snapshot':
        return this.#toggleSnapshot(step.slot)
      case 'snapshotGet':
        return this.#snapshotGet(step.slot, step.keys)
      case 'iterator':
        return this.#openIterator(step.slot, step.bounds)
      case 'advance':
        return this.#advance(step.slot, step.count)
      case 'flush':
        return this.#store.flush()
      case 'compact':
        return this.#store.compactRange()
      case 'settle':
        return this.#store.settle()
      case 'reopen':
        return this.#reopen()
    }
  }

  async fullCheck(): Promise<void> {
    const forward = this.#map.range({})
    comparePairs(await this.#store.iterator().all(), forward)
    comparePairs(await this.#store.iterator({ reverse: true }).all(), forward.reverse())
  }

  async close(): Promise<void> {
    await this.#releaseReaders()
    this.#plan.beforeClose?.()
    await this.#store.close()
  }

  async #write(write: WriteStep, index: number): Promise<void> {
    const key = bytesOf(write.key)
    if (write.type === 'del') {
      this.#map.del(write.key)
      return this.#store.del(key)
    }
    const value = seededBytes(index, write.length)
    this.#note(write, value)
    await this.#store.put(key, value, { ttl: ttlOf(write) } as object)
    await expired([write])
  }

  /** What is there once the step has ended. */
  #note({ type, key, ttl }: WriteStep, value: Buffer | undefined): void {
    if (type === 'del' || ttl === 'brief') this.#map.del(key)
    else this.#map.put(key, value!)
  }

  async #batch(step: Extract<Step, { kind: 'batch' }>, index: number): Promise<void> {
    const operations = step.writes.map((write, at) => {
      const key = bytesOf(write.key)
      if (write.type === 'del') return { type: 'del', key } as const
      const value = seededBytes(index * 64 + at, write.length)
      return { type: 'put', key, value, ttl: ttlOf(write) } as const
    })
    step.writes.forEach((write, at) => {
      const operation = operations[at]!
      this.#note(write, operation.type === 'put' ? operation.value : undefined)
    })
    if (step.chained) {
      const chain = this.#store.batch()
      for (const operation of operations) {
        const { key, type } = operation
        if (type === 'put') chain.put(key, operation.value, { ttl: operation.ttl } as object)
        else chain.del(key)
      }
      await chain.write()
    } else await this.#store.batch(operations)
    await expired(step.writes)
  }

  /** Writes that do not wait for each other; their order is the order of the calls. */
  async #burst(writes: readonly WriteStep[], index: number): Promise<void> {
    await Promise.all(writes.map((write, at) => this.#write(write, index * 64 + at)))
  }

  async #clear(bounds: Bounds, slot: number): Promise<void> {
    const open = slot < 0 ? undefined : this.#snapshots[slot]
    for (const [key] of (open?.map ?? this.#map).range(bounds)) this.#map.del(key)
    const options = { ...byteBounds(bounds), limit: bounds.limit ?? -1 }
    if (open === undefined) await this.#store.clear(options)
    else await this.#store.clear({ ...options, snapshot: open.snapshot })
  }

  async #read(step: Extract<Step, { kind: 'get' | 'has' | 'entry' | 'getMany' }>): Promise<void> {
    if (step.kind === 'getMany') {
      const found = await this.#store.getMany(step.keys.map(bytesOf))
      step.keys.forEach((key, at) => {
        compareValue(found[at], this.#map.get(key))
      })
      return
    }
    const expected = this.#map.get(step.key)
    const key = bytesOf(step.key)
    if (step.kind === 'has') {
      if ((await this.#store.has(key)) !== (expected !== undefined)) throw new Error('has is wrong')
    } else if (step.kind === 'entry') {
      const entry = await this.#store.getEntry(key)
      compareValue(entry?.value, expected)
      if (entry === undefined) return
      if (entry.version < 1 || entry.version > this.#store.version) {
        throw new Error(`entry of version ${entry.version}, newest is ${this.#store.version}`)
      }
    } else if (step.form === 'view') {
      compareValue(
        await this.#store.get<Buffer, Uint8Array>(key, { valueEncoding: 'view' }),
        expected,
      )
    } else compareValue(step.sync ? this.#store.getSync(key) : await this.#store.get(key), expected)
  }

  async #scanOrSeek(step: Extract<Step, { kind: 'scan' | 'seek' }>): Promise<void> {
    const bounds = byteBounds(step.bounds)
    if (step.kind === 'seek') return this.#seek(step, bounds)
    const open = step.slot < 0 ? undefined : this.#snapshots[step.slot]
    const expected = (open?.map ?? this.#map).range(step.bounds)
    const options = open === undefined ? bounds : { ...bounds, snapshot: open.snapshot }
    if (step.mode === 'keys') {
      compareKeys(await this.#store.keys(options).all(), expected)
    } else if (step.mode === 'values') {
      const values = await this.#store.values(options).all()
      if (values.length !== expected.length) throw lengthError(values.length, expected.length)
      values.forEach((value, at) => {
        compareValue(value, expected[at]![1])
      })
    } else if (step.mode === 'all')
      comparePairs(await this.#store.iterator(options).all(), expected)
    else if (step.mode === 'nextv')
      comparePairs(await pages(this.#store.iterator(options)), expected)
    else {
      const pairs: [Buffer, Buffer][] = []
      for await (const pair of this.#store.iterator(options)) pairs.push(pair)
      comparePairs(pairs, expected)
    }
  }

  async #seek(step: Extract<Step, { kind: 'seek' }>, bounds: ByteBounds): Promise<void> {
    const { limit: _limit, ...open } = bounds
    const iterator = this.#store.iterator(open)
    try {
      const all = this.#map.range({ ...step.bounds, limit: -1 })
      const before = await takeUpTo(iterator, Math.max(1, step.after))
      comparePairs(before, all.slice(0, Math.max(1, step.after)))
      iterator.seek(bytesOf(step.target))
      const { reverse = false } = step.bounds
      const from = all.findIndex(([key]) => (reverse ? key <= step.target : key >= step.target))
      const expected =
        from < 0 || outside(step.target, step.bounds) ? [] : all.slice(from, from + 20)
      comparePairs(await takeUpTo(iterator, 20), expected)
    } finally {
      await iterator.close()
    }
  }

  async #toggleSnapshot(slot: number): Promise<void> {
    const open = this.#snapshots[slot]
    this.#snapshots[slot] = undefined
    if (open !== undefined) return open.snapshot.close()
    this.#snapshots[slot] = { snapshot: this.#store.snapshot(), map: new SortedMap(this.#map) }
  }

  async #snapshotGet(slot: number, keys: readonly string[]): Promise<void> {
    const open = this.#snapshots[slot]
    if (open === undefined) return
    const { snapshot, map } = open
    for (const key of keys)
      compareValue(await this.#store.get(bytesOf(key), { snapshot }), map.get(key))
    const found = await this.#store.getMany(keys.map(bytesOf), { snapshot })
    keys.forEach((key, at) => {
      compareValue(found[at], map.get(key))
    })
  }

  async #openIterator(slot: number, bounds: Bounds): Promise<void> {
    const open = this.#iterators[slot]
    this.#iterators[slot] = undefined
    if (open !== undefined) await open.iterator.close()
    const iterator = this.#store.iterator(byteBounds(bounds))
    this.#iterators[slot] = { iterator, pairs: this.#map.range(bounds), at: 0 }
  }

  async #advance(slot: number, count: number): Promise<void> {
    const open = this.#iterators[slot]
    if (open === undefined) return
    const expected = open.pairs.slice(open.at, open.at + count)
    open.at += expected.length
    if (count === 1) {
      const pair = await open.iterator.next()
      return comparePairs(pair === undefined ? [] : [pair], expected)
    }
    comparePairs(await takeUpTo(open.iterator, count), expected)
  }

  async #reopen(): Promise<void> {
    await this.close()
    this.#store = await this.#plan.open()
  }

  async #releaseReaders(): Promise<void> {
    for (const open of this.#iterators) await open?.iterator.close()
    for (const open of this.#snapshots) await open?.snapshot.close()
    this.#iterators.fill(undefined)
    this.#snapshots.fill(undefined)
  }
}

const LASTING_MS = 1e9
const BRIEF_MS = 1

function ttlOf({ ttl }: WriteStep): number | undefined {
  if (ttl === undefined) return undefined
  return ttl === 'brief' ? BRIEF_MS : LASTING_MS
}

/** Waits until what lives briefly of these, and was handed over before, has expired. */
async function expired(writes: readonly WriteStep[]): Promise<void> {
  if (!writes.some(({ ttl }) => ttl === 'brief')) return
  const end = Date.now() + BRIEF_MS + 1
  while (Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 1))
}

function describe(step: Step): string {
  return JSON.stringify(step, (_, value: unknown) => {
    if (typeof value !== 'string') return value
    const key = bytesOf(value)
    return /^[\x20-\x7e]*$/.test(value) && key.length <= 60 ? value : `0x${showKey(key)}`
  }).slice(0, 600)
}

function reason(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
