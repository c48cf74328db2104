// A presets record as Engram's table: the default preset, the optimised one, what that gains, what Engram claims for
// its own two, what DESIGN §10 asks for; then every further preset.
import { type PresetName, presets } from 'sett'
import { median, medianRatio } from '../data/statistics.ts'
import { ZSTD } from '../engines/sett.ts'
import { rateOf } from './readings.ts'
import type { RunRecord, Sample } from './record.ts'
import { runHeader } from './run-header.ts'
import { figure, rate, table } from './table.ts'

export const USUAL: PresetName = 'balanced'
export const OPTIMISED: PresetName = 'throughput'
export const DOCUMENTS_TITLE = 'documents'

interface Row {
  readonly title: string
  readonly workload: string
  /** The more the better. */
  readonly value: (sample: Sample) => number
  readonly show: (value: number) => string
  readonly claim: string
  /** Optimised over default, DESIGN §10. */
  readonly target: number
  /** Default: the optimised one. */
  readonly preset?: string
  /** Default: the first one. */
  readonly section?: string
}

const perSecond = { value: rateOf, show: rate }
/** Bytes of data held in one byte on disk. */
const density = {
  value: ({ figures }: Sample): number =>
    (figures?.['logicalBytes'] ?? Number.NaN) / (figures?.['diskBytes'] ?? Number.NaN),
  show: (value: number): string => `${figure(1 / value)} × data`,
}

const ROWS: readonly Row[] = [
  row('Sequential Write', 'fillseq', perSecond, ['45 k → 120 k, 2.7 ×', 2.5]),
  row('Random Write', 'fillrandom', perSecond, ['30 k → 75 k, 2.5 ×', 2.5]),
  row('Sequential Read', 'readseq', perSecond, ['120 k → 180 k, 1.5 ×', 1.1]),
  row('Random Read', 'readrandom-sync', perSecond, ['50 k → 85 k, 1.7 ×', 1.7]),
  row('Disk Space, compacted', 'compact', density, ['20 % better, 1.2 ×', 1.08]),
  { ...row('Disk Space with zstd', 'compact', density, ['', 1.2]), preset: ZSTD },
  { ...row('Disk Space, documents', 'compact', density, ['', 1.08]), section: DOCUMENTS_TITLE },
  {
    ...row('Documents with zstd', 'compact', density, ['', 1.2]),
    ...{ preset: ZSTD, section: DOCUMENTS_TITLE },
  },
]

function row(
  title: string,
  workload: string,
  shown: Pick<Row, 'value' | 'show'>,
  [claim, target]: readonly [claim: string, target: number],
): Row {
  return { title, workload, ...shown, claim, target }
}

/** How a preset acks, in words. */
export function durabilityWords(preset: PresetName): string {
  const { durability } = presets[preset]
  if (durability === 'sync') return 'sync: acked when the log is on the disk'
  if (durability === 'none') return 'none: acked when the log is in the kernel'
  return `interval: acked when the log is in the kernel, synced every ${durability.interval} ms`
}

/** Values by run. */
function valuesOf(record: RunRecord, row: Row, preset: string): readonly number[] {
  const { workload, value, section = record.sections[0]!.title } = row
  const samples = record.samples.filter(
    (sample) =>
      sample.engine === `sett:${preset}` &&
      sample.workload === workload &&
      sample.section === section,
  )
  const values: number[] = []
  for (const sample of samples) values[sample.run] = value(sample)
  return Array.from({ length: record.runs }, (_, run) => values[run] ?? Number.NaN)
}

/** Median of the ratios of the runs in which both were measured. */
function gain(record: RunRecord, one: Row, preset: string): number {
  const usual = valuesOf(record, one, USUAL)
  const pairs = valuesOf(record, one, preset)
    .map((value, run) => [value, usual[run]!] as const)
    .filter((pair) => !pair.some(Number.isNaN))
  return medianRatio(
    pairs.map(([value]) => value),
    pairs.map(([, base]) => base),
  )
}

function times(value: number): string {
  return Number.isNaN(value) ? '–' : `${figure(value)} ×`
}

function verdict(value: number, target: number): string {
  if (Number.isNaN(value)) return '–'
  return value >= target ? 'reached' : 'BELOW'
}

/** What no compression gets below, and so how far apart two presets can be. */
function leastSpace({ dataset: { keyBytes, valueBytes } }: RunRecord['sections'][number]): string {
  const share = (keyBytes + Math.ceil(valueBytes / 2)) / (keyBytes + valueBytes)
  return `keys and half of each value are random: ${figure(share)} × data is about the least space there is`
}

/** Plain text; a dash where a workload gave no figure, and why below. */
export function formatPresets(record: RunRecord): string {
  const names = record.engines.map(({ name }) => name.slice('sett:'.length))
  const further = names.filter((name) => ![USUAL, OPTIMISED, ZSTD].includes(name))
  const head = ['operation', `${USUAL}, default`, `${OPTIMISED}, optimised`, 'improvement']
  const rows = ROWS.map((one) => {
    const shown = (preset: string): string => {
      const values = valuesOf(record, one, preset).filter((value) => !Number.isNaN(value))
      return values.length === 0 ? '–' : one.show(median(values))
    }
    const { preset: optimised = OPTIMISED } = one
    const improved = gain(record, one, optimised)
    return [
      one.title,
      shown(USUAL),
      shown(optimised),
      times(improved),
      one.claim,
      `≥ ${one.target} ×`,
      verdict(improved, one.target),
      ...further.map((preset) =>
        one.preset === undefined ? `${shown(preset)} (${times(gain(record, one, preset))})` : '',
      ),
    ]
  })
  return [
    runHeader(record),
    ...record.sections.map(({ title, dataset, note = '' }) => {
      const { count, keyBytes, valueBytes } = dataset
      const mib = Math.round((count * (keyBytes + valueBytes)) / 2 ** 20)
      const keys = count.toLocaleString('en-US')
      return `${title}: ${keys} keys of ${keyBytes} B, values of ${valueBytes} B: ${mib} MiB; ${note}`
    }),
    ...record.engines.map(({ name, durability, leftOut }) =>
      leftOut === undefined ? `  ${name}: ${durability}` : `  ${name}: left out: ${leftOut}`,
    ),
    '',
    table([[...head, "Engram's claim", 'reach', '', ...further], ...rows]),
    '',
    'operations per second; medians, ratios inside each run; in brackets: × the default',
    ...record.sections.slice(0, 1).map(leastSpace),
    ...(record.gaps ?? []).map(
      ({ engine, workload, run, cause }) => `${engine}, ${workload}, run ${run + 1}: ${cause}`,
    ),
  ].join('\n')
}
