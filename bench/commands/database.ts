// `npm run bench -- [flags]`, `sett bench [flags]`: the workloads of the vocabulary, Sett beside its peers.
import { Command } from 'commander'
import { ENGINES } from '../engines/all-engines.ts'
import { formatSummary } from '../output/summary.ts'
import { type BenchOptions, DEFAULT_ENGINES, KEY_KINDS, planBench } from '../run-bench.ts'
import { VOCABULARY } from '../workloads/vocabulary.ts'
import { GROUPS } from '../workloads/workload-info.ts'
import {
  bytesOrNull,
  commaList,
  type SizeOrDefault,
  seconds,
  sizeOrDefault,
  wholeNumber,
  wholeNumbers,
} from './flags.ts'
import { runMatrix } from './matrix.ts'
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
  readonly bounds: boolean
  readonly runs?: number
  readonly group?: readonly string[]
  readonly only?: readonly string[]
  readonly values?: readonly number[]
  readonly keys?: readonly string[]
  readonly count?: number
  readonly memtable?: SizeOrDefault
  readonly seconds?: number
  readonly quick?: boolean
  readonly large?: boolean
}

export async function databaseCommand(args: readonly string[]): Promise<number> {
  const flags = databaseProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  requireFolders(flags)
  const matrix = planBench({ ...benchOptions(flags), command: statedCommand('bench', args) })
  await installMissingPeers(matrix.engines, process.stderr)
  const record = await runMatrix(matrix)
  return deliver(formatSummary(record), record, flags)
}

function benchOptions({ group, memtable, ...same }: Flags): BenchOptions {
  return {
    ...same,
    ...(group === undefined ? {} : { groups: group }),
    ...(memtable === undefined ? {} : { memtableBytes: bytesOrNull(memtable) }),
  }
}

function databaseProgram(): Command {
  const names = (list: readonly { readonly name: string }[]): string =>
    list.map(({ name }) => name).join(', ')
  const program = new Command('bench')
    .description('Sett beside its peers in one run: every workload, engine and run a fresh process')
    .option('--engines <list>', `default: ${DEFAULT_ENGINES.join(',')}`, commaList)
    .option('--no-bounds', 'without map, null, raw-append and raw-overwrite')
    .option('--runs <n>', 'figures are their medians; default: 3', wholeNumber)
    .option('--group <list>', GROUPS.join(', '), commaList)
    .option('--only <list>', 'workloads by name', commaList)
    .option('--values <list>', 'bytes of a value, a table each; default: 100', wholeNumbers)
    .option('--keys <list>', `${KEY_KINDS.join(', ')}, a table each; default: random`, commaList)
    .option('--count <n>', 'keys; default: 1,000,000 or 200 MiB of values', wholeNumber)
    .option('--memtable <size>', "Sett's, or 'default'; default: 8MiB", sizeOrDefault)
    .option('--seconds <s>', 'length of most cells that end by time; default: 2', seconds)
    .option('--quick', '1 run, 100,000 keys, cells of 1 s, the main rows')
    .option('--large', 'adds 10,000,000 keys at the defaults: two fills, four engines, one run')
    .addHelpText(
      'after',
      `\nEngines: ${names(ENGINES)}\n\nWorkloads:\n` +
        VOCABULARY.map((one) => `  ${one.group.padEnd(6)}${one.name.padEnd(22)}${one.title}`).join(
          '\n',
        ),
    )
  return addOutcomeFlags(program)
}
