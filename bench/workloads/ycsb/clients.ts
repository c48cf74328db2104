// The calls of YCSB's clients on one store. Only what a client was told is in the store may be read, and what a read
// finds is checked.
import { Histogram } from '../../data/histogram.ts'
import type { Store } from '../../engines/engine.ts'
import type { YcsbDraws, YcsbOperation } from './mixes.ts'
import type { YcsbRecords } from './records.ts'

const NS_PER_MS = 1e6

export interface YcsbSetup {
  readonly store: Store
  readonly records: YcsbRecords
  readonly draws: YcsbDraws
  /** False: the store's answers are made up. */
  readonly checked: boolean
}

export class YcsbClients {
  readonly #setup: YcsbSetup
  readonly #latencies = new Map<YcsbOperation, Histogram>()
  readonly #calls: { readonly [Operation in YcsbOperation]: () => Promise<void> } = {
    read: () => this.#read(this.#choose()),
    update: () => this.#write(this.#choose()),
    insert: () => this.#write(this.#setup.records.append()),
    scan: () => this.#scan(this.#choose()),
    rmw: () => this.#readModifyWrite(this.#choose()),
  }

  constructor(setup: YcsbSetup) {
    this.#setup = setup
  }

  /** Of the operations that were drawn at all. */
  get latencies(): ReadonlyMap<YcsbOperation, Histogram> {
    return this.#latencies
  }

  /** One operation as drawn. Rejects at a wrong answer. */
  async perform(): Promise<void> {
    const operation = this.#setup.draws.operation()
    const started = performance.now()
    await this.#calls[operation]()
    const histogram = this.#latencies.get(operation) ?? new Histogram()
    histogram.record((performance.now() - started) * NS_PER_MS)
    this.#latencies.set(operation, histogram)
  }

  #choose(): number {
    const { draws, records } = this.#setup
    return draws.record(records.acknowledged)
  }

  async #read(record: number): Promise<void> {
    const { store, records, checked } = this.#setup
    const floor = records.floor(record)
    const found = await store.get(records.key(record))
    if (checked) records.check(record, found, floor)
  }

  async #write(record: number): Promise<void> {
    const { store, records } = this.#setup
    await store.put(records.key(record), records.write(record))
    records.acknowledge(record)
  }

  async #scan(record: number): Promise<void> {
    const { store, records, draws, checked } = this.#setup
    const length = draws.scanLength()
    const pairs = await store.seek(records.key(record), length)
    if (checked) records.checkScan(record, length, pairs)
  }

  async #readModifyWrite(record: number): Promise<void> {
    await this.#read(record)
    await this.#write(record)
  }
}
