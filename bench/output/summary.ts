// A record as text: for every section and durability class the rates with their targets, the rates of all engines, then
// latencies, event-loop delays, space, memory, CPU and reopening. What was not measured is a dash, and listed below.
import type { DatasetSpec } from '../data/dataset.ts'
import { lasting, slowestSecond } from '../data/fill-course.ts'
import type { DurabilityClass } from '../engines/engine.ts'
import { describeMachine } from './machine.ts'
import { lastTenth, Readings, type Verdict } from './readings.ts'
import type { EngineNote, Gap, RunRecord, Sample, Section } from './record.ts'
import { figure, rate, table } from './table.ts'
import {
  type Asked,
  type Bar,
  describeBars,
  type Measure,
  targetOf,
  UNMEASURED,
} from './targets.ts'

const DASH = '–'
const CUT = '†'
const CLASSES: { readonly [Class in DurabilityClass]: string } = {
  os: 'acked when the log is in the kernel',
  sync: 'acked when the log is on the disk',
}
const FOOTNOTES = [
  '± half the spread over the runs. Ratio: median of the ratios inside each run, to the Node peer with the highest',
  'median (Badger where no other peer ran). Close counts in fills and rewrites; latencies of batches are of the whole',
  'batch. reach, stretch, verdict: DESIGN §10, judged by the rivals that ran; Badger does in bench:badger.',
  `${CUT} ended by time before its count.`,
]

/** Plain text of at most 140 columns, as long as the engines' names are of ordinary length. */
export function formatSummary(record: RunRecord): string {
  const parts = [header(record)]
  for (const section of record.sections) {
    for (const durability of ['os', 'sync'] as const) {
      const readings = new Readings(record, section.title, durability)
      if (readings.samples.length > 0) parts.push(sectionText(section, readings))
    }
  }
  parts.push(...gapsText(record.gaps ?? []))
  if (record.samples.length > 0) parts.push(FOOTNOTES.join('\n'))
  if (record.kind === 'db') parts.push(`DESIGN §10, not measured here: ${UNMEASURED.join('; ')}`)
  parts.push(`took ${Math.round(record.tookSeconds)} s`)
  return parts.join('\n\n')
}

function header({ machine, engines, commit, settVersion, runs, date }: RunRecord): string {
  const source = commit === '' ? '' : ` (${commit})`
  const ran = engines.filter(({ leftOut }) => leftOut === undefined)
  const names = ran.map(({ name, version, durability }) => `  ${name} ${version}: ${durability}`)
  const left = engines.flatMap(({ name, leftOut }) =>
    leftOut === undefined ? [] : `  ${name}: left out: ${leftOut}`,
  )
  return [
    `sett ${settVersion}${source}, ${date.slice(0, 16).replace('T', ' ')}, ${runs} ${runs === 1 ? 'run' : 'runs'}`,
    describeMachine(machine),
    ...names,
    ...left,
  ].join('\n')
}

