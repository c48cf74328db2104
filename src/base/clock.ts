// The only place that reads time or starts a timer.

export interface TimerHandle {
  unref(): void
  cancel(): void
}

export interface Clock {
  /** Milliseconds since 1970; may step backwards. For expiry and messages, never for order. */
  wallMs(): number
  /** Milliseconds, never backwards, sub-millisecond. For durations. */
  monotonicMs(): number
  after(delayMs: number, run: () => void): TimerHandle
  /** Runs after the current turn's I/O; keeps the process alive until then. */
  nextTurn(run: () => void): void
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return { unref: () => void timer.unref(), cancel: () => clearTimeout(timer) }
  },
  nextTurn: (run) => void setImmediate(run),
}
