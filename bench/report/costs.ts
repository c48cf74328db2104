// What the rates cost: memory, processor, disk, waiting of the event loop, and the time to open again.
import type { RunRecord, Sample } from '../output/record.ts'
import { figure } from '../output/table.ts'
import { distinct, type SectionFigures, type WorkloadFigures } from './figures.ts'
import { type Content, dataTable, html, type Markup } from './html.ts'
import { bytes, DASH, millis } from './numbers.ts'

type Pick = (sample: Sample) => number | undefined

interface Cost {
  readonly title: string
  readonly pick: Pick
  readonly show: (value: number) => string
  readonly only?: (workload: WorkloadFigures) => boolean
}

function share(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || !whole ? undefined : part / whole
}

const WRITES = ({ group }: WorkloadFigures): boolean => group === 'write' || group === 'sync'

const COSTS: readonly Cost[] = [
  {
    title: 'Peak memory of the process',
    pick: ({ peakMiB }) => peakMiB,
    show: (mebibytes) => bytes(mebibytes * 2 ** 20),
  },
  {
    title: 'Processor time per operation, all threads, µs',
    pick: ({ cpuMs, operations }) => share(cpuMs * 1000, operations),
    show: figure,
    only: ({ group, name }) => group !== 'space' || name === 'compact',
  },
  {
    title: 'Processor seconds of the process',
    pick: ({ sessionCpuSeconds }) => sessionCpuSeconds,
    show: figure,
  },
  {
    title: 'Disk after close, over keys and values',
    pick: ({ figures }) => share(figures?.['diskBytes'], figures?.['logicalBytes']),
    show: figure,
  },
  {
    title: 'Bytes written to disk, over keys and values',
    pick: ({ figures }) => share(figures?.['writtenBytes'], figures?.['logicalBytes']),
    show: figure,
    only: (workload) => WRITES(workload) || workload.name === 'compact',
  },
  {
    title: 'Time to close',
    pick: ({ figures }) => figures?.['closeMs'],
    show: millis,
    only: WRITES,
  },
  { title: 'Event-loop delay, p99', pick: ({ loopDelay }) => loopDelay?.p99, show: millis },
  { title: 'Event-loop delay, longest', pick: ({ loopDelay }) => loopDelay?.max, show: millis },
]

export function costs({ workloads, section }: SectionFigures, record: RunRecord): Markup {
  const names = distinct(
    workloads.flatMap(({ measured }) =>
      measured.filter(({ kind }) => kind !== 'bound').map(({ engine }) => engine),
    ),
  )
  const engines = record.engines.map(({ name }) => name).filter((name) => names.includes(name))
  const tables = COSTS.map((cost) => costTable(cost, workloads, engines))
  const controls = record.controls.filter((one) => one.section === section.title)
  return html`<h3>What it costs</h3>
${tables}${controlNote(controls)}${reopening(workloads, engines)}`
}

function ours(engine: string, text: string): Content {
  return engine === 'sett' && text !== DASH ? html`<b>${text}</b>` : text
}

function costTable(
  { title, pick, show, only }: Cost,
  workloads: readonly WorkloadFigures[],
  engines: readonly string[],
): Markup {
  const rows = workloads
    .filter((one) => only?.(one) ?? true)
    .map(({ title: name, name: workload, readings }) => ({
      workloads: [workload],
      title: name,
      texts: engines.map((engine) => {
        const value = readings.median(engine, workload, pick)
        return Number.isNaN(value) ? DASH : show(value)
      }),
    }))
    .filter(({ texts }) => texts.some((text) => text !== DASH))
  if (rows.length === 0) return html``
  const joined = joinEqual(rows).map((row) => [
    row.workloads.length === 1 ? row.title : row.workloads.join(', '),
    ...row.texts.map((text, at) => ours(engines[at]!, text)),
  ])
  return dataTable(title, ['', ...engines], joined)
}

interface Row {
  readonly workloads: readonly string[]
  readonly title: string
  readonly texts: readonly string[]
}

/** Workloads of one process share its figures; one row is enough for them. */
function joinEqual(rows: readonly Row[]): readonly Row[] {
  const byText = new Map<string, Row>()
  for (const row of rows) {
    const key = row.texts.join('\n')
    const before = byText.get(key)?.workloads ?? []
    byText.set(key, { ...row, workloads: [...before, ...row.workloads] })
  }
  return [...byText.values()]
}

function controlNote(controls: readonly Sample[]): Markup {
  const delays = controls.flatMap(({ loopDelay, run }) =>
    loopDelay === undefined
      ? []
      : `run ${run + 1}: p99 ${millis(loopDelay.p99)}, longest ${millis(loopDelay.max)}`,
  )
  if (delays.length === 0) return html``
  return html`<p>Control: an idle main thread beside threads as busy as Sett's in fillrandom. ${delays.join('; ')}.</p>`
}

const REOPENS = [
  ['after close', 'reopen-close'],
  ['after SIGKILL', 'reopen-kill'],
] as const

function reopening(workloads: readonly WorkloadFigures[], engines: readonly string[]): Markup {
  const rows = REOPENS.flatMap(([title, name]) => {
    const found = workloads.find((one) => one.name === name)
    if (found === undefined) return []
    const row = (words: string, pick: Pick, show: (value: number) => string): Content[] => [
      `${words} ${title}`,
      ...engines.map((engine) => {
        const value = found.readings.median(engine, name, pick)
        return ours(engine, Number.isNaN(value) ? DASH : show(value))
      }),
    ]
    const open = row('open and first get', ({ elapsedMs }) => elapsedMs, millis)
    const lost = row(
      'keys lost',
      ({ figures }) => figures?.['lost'],
      (value) => `${value}`,
    )
    return name === 'reopen-kill' ? [open, lost] : [open]
  })
  return rows.length === 0 ? html`` : dataTable('Opening again', ['', ...engines], rows)
}
