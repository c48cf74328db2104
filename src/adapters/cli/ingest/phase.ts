// Measures one phase of a command: time and how long the event loop was kept waiting.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { systemClock } from '../../../base/clock.ts'

export interface PhaseFigures {
  readonly ms: number
  /** Event-loop delay beyond the sampling interval, in ms. */
  readonly delayP50: number
  readonly delayP99: number
  readonly delayMax: number
}

const SAMPLE_MS = 1

export async function measured<T>(
  run: () => Promise<T>,
): Promise<{ readonly result: T; readonly figures: PhaseFigures }> {
  const delay = monitorEventLoopDelay({ resolution: SAMPLE_MS })
  const start = systemClock.monotonicMs()
  delay.enable()
  try {
    const result = await run()
    const ms = systemClock.monotonicMs() - start
    const beyond = (ns: number): number => Math.max(0, ns / 1e6 - SAMPLE_MS)
    const [p50, p99] = [delay.percentile(50), delay.percentile(99)]
    const figures = {
      ms,
      delayP50: beyond(p50),
      delayP99: beyond(p99),
      delayMax: beyond(delay.max),
    }
    return { result, figures }
  } finally {
    delay.disable()
  }
}
