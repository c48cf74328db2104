// Reads all files of the database back every so often, behind all other work. Main thread. Damage it finds goes to
// the log, file and offset, and stays in the health report until a reading finds none.
import type { Clock, TimerHandle } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { errorCode } from '../disk/failures.ts'
import type { MaintenanceNotice } from '../types.ts'
import type { VerifyReport } from '../verify/report.ts'

export interface ScrubberParts {
  readonly clock: Clock
  readonly logger: Logger
  /** Ms from the open, or from the end of one reading, to the next; Infinity: never. */
  readonly intervalMs: () => number
  readonly verify: () => Promise<VerifyReport>
  readonly tell: (notice: MaintenanceNotice) => void
  /** A reading ended. */
  readonly ended: () => void
}

const ABOUT = { event: 'maintenance', task: 'scrub' } as const

export class Scrubber {
  readonly #parts: ScrubberParts
  #timer: TimerHandle | undefined
  #running = false
  #stopped = false
  /** Damaged places the last reading found. */
  problems = 0

  constructor(parts: ScrubberParts) {
    this.#parts = parts
  }

  /** Counts anew from now; also when the interval changed. */
  arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const { clock, intervalMs } = this.#parts
    const delayMs = intervalMs()
    if (this.#stopped || this.#running || delayMs === Number.POSITIVE_INFINITY) return
    this.#timer = clock.after(delayMs, () => void this.#scrub())
    this.#timer.unref()
  }

  stop(): void {
    this.#stopped = true
    this.arm()
  }

  async #scrub(): Promise<void> {
    const { clock, verify, tell, ended } = this.#parts
    this.#timer = undefined
    this.#running = true
    const began = clock.monotonicMs()
    tell({ ...ABOUT, phase: 'begin' })
    try {
      const report = await verify()
      this.#report(report)
      const { manifest, wals, tables, segments } = report
      const bytes = manifest.bytes + wals.bytes + tables.bytes + segments.bytes
      const ms = clock.monotonicMs() - began
      tell({ ...ABOUT, phase: 'end', problems: this.problems, bytes, ms })
    } catch (error) {
      const ms = clock.monotonicMs() - began
      tell({ ...ABOUT, phase: 'failed', code: errorCode(error) ?? 'unknown', ms })
    }
    this.#running = false
    if (!this.#stopped) ended()
    this.arm()
  }

  #report({ problems }: VerifyReport): void {
    this.problems = problems.length
    for (const { file, offset, expected, found } of problems) {
      const what = `${file} is damaged at offset ${offset}. Restore it from a backup, or run repair`
      this.#parts.logger.error({ file, offset, expected, found }, what)
    }
  }
}
