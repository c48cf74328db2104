// What a soak is held to, and what it did: throughput without holes, memory, space, write amplification, right answers.
import { figure } from '../output/table.ts'
import type { SoakCourse, SoakPoint } from './protocol.ts'

export const SLOWEST_SHARE = 0.3
export const BESIDE_BUDGET_BYTES: number = 64 * 2 ** 20
export const SPACE_PEAK = 2.5
export const SPACE_IDLE = 1.5
export const WRITTEN = 12
const MIB = 2 ** 20
/** A second cut off by a phase says nothing of a rate. */
const WHOLE_MS = 800

export interface SoakFinding {
  readonly what: string
  readonly measured: string
  readonly bound: string
  /** `WRONG`: not slow or large, but false. `–`: the run was too short to tell. */
  readonly verdict: 'reached' | 'BELOW' | 'WRONG' | '–'
}

/** Of files over live bytes. */
export function spaceOf({ files, liveBytes }: SoakPoint): number {
  return files.all / Math.max(1, liveBytes)
}

/** Operations per second. */
export function rateOfPoint({ operations, ms }: SoakPoint): number {
  return (operations / ms) * 1_000
}

/** The whole seconds of the load. */
export function loadSeconds({ points }: SoakCourse): readonly SoakPoint[] {
  return points.filter(({ phase, ms }) => phase === 'load' && ms >= WHOLE_MS)
}

/** Operations per second over the whole seconds of the load; NaN without any. */
export function meanRate(course: SoakCourse): number {
  const seconds = loadSeconds(course)
  const total = (pick: (point: SoakPoint) => number): number =>
    seconds.reduce((sum, point) => sum + pick(point), 0)
  return (total(({ operations }) => operations) / total(({ ms }) => ms)) * 1_000
}

export function soakFindings(course: SoakCourse): readonly SoakFinding[] {
  const { points, memoryBudget, baseBytes, peakBytes, userBytes, writtenBytes } = course
  const mean = meanRate(course)
  const slowest = Math.min(...loadSeconds(course).map(rateOfPoint))
  const afterFill = points.filter(({ phase }) => phase !== 'fill')
  const last = points.at(-1)
  const rss = (peakBytes - baseBytes) / MIB
  const rssMost = (memoryBudget + BESIDE_BUDGET_BYTES) / MIB
  return [
    atLeast('slowest second of the load / mean', slowest / mean, SLOWEST_SHARE),
    {
      ...atMost('memory over the base, MiB', rss, rssMost),
      bound: `≤ ${figure(memoryBudget / MIB)} + 64`,
    },
    atMost('files / live, at peak', Math.max(...afterFill.map(spaceOf)), SPACE_PEAK),
    atMost('files / live, after idle', last === undefined ? Number.NaN : spaceOf(last), SPACE_IDLE),
    atMost('written / keys and values', writtenBytes / userBytes, WRITTEN),
    answers(course),
  ]
}

function atLeast(what: string, value: number, bound: number): SoakFinding {
  return finding(what, value, { bound: `≥ ${bound}`, holds: value >= bound })
}

function atMost(what: string, value: number, bound: number): SoakFinding {
  return finding(what, value, { bound: `≤ ${bound}`, holds: value <= bound })
}

function finding(
  what: string,
  value: number,
  { bound, holds }: { readonly bound: string; readonly holds: boolean },
): SoakFinding {
  const judged = holds ? 'reached' : 'BELOW'
  return {
    what,
    measured: figure(value),
    bound,
    verdict: Number.isFinite(value) ? judged : '–',
  }
}

function answers({ checked, wrong }: SoakCourse): SoakFinding {
  const count = checked.toLocaleString('en-US')
  return {
    what: 'answers compared with what was written',
    measured: wrong === 0 ? count : `${wrong.toLocaleString('en-US')} of ${count} wrong`,
    bound: 'none wrong',
    verdict: wrong === 0 ? 'reached' : 'WRONG',
  }
}
