// The worker side of jobs: piscina calls the returned function once per task, one at a time. Keeps views and
// kernels per heap and drops those of an older generation; opens, writes and closes files inside one task.
import { threadId } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import { toErrorRecord } from '../base/errors.ts'
import type { JobOutcome, JobReport, JobResult } from '../jobs/job.ts'
import type { Kernels } from '../kernel/kernels.ts'
import { RingWriter } from '../memory/byte-ring.ts'
import { beat, checkHeapControl, isCancelRaised } from '../memory/heap-control.ts'
import { type HeapHandle, type SharedHeap, viewHeap } from '../memory/shared-heap.ts'
import { JobPace } from './pace.ts'
import type { JobEnvironment, JobReply, JobTask, WorkerReply, WorkerTask } from './protocol.ts'
import { encodeReport, MESSAGE_MAX } from './report-codec.ts'

/** Progress is shown to the main thread at most this often: a wake-up costs it 20 µs. */
const PROGRESS_PUBLISH_MS = 20
/** A main thread this long away from its event loop is not coming back. */
const SPACE_TIMEOUT_MS = 600_000

interface KnownHeap {
  readonly heap: SharedHeap
  readonly kernels: Kernels
}

export function createTaskRunner(environment: JobEnvironment): (task: WorkerTask) => WorkerReply {
  const heaps = new Map<number, KnownHeap>()
  const reporter = new Reporter()

  const knownHeap = (handle: HeapHandle): KnownHeap => {
    const known = heaps.get(handle.id)
    if (known?.heap.generation === handle.generation) return known
    const heap = viewHeap(handle)
    checkHeapControl(heap)
    const fresh = { heap, kernels: environment.kernels(heap) }
    heaps.set(handle.id, fresh)
    return fresh
  }

  const perform = (task: JobTask): JobResult => {
    const { heap, kernels } = knownHeap(task.heap)
    checkHeapControl(heap)
    // Told: the job has a thread.
    beat(heap, task.slot)
    const cancelled = (): boolean => {
      beat(heap, task.slot)
      return isCancelRaised(heap, task.slot)
    }
    const pace = new JobPace(heap, task.slot, cancelled)
    return environment.runJob(task.spec, {
      fs: environment.fs,
      kernels,
      heap,
      randomFill: (target) => environment.random.fill(target),
      report(report) {
        beat(heap, task.slot)
        reporter.report(report)
      },
      cancelled,
      pace: (bytes) => pace.spend(bytes),
    })
  }

  return (task) => {
    if (task.kind === 'ping') return { kind: 'pong' }
    const startedAt = systemClock.monotonicMs()
    const finish = (outcome: JobOutcome, tables: readonly number[]): JobReply => {
      const busyMs = systemClock.monotonicMs() - startedAt
      return { kind: 'done', outcome, tables, thread: threadId, busyMs }
    }
    try {
      reporter.begin(task)
      const result = perform(task)
      const tables = reporter.finish(result)
      const rest = result.kind === 'tables' ? { ...result, tables: [] } : result
      return finish({ ok: true, result: rest }, tables)
    } catch (error) {
      return finish({ ok: false, error: toErrorRecord(error) }, [])
    }
  }
}

/** Writes one job's reports at a time to the ring its task brought. */
class Reporter {
  readonly #scratch = Buffer.allocUnsafe(MESSAGE_MAX)
  /** By slot: a slot has the same ring all this worker's life. */
  readonly #rings = new Map<number, RingWriter>()
  readonly #reported = new Set<number>()
  #ring: RingWriter | undefined
  #job = 0
  #publishedAt = 0

  begin(task: JobTask): void {
    let ring = this.#rings.get(task.slot)
    if (ring === undefined) {
      ring = new RingWriter(task.ring)
      this.#rings.set(task.slot, ring)
    }
    ring.resume()
    this.#ring = ring
    this.#job = task.job
    this.#reported.clear()
    this.#publishedAt = 0
  }

  report(report: JobReport): void {
    this.#write(report, false)
    const now = systemClock.monotonicMs()
    if (report.kind === 'progress' && now - this.#publishedAt < PROGRESS_PUBLISH_MS) return
    if (report.kind === 'table') this.#reported.add(report.table.number)
    this.#publishedAt = now
    this.#ring?.publish()
  }

  /** Sends the tables of a result that the job had not reported; returns the numbers of all. */
  finish(result: JobResult): readonly number[] {
    const numbers: number[] = []
    if (result.kind === 'tables') {
      for (const table of result.tables) {
        numbers.push(table.number)
        if (!this.#reported.has(table.number)) this.#write({ kind: 'table', table }, true)
      }
    }
    this.#ring?.publish()
    return numbers
  }

  #write(report: JobReport, resultOnly: boolean): void {
    const message = encodeReport(this.#scratch, this.#job, report, resultOnly)
    this.#ring?.writeBlocking(message, { timeoutMs: SPACE_TIMEOUT_MS })
  }
}
