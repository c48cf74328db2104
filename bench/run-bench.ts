// The bench of the database vocabulary: what is chosen, which sections that makes, the run itself.
import { tmpdir } from 'node:os'
import { UsageError } from './commands/errors.ts'
import { knownNames } from './commands/flags.ts'
import { type MatrixOptions, type MatrixSection, runMatrix } from './commands/matrix.ts'
import { type PlanSetup, planSessions } from './commands/plan.ts'
import type { DatasetSpec, KeyKind } from './data/dataset.ts'
import { ENGINES } from './engines/all-engines.ts'
import type { Engine } from './engines/engine.ts'
import type { RunRecord } from './output/record.ts'
import { VOCABULARY } from './workloads/vocabulary.ts'
import { GROUPS, type WorkloadInfo } from './workloads/workload-info.ts'

export interface BenchOptions {
  /** Names of ENGINES. Default: `sett` and all Node peers. */
  readonly engines?: readonly string[]
  /** Adds the rows that bound what harness and disk can show: map, null, raw syncs. Default: true. */
  readonly bounds?: boolean
  /** Default: 3; `quick`: 1. Figures are medians over the runs. */
  readonly runs?: number
  /** Default: all. */
  readonly groups?: readonly string[]
  /** Names of VOCABULARY. Default: all; `quick`: the main rows. */
  readonly only?: readonly string[]
  /** Bytes of a value, a section each. Default: 100. */
  readonly values?: readonly number[]
  /** A section each. Default: random. */
  readonly keys?: readonly string[]
  /** Keys. Default: 1,000,000, or as many as make 200 MiB of values; `quick`: 100,000. */
  readonly count?: number
  /** Bytes that Sett writes before it flushes; null: its own default. Default: 8 MiB. */
  readonly memtableBytes?: number | null
  /** Length of most cells that end by time; some take up to 3.3 times as long. Default: 2; `quick`: 1. */
  readonly seconds?: number
  /** Default: false. */
  readonly quick?: boolean
  /** Adds a section of 10,000,000 keys at Sett's own defaults, one run. Default: false. */
  readonly large?: boolean
  /** Where the databases lie for the while. Default: the system's folder for temporary files. */
  readonly directory?: string
  /** Kept in the record. Default: `runBench`. */
  readonly command?: string
}

export const KEY_KINDS: readonly KeyKind[] = ['random', 'sequential', 'text']
const KEY_BYTES: { readonly [Kind in KeyKind]: number } = { random: 16, sequential: 16, text: 32 }
const SEED = 301
const RUNS = 3
const MEMTABLE_BYTES = 8 * 2 ** 20
const COUNT_MAX = 1_000_000
const VALUES_BYTES = 200 * 2 ** 20
/** Seconds of most cells: all workloads, six engines and three runs then take some 40 minutes. */
const USUAL_SECONDS = 2
const QUICK = { runs: 1, count: 100_000, seconds: 1 }
const QUICK_ROWS = [
  'fillseq',
  'fillrandom',
  'put1',
  'put256',
  'fillsync64',
  'readrandom-sync',
  'readrandom-await64',
  'readmissing',
  'readseq',
  'seekrandom10',
  'compact',
]
const LARGE_COUNT = 10_000_000
const LARGE_ENGINES = ['sett', 'classic-level', 'lmdb', 'badger']
const LARGE_ROWS = ['fillseq', 'fillrandom']

/** What `--engines` is without the flag. */
export const DEFAULT_ENGINES: readonly string[] = ENGINES.filter(
  (engine) => engine.name === 'sett' || (engine.kind === 'peer' && 'load' in engine),
).map(({ name }) => name)

/**
 * Measures and hands back the record; a workload that failed is among its `gaps`. Throws UsageError for unknown names,
 * and as `runMatrix` does.
 */
export async function runBench(options: BenchOptions = {}): Promise<RunRecord> {
  return runMatrix(planBench(options))
}

/** What `runBench` would measure. Throws UsageError for unknown names. */
export function planBench(options: BenchOptions): MatrixOptions {
  const { quick = false, runs = quick ? QUICK.runs : RUNS, directory = tmpdir() } = options
  const sections = sectionsOf(options)
  return {
    kind: 'db',
    engines: chosenEngines(options, sections),
    runs,
    directory,
    command: options.command ?? 'runBench',
    sections,
    control: true,
  }
}

