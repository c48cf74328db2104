// Main side of one job in flight: the ring its reports come through, and the index of its cancel word.
// Slots are used again; at most one job owns a slot at a time, so a ring has one writer.
import type { Clock } from '../base/clock.ts'
import type { JobReport, JobResult } from '../jobs/job.ts'
import type { TableMeta } from '../manifest/levels.ts'
import { createRing, RingReader } from '../memory/byte-ring.ts'
import { decodeReport } from './report-codec.ts'

/** Two of the longest messages fit. Untouched pages cost nothing. */
const RING_BYTES: number = 512 * 1024

export class JobSlot {
  readonly index: number
  readonly ring: SharedArrayBuffer = createRing(RING_BYTES)
  readonly #reader: RingReader
  readonly #clock: Clock
  readonly #tables = new Map<number, TableMeta>()
  #onReport: ((report: JobReport) => void) | undefined
  /** 0 = no job owns the slot. */
  #job = 0
  #waiting = false
  /** What an onReport callback threw. */
  #failure: { readonly error: unknown } | undefined
  /** Something in the ring is no report: nothing that comes through it counts any more. */
  #malformed = false

  constructor(index: number, clock: Clock) {
    this.index = index
    this.#clock = clock
    this.#reader = new RingReader(this.ring)
  }

  begin(job: number, onReport: ((report: JobReport) => void) | undefined): void {
    // What a job that died left in the ring carries its own number and is passed over.
    this.#job = job
    this.#onReport = onReport
    this.#drain()
    this.#arm()
  }

  /** Passes on the last reports and puts the result's tables back. Throws what an onReport callback threw.
   * undefined: what came through the ring is malformed, or does not hold the tables. */
  complete(result: JobResult, numbers: readonly number[]): JobResult | undefined {
    this.#drain()
    if (this.#malformed) return undefined
    if (this.#failure !== undefined) throw this.#failure.error
    if (result.kind !== 'tables') return result
    const tables = numbers.flatMap((number) => this.#tables.get(number) ?? [])
    return tables.length === numbers.length ? { ...result, tables } : undefined
  }

  end(): void {
    this.#drain()
    this.#job = 0
    this.#onReport = undefined
    this.#failure = undefined
    this.#tables.clear()
  }

  /** No job will use the slot again. */
  close(): void {
    this.#reader.close()
  }

  /** What fails is kept for `complete`: nobody awaits a drain that a wake-up started. */
  #drain(): void {
    if (this.#malformed) return
    try {
      this.#reader.drain((message) => this.#take(message))
    } catch {
      // Whoever completes the job is told.
      this.#malformed = true
    }
  }

  #take(message: Buffer): void {
    const { job, report, resultOnly } = decodeReport(message)
    if (job !== this.#job) return
    if (report.kind === 'table') this.#tables.set(report.table.number, report.table)
    if (resultOnly || this.#failure !== undefined) return
    try {
      this.#onReport?.(report)
    } catch (error) {
      this.#failure = { error }
    }
  }

  /** At most one wait at a time; between jobs it stays pending, which costs nothing. */
  #arm(): void {
    if (this.#waiting) return
    const wait = this.#reader.whenPublished(this.#clock)
    if (wait === undefined) {
      this.#drain()
      this.#clock.nextTurn(() => this.#woken())
    } else void wait.then(() => this.#woken())
    this.#waiting = true
  }

  #woken(): void {
    this.#waiting = false
    if (this.#job === 0) return
    this.#drain()
    this.#arm()
  }
}
