// Reads beside a writer that keeps a fixed rate. Both share the main thread: the writer sends what is due every 2 ms,
// and between reads the event loop turns every millisecond (cell-clock.ts); the same for every engine.
import { setImmediate } from 'node:timers/promises'
import { awaited, type CellClock } from './cell-clock.ts'
import { measured, withFigures } from './measured.ts'
import { randomIndex } from './read.ts'
import { checkEither, SEEDS, type WorkloadCode, type WorkloadContext } from './workload-code.ts'

const WRITES_PER_SECOND = 20_000
const TICK_MS = 2
/** What a tick may make up for, so that a pause is not followed by a burst; the rate reached tells what was lost. */
const CATCH_UP_MS = 10
const IN_FLIGHT_MAX = 1_024
const NEW = 1

/** Overwrites random keys with values of generation 1 at a fixed rate, and knows what a read may find. */
class PacedWriter {
  readonly #context: WorkloadContext
  readonly #perMs: number
  readonly #random: () => number
  /** Per key, 1: a put was sent, a put was acked. */
  readonly #sent: Uint8Array
  readonly #acked: Uint8Array
  #timer: NodeJS.Timeout | undefined
  #lastTick = 0
  #due = 0
  #inFlight = 0
  #done = 0
  #failure: unknown

  constructor(context: WorkloadContext) {
    const { count } = context.dataset
    this.#context = context
    this.#perMs = (context.step.writesPerSecond ?? WRITES_PER_SECOND) / 1_000
    this.#random = randomIndex(count, SEEDS.writeBesideReads)
    this.#sent = new Uint8Array(count)
    this.#acked = new Uint8Array(count)
  }

  /** Puts acked. */
  get done(): number {
    return this.#done
  }

  start(): void {
    this.#lastTick = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** No more puts. */
  halt(): void {
    clearInterval(this.#timer)
  }

  /** Halts, and ends when nothing is in flight. */
  async stop(): Promise<void> {
    this.halt()
    while (this.#inFlight > 0) await setImmediate()
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #tick(): void {
    const now = performance.now()
    const most = CATCH_UP_MS * this.#perMs
    this.#due = Math.min(this.#due + (now - this.#lastTick) * this.#perMs, most)
    this.#lastTick = now
    for (; this.#due >= 1 && this.#inFlight < IN_FLIGHT_MAX; this.#due--) void this.#put()
  }

  async #put(): Promise<void> {
    const { store, dataset } = this.#context
    const index = this.#random()
    this.#sent[index] = 1
    this.#inFlight++
    try {
      await store.put(dataset.key(index), dataset.value(index, NEW))
      this.#acked[index] = 1
      this.#done++
    } catch (error) {
      this.#failure ??= error
    } finally {
      this.#inFlight--
    }
  }

  /** Reads key `index`: never sent it must be as it was, acked before the read it must be new, in between either. */
  async read(index: number): Promise<void> {
    const { store, dataset, engine } = this.#context
    this.#throwFailure()
    const wasAcked = this.#acked[index] === 1
    const found = await store.get(dataset.key(index))
    if (!engine.answers) return
    if (wasAcked) dataset.check(index, found, NEW)
    else if (this.#sent[index] === 0) this.#context.check(index, found)
    else checkEither(dataset, index, found)
  }
}

const readWhileWriting: WorkloadCode = async (context) => {
  const random = randomIndex(context.dataset.count, SEEDS.readBesideWrites)
  const writer = new PacedWriter(context)
  let rate = 0
  const read = async (clock: CellClock): Promise<void> => {
    const begun = writer.done
    await awaited(clock, () => writer.read(random()))
    rate = ((writer.done - begun) / clock.elapsedMs) * 1_000
  }
  const verify = (): Promise<void> => writer.stop()
  writer.start()
  try {
    const watched = { windows: true, loopDelay: true }
    const cell = await measured(context, read, { ...watched, warmUp: true, verify })
    return withFigures(cell, { writesPerSecond: rate })
  } finally {
    writer.halt()
  }
}

export const MIXED_WORKLOADS: readonly (readonly [name: string, code: WorkloadCode])[] = [
  ['readwhilewriting', readWhileWriting],
]
