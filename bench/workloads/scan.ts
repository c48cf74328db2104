// Full scans and short ones. A scan is checked entry by entry in the pass before the clock starts, afterwards by the
// ends of each page and by its count, so that checking does not weigh on what is measured.
import type { Pair } from '../engines/engine.ts'
import { awaited, type CellClock } from './cell-clock.ts'
import { measured, withFigures } from './measured.ts'
import { randomIndex } from './read.ts'
import { SEEDS, type WorkloadCode, type WorkloadContext } from './workload-code.ts'

const SEEK = 10
/** One of so many seeks is checked pair by pair, the others by their count and both ends. */
const FULL_CHECK_EVERY = 16

type Direction = 'forward' | 'reverse'

/** Knows what comes next in a scan of the whole dataset. */
class ExpectedScan {
  readonly #context: WorkloadContext
  readonly #order: Uint32Array
  readonly #direction: Direction
  #entries = 0

  constructor(context: WorkloadContext, direction: Direction) {
    this.#context = context
    this.#order = context.ascending()
    this.#direction = direction
  }

  get entries(): number {
    return this.#entries
  }

  #indexAt(at: number): number | undefined {
    return this.#order[this.#direction === 'forward' ? at : this.#order.length - 1 - at]
  }

  /** `page` comes next: each of its entries when `fully`, else the first and the last. */
  check<Item>(page: readonly Item[], fully: boolean, entry: EntryCheck<Item>): void {
    const { engine, step } = this.#context
    const stride = fully ? 1 : Math.max(1, page.length - 1)
    for (let at = 0; at < page.length && engine.answers; at += stride) {
      const index = this.#indexAt(this.#entries + at)
      if (index === undefined) throw new Error(`${step.workload}: more entries than were put`)
      entry(index, page[at]!)
    }
    this.#entries += page.length
  }

  /** The pass is over; the next one may begin. */
  finish(): void {
    const { engine, step, dataset } = this.#context
    if (engine.answers && this.#entries !== dataset.count) {
      throw new Error(`${step.workload}: saw ${this.#entries} of ${dataset.count} entries`)
    }
    this.#entries = 0
  }
}

type EntryCheck<Item> = (index: number, item: Item) => void

function keyCheck({ dataset, step }: WorkloadContext): EntryCheck<Uint8Array> {
  return (index, key) => {
    if (dataset.key(index).equals(key)) return
    throw new Error(`${step.workload}: another key where key ${index} comes next`)
  }
}

function pairCheck(context: WorkloadContext): EntryCheck<Pair> {
  const checkKey = keyCheck(context)
  return (index, [key, value]) => {
    checkKey(index, key)
    context.check(index, value)
  }
}

/** One pass over everything; returns the bytes seen. */
type Pass = (expected: ExpectedScan, fully: boolean) => Promise<number>

/** Whole passes until the time is up, at least one. */
async function scanFor(context: WorkloadContext, direction: Direction, pass: Pass) {
  const expected = new ExpectedScan(context, direction)
  await pass(expected, true)
  expected.finish()
  let bytes = 0
  const passes = async (clock: CellClock): Promise<void> => {
    do {
      bytes += await pass(expected, false)
      clock.count(expected.entries)
      expected.finish()
    } while (!clock.over)
  }
  const cell = await measured(context, passes)
  return withFigures(cell, { scannedBytes: bytes })
}

function scanPairs(direction: Direction): WorkloadCode {
  return (context) => {
    const { store } = context
    const check = pairCheck(context)
    return scanFor(context, direction, async (expected, fully) => {
      let bytes = 0
      const visit = (page: readonly Pair[]): void => {
        for (const [key, value] of page) bytes += key.length + value.length
        expected.check(page, fully, check)
      }
      await store.scan(visit, { reverse: direction === 'reverse' })
      return bytes
    })
  }
}

const scanKeys: WorkloadCode = (context) => {
  const { store } = context
  const check = keyCheck(context)
  return scanFor(context, 'forward', async (expected, fully) => {
    let bytes = 0
    await store.scanKeys((page) => {
      for (const key of page) bytes += key.length
      expected.check(page, fully, check)
    })
    return bytes
  })
}

const seekRandom: WorkloadCode = (context) => {
  const { store, dataset, engine, step } = context
  const order = context.ascending()
  const check = pairCheck(context)
  const random = randomIndex(dataset.count, SEEDS.seek)
  let seeks = 0
  const seek = async (): Promise<void> => {
    const place = random()
    const pairs = await store.seek(dataset.key(order[place]!), SEEK)
    if (!engine.answers) return
    const expected = Math.min(SEEK, dataset.count - place)
    if (pairs.length !== expected) {
      throw new Error(`${step.workload}: ${pairs.length} pairs where ${expected} follow`)
    }
    const stride = seeks++ % FULL_CHECK_EVERY === 0 ? 1 : Math.max(1, expected - 1)
    for (let at = 0; at < expected; at += stride) check(order[place + at]!, pairs[at]!)
  }
  return measured(context, (clock) => awaited(clock, seek), { warmUp: true })
}

export const SCAN_WORKLOADS: readonly (readonly [name: string, code: WorkloadCode])[] = [
  ['readseq', scanPairs('forward')],
  ['readseq-keys', scanKeys],
  ['readreverse', scanPairs('reverse')],
  ['seekrandom10', seekRandom],
]
