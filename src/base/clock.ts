// The only place that reads time or starts a timer.
// The global of that name is a getter, which costs more than the reading.
import { performance } from 'node:perf_hooks'

type EventLoopUtilization = ReturnType<typeof performance.eventLoopUtilization>

export interface TimerHandle {
  unref(): void
  cancel(): void
}

/** How long the event loop worked and waited since it began. */
export interface LoopTimes {
  readonly activeMs: number
  readonly idleMs: number
}

export interface Clock {
  /** Milliseconds since 1970; may step backwards. For expiry and messages, never for order. */
  wallMs(): number
  /** Milliseconds, never backwards, sub-millisecond. For durations. */
  monotonicMs(): number
  after(delayMs: number, run: () => void): TimerHandle
  /** Runs after the current turn's I/O; keeps the process alive until then. */
  nextTurn(run: () => void): void
  /** Missing or undefined: nobody measures the loop, and it counts as free. */
  loopTimes?(): LoopTimes | undefined
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return { unref: () => void timer.unref(), cancel: () => clearTimeout(timer) }
  },
  nextTurn: (run) => void setImmediate(run),
  loopTimes() {
    // Node has it; what stands in for Node need not.
    const times: EventLoopUtilization | undefined = performance.eventLoopUtilization?.()
    return times === undefined ? undefined : { activeMs: times.active, idleMs: times.idle }
  },
}
