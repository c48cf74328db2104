// Runs the steps of an order on one store, in their order, and closes it. What prepares and settles is off the clock.
// The last cell also tells what is known at the end alone: space on disk, the time of the close.
import { mkdirSync, readdirSync } from 'node:fs'
import { Dataset } from '../data/dataset.ts'
import type { NodeEngine, Pair, SettleReport, Store, StoreSettings } from '../engines/engine.ts'
import { allocatedBytes } from '../output/machine.ts'
import { withFigures } from '../workloads/measured.ts'
import { type Workload, workloadNamed } from '../workloads/registry.ts'
import { UNCLEAN } from '../workloads/space.ts'
import {
  BATCH,
  checkEither,
  NotOffered,
  type OpenFigures,
  parameter,
  type WorkloadContext,
} from '../workloads/workload-code.ts'
import { pairsOf, rangesOf } from '../workloads/write.ts'
import { Usage } from './process-figures.ts'
import type { Cell, SessionOrder, SessionResult, Step } from './protocol.ts'

const PREPARE = 'prepare'
/** Random reads that meet nearly every block of a million small entries. */
const CACHE_FILL_READS = 150_000
const CACHE_FILL_SECONDS = 4
const MANY = 100

/**
 * Throws at the first wrong answer, and before anything is opened when the order asks for what cannot be. After a step
 * `unclean` the store is left open.
 */
export async function runSteps(engine: NodeEngine, order: SessionOrder): Promise<SessionResult> {
  checkOrder(engine, order)
  const dataset = new Dataset(order.dataset)
  const fresh = engine.persistent ? isFresh(order.location) : true
  const loading = performance.now()
  const { version, open } = await engine.load()
  const loadMs = performance.now() - loading
  const before = Usage.now()
  const resident = process.memoryUsage.rss()
  const opening = performance.now()
  const store = await open(order.location, settingsOf(order))
  const openMs = performance.now() - opening
  const after = process.memoryUsage.rss()
  const opened = { loadMs, openMs, before, resident: { before: resident, after } }
  const session = new Session({ engine, order, dataset, store, opened, fresh })
  const { cells, skipped } = await session.run()
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  return {
    engine: engine.name,
    version,
    cells,
    skipped,
    peakMiB: maxRSS / 1024,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
  }
}

/** Whether the directory, made if need be, holds nothing yet. */
function isFresh(location: string): boolean {
  mkdirSync(location, { recursive: true })
  return readdirSync(location).length === 0
}

function settingsOf(order: SessionOrder): StoreSettings {
  const { durability, ownDurability, settOptions, dataset } = order
  return {
    durability,
    memtableBytes: order.memtableBytes ?? undefined,
    workers: order.workers ?? undefined,
    valueBytes: dataset.valueBytes,
    ...(ownDurability !== undefined && { ownDurability }),
    ...(settOptions !== undefined && { settOptions }),
  }
}

function checkOrder({ name, durability }: NodeEngine, order: SessionOrder): void {
  if (durability[order.durability] === undefined) {
    throw new Error(`${name} does not offer durability ${order.durability}`)
  }
  const measuredSteps = order.steps.filter(({ workload }) => workload !== PREPARE)
  for (const { workload } of measuredSteps) {
    const { info } = workloadNamed(workload)
    const ends = info.closes || info.name === UNCLEAN.name
    if (ends && order.steps.at(-1)?.workload !== workload) {
      throw new Error(`${workload} ends with its process: it must be the last step`)
    }
  }
}

interface Setup {
  readonly engine: NodeEngine
  readonly order: SessionOrder
  readonly dataset: Dataset
  readonly store: Store
  readonly opened: OpenFigures
  /** The directory was empty before the store was opened. */
  readonly fresh: boolean
}

class Session {
  readonly #setup: Setup
  readonly #cells: Cell[] = []
  readonly #skipped: { workload: string; why: string }[] = []
  #filled: boolean
  #settled: SettleReport | undefined
  #ascending: Uint32Array | undefined
  #closeMs: number | undefined

  constructor(setup: Setup) {
    this.#setup = setup
    this.#filled = !setup.fresh
  }

