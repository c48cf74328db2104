// What bench:scaling runs: Sett alone, once per number of workers and once per number of keys.
import type { DatasetSpec } from '../data/dataset.ts'
import type { SettOptions } from '../engines/engine.ts'
import type { RunRecord, Section } from '../output/record.ts'
import { PREPARED } from '../output/scaling-tables.ts'
import type { SessionOrder, Step } from '../session/protocol.ts'
import type { MatrixSection, PlannedSession } from './matrix.ts'

const KEY_BYTES = 16
const VALUE_BYTES = 100
const SEED = 401
/** One table of level 0 for each of these, all over the whole range of keys. */
const PILED_MEMTABLE_BYTES = 4 * 2 ** 20
/** Nothing is compacted before it is asked for. */
const PILED: SettOptions = { l0CompactTrigger: 1000, l0StallTrigger: 'off' }
/** The smallest there is: nearly every get reads its block. */
const COLD: SettOptions = { blockCacheSize: 256 * 2 ** 10 }
const GETS = 100_000
const SCAN_SECONDS = 3
const LARGE = 1e7

const counted = (workload: string): Step => ({ workload, operations: null, seconds: null })

function datasetOf(count: number): DatasetSpec {
  return { count, keys: 'random', keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES, seed: SEED }
}

/** A matrix section and what its figures are kept as: all numbers of workers stand in one section of the record. */
export interface WorkerSection extends MatrixSection {
  readonly workers: number
  readonly keptAs: Section
}

export function workerSections(
  workers: readonly number[],
  count: number,
  memtableBytes: number | null,
): readonly WorkerSection[] {
  const dataset = datasetOf(count)
  const prepared: Section = {
    title: PREPARED,
    dataset,
    note: 'overlapping tables of 4 MiB in level 0; the main thread is idle',
  }
  const filled: Section = {
    title: 'filling, then compacting',
    dataset,
    note: 'random order in batches of 1,000, close counts; then everything is compacted',
  }
  return workers.flatMap((number) =>
    [prepared, filled].map((keptAs): WorkerSection => {
      const plan = keptAs === prepared ? preparedSessions : filledSessions
      const order = { engine: 'sett', dataset, durability: 'os', memtableBytes } as const
      return {
        workers: number,
        keptAs,
        section: { ...keptAs, title: `${keptAs.title}, workers: ${number}` },
        sessions: (_, root) =>
          plan({ ...order, workers: number, location: `${root}/${number}`, steps: [] }),
      }
    }),
  )
}

/** Filled by all cores, compacted by so many; each compaction finds the same tables. */
function preparedSessions(order: SessionOrder): readonly PlannedSession[] {
  const piled = { ...order, memtableBytes: PILED_MEMTABLE_BYTES, settOptions: PILED }
  return [
    { order: { ...piled, workers: null, steps: [counted('prepare')] }, before: 'empty' },
    { order: { ...piled, steps: [counted('compact')] }, after: 'remove' },
  ]
}

function filledSessions(order: SessionOrder): readonly PlannedSession[] {
  return [
    { order: { ...order, steps: [counted('fillrandom')] }, before: 'empty' },
    { order: { ...order, steps: [counted('compact')] }, after: 'remove' },
  ]
}

/** Puts the number of workers into each sample's figures and joins the sections that differ by it alone. */
export function withWorkers(record: RunRecord, sections: readonly WorkerSection[]): RunRecord {
  const of = (title: string): WorkerSection =>
    sections.find(({ section }) => section.title === title)!
  return {
    ...record,
    sections: [...new Set(sections.map(({ keptAs }) => keptAs))],
    samples: record.samples.map((sample) => {
      const { workers, keptAs } = of(sample.section)
      return { ...sample, section: keptAs.title, figures: { ...sample.figures, workers } }
    }),
  }
}

export function growthSections(
  sizes: readonly number[],
  runs: number,
  memtableBytes: number | null,
): readonly MatrixSection[] {
  return [...sizes]
    .sort((a, b) => a - b)
    .map((size): MatrixSection => {
      const dataset = datasetOf(size)
      return {
        section: {
          title: `${size.toLocaleString('en-US')} keys`,
          dataset,
          note: 'gets with a block cache of 256 KiB, the page cache warm',
        },
        runs: size >= LARGE ? 1 : runs,
        sessions: ({ name }, root) => {
          const order = { engine: name, dataset, durability: 'os', memtableBytes } as const
          return growthSessions({ ...order, workers: null, location: `${root}/growth`, steps: [] })
        },
      }
    })
}

function growthSessions(order: SessionOrder): readonly PlannedSession[] {
  const gets: Step = { workload: 'readrandom-sync', operations: GETS, seconds: null }
  const scan: Step = { workload: 'readseq', operations: null, seconds: SCAN_SECONDS }
  return [
    { order: { ...order, steps: [counted('fillrandom')] }, before: 'empty' },
    { order: { ...order, settOptions: COLD, steps: [gets] } },
    { order: { ...order, steps: [scan] }, after: 'remove' },
  ]
}
