// Rates by number of workers beside the ideal, and costs by number of keys.
import { median } from '../data/statistics.ts'
import { rateOf } from '../output/readings.ts'
import type { RunRecord, Sample } from '../output/record.ts'
import { figure, rate } from '../output/table.ts'
import { type Axis, type ChartSheet, type Line, type Point, swatch } from './charts.ts'
import { describeWorkload, distinct } from './figures.ts'
import { type Content, dataTable, html, type Markup } from './html.ts'
import type { Palette } from './latency.ts'
import { bytes, DASH, times } from './numbers.ts'

const HEIGHT = 240
const COUNT: Axis = { label: '', scale: 'linear', format: 'count' }

// By number of workers.

/** Undefined where a sample does not tell; `scaling` writes it into the figures of each. */
function workersOf({ figures }: Sample): number | undefined {
  return figures?.['workers']
}

export function scaling(record: RunRecord, sheet: ChartSheet): Markup {
  const counted = record.samples.filter((sample) => workersOf(sample) !== undefined)
  const series = grouped(counted, ({ section, workload, engine }) => [section, workload, engine])
  const drawn = series.flatMap((samples) => scalingFigure(samples, sheet) ?? [])
  if (record.kind !== 'scaling') return html``
  if (drawn.length === 0) {
    return html`<section><h2>By number of workers</h2>
<p>This run had one number of workers, so there is nothing to compare.</p></section>`
  }
  return html`<section><h2>By number of workers</h2>
<p>Dashed: what as many workers would do if each added as much as the first.</p>
<div class="cards wide">${drawn}</div></section>`
}

function scalingFigure(samples: readonly Sample[], sheet: ChartSheet): Markup | undefined {
  const byWorkers = grouped(samples, (sample) => [String(workersOf(sample))])
    .map((own) => ({ workers: workersOf(own[0]!)!, own, rate: median(own.map(rateOf)) }))
    .sort((a, b) => a.workers - b.workers)
  const [least] = byWorkers
  if (least === undefined || byWorkers.length < 2) return undefined
  const { engine, workload, section } = samples[0]!
  const ideal = (workers: number): number => (least.rate / least.workers) * workers
  const lines: readonly Line[] = [
    { name: engine, colour: 0, points: byWorkers.map((one) => [one.workers, one.rate]) },
    {
      name: 'ideal',
      colour: 'ideal',
      points: byWorkers.map((one) => [one.workers, ideal(one.workers)]),
    },
  ]
  const title = `${describeWorkload(workload).title}: ${engine}, ${section}`
  const x: Axis = { label: 'workers', scale: 'linear', format: 'count' }
  const rows = byWorkers.map(({ workers, own, rate: perSecond }) => [
    workers,
    rate(perSecond),
    times(perSecond / least.rate),
    figure(median(own.map(({ elapsedMs }) => elapsedMs)) / 1000),
    figure(median(own.map(({ cpuMs }) => cpuMs)) / 1000),
  ])
  const chart = sheet.add(`${title}: rate by workers`, { lines, x, y: COUNT, height: HEIGHT })
  const head = ['workers', 'per second', 'speed-up', 'wall, s', 'CPU, s']
  return html`<figure><figcaption>${title}</figcaption>${chart}
${dataTable(`${title}, by workers`, head, rows)}</figure>`
}

// By number of keys.

interface Growing {
  readonly title: string
  readonly axis: Axis
  readonly pick: (sample: Sample) => number | undefined
  readonly show: (value: number) => string
  /** Default: every workload. */
  readonly only?: 'write' | 'read'
}

function share(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || !whole ? undefined : part / whole
}

const TIMES: Axis = { label: '', scale: 'linear', format: 'times' }
const BYTES: Axis = { label: '', scale: 'linear', format: 'bytes' }

const GROWING: readonly Growing[] = [
  { title: 'operations per second', axis: COUNT, pick: rateOf, show: rate },
  {
    title: 'bytes written over data',
    axis: TIMES,
    pick: ({ figures }) => share(figures?.['writtenBytes'], figures?.['logicalBytes']),
    show: times,
    only: 'write',
  },
  {
    title: 'bytes read per operation',
    axis: BYTES,
    pick: ({ figures, operations }) => share(figures?.['readBytes'], operations),
    show: bytes,
    only: 'read',
  },
  {
    title: 'disk over data',
    axis: TIMES,
    pick: ({ figures }) => share(figures?.['diskBytes'], figures?.['logicalBytes']),
    show: times,
    only: 'write',
  },
  {
    title: 'peak memory',
    axis: BYTES,
    pick: ({ peakMiB }) => peakMiB * 2 ** 20,
    show: bytes,
  },
]

export function growth(record: RunRecord, sheet: ChartSheet, palette: Palette): Markup {
  if (record.kind !== 'growth') return html``
  const keys = new Map(record.sections.map(({ title, dataset }) => [title, dataset.count]))
  const workloads = grouped(record.samples, ({ workload }) => [workload])
  const parts = workloads.map((samples) => {
    const { title, group } = describeWorkload(samples[0]!.workload)
    const figures = GROWING.filter(({ only = group }) => only === group).flatMap(
      (one) => growthFigure(one, { samples, keys, palette }, sheet) ?? [],
    )
    return figures.length === 0
      ? ''
      : html`<h3>${title}</h3><div class="cards wide">${figures}</div>`
  })
  return html`<section><h2>By number of keys</h2>${parts}</section>`
}

interface Measurements {
  readonly samples: readonly Sample[]
  readonly keys: ReadonlyMap<string, number>
  readonly palette: Palette
}

function growthFigure(
  { title, axis, pick, show }: Growing,
  { samples, keys, palette }: Measurements,
  sheet: ChartSheet,
): Markup | undefined {
  const lines = grouped(samples, ({ engine }) => [engine]).flatMap((own): readonly Line[] => {
    const points = grouped(own, ({ section }) => [section]).flatMap((each): readonly Point[] => {
      const values = each.flatMap((sample) => pick(sample) ?? [])
      return values.length === 0 ? [] : [[keys.get(each[0]!.section) ?? 0, median(values)]]
    })
    const { engine } = own[0]!
    const sorted = [...points].sort(([a], [b]) => a - b)
    return points.length < 2 ? [] : [{ name: engine, colour: palette.get(engine)!, points: sorted }]
  })
  if (lines.length === 0) return undefined
  const counts = distinct(lines.flatMap(({ points }) => points.map(([x]) => x))).sort(
    (a, b) => a - b,
  )
  const rows = lines.map(({ name, points }): readonly Content[] => [
    html`${swatch(palette.get(name)!)} ${name}`,
    ...counts.map((x) => {
      const value = points.find(([at]) => at === x)?.[1]
      return value === undefined ? DASH : show(value)
    }),
  ])
  const x: Axis = { label: 'keys', scale: 'log', format: 'count' }
  const name = `${describeWorkload(samples[0]!.workload).title}: ${title} by number of keys`
  return html`<figure><figcaption>${title}</figcaption>${sheet.add(name, { lines, x, y: axis, height: HEIGHT })}
${dataTable(name, ['keys', ...counts.map((count) => count.toLocaleString('en-US'))], rows)}</figure>`
}

function grouped(
  samples: readonly Sample[],
  by: (sample: Sample) => readonly string[],
): readonly (readonly Sample[])[] {
  const groups = new Map<string, Sample[]>()
  for (const sample of samples) {
    const key = by(sample).join('\n')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [sample])
    else group.push(sample)
  }
  return [...groups.values()]
}