function chosenEngines(
  options: BenchOptions,
  sections: readonly MatrixSection[],
): readonly Engine[] {
  const given = options.engines ?? [
    ...DEFAULT_ENGINES,
    ...(options.large === true ? LARGE_ENGINES : []),
  ]
  const known = ENGINES.map(({ name }) => name)
  const names = knownNames(given, 'engine', known)
  const named = ENGINES.filter(({ name }) => names.includes(name))
  const takesPart = (engine: Engine): boolean =>
    sections.some(({ sessions }) => sessions(engine, '').length > 0)
  const bounds = ENGINES.filter(
    (engine) => engine.kind === 'bound' && !named.includes(engine) && takesPart(engine),
  )
  return options.bounds === false ? named : [...named, ...bounds]
}

function chosenWorkloads(options: BenchOptions): readonly WorkloadInfo[] {
  const { only, groups = GROUPS, quick = false } = options
  const all = VOCABULARY.map(({ name }) => name)
  const names = knownNames(only ?? (quick ? QUICK_ROWS : all), 'workload', all)
  const wanted: readonly string[] = knownNames(groups, 'group', GROUPS)
  const chosen = VOCABULARY.filter(
    ({ name, group }) => names.includes(name) && wanted.includes(group),
  )
  if (chosen.length === 0) {
    throw new UsageError(`none of the workloads ${names.join(', ')} is in ${wanted.join(', ')}`)
  }
  return chosen
}

/** As many keys as make cells of seconds: 1,000,000 of 100 B, 204,800 of 1 KiB, 12,800 of 16 KiB. */
function defaultCount(valueBytes: number): number {
  return Math.max(1, Math.min(COUNT_MAX, Math.floor(VALUES_BYTES / valueBytes)))
}

function sectionsOf(options: BenchOptions): readonly MatrixSection[] {
  const { values = [100], quick = false, memtableBytes = MEMTABLE_BYTES } = options
  const kinds = knownNames(options.keys ?? ['random'], 'kind of keys', KEY_KINDS)
  const workloads = chosenWorkloads(options)
  const seconds = options.seconds ?? (quick ? QUICK.seconds : USUAL_SECONDS)
  const sections = values.flatMap((valueBytes) =>
    kinds.map((keys) => {
      const count = options.count ?? (quick ? QUICK.count : defaultCount(valueBytes))
      const dataset = { count, keys, keyBytes: KEY_BYTES[keys], valueBytes, seed: SEED }
      return sectionOf(`${valueBytes} B values, ${keys} keys`, {
        workloads,
        dataset,
        memtableBytes,
        seconds,
      })
    }),
  )
  return options.large === true ? [...sections, largeSection(seconds)] : sections
}

function sectionOf(title: string, setup: PlanSetup): MatrixSection {
  const { memtableBytes } = setup
  const size = memtableBytes === null ? 'of its default size' : `of ${memtableBytes / 2 ** 20} MiB`
  const note = `Sett: memtable ${size}. All else, and the peers, at their defaults.`
  return {
    section: { title, dataset: setup.dataset, note },
    sessions: (engine, root) => planSessions(engine, setup, root),
  }
}

/** Fills only: what a table of 1 M keys flatters, flush and compaction, decides here. */
function largeSection(seconds: number): MatrixSection {
  const dataset: DatasetSpec = {
    count: LARGE_COUNT,
    keys: 'random',
    keyBytes: KEY_BYTES.random,
    valueBytes: 100,
    seed: SEED,
  }
  const workloads = VOCABULARY.filter(({ name }) => LARGE_ROWS.includes(name))
  const section = sectionOf('100 B values, random keys, 10 M keys', {
    workloads,
    dataset,
    memtableBytes: null,
    seconds,
  })
  return {
    ...section,
    runs: 1,
    sessions: (engine, root) =>
      LARGE_ENGINES.includes(engine.name) ? section.sessions(engine, root) : [],
  }
}
