// `npm run bench:compare -- <a> <b>`: is b faster or slower than a, or is the difference noise? On CPU time, by pairs
// of fresh processes. What it can see is shown with the patches in bench/compare/planted: `npm run bench:compare --
// HEAD HEAD+bench/compare/planted/slower-get.patch` must call get slower and `npm run bench:compare -- HEAD
// HEAD+bench/compare/planted/no-change.patch` must call everything noise.
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { type ComparisonRecord, compareSources } from '../compare/comparison.ts'
import { PAIRS_MIN } from '../compare/decision.ts'
import { formatComparison } from '../compare/format.ts'
import { SAMPLE_WORKLOADS } from '../compare/measures.ts'
import { checkoutAround, hasChanges, resolveSource } from '../compare/source.ts'
import { machineFacts } from '../output/machine.ts'
import { startProgress } from '../output/progress.ts'
import { interruptible } from './errors.ts'
import { commaList, knownNames, path, wholeNumber } from './flags.ts'
import { requireFolders, statedCommand } from './outcome.ts'
import { freeBytes, withScratch } from './scratch.ts'

interface Flags {
  readonly pairs: number
  readonly workloads: readonly string[]
  readonly directory?: string
  readonly json?: string
  readonly keep?: boolean
}

const DEFAULT_WORKLOADS = ['getSync', 'get', 'fillrandom', 'scan']
const HISTORY = 'bench/history/compare.ndjson'
const IN_MEMORY = '/dev/shm'
/** More than the databases of both sides ever take. */
const DATABASES_BYTES = 256 * 2 ** 20

export async function compareCommand(args: readonly string[]): Promise<number> {
  const program = compareProgram().parse([...args], { from: 'user' })
  const flags = program.opts<Flags>()
  const [a = '', b = ''] = program.args
  const forBuilds = flags.directory ?? tmpdir()
  requireFolders({ ...flags, directory: forBuilds })
  const forDatabases = flags.directory ?? (await directoryInMemory()) ?? tmpdir()
  const { checkout, record } = await interruptible((signal) =>
    withScratch(forBuilds, (builds) =>
      withScratch(forDatabases, (databases) =>
        compare([a, b], { args, flags, builds, databases, signal }),
      ),
    ),
  )
  process.stdout.write(`${formatComparison(record)}\n`)
  const line = `${JSON.stringify(record)}\n`
  if (flags.json !== undefined) writeFileSync(flags.json, line)
  if (flags.keep === true) {
    const file = join(checkout, HISTORY)
    mkdirSync(dirname(file), { recursive: true })
    appendFileSync(file, line)
  }
  return 0
}

/** CPU time is what counts, and a disk others use only makes its user wait. */
async function directoryInMemory(): Promise<string | undefined> {
  const free = existsSync(IN_MEMORY) ? await freeBytes(IN_MEMORY) : 0
  return free >= DATABASES_BYTES ? IN_MEMORY : undefined
}

interface Context {
  readonly args: readonly string[]
  readonly flags: Flags
  readonly builds: string
  readonly databases: string
  readonly signal: AbortSignal
}

interface Outcome {
  readonly checkout: string
  readonly record: ComparisonRecord
}

async function compare(
  given: readonly [string, string],
  { args, flags, builds, databases, signal }: Context,
): Promise<Outcome> {
  const started = performance.now()
  const workloads = knownNames(flags.workloads, 'workload', SAMPLE_WORKLOADS)
  const checkout = await checkoutAround(process.cwd(), signal)
  const place = { cwd: process.cwd(), signal }
  const [a, b] = [await resolveSource(given[0], place), await resolveSource(given[1], place)]
  const machine = machineFacts(databases)
  const { pairs } = flags
  const progress = startProgress(process.stderr, pairs * workloads.length)
  try {
    if (a.commit !== undefined && b.commit !== undefined && (await hasChanges(place))) {
      progress.note('The working tree has changes that neither side has; compare with . for them.')
    }
    const found = await compareSources({
      ...{ sources: [a, b], workloads, pairs, checkout, builds, databases, signal, progress },
    })
    const record: ComparisonRecord = {
      recordVersion: 1,
      kind: 'compare',
      date: new Date().toISOString(),
      command: statedCommand('bench:compare', args),
      machine: { ...machine, load: [machine.load[0], loadavg()[0]!] },
      a,
      b,
      pairs,
      tookSeconds: Math.round((performance.now() - started) / 1000),
      workloads: found,
    }
    return { checkout, record }
  } catch (error) {
    // What a killed process says of itself is not the reason.
    signal.throwIfAborted()
    throw error
  } finally {
    progress.stop()
  }
}

function compareProgram(): Command {
  return new Command('bench:compare')
    .description('Builds two git refs and says whether b costs more or less CPU than a')
    .argument(
      '<a>',
      'commit, branch or tag; . or WORKTREE: the working tree; +file.patch behind it',
    )
    .argument('<b>', 'the same')
    .option('--pairs <n>', `fewer than ${PAIRS_MIN} give no verdict`, wholeNumber, PAIRS_MIN)
    .option('--workloads <list>', SAMPLE_WORKLOADS.join(', '), commaList, DEFAULT_WORKLOADS)
    .option(
      '--directory <path>',
      `for builds and databases; default: ${tmpdir()}, ${IN_MEMORY}`,
      path,
    )
    .option('--json <file>', 'writes the record', path)
    .option('--keep', `appends the record to ${HISTORY}`)
    .allowExcessArguments(false)
    .exitOverride()
}
