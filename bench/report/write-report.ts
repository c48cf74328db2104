// A record as one self-contained page: everything it shows is inside it, it asks the network for nothing, and each
// chart has its figures in words beside it.
import { writeFileSync } from 'node:fs'
import { rateOf } from '../output/readings.ts'
import type { EngineNote, Gap, RecordKind, RunRecord, Sample } from '../output/record.ts'
import { figure, rate } from '../output/table.ts'
import { type Assets, readAssets } from './assets.ts'
import { barsByGroup } from './bars.ts'
import { ChartSheet } from './charts.ts'
import { costs } from './costs.ts'
import { type SectionFigures, sectionFigures } from './figures.ts'
import { growth, scaling } from './growth.ts'
import { headline } from './headline.ts'
import { type Content, dataElement, dataTable, html, Markup } from './html.ts'
import { latencies, type Palette } from './latency.ts'
import { bytes, DASH, describeDataset, micros, millis } from './numbers.ts'
import { pyramids } from './pyramid.ts'
import { soak } from './soak.ts'
import { throughputOverTime } from './throughput.ts'

const TITLES: { readonly [kind in RecordKind]: string } = {
  db: 'Sett beside other stores',
  badger: 'Sett beside BadgerDB',
  ycsb: 'Sett beside other stores: YCSB',
  presets: 'Presets of Sett',
  scaling: 'Sett by number of workers',
  growth: 'Sett by number of keys',
  soak: 'Sett under a long load',
}
/** Other engines' lines; the styles hold as many colours. */
const COLOURS = 7
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

/** Writes the page; replaces a file that is there. Throws as writeFileSync does. */
export function writeReport(record: RunRecord, file: string): void {
  writeFileSync(file, reportHtml(record))
}

export function reportHtml(record: RunRecord): string {
  const sheet = new ChartSheet()
  const palette = paletteOf(record)
  const sections = sectionFigures(record).filter(({ workloads }) => workloads.length > 0)
  // Of these kinds the curves tell all that their sections would.
  const points = ['scaling', 'growth', 'soak'].includes(record.kind)
  const body = html`${header(record)}
<main>
${scaling(record, sheet)}${growth(record, sheet, palette)}${soak(record, sheet)}
${sections.length > 1 && !points ? contents(sections) : ''}
${points ? '' : sections.map((figures, at) => sectionPart({ record, figures, sheet, palette }, at))}
${gapsPart(record.gaps ?? [])}
${rawPart(record)}
</main>
${footer(record)}`
  return page(`${TITLES[record.kind]}, ${day(record)}`, body, sheet)
}

function page(title: string, body: Markup, sheet: ChartSheet): string {
  const assets = readAssets()
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
${embedded('style', `${assets.plotStyles}\n${assets.styles}`)}
</head>
<body>
${body}
${sheet.charts.length > 0 ? scripts(assets, sheet) : ''}
</body>
</html>
`.text
}

function scripts(assets: Assets, sheet: ChartSheet): Markup {
  const plot = `/*!\nuPlot\n\n${assets.plotLicence.trim()}\n*/\n${assets.plotScript}`
  return html`${dataElement('charts', sheet.charts)}
${embedded('script', plot)}
${embedded('script', assets.script)}`
}

/** Only for texts of this package and of uPlot, never for data. */
function embedded(element: 'style' | 'script', text: string): Markup {
  return new Markup(`<${element}>\n${text.trim()}\n</${element}>`)
}

function paletteOf({ engines }: RunRecord): Palette {
  const ran = engines.filter(({ leftOut }) => leftOut === undefined)
  const first = ran.find(({ name }) => name === 'sett') ?? ran.find(({ kind }) => kind === 'ours')
  const others = ran.filter((engine) => engine !== first)
  return new Map([
    ...(first === undefined ? [] : [[first.name, 0] as const]),
    ...others.map(({ name }, at) => [name, (at % COLOURS) + 1] as const),
  ])
}

function day({ date }: RunRecord): string {
  return date.slice(0, 10)
}

function header(record: RunRecord): Markup {
  const { machine, runs, tookSeconds, commit, settVersion, engines } = record
  const [before, after] = machine.load
  const facts: readonly (readonly [string, Content])[] = [
    ['Sett', `${settVersion}${commit === '' ? '' : `, ${commit}`}`],
    ['Machine', `${machine.cores} × ${machine.processor}, ${machine.memoryGiB} GiB`],
    ['System', `${machine.platform}, Node ${machine.node}, ${machine.fileSystem}`],
    ['Load', `${before.toFixed(1)} at the start, ${after.toFixed(1)} at the end`],
    ['Runs', `${runs}, in ${duration(tookSeconds)}`],
    ['Command', html`<code>${record.command}</code>`],
  ]
  return html`<header>
<p class="eyebrow"><time datetime="${record.date}">${record.date.slice(0, 16).replace('T', ' ')} UTC</time></p>
<h1>${TITLES[record.kind]}</h1>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${enginesPart(engines)}
${rules(record)}
</header>`
}

function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`
}

