// Makes a cell of a workload's work: warm-up, clock, the process's figures before and after, the close where it counts.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { Usage } from '../session/process-figures.ts'
import type { Cell, LoopDelay } from '../session/protocol.ts'
import { CellClock, type CellKeeping, type CellLimits, WINDOW_MS } from './cell-clock.ts'
import type { WorkloadContext } from './workload-code.ts'

export interface Measuring {
  /** Things to work on, each used once; default: no end. */
  readonly most?: number
  /** True: the same work first, off the clock, for 20,000 operations or 0.3 s. */
  readonly warmUp?: boolean
  readonly windows?: boolean
  /** True: the event loop turns every millisecond (cell-clock.ts) and its delays are taken. */
  readonly loopDelay?: boolean
  /** Keys in the database after so many operations; default: those of the dataset. */
  readonly alive?: (operations: number) => number
  /** Off the clock, before the store may close: throws when what was done is not to be seen. */
  readonly verify?: (operations: number) => Promise<void>
}

const WARM_UP: CellLimits = { operations: 20_000, seconds: 0.3 }
const SECONDS = 3
/** Enough for one tick of the monitor, which measures from tick to tick: one before the work, one after it. */
const TICK_MS = 3

/** The step's own limits, else the vocabulary's; what has no count always has a time. */
export function limitsOf(
  { step, info, dataset }: WorkloadContext,
  most: number = Infinity,
): CellLimits {
  const wanted = step.operations ?? info.operations?.(dataset.count) ?? Infinity
  const operations = Math.min(wanted, most)
  const unlimited = operations === Infinity ? (info.seconds ?? SECONDS) : Infinity
  return { operations, seconds: step.seconds ?? unlimited }
}

/** The delays of the event loop from now on; `stop` ends it and tells. Both wait for a tick of the monitor. */
export async function watchLoop(): Promise<{ stop(): Promise<LoopDelay> }> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await setTimeout(TICK_MS)
  const ms = (nanoseconds: number): number => nanoseconds / 1e6
  return {
    async stop() {
      await setTimeout(TICK_MS)
      delay.disable()
      return { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) }
    },
  }
}

/**
 * Runs `work` until its clock hands out no more operations; the close follows on the clock where the vocabulary says
 * so.
 */
export async function measured(
  context: WorkloadContext,
  work: (clock: CellClock) => Promise<void> | void,
  options: Measuring = {},
): Promise<Cell> {
  const { store, info, step, dataset } = context
  const { windows: keepWindows = false, loopDelay: watched = false } = options
  const keeping: CellKeeping = { windows: keepWindows, turns: watched }
  if (options.warmUp === true) await work(new CellClock(WARM_UP, keeping))
  const limits = limitsOf(context, options.most)
  const clock = new CellClock(limits, keeping)
  const loop = watched ? await watchLoop() : undefined
  const [busyBefore, bytesBefore] = [store.busyMs?.() ?? [], store.bytesWritten?.() ?? 0]
  const baseMiB = baseOf(context)
  const before = Usage.now()
  clock.start()
  await work(clock)
  const workedMs = clock.elapsedMs
  const { operations } = clock
  const busy = store.busyMs?.().map((ms, thread) => ms - (busyBefore[thread] ?? 0))
  const [bytes, levels] = [store.bytesWritten?.(), store.levels?.()]
  const loopDelay = await loop?.stop()
  await options.verify?.(operations)
  const closeMs = info.closes ? await context.close() : undefined
  const { cpuMs, figures } = before.since()
  const elapsedMs = workedMs + (closeMs ?? 0)
  const windows = clock.windows(elapsedMs)
  const { keyBytes, valueBytes } = dataset.spec
  const alive = options.alive?.(operations) ?? dataset.count
  return {
    workload: step.workload,
    operations,
    elapsedMs,
    cpuMs,
    ...(limits.operations < Infinity && operations < limits.operations && { cut: true }),
    ...(clock.latency.count > 0 && { latency: clock.latency.summary() }),
    ...(loopDelay && { loopDelay }),
    ...(busy && { busyMs: busy.reduce((sum, ms) => sum + ms, 0) }),
    ...(windows && { windows: { ms: WINDOW_MS, operations: windows } }),
    ...(levels && { levels }),
    figures: {
      ...figures,
      logicalBytes: alive * (keyBytes + valueBytes),
      ...(bytes !== undefined && { engineBytes: bytes - bytesBefore }),
      ...(busy && { busiestMs: Math.max(0, ...busy) }),
      ...(closeMs !== undefined && { closeMs }),
      ...(baseMiB !== undefined && { baseMiB }),
    },
  }
}

/**
 * What is resident without the store: what was before it was opened, and what the bench has made since. undefined: the
 * store holds data by now, so that nobody can tell the two apart.
 */
function baseOf({ info, opened: { resident } }: WorkloadContext): number | undefined {
  if (info.begins !== 'empty') return undefined
  return (resident.before + process.memoryUsage.rss() - resident.after) / 2 ** 20
}

/** `cell` with more named figures. */
export function withFigures(cell: Cell, figures: NonNullable<Cell['figures']>): Cell {
  return { ...cell, figures: { ...cell.figures, ...figures } }
}
