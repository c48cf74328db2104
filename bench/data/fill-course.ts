// How evenly a fill went, from its throughput windows: its slowest second, its last half beside its beginning. The time
// of the close is left out; it holds no operations.

/** As a cell has it. */
export interface Filled {
  readonly operations: number
  readonly elapsedMs: number
  readonly windows?: { readonly ms: number; readonly operations: readonly number[] }
  readonly figures?: { readonly [name: string]: number }
}

const SECOND_MS = 1_000
/** Fewer whole seconds say nothing of holes. */
const SECONDS_MIN = 3
/** Fewer windows give tenths that are not worth comparing. */
const WINDOWS_MIN = 20

/** The slowest whole second over the mean of all; undefined: too short, or windows were joined beyond a second. */
export function slowestSecond({ windows }: Filled): number | undefined {
  if (windows === undefined || windows.ms > SECOND_MS) return undefined
  const each = Math.round(SECOND_MS / windows.ms)
  // The last window with operations is cut where they end.
  const whole = windows.operations.slice(
    0,
    windows.operations.findLastIndex((done) => done > 0),
  )
  const seconds = Array.from({ length: Math.floor(whole.length / each) }, (_, second) =>
    whole.slice(second * each, (second + 1) * each).reduce((sum, done) => sum + done, 0),
  )
  if (seconds.length < SECONDS_MIN) return undefined
  const mean = seconds.reduce((sum, done) => sum + done, 0) / seconds.length
  return Math.min(...seconds) / mean
}

/** Operations per second between two shares of all operations; undefined: too few windows. */
export function rateBetween(filled: Filled, from: number, to: number): number | undefined {
  const [began, ended] = [momentOf(filled, from), momentOf(filled, to)]
  if (began === undefined || ended === undefined || ended <= began) return undefined
  return (((to - from) * filled.operations) / (ended - began)) * SECOND_MS
}

/** The last half over the second tenth. */
export function lasting(filled: Filled): number | undefined {
  const late = rateBetween(filled, 0.5, 1)
  const early = rateBetween(filled, 0.1, 0.2)
  return late === undefined || early === undefined ? undefined : late / early
}

/** ms after which a share of the operations was done. */
function momentOf({ windows, elapsedMs, figures }: Filled, share: number): number | undefined {
  if (windows === undefined || windows.operations.length < WINDOWS_MIN) return undefined
  const { ms, operations } = windows
  const workedMs = elapsedMs - (figures?.['closeMs'] ?? 0)
  const wanted = share * operations.reduce((sum, done) => sum + done, 0)
  let before = 0
  for (const [at, done] of operations.entries()) {
    if (before + done >= wanted && done > 0) {
      const [start, end] = [at * ms, Math.min((at + 1) * ms, Math.max(workedMs, at * ms))]
      return start + ((wanted - before) / done) * (end - start)
    }
    before += done
  }
  return undefined
}
