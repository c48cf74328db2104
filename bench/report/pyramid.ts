// The levels of the tree as a pyramid: a row per level, its width by the logarithm of its bytes, its tables as blocks.
import type { LevelFigures } from '../engines/engine.ts'
import { rate as short } from '../output/table.ts'
import type { SectionFigures } from './figures.ts'
import { html, type Markup } from './html.ts'
import { bytes } from './numbers.ts'

/** More blocks than this would be a grey haze; the label tells their number. */
const BLOCKS_MAX = 60
/** After these workloads the shape says most: as written, and as it rests. */
const SHOWN_AFTER = ['fillseq', 'fillrandom', 'overwrite', 'compact']
const NARROWEST = 6

export function pyramids({ workloads }: SectionFigures): Markup {
  const shown = workloads.flatMap(({ name, measured }) =>
    measured
      .filter(({ typical }) => hasLevels(typical.levels))
      .map(({ engine, typical }) => ({ name, engine, levels: typical.levels! })),
  )
  const chosen = shown.filter(({ name }) => SHOWN_AFTER.includes(name))
  const drawn = chosen.length > 0 ? chosen : shown.slice(0, 2)
  if (drawn.length === 0) return html``
  return html`<h3>Shape of the tree</h3>
<p>One row per level; the width grows with the logarithm of its bytes, each block is a table.</p>
<div class="cards">${drawn.map(({ name, engine, levels }) => pyramid(`${engine} after ${name}`, levels))}</div>`
}

function hasLevels(levels: readonly LevelFigures[] | undefined): boolean {
  return levels?.some(({ tables }) => tables > 0) === true
}

function pyramid(title: string, levels: readonly LevelFigures[]): Markup {
  const filled = levels.filter((level) => level.tables > 0)
  const sizes = filled.map((level) => Math.log2(Math.max(level.bytes, 1)))
  const [least, most] = [Math.min(...sizes) - 2, Math.max(...sizes)]
  const rows = filled.map((level, at) => {
    const share = NARROWEST + ((sizes[at]! - least) / (most - least)) * (100 - NARROWEST)
    const number = level.tables.toLocaleString('en-US')
    const tables = level.tables === 1 ? '1 table' : `${number} tables`
    return html`<tr><th scope="row" class="cell name">L${level.level}</th>
<td class="cell">${levelSvg(level.tables, share)}</td><td class="cell">${tables}</td>
<td class="cell">${bytes(level.bytes)}</td><td class="cell">${short(level.entries)}</td></tr>\n`
  })
  return html`<table class="pyramid"><caption>${title}</caption>
<thead class="unseen"><tr><th scope="col" class="level-width">level</th><td class="shape-width"></td>
<th scope="col">tables</th><th scope="col">bytes</th><th scope="col">entries</th></tr></thead>
<tbody>${rows}</tbody></table>`
}

function levelSvg(tables: number, share: number): Markup {
  const blocks = Math.min(tables, BLOCKS_MAX)
  const width = share / blocks
  const gap = Math.min(0.6, width / 4)
  const drawn = Array.from({ length: blocks }, (_, at) => {
    const x = (50 - share / 2 + at * width + gap / 2).toFixed(2)
    return html`<rect class="block" x="${x}%" y="2" width="${(width - gap).toFixed(2)}%" height="18" rx="1"/>`
  })
  return html`<svg width="100%" height="22" aria-hidden="true">${drawn}</svg>`
}
