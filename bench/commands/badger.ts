// `npm run bench:badger -- [flags]`: Sett beside BadgerDB, with its default options and with tuned ones: the
// workloads of the vocabulary, then the shapes Badger's own benchmarks use.
import { Command } from 'commander'
import { formatBadgerTable } from '../output/badger-table.ts'
import { formatSummary } from '../output/summary.ts'
import { badgerEngines } from '../peers/badger/engine.ts'
import { type BenchOptions, planBench } from '../run-bench.ts'
import { VOCABULARY } from '../workloads/vocabulary.ts'
import { GROUPS } from '../workloads/workload-info.ts'
import { messageOf } from './errors.ts'
import {
  bytesOrNull,
  commaList,
  type SizeOrDefault,
  seconds,
  sizeOrDefault,
  wholeNumber,
  wholeNumbers,
} from './flags.ts'
import { type MatrixOptions, type MatrixSection, runMatrix } from './matrix.ts'
import {
  addOutcomeFlags,
  deliver,
  type OutcomeFlags,
  requireFolders,
  statedCommand,
} from './outcome.ts'
import { installMissingPeers } from './peers.ts'

interface Flags extends OutcomeFlags {
  readonly engines?: readonly string[]
  readonly runs?: number
  readonly group?: readonly string[]
  readonly only?: readonly string[]
  readonly values?: readonly number[]
  readonly count?: number
  readonly memtable?: SizeOrDefault
  readonly seconds?: number
  readonly quick?: boolean
}

const ENGINES = ['sett', ...badgerEngines.map(({ name }) => name)]
const SHAPE = { keyBytes: 32, valueBytes: 128 }
const SHAPE_ROWS = [
  'fillseq',
  'fillrandom',
  'readrandom-sync',
  'readrandom-await64',
  'readseq',
  'readseq-keys',
]

/** Without Badger there is nothing to compare with: it says why, loudly, and ends with 0. */
export async function badgerCommand(args: readonly string[]): Promise<number> {
  const flags = badgerProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  requireFolders(flags)
  const matrix = planBadger({
    ...benchOptions(flags),
    command: statedCommand('bench:badger', args),
  })
  const missing = await whyMissing()
  if (missing !== undefined) {
    process.stdout.write(`badger: skipped: ${missing}\n`)
    return 0
  }
  await installMissingPeers(matrix.engines, process.stderr)
  const record = await runMatrix(matrix)
  return deliver(`${formatSummary(record)}\n\n${formatBadgerTable(record)}`, record, flags)
}

async function whyMissing(): Promise<string | undefined> {
  try {
    for (const engine of badgerEngines) await engine.program()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function benchOptions({ engines = [], group, memtable, ...same }: Flags): BenchOptions {
  return {
    ...same,
    engines: [...ENGINES, ...engines],
    bounds: false,
    ...(group === undefined ? {} : { groups: group }),
    ...(memtable === undefined ? {} : { memtableBytes: bytesOrNull(memtable) }),
  }
}

/** Throws UsageError for unknown names. */
export function planBadger(options: BenchOptions): MatrixOptions {
  const matrix = planBench(options)
  return { ...matrix, kind: 'badger', sections: [...matrix.sections, ...shapeSections(options)] }
}

/** The same plan with other data; none where no row of it is asked for. */
function shapeSections(options: BenchOptions): readonly MatrixSection[] {
  const { groups = GROUPS, only = SHAPE_ROWS } = options
  const rows = VOCABULARY.filter(
    ({ name, group }) =>
      SHAPE_ROWS.includes(name) && only.includes(name) && groups.some((one) => one === group),
  ).map(({ name }) => name)
  if (rows.length === 0) return []
  const planned = planBench({ ...options, only: rows, values: [SHAPE.valueBytes] })
  return planned.sections.map(({ section, sessions, ...rest }) => {
    const dataset = { ...section.dataset, ...SHAPE }
    const title = "Badger's own shape: 128 B values, random keys of 32 B"
    return {
      ...rest,
      section: { ...section, title, dataset },
      sessions: (engine, root) =>
        sessions(engine, root).map((one) => ({ ...one, order: { ...one.order, dataset } })),
    }
  })
}

function badgerProgram(): Command {
  const program = new Command('bench:badger')
    .description(
      'Sett beside BadgerDB v4, default and tuned; needs `go`, says so where it is missing',
    )
    .option('--engines <list>', `more engines beside ${ENGINES.join(', ')}`, commaList)
    .option('--runs <n>', 'figures are their medians; default: 3', wholeNumber)
    .option('--group <list>', GROUPS.join(', '), commaList)
    .option('--only <list>', 'workloads by name', commaList)
    .option('--values <list>', 'bytes of a value, a table each; default: 100', wholeNumbers)
    .option('--count <n>', 'keys; default: 1,000,000 or 200 MiB of values', wholeNumber)
    .option('--memtable <size>', "Sett's, or 'default'; default: 8MiB", sizeOrDefault)
    .option('--seconds <s>', 'length of most cells that end by time; default: 2', seconds)
    .option('--quick', '1 run, 100,000 keys, cells of 1 s, the main rows')
  return addOutcomeFlags(program)
}
