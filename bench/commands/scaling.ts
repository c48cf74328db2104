// `npm run bench:scaling -- [flags]`: what more workers gain in compaction, and what more keys cost. Two records, of
// the kinds `scaling` and `growth`.
import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { engineNamed } from '../engines/all-engines.ts'
import { formatGrowth, formatScaling } from '../output/scaling-tables.ts'
import { UsageError } from './errors.ts'
import {
  bytesOrNull,
  commaList,
  knownNames,
  type SizeOrDefault,
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
import { growthSections, withWorkers, workerSections } from './scaling-plan.ts'

interface Flags extends OutcomeFlags {
  readonly only: readonly string[]
  readonly runs?: number
  readonly workers: readonly number[]
  readonly count?: number
  readonly sizes?: readonly number[]
  readonly memtable: SizeOrDefault
  readonly quick?: boolean
}

const PARTS = ['workers', 'growth'] as const
/** A million keys are compacted in a second and a half, and a second thread needs half a second to get up to speed. */
const DEFAULTS = { runs: 3, count: 4_000_000, sizes: [1e5, 1e6, 1e7] }
const QUICK = { runs: 1, count: 100_000, sizes: [1e4, 1e5] }
const MEMTABLE_BYTES = 8 * 2 ** 20

export async function scalingCommand(args: readonly string[]): Promise<number> {
  const flags = scalingProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  requireFolders(flags)
  requireCores(flags.workers)
  const parts = knownNames(flags.only, 'part', PARTS)
  const { runs, count, sizes } = { ...(flags.quick === true ? QUICK : DEFAULTS), ...flags }
  const shared = {
    engines: [engineNamed('sett')],
    runs,
    directory: flags.directory,
    command: statedCommand('bench:scaling', args),
  }
  const outcome = (kind: string): OutcomeFlags =>
    parts.length === 1 ? flags : { ...flags, ...named(flags, kind) }
  let code = 0
  if (parts.includes('workers')) {
    const sections = workerSections(flags.workers, count, bytesOrNull(flags.memtable))
    const record = withWorkers(await runMatrix({ ...shared, kind: 'scaling', sections }), sections)
    code = Math.max(code, await deliver(formatScaling(record), record, outcome('scaling')))
  }
  if (parts.includes('growth')) {
    const sections = growthSections(sizes, runs, bytesOrNull(flags.memtable))
    const record = await runMatrix({ ...shared, kind: 'growth', sections })
    code = Math.max(code, await deliver(formatGrowth(record), record, outcome('growth')))
  }
  return code
}

/** More threads than cores show how they share a core, not what a core adds. */
function requireCores(workers: readonly number[]): void {
  const cores = availableParallelism()
  const lacking = workers.filter((count) => count > cores)
  if (lacking.length === 0) return
  throw new UsageError(
    `--workers ${lacking.join(',')}: this machine has ${cores} cores, and what it lacks cannot be measured`,
  )
}

/** `out.json` → `out-growth.json`, so that two records do not meet in one file. */
function named(
  { json, report }: OutcomeFlags,
  kind: string,
): Pick<OutcomeFlags, 'json' | 'report'> {
  const insert = (file: string): string => {
    const end = extname(file)
    return `${file.slice(0, file.length - end.length)}-${kind}${end}`
  }
  return {
    ...(json !== undefined && { json: insert(json) }),
    ...(report !== undefined && { report: insert(report) }),
  }
}

/** `1e5,200000`. */
function sizes(text: string): readonly number[] {
  const found = commaList(text).map(Number)
  if (found.every((size) => Number.isSafeInteger(size) && size >= 1000)) return [...new Set(found)]
  throw new InvalidArgumentError('It must be numbers of keys from 1000, such as 1e5,1e6.')
}

function scalingProgram(): Command {
  const cores = Array.from({ length: availableParallelism() }, (_, at) => at + 1)
  const program = new Command('bench:scaling')
    .description('what more workers gain in compaction, and what more keys cost')
    .option('--only <list>', PARTS.join(', '), commaList, PARTS)
    .option('--runs <n>', `default: ${DEFAULTS.runs}; 1 from 10 M keys on`, wholeNumber)
    .option('--workers <list>', 'at most as many as there are cores', wholeNumbers, cores)
    .option('--count <n>', `keys that are compacted; default: ${DEFAULTS.count}`, wholeNumber)
    .option('--sizes <list>', `keys, for growth; default: ${DEFAULTS.sizes.join(',')}`, sizes)
    .option('--memtable <size>', "or 'default'", sizeOrDefault, MEMTABLE_BYTES)
    .option('--quick', '1 run, 100,000 keys compacted, growth from 10,000 to 100,000')
    .addHelpText(
      'after',
      '\nWith both parts, --json and --report write two files each: name-scaling and name-growth.',
    )
  return addOutcomeFlags(program)
}
