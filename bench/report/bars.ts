// Rates as horizontal bars, one small table per workload: the bar is the picture, the figure stands beside it.

import { rate as perSecond } from '../output/table.ts'
import { GROUP_ORDER, GROUP_TITLES, type Measured, type WorkloadFigures } from './figures.ts'
import { html, type Markup } from './html.ts'
import { plusMinus } from './numbers.ts'

const ROOM_BESIDE = 1.02

/** Percent of the width; two decimals are finer than any screen. */
function percent(value: number, full: number): string {
  return `${(Math.min(1, value / full) * 100).toFixed(2)}%`
}

export function barsByGroup(workloads: readonly WorkloadFigures[]): Markup {
  const groups = GROUP_ORDER.map((group) => ({
    title: GROUP_TITLES[group],
    members: workloads.filter((one) => one.group === group),
  })).filter(({ members }) => members.length > 0)
  return html`${groups.map(
    ({ title, members }) =>
      html`<h4>${title}</h4><div class="cards">${members.map(barTable)}</div>\n`,
  )}`
}

function barTable({ title, measured }: WorkloadFigures): Markup {
  // What bounds the harness would squeeze everything else; its bars end at the edge instead.
  const compared = measured.filter(({ kind }) => kind !== 'bound')
  const shown = compared.length > 0 ? compared : measured
  const full = Math.max(...shown.map(({ high }) => high)) * ROOM_BESIDE
  return html`<table class="bars"><caption>${title}</caption>
<thead class="unseen"><tr><th scope="col" class="engine-width">engine</th><td></td>
<th scope="col" class="rate-width">operations per second</th><th scope="col" class="half-width">spread</th></tr></thead>
<tbody>${measured.map((one) => barRow(one, full))}</tbody></table>`
}

function barRow(one: Measured, full: number): Markup {
  const beyond = one.rate > full
  const sign = beyond ? html`<span aria-hidden="true"> ›</span>` : ''
  const half = one.samples.length > 1 ? plusMinus(one.spread) : ''
  return html`<tr class="${one.kind}"><th scope="row" class="cell name">${one.engine}</th>
<td class="cell">${barSvg(one, full)}</td><td class="cell rate">${perSecond(one.rate)}${sign}</td>
<td class="cell spread">${half}</td></tr>`
}

/** Coordinates in percent, so that it stretches with its cell and strokes stay thin. */
function barSvg({ rate, low, high, samples }: Measured, full: number): Markup {
  const [from, to] = [percent(low, full), percent(high, full)]
  const end = (x: string): Markup => html`<line x1="${x}" x2="${x}" y1="6" y2="12"/>`
  const span = html`<line x1="${from}" x2="${to}" y1="9" y2="9"/>`
  const drawn = samples.length > 1 && low < full
  const whisker = drawn ? html`<g class="whisker">${span}${end(from)}${end(to)}</g>` : ''
  const bar = html`<rect x="0" y="3" width="${percent(rate, full)}" height="12" rx="1.5"/>`
  return html`<svg width="100%" height="18" aria-hidden="true">${bar}${whisker}</svg>`
}
