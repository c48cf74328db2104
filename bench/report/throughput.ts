// Throughput over time of one cell, and where it stalled.
import type { Sample } from '../output/record.ts'
import type { Axis, ChartSheet, Point } from './charts.ts'
import type { SectionFigures, WorkloadFigures } from './figures.ts'
import { html, Markup } from './html.ts'
import { millis } from './numbers.ts'

/** A window with less than this share of the mean counts as stalled. */
export const STALL_SHARE = 0.3
const HEIGHT = 120
/** Fewer windows draw no shape. */
const WINDOWS_MIN = 4
const WITHOUT_FILLS = ['read', 'scan', 'space']
/** Shown at once; the others unfold. */
const OPEN = ['fillseq', 'fillrandom']
const X: Axis = { label: 'seconds', scale: 'linear', format: 'seconds' }
const Y: Axis = { label: '', scale: 'linear', format: 'count' }

export interface Course {
  readonly seconds: number
  /** [seconds at the middle of the window, operations per second] */
  readonly points: readonly Point[]
  /** [from, to] in seconds; neighbours joined. */
  readonly stalls: readonly Point[]
  /** Seconds after the last operation: what was written is made durable and closed. */
  readonly closing: number
}

/**
 * Windows after the last operation belong to the close; the last one with operations is left out when it is only part
 * of a window, as a short one would look slow.
 */
export function courseOf({ windows, elapsedMs }: Sample): Course | undefined {
  if (windows === undefined) return undefined
  const { ms, operations } = windows
  const busy = operations.findLastIndex((done) => done > 0) + 1
  const whole = Math.min(busy === operations.length ? busy - 1 : busy, Math.floor(elapsedMs / ms))
  if (whole < WINDOWS_MIN) return undefined
  const width = ms / 1000
  const rates = operations.slice(0, whole).map((done) => done / width)
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / whole
  const stalls: [number, number][] = []
  rates.forEach((rate, at) => {
    if (rate >= mean * STALL_SHARE) return
    const last = stalls.at(-1)
    if (last !== undefined && last[1] === at) last[1] = at + 1
    else stalls.push([at, at + 1])
  })
  return {
    seconds: elapsedMs / 1000,
    points: rates.map((rate, at) => [round((at + 0.5) * width), Math.round(rate)]),
    stalls: stalls.map(([from, to]) => [round(from * width), round(to * width)]),
    closing: Math.max(0, elapsedMs / 1000 - busy * width),
  }
}

function round(value: number): number {
  return Number(value.toPrecision(6))
}

export function throughputOverTime({ workloads }: SectionFigures, sheet: ChartSheet): Markup {
  const drawn = workloads
    .filter(({ group }) => !WITHOUT_FILLS.includes(group))
    .map((one) => workloadCourses(one, sheet))
    .filter((markup) => markup !== undefined)
  if (drawn.length === 0) return html``
  return html`<h3>Throughput over time</h3>
<p>The run in the middle of each engine, all of a workload on one scale. Shaded: windows below
${STALL_SHARE * 100} % of the engine's own mean, that is, stalls. Closing is part of the rates above but holds no
operations, so no curve shows it.</p>
${drawn}`
}

function workloadCourses(workload: WorkloadFigures, sheet: ChartSheet): Markup | undefined {
  const courses = workload.measured.flatMap((one) => {
    const course = one.kind === 'bound' ? undefined : courseOf(one.typical)
    return course === undefined ? [] : [{ one, course }]
  })
  if (courses.length === 0) return undefined
  const peaks = courses.flatMap(({ course }) => course.points.map(([, rate]) => rate))
  const yMax = Math.max(...peaks) * 1.05
  const strips = courses.map(({ one: { engine, kind }, course }) => {
    const lines = [{ name: engine, colour: kind === 'ours' ? 0 : 1, points: course.points }]
    const name = `${workload.title}: throughput of ${engine} over time`
    const box = sheet.add(name, { lines, x: X, y: Y, yMax, bands: course.stalls, height: HEIGHT })
    return html`<figure class="strip-chart"><figcaption class="${kind}">${engine}</figcaption>
<p class="told">${inWords(course)}</p>${box}</figure>`
  })
  const open = OPEN.includes(workload.name) ? new Markup(' open') : ''
  return html`<details${open}><summary>${workload.title}</summary><div class="strips">${strips}</div></details>`
}

function inWords({ seconds, stalls, closing }: Course): string {
  const lengths = stalls.map(([from, to]) => to - from)
  const stalled = lengths.reduce((sum, length) => sum + length, 0)
  const share = `${Math.round((stalled / seconds) * 100)} % of ${millis(seconds * 1000)}`
  const close = `closing ${millis(closing * 1000)}`
  if (stalls.length === 0) return `no stalls in ${millis(seconds * 1000)}; ${close}`
  const number = stalls.length === 1 ? '1 stall' : `${stalls.length} stalls`
  return `${number}, ${share}, longest ${millis(Math.max(...lengths) * 1000)}; ${close}`
}
