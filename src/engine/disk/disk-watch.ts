// Notices when one call to the disk takes very long, and says so while it still hangs. Main thread. Costs one timer
// for as long as anything is under way; changes nothing about the call.
import type { Clock, TimerHandle } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'

const SLOW_MS = 5_000

/** What an application may want to be told. */
export interface DiskNotice {
  readonly event: 'disk-slow'
  readonly operation: 'write' | 'sync'
  readonly path: string
  /** So far; the call may still be under way. */
  readonly elapsedMs: number
}

interface Call {
  readonly operation: DiskNotice['operation']
  readonly path: string
  readonly began: number
  told: boolean
}

export interface DiskWatchParts {
  readonly clock: Clock
  readonly logger: Logger
  readonly notify: (notice: DiskNotice) => void
}

export class DiskWatch {
  readonly #parts: DiskWatchParts
  readonly #calls = new Set<Call>()
  #timer: TimerHandle | undefined

  constructor(parts: DiskWatchParts) {
    this.#parts = parts
  }

  /** Resolves as the work does. */
  async during<T>(
    operation: DiskNotice['operation'],
    path: string,
    work: () => Promise<T>,
  ): Promise<T> {
    const began = this.#parts.clock.monotonicMs()
    const call = { operation, path, began, told: false }
    this.#calls.add(call)
    this.#arm()
    try {
      return await work()
    } finally {
      this.#calls.delete(call)
      if (this.#calls.size === 0) this.#disarm()
    }
  }

  /** The call that has been under way for longest. */
  get longest(): Pick<DiskNotice, 'operation' | 'path' | 'elapsedMs'> | undefined {
    // In the order they began.
    const [first] = this.#calls
    if (first === undefined) return undefined
    const { operation, path, began } = first
    return { operation, path, elapsedMs: this.#parts.clock.monotonicMs() - began }
  }

  /** A call that blocked the thread for so long is over. */
  took(operation: DiskNotice['operation'], path: string, elapsedMs: number): void {
    if (elapsedMs >= SLOW_MS) this.#tell({ event: 'disk-slow', operation, path, elapsedMs })
  }

  #arm(): void {
    if (this.#timer !== undefined) return
    this.#timer = this.#parts.clock.after(SLOW_MS, () => {
      this.#timer = undefined
      this.#look()
      if (this.#calls.size > 0) this.#arm()
    })
    this.#timer.unref()
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Each call is told of once. */
  #look(): void {
    const now = this.#parts.clock.monotonicMs()
    for (const call of this.#calls) {
      const elapsedMs = now - call.began
      if (call.told || elapsedMs < SLOW_MS) continue
      call.told = true
      const { operation, path } = call
      this.#tell({ event: 'disk-slow', operation, path, elapsedMs })
    }
  }

  #tell(notice: DiskNotice): void {
    const { clock, logger, notify } = this.#parts
    const { operation, path, elapsedMs } = notice
    const what = `The disk is slow: a ${operation} has taken ${Math.round(elapsedMs)} ms`
    logger.warn({ event: notice.event, operation, path, elapsedMs }, what)
    // Whatever the listener throws is its own affair.
    clock.nextTurn(() => notify(notice))
  }
}
