// What a reader wants to know first: Sett beside the best of the others, workload by workload, and whether that is what
// docs/DESIGN.md §10 asks for. Losses stand in the same table, in the same type, as wins.
import { lasting, slowestSecond } from '../data/fill-course.ts'
import { lastTenth, type Verdict } from '../output/readings.ts'
import type { Section } from '../output/record.ts'
import { figure, rate } from '../output/table.ts'
import { type Bar, describeBars, type Measure, type Target, targetOf } from '../output/targets.ts'
import {
  type Measured,
  type Rivalry,
  rivalryIn,
  type SectionFigures,
  type WorkloadFigures,
} from './figures.ts'
import { type Content, dataTable, html, type Markup } from './html.ts'
import { bytes, DASH, millis, plusMinus, times } from './numbers.ts'

/** The strips run from 1/8 × to 8 × at most. */
const DOUBLINGS_MAX = 3

export interface Tally {
  readonly ahead: number
  readonly compared: number
  readonly reached: number
  readonly judged: number
}

export function headline(figures: SectionFigures): Markup {
  const rows = figures.workloads.flatMap((workload) => {
    const rivalry = rivalryIn(workload)
    return rivalry === undefined ? [] : [{ workload, rivalry }]
  })
  if (rows.length === 0) return besideTheFirst(figures)
  const verdicts: Verdict[] = []
  const doublings = doublingsFor(rows.map(({ rivalry }) => rivalry.ratio))
  const cells = rows.map(({ workload, rivalry }) => {
    const target = targetIn(figures.section, workload, 'rate')
    const judged = judgedCells(target, workload, verdicts)
    return [
      ...rivalryCells(workload, rivalry, strip(rivalry.ratio, reachOf(target), doublings)),
      ...judged,
    ]
  })
  const more = figures.workloads.flatMap((workload) =>
    otherTargets(figures.section, workload, verdicts),
  )
  const ahead = rows.filter(({ rivalry }) => rivalry.ratio >= 1).length
  const scale = `1/${2 ** doublings} × … ${2 ** doublings} ×`
  const head = [
    'operations per second',
    'ratio',
    'Sett',
    'best peer',
    '',
    scale,
    'reach',
    'stretch',
    '',
  ]
  return html`<div class="headline"><p class="lead">${inWords({ ahead, compared: rows.length, ...tally(verdicts) })}</p>
${dataTable('Sett and the best peer', head, [...cells, ...more])}</div>`
}

function tally(verdicts: readonly Verdict[]): { reached: number; judged: number } {
  const judged = verdicts.filter((verdict) => verdict !== '–')
  return {
    judged: judged.length,
    reached: judged.filter((verdict) => verdict === 'reached').length,
  }
}

function inWords({ ahead, compared, reached, judged }: Tally): string {
  const standing =
    `Sett is ahead of the best peer in ${ahead} of ${compared} workloads ` +
    `and behind in ${compared - ahead}.`
  if (judged === 0) return standing
  return `${standing} Of ${judged} targets that this run can judge it reaches ${reached}.`
}

function rivalryCells(
  { title }: WorkloadFigures,
  { ours, rival, ratio }: Rivalry,
  strip: Markup,
): readonly Content[] {
  return [
    title,
    html`<b>${times(ratio)}</b>`,
    html`<b>${rate(ours.rate)}</b>${spreadOf(ours)}`,
    html`${rate(rival.rate)}${spreadOf(rival)}`,
    rival.engine,
    strip,
  ]
}

/** What §10 asks for against the best Node peer. */
function reachOf(target: Target | undefined): number | undefined {
  const bar = target?.reach.find((one) => one.measure === 'rate' && one.of === 'peer')
  return bar?.measure === 'rate' ? bar.times : undefined
}

function spreadOf({ samples, spread }: Measured): Content {
  return samples.length < 2 ? '' : html` <span class="spread">${plusMinus(spread)}</span>`
}

/** How many doublings to either side of 1 × hold all ratios. */
function doublingsFor(ratios: readonly number[]): number {
  const most = Math.max(...ratios.map((ratio) => Math.abs(Math.log2(ratio))))
  return Math.max(1, Math.min(DOUBLINGS_MAX, Math.ceil(most)))
}

/** A bar from 1 × to the ratio, on a scale of doublings; the mark is what §10 asks for. */
function strip(ratio: number, reach: number | undefined, doublings: number): Markup {
  const place = (value: number): number => {
    const share = Math.log2(value) / doublings
    return 50 + Math.max(-1, Math.min(1, share)) * 48
  }
  const [from, to] = [Math.min(50, place(ratio)), Math.max(50, place(ratio))]
  const [x, width] = [`${from.toFixed(1)}%`, `${Math.max(0.8, to - from).toFixed(1)}%`]
  const css = ratio >= 1 ? 'ahead' : 'behind'
  const bar = html`<rect x="${x}" width="${width}" y="4" height="10" rx="1.5" class="${css}"/>`
  const line = (x: number, css: string): Markup =>
    html`<line x1="${x.toFixed(1)}%" x2="${x.toFixed(1)}%" y1="1" y2="17" class="${css}"/>`
  const mark = reach === undefined ? '' : line(place(reach), 'mark')
  return html`<svg class="strip" width="100%" height="18" aria-hidden="true">${bar}${line(50, 'even')}${mark}</svg>`
}

