// Times one case: checks the answers, lets tinybench run each side, checks the answers again.
import { isDeepStrictEqual } from 'node:util'
import { Bench } from 'tinybench'
import { type Case, checkAnswers, type Side } from './case.ts'

/** ns per operation: median, and how far half of the samples lie from it at most. */
export interface Timing {
  readonly nanoseconds: number
  readonly deviation: number
  readonly samples: number
}

export interface Measured {
  readonly area: string
  readonly name: string
  readonly ours: Timing
  readonly twin?: Timing
}

const NS_PER_MS = 1e6
const SAMPLES_MIN = 5
/** Until the code is compiled for speed. */
const WARMUP_MS = 100
/** Shorter samples would time the clock; the code is still cold when this is found out, and gets faster. */
const SAMPLE_MS_MIN = 0.1
const REPEATS_MAX = 4_096

/** Runs per sample; work that awaits something is long enough. */
function repeatsOf(side: Side): number {
  for (let repeats = 1; repeats < REPEATS_MAX; repeats *= 2) {
    const began = performance.now()
    for (let i = 0; i < repeats; i++) side.run()
    if (performance.now() - began >= SAMPLE_MS_MIN) return repeats
  }
  return REPEATS_MAX
}

function task(side: Side): { readonly run: () => void | Promise<void>; readonly repeats: number } {
  if (side.awaited === true) return { run: () => side.run(), repeats: 1 }
  const repeats = repeatsOf(side)
  const run = (): void => {
    for (let i = 0; i < repeats; i++) side.run()
  }
  return { run, repeats }
}

async function timing(side: Side, operations: number, timeMs: number): Promise<Timing> {
  const wanted = side.answer()
  const bench = new Bench({
    time: timeMs,
    iterations: SAMPLES_MIN,
    warmupTime: WARMUP_MS,
    warmupIterations: 1,
    subtractTimerOverhead: true,
    throws: true,
  })
  const { run, repeats } = task(side)
  bench.add('side', run, { async: side.awaited === true })
  const [timed] = await bench.run()
  const result = timed?.result
  if (result?.state !== 'completed') throw new Error(`not timed: ${result?.state}`)
  if (!isDeepStrictEqual(side.answer(), wanted)) {
    throw new Error('the answer changed while it was timed')
  }
  const scale = NS_PER_MS / (operations * repeats)
  const { p50, mad, samplesCount } = result.latency
  return { nanoseconds: p50 * scale, deviation: mad * scale, samples: samplesCount }
}

/** Throws when a side answers wrongly: that is an error, not a figure. */
export async function measure(area: string, one: Case, timeMs: number): Promise<Measured> {
  let close: (() => Promise<void>) | undefined
  try {
    const prepared = await one.prepare()
    close = prepared.close
    await checkAnswers(prepared)
    const { operations } = prepared
    const ours = await timing(prepared.ours, operations, timeMs)
    const measured = { area, name: one.name, ours }
    if (prepared.twin === undefined) return measured
    return { ...measured, twin: await timing(prepared.twin, operations, timeMs) }
  } catch (error) {
    throw new Error(`${area}/${one.name} was not timed`, { cause: error })
  } finally {
    await close?.()
  }
}
