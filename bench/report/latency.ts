// Latency by percentile: a chart of all engines per workload, and the usual percentiles beside it.
import { type Axis, type ChartSheet, type Line, latencyPoints, swatch } from './charts.ts'
import type { Measured, SectionFigures, WorkloadFigures } from './figures.ts'
import { dataTable, html, type Markup } from './html.ts'
import { micros } from './numbers.ts'

const HEIGHT = 260
const X: Axis = { label: 'percentile', scale: 'log', format: 'quantile' }
const Y: Axis = { label: '', scale: 'log', format: 'micros' }

/** Colour number by engine; the same on the whole page. */
export type Palette = ReadonlyMap<string, number>

export function latencies(
  { workloads }: SectionFigures,
  sheet: ChartSheet,
  palette: Palette,
): Markup {
  const drawn = workloads.filter(({ measured }) => measured.some(({ typical }) => typical.latency))
  if (drawn.length === 0) return html``
  return html`<h3>Latency</h3>
<p>Time of one operation, or of one batch where the workload writes batches, in the middle run
of each engine. Each further nine to the right is ten times rarer; both axes are logarithmic.</p>
<div class="cards wide">${drawn.map((one) => latencyFigure(one, sheet, palette))}</div>`
}

function latencyFigure(workload: WorkloadFigures, sheet: ChartSheet, palette: Palette): Markup {
  const timed = workload.measured.filter(({ typical }) => typical.latency !== undefined)
  const lines = timed.flatMap(({ engine, kind, typical }): readonly Line[] => {
    const points = kind === 'bound' ? [] : latencyPoints(typical.latency!)
    return points.length === 0 ? [] : [{ name: engine, colour: palette.get(engine)!, points }]
  })
  const name = `${workload.title}: latency by percentile; the table below has the figures`
  const chart = lines.length === 0 ? '' : sheet.add(name, { lines, x: X, y: Y, height: HEIGHT })
  const drawn = new Set(lines.map((line) => line.name))
  const head = ['engine', 'p50', 'p90', 'p99', 'p99.9', 'max']
  const rows = timed.map((one) => latencyRow(one, drawn.has(one.engine), palette))
  return html`<figure><figcaption>${workload.title}</figcaption>${chart}
${dataTable(`Latency of ${workload.title}`, head, rows)}</figure>`
}

function latencyRow({ engine, typical }: Measured, drawn: boolean, palette: Palette) {
  const { p50, p90, p99, p999, max } = typical.latency!
  const name = html`${drawn ? swatch(palette.get(engine)!) : ''} ${engine}`
  return [name, ...[p50, p90, p99, p999, max].map(micros)]
}