  async run(): Promise<Pick<SessionResult, 'cells' | 'skipped'>> {
    const { steps } = this.#setup.order
    for (const step of steps) {
      if (step.workload === PREPARE) await this.#prepare(step)
      else await this.#measure(step, workloadNamed(step.workload))
    }
    if (steps.at(-1)?.workload !== UNCLEAN.name) {
      await this.#close()
      this.#addLastFigures()
    }
    return { cells: this.#cells, skipped: this.#skipped }
  }

  /**
   * Puts, in random order, the keys of the dataset that are missing: all in a new directory; from index `from` on
   * where the step has this parameter; those of `deleterange` where it says `missing: 'ranges'`; else those that are
   * not found.
   */
  async #prepare(step: Step): Promise<void> {
    const { store, dataset } = this.#setup
    const size = step.batch ?? BATCH
    const from = this.#filled ? parameter(step, 'from') : 0
    const indexes = this.#maybeMissing(step).filter((index) => index >= (from ?? 0))
    for (let at = 0; at < indexes.length; at += size) {
      const some = indexes.subarray(at, at + size)
      const pairs = from === undefined ? await this.#missing(some) : pairsOf(dataset, some)
      if (pairs.length > 0) await store.writeBatch(pairs)
    }
    this.#filled = true
    this.#settled = undefined
  }

  #maybeMissing(step: Step): Uint32Array {
    const { dataset } = this.#setup
    if (!this.#filled || step.parameters?.['missing'] !== 'ranges') return dataset.shuffled()
    this.#ascending ??= dataset.ascending()
    const order = this.#ascending
    return Uint32Array.from(
      rangesOf(dataset.count).flatMap(({ from, to }) => [...order.subarray(from, to)]),
    )
  }

  async #missing(indexes: Uint32Array): Promise<readonly Pair[]> {
    const { store, dataset } = this.#setup
    const found = await store.getMany(Array.from(indexes, (index) => dataset.key(index)))
    return pairsOf(
      dataset,
      indexes.filter((_, at) => found[at] === undefined),
    )
  }

  async #measure(step: Step, { info, code }: Workload): Promise<void> {
    const { engine } = this.#setup
    const { workload } = step
    if (engine.only !== undefined && !engine.only.includes(workload)) {
      this.#skipped.push({ workload, why: `it runs ${engine.only.join(', ')} alone` })
      return
    }
    this.#checkBegin(workload, info.begins)
    if (info.begins === 'settled') this.#settled ??= await this.#settle()
    const settled = info.begins === 'settled' ? this.#settled : undefined
    try {
      const cell = await code(this.#context(step, info))
      this.#cells.push(settled === undefined ? cell : { ...cell, settled })
    } catch (error) {
      if (!(error instanceof NotOffered)) throw error
      this.#skipped.push({ workload, why: error.message })
    }
    if (info.begins === 'empty') this.#filled = true
    if (info.begins !== 'settled' || info.spoils) this.#settled = undefined
  }

  /** At rest, and with caches that know most of the data: else the first of the reads would pay for all of them. */
  async #settle(): Promise<SettleReport> {
    const { store, dataset } = this.#setup
    const settled = await store.settle()
    const until = performance.now() + CACHE_FILL_SECONDS * 1000
    const order = dataset.shuffled().subarray(0, CACHE_FILL_READS)
    for (let at = 0; at < order.length && performance.now() < until; at += MANY) {
      const indexes = Array.from(order.subarray(at, at + MANY))
      await store.getMany(indexes.map((index) => dataset.key(index)))
    }
    return settled
  }

  /** A workload on the wrong database would measure something else. */
  #checkBegin(workload: string, begins: 'empty' | 'filled' | 'settled'): void {
    if (begins === 'empty' && this.#filled) {
      const { location } = this.#setup.order
      throw new Error(`${workload} begins with an empty database; ${location} holds one`)
    }
    if (begins !== 'empty' && !this.#filled) {
      throw new Error(`${workload} needs a filled database; order a step '${PREPARE}' before it`)
    }
  }

  #context(step: Step, info: Workload['info']): WorkloadContext {
    const { dataset, order } = this.#setup
    return {
      ...this.#setup,
      step,
      info,
      order,
      check: this.#checkOf(step),
      ascending: () => {
        this.#ascending ??= dataset.ascending()
        return this.#ascending
      },
      close: () => this.#close(),
    }
  }

  #checkOf(step: Step): WorkloadContext['check'] {
    const { engine, dataset } = this.#setup
    if (!engine.answers) return () => undefined
    if (step.parameters?.['generation'] === 'either') {
      return (index, found) => checkEither(dataset, index, found)
    }
    const generation = parameter(step, 'generation') ?? 0
    return (index, found) => dataset.check(index, found, generation)
  }

  async #close(): Promise<number> {
    if (this.#closeMs === undefined) {
      const from = performance.now()
      await this.#setup.store.close()
      this.#closeMs = performance.now() - from
    }
    return this.#closeMs
  }

  #addLastFigures(): void {
    const { engine, order } = this.#setup
    const last = this.#cells.pop()
    if (last === undefined) return
    const closeMs = this.#closeMs ?? 0
    const diskBytes = engine.persistent ? allocatedBytes(order.location) : 0
    this.#cells.push(withFigures(last, engine.persistent ? { closeMs, diskBytes } : { closeMs }))
  }
}
