// Line charts: the data that assets/charts.js draws with uPlot, and the box on the page each is drawn into. Whoever
// sees no charts finds the same figures in the tables beside them.
import type { LatencySummary } from '../data/histogram.ts'
import { html, type Markup } from './html.ts'

export type Point = readonly [x: number, y: number]

export interface Line {
  readonly name: string
  /** `0`: Sett's colour; 1 and up: the others; `ideal`: a thin dashed line. */
  readonly colour: number | 'ideal'
  readonly points: readonly Point[]
}

/** How an axis is scaled and its values are written. */
export interface Axis {
  readonly label: string
  readonly scale: 'linear' | 'log'
  readonly format: 'seconds' | 'quantile' | 'micros' | 'count' | 'bytes' | 'times'
}

export interface Chart {
  readonly lines: readonly Line[]
  readonly x: Axis
  readonly y: Axis
  readonly yMax?: number
  /** Shaded from x to x. */
  readonly bands?: readonly Point[]
  readonly height: number
}

/** Numbers the charts of one page. */
export class ChartSheet {
  readonly charts: Chart[] = []

  /** The box; `name` is what a screen reader calls it. */
  add(name: string, chart: Chart): Markup {
    const at = this.charts.push(chart) - 1
    const style = `min-height:${chart.height}px`
    return html`<div class="chart" role="img" aria-label="${name}" data-chart="${at}" style="${style}"></div>`
  }
}

/** The swatch that ties a table's row to its line; the styles give colour and dashes by number. */
export function swatch(colour: number): Markup {
  const line = html`<line x1="0" x2="22" y1="4" y2="4"/>`
  return html`<svg class="swatch line${colour}" width="22" height="8" aria-hidden="true">${line}</svg>`
}

/** x: 1 / (1 − quantile), so that each nine is a step of the same width. Ends at the slowest of `count`. */
export function latencyPoints({ count, max, curve }: LatencySummary): readonly Point[] {
  const points: Point[] = []
  for (const [quantile, micros] of curve) {
    const x = 1 / (1 - quantile)
    if (x < count && micros > 0) points.push([round(x), round(micros)])
  }
  return points.length > 0 ? [...points, [count, round(max)]] : []
}

function round(value: number): number {
  return Number(value.toPrecision(5))
}