function targetIn(
  { dataset }: Section,
  { name }: WorkloadFigures,
  measure: Measure,
): Target | undefined {
  return targetOf({ engine: 'sett', workload: name, dataset, measure })
}

/** reach, stretch, verdict. */
function judgedCells(
  target: Target | undefined,
  { name, readings }: WorkloadFigures,
  verdicts: Verdict[],
): readonly Content[] {
  if (target === undefined) return [DASH, DASH, '']
  const judge = (bars: readonly Bar[]): Verdict => readings.verdict(bars, 'sett', name)
  const reach = judge(target.reach)
  verdicts.push(reach)
  const stretched = reach === 'reached' && judge(target.stretch) === 'reached'
  return [describeBars(target.reach), describeBars(target.stretch), badge(reach, stretched)]
}

function badge(reach: Verdict, stretched: boolean): Content {
  if (reach === '–') return 'not judged'
  if (reach !== 'reached') return html`<span class="verdict missed">below</span>`
  return html`<span class="verdict met">${stretched ? 'stretch' : 'reached'}</span>`
}

interface Further {
  readonly measure: Measure
  readonly title: string
  readonly own: (workload: WorkloadFigures) => string
  readonly beside: (workload: WorkloadFigures) => readonly [string, string]
}

const FURTHER: readonly Further[] = [
  {
    measure: 'loop',
    title: 'event-loop delay p99 in',
    own: ({ name, readings }) =>
      millis(finite(readings.median('sett', name, ({ loopDelay }) => loopDelay?.p99))),
    beside: ({ name, readings }) => {
      const above = finite(readings.aboveControl('sett', name))
      return [above === undefined ? DASH : `+ ${millis(Math.max(0, above))}`, 'to its control']
    },
  },
  {
    measure: 'peak',
    title: 'peak memory of',
    own: ({ name, readings }) => bytes(readings.peak('sett', name) * 2 ** 20),
    beside: ({ name, readings, measured }) => {
      const peers = measured.filter(({ kind }) => kind === 'peer')
      const sorted = peers
        .map(({ engine }) => ({ engine, peak: readings.peak(engine, name) }))
        .sort((a, b) => a.peak - b.peak)
      return sorted[0] === undefined
        ? [DASH, '']
        : [bytes(sorted[0].peak * 2 ** 20), sorted[0].engine]
    },
  },
  {
    measure: 'space',
    title: 'disk over data after',
    own: ({ name, readings }) => figure(readings.space('sett', name)),
    beside: ({ name, readings, measured }) => {
      const peers = measured.filter(({ kind }) => kind === 'peer')
      const sorted = peers
        .map(({ engine }) => ({ engine, space: readings.space(engine, name) }))
        .filter(({ space }) => !Number.isNaN(space))
        .sort((a, b) => a.space - b.space)
      return sorted[0] === undefined ? [DASH, ''] : [figure(sorted[0].space), sorted[0].engine]
    },
  },
]

const COURSES: readonly Further[] = [
  {
    measure: 'memory',
    title: 'memory over the base in',
    own: ({ name, readings }) => bytes(readings.memory('sett', name) * 2 ** 20),
    beside: () => [DASH, ''],
  },
  {
    measure: 'written',
    title: 'bytes the engine wrote over data in',
    own: ({ name, readings }) => figure(readings.written('sett', name)),
    beside: () => [DASH, ''],
  },
  {
    measure: 'second',
    title: 'slowest second over the mean of',
    own: ({ name, readings }) => figure(readings.median('sett', name, slowestSecond)),
    beside: () => [DASH, ''],
  },
  {
    measure: 'lasting',
    title: 'last half over the second tenth of',
    own: ({ name, readings }) => figure(readings.median('sett', name, lasting)),
    beside: () => [DASH, ''],
  },
  {
    measure: 'last tenth',
    title: 'operations per second in the last tenth of',
    own: ({ name, readings }) => rate(readings.median('sett', name, lastTenth)),
    beside: ({ name, readings }) => [
      rate(readings.median('classic-level', name, lastTenth)),
      'classic-level',
    ],
  },
]

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

/** Targets that are no rate of the whole workload. */
function otherTargets(
  section: Section,
  workload: WorkloadFigures,
  verdicts: Verdict[],
): readonly (readonly Content[])[] {
  return [...FURTHER, ...COURSES].flatMap((further) => {
    const target = targetIn(section, workload, further.measure)
    const own = further.own(workload)
    if (target === undefined || own === DASH) return []
    const cells = judgedCells(target, workload, verdicts)
    const title = `${further.title} ${workload.name}`
    return [[title, '', html`<b>${own}</b>`, ...further.beside(workload), '', ...cells]]
  })
}

/** Presets and the like: no peer was measured, so everything is compared with the first engine. */
function besideTheFirst({ workloads }: SectionFigures): Markup {
  const engines = workloads[0]?.readings.engines().map(({ name }) => name) ?? []
  const [first, ...others] = engines
  if (first === undefined || others.length === 0) return html``
  const rows = workloads.map(({ title, name, readings }) => [
    title,
    rate(readings.rate(first, name)),
    ...others.map((engine) => {
      const ratio = readings.ratio({ engine, workload: name }, { engine: first, workload: name })
      return html`${rate(readings.rate(engine, name))} <span class="spread">${times(ratio)}</span>`
    }),
  ])
  const head = ['operations per second', first, ...others]
  return dataTable(`Beside ${first}`, head, rows)
}
