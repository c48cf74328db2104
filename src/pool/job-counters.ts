// Jobs one database had done, by worker. Main thread.
import type { JobSpec } from '../jobs/job.ts'
import type { WorkerStats } from './executor.ts'

type Counters = { -readonly [Name in keyof WorkerStats]: WorkerStats[Name] }

export class JobCounters {
  readonly #workers = new Map<number, Counters>()

  count(worker: number, kind: JobSpec['kind'], busyMs: number): void {
    let counters = this.#workers.get(worker)
    if (counters === undefined) {
      counters = { worker, flushes: 0, compactions: 0, otherJobs: 0, busyMs: 0 }
      this.#workers.set(worker, counters)
    }
    counters.busyMs += busyMs
    if (kind === 'flush') counters.flushes++
    else if (kind === 'compact') counters.compactions++
    else counters.otherJobs++
  }

  stats(): readonly WorkerStats[] {
    const rows = [...this.#workers.values()].map((counters) => ({ ...counters }))
    return rows.sort((a, b) => a.worker - b.worker)
  }
}