function sectionText({ title, dataset, note }: Section, readings: Readings): string {
  const { count, keyBytes, valueBytes } = dataset
  const size = figure((count * (keyBytes + valueBytes)) / 2 ** 20)
  const parts = [
    `== ${title} · ${CLASSES[readings.durability]} ==\n` +
      `${count.toLocaleString('en-US')} keys of ${keyBytes} B, values of ${valueBytes} B: ${size} MiB` +
      (note === undefined ? '' : `. ${note}`),
    ...readings.engines('ours').map((ours) => targetsTable(readings, ours, dataset)),
    ratesTable(readings),
    latencyTable(readings),
    delayTable(readings),
    costTable(readings),
    settledLines(readings),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

function withUnit(value: number, unit: string): string {
  return Number.isNaN(value) ? DASH : `${figure(value)} ${unit}`
}

// Ours beside the best peer, judged.

function targetsTable(readings: Readings, ours: EngineNote, dataset: DatasetSpec): string {
  const rows = readings
    .workloads()
    .filter((workload) => readings.of(ours.name, workload).length > 0)
    .flatMap((workload) => targetRows(readings, ours.name, { workload, dataset }))
  if (rows.length === 0) return ''
  const head = ['ops/s', ours.name, 'best peer', '', 'ratio']
  return table([[...head, 'reach', 'stretch', 'verdict'], ...rows])
}

interface Row {
  readonly workload: string
  readonly dataset: DatasetSpec
}

function targetRows(readings: Readings, engine: string, row: Row): string[][] {
  const { workload } = row
  const peer = readings.rival('peer', workload) ?? readings.rival('best badger', workload)
  const theirs = peer === undefined ? Number.NaN : readings.rate(peer, workload)
  const ratio =
    peer === undefined
      ? Number.NaN
      : readings.ratio({ engine, workload }, { engine: peer, workload })
  const judge = (measure: Measure): string[] => judged(readings, { ...row, engine, measure })
  const rows = [
    [
      workload,
      rateCell(readings, engine, workload),
      peer ?? DASH,
      rate(theirs),
      Number.isNaN(ratio) ? DASH : `${ratio < 0.1 ? figure(ratio) : ratio.toFixed(2)} ×`,
      ...judge('rate'),
    ],
  ]
  const more = (title: string, own: string, measure: Measure, than = ['', '', '']): void => {
    if (own !== DASH) rows.push([`  ${title}`, own, ...than, ...judge(measure)])
  }
  if (workload === FILL) {
    const p99 = readings.median(engine, workload, ({ loopDelay }) => loopDelay?.p99)
    const above = withUnit(readings.aboveControl(engine, workload), 'ms')
    if (above !== DASH)
      more('event-loop delay p99', withUnit(p99, 'ms'), 'loop', ['above control', above, ''])
    more('peak memory', withUnit(readings.peak(engine, workload), 'MiB'), 'peak')
    for (const { title, measure, own, than } of COURSES) {
      if (targetOf({ ...row, engine, measure }) === undefined) continue
      more(title, own(readings, engine), measure, than?.(readings, engine))
    }
  }
  if (workload === 'compact') {
    more('space / data', figure(readings.space(engine, workload)), 'space')
  }
  return rows
}

interface Course {
  readonly title: string
  readonly measure: Measure
  readonly own: (readings: Readings, engine: string) => string
  /** Whom it is compared with, its figure, the ratio. */
  readonly than?: (readings: Readings, engine: string) => string[]
}

const FILL = 'fillrandom'
const BESIDE = 'classic-level'

/** What fillrandom is held to on some data only. */
const COURSES: readonly Course[] = [
  {
    title: 'memory over the base',
    measure: 'memory',
    own: (readings, engine) => withUnit(readings.memory(engine, FILL), 'MiB'),
  },
  {
    title: 'engine wrote / data',
    measure: 'written',
    own: (readings, engine) => figure(readings.written(engine, FILL)),
  },
  {
    title: 'slowest second / mean',
    measure: 'second',
    own: (readings, engine) => figure(readings.median(engine, FILL, slowestSecond)),
  },
  {
    title: 'last half / second tenth',
    measure: 'lasting',
    own: (readings, engine) => figure(readings.median(engine, FILL, lasting)),
  },
  {
    title: 'last tenth',
    measure: 'last tenth',
    own: (readings, engine) => rate(readings.median(engine, FILL, lastTenth)),
    than: (readings, engine) => {
      const ratio = readings.ratio(
        { engine, workload: FILL },
        { engine: BESIDE, workload: FILL },
        lastTenth,
      )
      const theirs = rate(readings.median(BESIDE, FILL, lastTenth))
      return [BESIDE, theirs, Number.isNaN(ratio) ? DASH : `${ratio.toFixed(2)} ×`]
    },
  },
]

/** reach, stretch, verdict. */
function judged(readings: Readings, asked: Asked): string[] {
  const target = targetOf(asked)
  if (target === undefined) return [DASH, DASH, '']
  const verdict = (bars: readonly Bar[]): Verdict =>
    readings.verdict(bars, asked.engine, asked.workload)
  const reach = verdict(target.reach)
  const both = reach === 'reached' && verdict(target.stretch) === 'reached'
  return [describeBars(target.reach), describeBars(target.stretch), both ? 'STRETCH' : reach]
}

function rateCell(readings: Readings, engine: string, workload: string): string {
  const shown = rate(readings.rate(engine, workload))
  if (shown === DASH) return DASH
  const half = readings.halfSpread(engine, workload)
  const cut = readings.cut(engine, workload) ? CUT : ''
  return half === undefined ? `${shown}${cut}` : `${shown}${cut} ±${Math.round(half * 100)} %`
}

// All engines beside each other.

type CellText = (engine: string, workload: string) => string

/** One row per workload for which any engine has something to show; empty when none has. */
function byEngine(
  readings: Readings,
  engines: readonly EngineNote[],
  title: string,
  cell: CellText,
): string {
  const names = engines.map(({ name }) => name)
  const rows = readings
    .workloads()
    .map((workload) => [workload, ...names.map((name) => cell(name, workload))])
    .filter((row) => row.slice(1).some((text) => text !== DASH))
  return rows.length === 0 ? '' : table([[title, ...names], ...rows])
}

function ratesTable(readings: Readings): string {
  return byEngine(readings, readings.engines(), 'ops/s', (engine, workload) =>
    rateCell(readings, engine, workload),
  )
}

/** 12,345 → 12k, so that three fit into a column. */
function triple(values: readonly number[]): string {
  if (values.some(Number.isNaN)) return DASH
  return values.map((one) => (one < 9_950 ? figure(one) : `${figure(one / 1e3)}k`)).join('/')
}

const PERCENTILES = ['p50', 'p99', 'p999'] as const
const DELAYS = ['p50', 'p99', 'max'] as const

function latencyTable(readings: Readings): string {
  const engines = readings.engines('ours', 'peer')
  return byEngine(readings, engines, 'µs: p50/p99/p99.9', (engine, workload) =>
    triple(
      PERCENTILES.map((name) =>
        readings.median(engine, workload, ({ latency }) => latency?.[name]),
      ),
    ),
  )
}

function delayTable(readings: Readings): string {
  const engines = readings.engines('ours', 'peer')
  const text = byEngine(readings, engines, 'loop ms: p50/p99/max', (engine, workload) =>
    triple(
      DELAYS.map((name) => readings.median(engine, workload, ({ loopDelay }) => loopDelay?.[name])),
    ),
  )
  const controls = readings.durability === 'os' ? readings.controls() : []
  if (text === '' || controls.length === 0) return text
  const shown = controls.map(({ loopDelay }) =>
    loopDelay === undefined ? DASH : triple(DELAYS.map((name) => loopDelay[name])),
  )
  return `${text}\ncontrol, an idle main thread beside threads as busy as Sett's in fillrandom: ${shown.join(', ')}`
}

// Beside the rates: space, memory, CPU, reopening.

interface Cost {
  readonly title: string
  /** The first that was measured counts. */
  readonly workloads: readonly string[]
  readonly pick: (sample: Sample) => number | undefined
}

function share(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || !whole ? undefined : part / whole
}

const READS = ['readrandom-sync', 'readrandom-await64', 'readseq']

const COSTS: readonly Cost[] = [
  ...['fillrandom', 'overwrite', 'compact'].map(
    (workload): Cost => ({
      title: `disk after ${workload} / data`,
      workloads: [workload],
      pick: ({ figures }) => share(figures?.['diskBytes'], figures?.['logicalBytes']),
    }),
  ),
  {
    title: 'written in fillrandom / data',
    workloads: ['fillrandom'],
    pick: ({ figures }) => share(figures?.['writtenBytes'], figures?.['logicalBytes']),
  },
  {
    title: 'peak memory in fillrandom (MiB)',
    workloads: ['fillrandom'],
    pick: ({ peakMiB }) => peakMiB,
  },
  { title: 'peak memory in reads (MiB)', workloads: READS, pick: ({ peakMiB }) => peakMiB },
  ...['fillrandom', 'readrandom-sync', 'readseq', 'compact'].map(
    (workload): Cost => ({
      title: `CPU µs per operation of ${workload}`,
      workloads: [workload],
      pick: ({ cpuMs, operations }) => share(cpuMs * 1000, operations),
    }),
  ),
  {
    title: 'CPU s, process of fillrandom',
    workloads: ['fillrandom'],
    pick: ({ sessionCpuSeconds }) => sessionCpuSeconds,
  },
  {
    title: 'close after fillrandom (ms)',
    workloads: ['fillrandom'],
    pick: ({ figures }) => figures?.['closeMs'],
  },
  {
    title: 'open + first get after close (ms)',
    workloads: ['reopen-close'],
    pick: ({ elapsedMs }) => elapsedMs,
  },
  {
    title: 'open + first get after SIGKILL (ms)',
    workloads: ['reopen-kill'],
    pick: ({ elapsedMs }) => elapsedMs,
  },
  {
    title: 'keys lost by SIGKILL',
    workloads: ['reopen-kill'],
    pick: ({ figures }) => figures?.['lost'],
  },
]

function costTable(readings: Readings): string {
  const engines = readings.engines('ours', 'peer').map(({ name }) => name)
  const cell = (engine: string, { workloads, pick }: Cost): string => {
    const values = workloads.map((workload) => readings.median(engine, workload, pick))
    return figure(values.find((value) => !Number.isNaN(value)) ?? Number.NaN)
  }
  const rows = COSTS.map((cost) => [cost.title, ...engines.map((engine) => cell(engine, cost))])
  const measured = rows.filter((row) => row.slice(1).some((text) => text !== DASH))
  return measured.length === 0 ? '' : table([['space, memory, CPU', ...engines], ...measured])
}

function settledLines(readings: Readings): string {
  const lines = readings.engines('ours', 'peer').flatMap(({ name }) => {
    const reports = readings.samples.flatMap((sample) =>
      sample.engine === name && sample.settled !== undefined ? sample.settled : [],
    )
    const shares = reports.flatMap(({ tableShare }) => tableShare ?? [])
    const layout = reports.at(-1)?.layout
    if (layout === undefined) return []
    const least = `${(Math.min(...shares) * 100).toFixed(1)} % of its entries in tables`
    return `  ${name}: ${shares.length === 0 ? '' : `${least}, `}${layout}`
  })
  return lines.length === 0 ? '' : ['reads and scans began settled:', ...lines].join('\n')
}

// What gave no cell.

function gapsText(gaps: readonly Gap[]): readonly string[] {
  const part = (title: string, failed: boolean): readonly string[] => {
    const groups = new Map<string, Gap[]>()
    for (const gap of gaps.filter((one) => one.failed === failed)) {
      const key = [gap.engine, failed ? `${gap.section} ${gap.run}` : '', gap.cause].join('\n')
      groups.set(key, [...(groups.get(key) ?? []), gap])
    }
    const lines = [...groups.values()].map((group) => {
      const { engine, section, run, cause } = group[0]!
      const names = [...new Set(group.map(({ workload }) => workload))].join(', ')
      // What an engine does not offer it offers in no run.
      return `  ${engine}, ${names}${failed ? ` (${section}, run ${run + 1})` : ''}: ${cause}`
    })
    return lines.length === 0 ? [] : [[title, ...lines].join('\n')]
  }
  return [...part('FAILED, so without a figure:', true), ...part('not offered:', false)]
}