function enginesPart(engines: readonly EngineNote[]): Markup {
  const role = ({ kind, leftOut }: EngineNote): string => {
    if (leftOut !== undefined) return 'left out'
    return kind === 'bound' ? 'bound' : ''
  }
  const rows = engines.map((engine): readonly Content[] => [
    html`${engine.name} <span class="spread">${role(engine)}</span>`,
    engine.version,
    engine.leftOut ?? engine.durability,
  ])
  const caption = 'Engines, and when they acknowledge a write'
  return dataTable(caption, ['engine', 'version', 'a write is acknowledged'], rows, {
    cells: 'words',
  })
}

function rules({ runs, kind, engines }: RunRecord): Markup {
  if (kind === 'soak') {
    return html`<p class="rules">One process, awaited calls side by side; every answer is compared with what must be
there, byte by byte. Nobody called compaction or collection of garbage.</p>`
  }
  const several = engines.length > 1
  const medians =
    runs === 1 ? 'One run, so there is no spread.' : `Figures are medians of ${runs} runs`
  const acked =
    kind === 'presets'
      ? 'Each preset acknowledges its writes as it says above.'
      : 'All engines of one workload acknowledge their writes at the same point: when the kernel has them, or, under ' +
        '“Durable writing”, when the disk has them.'
  const sentences = [
    several
      ? 'Every engine runs in a process of its own, session by session, interleaved with the others, ' +
        'the order rotated from run to run.'
      : 'Every session runs in a process of its own.',
    runs === 1 ? medians : `${medians}; whiskers and ± show the slowest and the fastest.`,
    several
      ? 'A ratio is the median of the ratios inside each run, so that what both suffered in it cancels out.'
      : '',
    'The time to close counts in every fill and rewrite, reads begin on a database that has settled, and values are ' +
      'checked.',
    several ? acked : '',
    engines.some((engine) => engine.kind === 'bound')
      ? 'Engines marked “bound” are no stores: they show what the harness or the disk allows at most.'
      : '',
  ]
  return html`<p class="rules">${sentences.filter((one) => one !== '').join(' ')}</p>`
}

function contents(sections: readonly SectionFigures[]): Markup {
  const links = sections.map(
    ({ section }, at) => html`<li><a href="#section-${at}">${section.title}</a></li>`,
  )
  return html`<nav aria-label="Sections"><ul>${links}</ul></nav>`
}

interface Part {
  readonly record: RunRecord
  readonly figures: SectionFigures
  readonly sheet: ChartSheet
  readonly palette: Palette
}

function sectionPart({ record, figures, sheet, palette }: Part, at: number): Markup {
  const { title, dataset, note } = figures.section
  const about = `${describeDataset(dataset)}${note === undefined ? '' : `. ${note}`}`
  return html`<section id="section-${at}"><h2>${title}</h2>
<p class="about">${about}</p>
${headline(figures)}
<h3>Operations per second</h3>
${barsByGroup(figures.workloads)}
${throughputOverTime(figures, sheet)}
${latencies(figures, sheet, palette)}
${pyramids(figures)}
${costs(figures, record)}
</section>`
}

function gapsPart(gaps: readonly Gap[]): Markup {
  if (gaps.length === 0) return html``
  const sorted = [...gaps].sort((a, b) => Number(b.failed) - Number(a.failed))
  const rows = sorted.map(({ engine, workload, run, failed, cause }): readonly Content[] => [
    engine,
    workload,
    failed ? `failed in run ${run + 1}` : 'not offered',
    cause,
  ])
  return html`<section><h2>Not measured</h2>
${dataTable('Cells without a figure', ['engine', 'workload', '', 'cause'], rows, { cells: 'words' })}</section>`
}

function rawPart({ samples, controls }: RunRecord): Markup {
  const head = ['section', 'workload', 'engine', 'run', 'operations', 'time', 'per second', 'CPU']
  const rows = [...samples, ...controls].map(rawRow)
  return html`<details class="raw"><summary>All ${samples.length} measurements</summary>
${dataTable('All measurements', [...head, 'p50', 'p99', 'p99.9', 'longest', 'peak memory', 'further'], rows)}</details>`
}

function rawRow(sample: Sample): readonly Content[] {
  const { section, workload, engine, run, operations, latency, figures, cut } = sample
  const further = Object.entries(figures ?? {}).map(([name, value]) => `${name} ${figure(value)}`)
  return [
    section,
    workload,
    engine,
    run + 1,
    `${operations.toLocaleString('en-US')}${cut === true ? ' (cut)' : ''}`,
    millis(sample.elapsedMs),
    operations === 0 ? DASH : rate(rateOf(sample)),
    millis(sample.cpuMs),
    micros(latency?.p50),
    micros(latency?.p99),
    micros(latency?.p999),
    micros(latency?.max),
    bytes(sample.peakMiB * 2 ** 20),
    further.join(', '),
  ]
}

function footer({ settVersion }: RunRecord): Markup {
  return html`<footer><p>Made by <code>sett bench</code> ${settVersion}. Charts: uPlot.</p></footer>`
}
