// Scaling and growth records as text: one row per number of workers, one per number of keys; medians over the runs.
import { median } from '../data/statistics.ts'
import { rateOf } from './readings.ts'
import type { RunRecord, Sample, Section } from './record.ts'
import { runHeader } from './run-header.ts'
import { figure, rate, table } from './table.ts'

const DASH = '–'
/** Title of the section in which tables that nobody compacted are compacted. */
export const PREPARED = 'compacting a prepared database'
/** What two workers are held to there, times one. */
const TWO_WORKERS = 1.5

function footer(record: RunRecord): readonly string[] {
  return (record.gaps ?? []).map(
    ({ section, workload, run, cause }) => `${section}, ${workload}, run ${run + 1}: ${cause}`,
  )
}

function times(value: number): string {
  return Number.isFinite(value) ? `${figure(value)} ×` : DASH
}

/** Wall time, CPU time and busy threads against one worker, section by section. */
export function formatScaling(record: RunRecord): string {
  const { cores } = record.machine
  return [
    runHeader(record),
    ...record.sections.map((section) => scalingTable(record, section)),
    `× : times as fast as with the fewest workers. This machine has ${cores} cores: nothing is said of more.`,
    ...footer(record),
  ].join('\n\n')
}

function scalingTable(record: RunRecord, { title, note, dataset }: Section): string {
  const samples = record.samples.filter(({ section }) => section === title)
  const counts = [...new Set(samples.flatMap(({ figures }) => figures?.['workers'] ?? []))]
  const workloads = [...new Set(samples.map(({ workload }) => workload))]
  const held = title === PREPARED
  /** Per run, all workloads of the section together; only runs in which each gave a cell. */
  const totals = (workers: number, names: readonly string[], pick: (one: Sample) => number) =>
    Array.from({ length: record.runs }, (_, run) => {
      const cells = samples.filter(
        (one) =>
          one.run === run && one.figures?.['workers'] === workers && names.includes(one.workload),
      )
      return cells.length === names.length
        ? cells.reduce((sum, cell) => sum + pick(cell), 0)
        : Number.NaN
    }).filter((value) => !Number.isNaN(value))
  const groups = workloads.length > 1 ? [...workloads.map((one) => [one]), workloads] : [workloads]
  const rows = groups.flatMap((names) =>
    [...counts]
      .sort((a, b) => a - b)
      .map((workers) => {
        const wall = (of: number): number => median(totals(of, names, (one) => one.elapsedMs))
        const of = (pick: (one: Sample) => number): string =>
          figure(median(totals(workers, names, pick)))
        const gain = wall(1) / wall(workers)
        const judged = workers === 2 && Number.isFinite(gain)
        const verdict = gain >= TWO_WORKERS ? 'reached' : 'BELOW'
        return [
          `${names.join(' + ')}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`,
          figure(wall(workers)),
          times(wall(Math.min(...counts)) / wall(workers)),
          of((one) => one.cpuMs),
          of((one) => one.busyMs ?? Number.NaN),
          of((one) => one.figures?.['busiestMs'] ?? Number.NaN),
          ...(held ? [judged ? `≥ ${TWO_WORKERS} ×` : '', judged ? verdict : ''] : []),
        ]
      }),
  )
  const columns = ['wall, ms', '', 'CPU, ms', 'workers busy, ms', 'the busiest, ms']
  const head = ['', ...columns, ...(held ? ['reach', ''] : [])]
  const { count, keyBytes, valueBytes } = dataset
  const size = `${count.toLocaleString('en-US')} keys of ${keyBytes} B, values of ${valueBytes} B`
  return `== ${title} ==\n${size}; ${note ?? ''}\n${table([head, ...rows])}`
}

interface Column {
  readonly title: string
  readonly workload: string
  readonly pick: (sample: Sample) => number | undefined
  readonly show: (value: number) => string
}

function share(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || !whole ? undefined : part / whole
}

function ofData(title: string, workload: string, name: string): Column {
  const pick = ({ figures }: Sample) => share(figures?.[name], figures?.['logicalBytes'])
  return { title, workload, pick, show: times }
}

const GETS = 'readrandom-sync'
const entryBytes = ({ dataset }: Section): number => dataset.keyBytes + dataset.valueBytes

const GROWTH: readonly Column[] = [
  { title: 'fillrandom/s', workload: 'fillrandom', pick: rateOf, show: rate },
  ofData('engine wrote', 'fillrandom', 'engineBytes'),
  ofData('system wrote', 'fillrandom', 'writtenBytes'),
  { title: 'getSync/s', workload: GETS, pick: rateOf, show: rate },
  {
    title: 'bytes read/get',
    workload: GETS,
    pick: ({ figures, operations }) => share(figures?.['readBytes'], operations),
    show: figure,
  },
  { title: 'scan/s', workload: 'readseq', pick: rateOf, show: rate },
  ofData('space', 'fillrandom', 'diskBytes'),
  { title: 'fill MiB', workload: 'fillrandom', pick: ({ peakMiB }) => peakMiB, show: figure },
  { title: 'gets MiB', workload: GETS, pick: ({ peakMiB }) => peakMiB, show: figure },
]

function medianOf(record: RunRecord, { title }: Section, { workload, pick }: Column): number {
  return median(
    record.samples.flatMap((sample) =>
      sample.section === title && sample.workload === workload ? (pick(sample) ?? []) : [],
    ),
  )
}

/** Rates, amplification, space and memory by number of keys. */
export function formatGrowth(record: RunRecord): string {
  const rows = record.sections.map((section) => {
    const cells = GROWTH.map((column) => {
      const value = medianOf(record, section, column)
      return Number.isNaN(value) ? DASH : column.show(value)
    })
    const gets = GROWTH.find(({ title }) => title === 'bytes read/get')!
    const amplification = medianOf(record, section, gets) / entryBytes(section)
    return [section.title, ...cells, times(amplification), layoutOf(record, section)]
  })
  const head = ['', ...GROWTH.map(({ title }) => title), 'read ×', 'levels']
  const { dataset, note } = record.sections[0]!
  return [
    runHeader(record),
    `keys of ${dataset.keyBytes} B, values of ${dataset.valueBytes} B; ${note ?? ''}`,
    table([head, ...rows]),
    [
      'engine wrote: log, flushes and compactions until the close; system wrote: the whole process, with the close;',
      'space: after close; each over the bytes of keys and values. read ×: bytes read per get over those of one entry.',
      'Peak memory holds the keys of the bench itself. levels: tables per level when the gets began, settled.',
    ].join('\n'),
    ...footer(record),
  ].join('\n\n')
}

function layoutOf({ samples }: RunRecord, { title }: Section): string {
  const gets = samples.find((one) => one.section === title && one.workload === GETS)
  return gets?.settled?.layout ?? DASH
}
