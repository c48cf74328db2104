// A record arranged for the page: section → workload → engine, fastest first. The figures are those of
// output/readings.ts, so that page and printed tables agree.
import { spread } from '../data/statistics.ts'
import type { DurabilityClass, EngineKind } from '../engines/engine.ts'
import { Readings, rateOf } from '../output/readings.ts'
import type { RunRecord, Sample, Section } from '../output/record.ts'
import { VOCABULARY } from '../workloads/vocabulary.ts'
import { GROUPS, type WorkloadInfo } from '../workloads/workload-info.ts'
import { YCSB_VOCABULARY } from '../workloads/ycsb/vocabulary.ts'

export type GroupName = WorkloadInfo['group'] | 'other'

export const GROUP_TITLES: { readonly [group in GroupName]: string } = {
  write: 'Writing',
  sync: 'Durable writing',
  read: 'Reading',
  scan: 'Scanning',
  space: 'Compacting and reopening',
  ycsb: 'YCSB',
  other: 'Other workloads',
}
export const GROUP_ORDER: readonly GroupName[] = [...GROUPS, 'ycsb', 'other']

/** One engine in one workload, all its runs. */
export interface Measured {
  readonly engine: string
  readonly kind: EngineKind
  readonly samples: readonly Sample[]
  /** Operations per second: median, smallest, largest. */
  readonly rate: number
  readonly low: number
  readonly high: number
  readonly spread: number
  /** The run in the middle: what curves are drawn from. */
  readonly typical: Sample
}

export interface WorkloadFigures {
  readonly name: string
  readonly title: string
  readonly group: GroupName
  readonly readings: Readings
  /** Fastest first; bounds last. */
  readonly measured: readonly Measured[]
}

export interface SectionFigures {
  readonly section: Section
  /** In the order of the vocabulary, group by group. */
  readonly workloads: readonly WorkloadFigures[]
}

const CLASSES: readonly DurabilityClass[] = ['os', 'sync']

export function sectionFigures(record: RunRecord): readonly SectionFigures[] {
  return record.sections.map((section) => {
    const all = CLASSES.map((durability) => new Readings(record, section.title, durability))
    const workloads = all.flatMap((readings) =>
      readings.workloads().map((name): WorkloadFigures => {
        const { title: whole, group } = describeWorkload(name)
        // The presets command writes in smaller batches than the vocabulary tells of; its section says so.
        const title = record.kind === 'presets' ? whole.split(',')[0]! : whole
        const twice = all.every((each) => each.workloads().includes(name))
        const shown = twice && readings.durability === 'sync' ? `${title}, durable` : title
        return { name, title: shown, group, readings, measured: measuredIn(readings, name) }
      }),
    )
    const place = ({ group }: WorkloadFigures): number => GROUP_ORDER.indexOf(group)
    return { section, workloads: workloads.sort((a, b) => place(a) - place(b)) }
  })
}

/** In the words of the vocabulary; a workload it does not know has its name for a title. */
export function describeWorkload(name: string): { title: string; group: GroupName } {
  const known = [...VOCABULARY, ...YCSB_VOCABULARY].find((one) => one.name === name)
  return known ?? { title: name, group: 'other' }
}

function measuredIn(readings: Readings, workload: string): readonly Measured[] {
  const all = readings.engines().flatMap(({ name, kind = 'peer' }): readonly Measured[] => {
    const samples = readings.of(name, workload)
    if (samples.length === 0) return []
    const rates = readings.rates(name, workload)
    const sorted = [...samples].sort((a, b) => rateOf(a) - rateOf(b))
    return [
      {
        engine: name,
        kind,
        samples,
        rate: readings.rate(name, workload),
        low: Math.min(...rates),
        high: Math.max(...rates),
        spread: spread(rates),
        typical: sorted[sorted.length >> 1]!,
      },
    ]
  })
  const last = ({ kind }: Measured): number => (kind === 'bound' ? 1 : 0)
  return all.sort((a, b) => last(a) - last(b) || b.rate - a.rate)
}

/** Sett beside the best of the others in one workload. */
export interface Rivalry {
  readonly ours: Measured
  readonly rival: Measured
  /** Median of the ratios inside each run; above 1 Sett is faster. */
  readonly ratio: number
}

/** Undefined where Sett or everyone else is missing. The rival is a Node peer where any ran, else Badger. */
export function rivalryIn({ name, measured, readings }: WorkloadFigures): Rivalry | undefined {
  const ours = measured.find(({ engine }) => engine === 'sett')
  const best = readings.rival('peer', name) ?? readings.rival('best badger', name)
  const rival = measured.find(({ engine }) => engine === best)
  if (ours === undefined || rival === undefined) return undefined
  const ratio = readings.ratio(
    { engine: ours.engine, workload: name },
    { engine: rival.engine, workload: name },
  )
  return Number.isNaN(ratio) ? undefined : { ours, rival, ratio }
}

export function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
