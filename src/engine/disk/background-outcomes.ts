// What the end of background work means for everybody else: who is told, who may go on, what is given up, and when
// the database must stop writing. Main thread.
import type { Logger } from '../../base/logger.ts'
import type { OpenTables } from '../../sstable/open-tables.ts'
import type { Health } from '../health.ts'
import type { Progress } from '../progress.ts'
import type { WriteQueue } from '../write-queue.ts'
import type { DiskReserve } from './disk-reserve.ts'
import {
  backgroundError,
  errorCode,
  lacksDescriptors,
  lacksDirectory,
  writeError,
} from './failures.ts'

export interface OutcomesParts {
  readonly health: Health
  readonly logger: Logger
  readonly progress: Progress
  readonly writes: WriteQueue
  readonly reserve: DiskReserve
  readonly tables: OpenTables
}

export class BackgroundOutcomes {
  readonly #parts: OutcomesParts

  constructor(parts: OutcomesParts) {
    this.#parts = parts
  }

  /** A flush or a compaction is installed. */
  readonly succeeded = (): void => {
    this.#parts.reserve.forget()
    this.roomChanged()
  }

  /** A commit that waits may find room now. */
  roomChanged(): void {
    const { health, writes, progress } = this.#parts
    health.background = undefined
    writes.resume()
    progress.signal()
  }

  /** A flush or a compaction failed; it is tried again, unless the database closes. */
  readonly failed = (cause: unknown): void => {
    this.#parts.logger.error({ err: cause }, 'A background job failed')
    this.#tell(cause, backgroundError(cause))
  }

  /** A compaction failed for what it need not do: nobody waits for that. */
  readonly leftOut = (cause: unknown): void => {
    this.#parts.logger.warn({ err: cause }, 'Values could not be copied out of segments')
  }

  /** The next log could not be born; whoever needs it makes the next try. */
  blocked(cause: unknown): void {
    this.#tell(cause, writeError(cause))
  }

  #tell(cause: unknown, error: Error): void {
    const { health, progress, writes, reserve, tables } = this.#parts
    if (errorCode(cause) === 'SETT_POISONED') health.poison('Making a new file durable', cause)
    else if (lacksDirectory(cause)) health.directoryLost(cause)
    // The next try finds the descriptors that idle tables held.
    else if (lacksDescriptors(cause)) tables.closeIdle()
    reserve.forget()
    health.background = error
    writes.rejectWaiting(health.poisoned ?? error)
    progress.signal()
  }
}
