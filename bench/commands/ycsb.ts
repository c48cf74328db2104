// `npm run bench:ycsb -- [flags]`: the mixes A to F on records of 1 KB, Sett beside its peers.
import { Command } from 'commander'
import { ENGINES } from '../engines/all-engines.ts'
import type { Engine } from '../engines/engine.ts'
import { formatSummary } from '../output/summary.ts'
import { formatYcsbLatencies } from '../output/ycsb-table.ts'
import { DEFAULT_ENGINES } from '../run-bench.ts'
import type { SessionOrder } from '../session/protocol.ts'
import { YCSB_LOAD, YCSB_MIXES, type YcsbMix } from '../workloads/ycsb/mixes.ts'
import { KEY_BYTES, VALUE_BYTES } from '../workloads/ycsb/records.ts'
import { ycsbName } from '../workloads/ycsb/vocabulary.ts'
import { commaList, knownNames, seconds, wholeNumber, wholeNumbers } from './flags.ts'
import { type MatrixSection, type PlannedSession, runMatrix } from './matrix.ts'
import {
  addOutcomeFlags,
  deliver,
  type OutcomeFlags,
  requireFolders,
  statedCommand,
} from './outcome.ts'
import { installMissingPeers } from './peers.ts'

interface Flags extends OutcomeFlags {
  readonly engines: readonly string[]
  readonly runs?: number
  readonly clients: readonly number[]
  readonly records?: number
  readonly only: readonly string[]
  readonly seconds?: number
  readonly quick?: boolean
}

export interface YcsbPlan {
  readonly mixes: readonly YcsbMix[]
  readonly records: number
  readonly clients: number
  /** Length of each mix. */
  readonly seconds: number
}

const SEED = 811
const LETTERS = YCSB_MIXES.map(({ letter }) => letter)
const USUAL = { runs: 3, records: 100_000, seconds: 5 }
const QUICK = { runs: 1, records: 20_000, seconds: 1 }
const BOUNDS = ['map', 'null']

export async function ycsbCommand(args: readonly string[]): Promise<number> {
  const flags = ycsbProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  requireFolders(flags)
  const known = ENGINES.map(({ name }) => name)
  const names = knownNames(flags.engines, 'engine', known)
  const engines = ENGINES.filter(({ name }) => names.includes(name))
  const { runs, records, seconds } = { ...(flags.quick === true ? QUICK : USUAL), ...flags }
  const letters = knownNames(flags.only, 'mix', LETTERS)
  const mixes = YCSB_MIXES.filter(({ letter }) => letters.includes(letter))
  await installMissingPeers(engines, process.stderr)
  const record = await runMatrix({
    kind: 'ycsb',
    engines,
    runs,
    directory: flags.directory,
    command: statedCommand('bench:ycsb', args),
    sections: flags.clients.map((clients) => ycsbSection({ mixes, records, clients, seconds })),
  })
  return deliver(`${formatSummary(record)}\n\n${formatYcsbLatencies(record)}`, record, flags)
}

function ycsbSection(plan: YcsbPlan): MatrixSection {
  const { records, clients } = plan
  const dataset = {
    count: records,
    keys: 'text',
    keyBytes: KEY_BYTES,
    valueBytes: VALUE_BYTES,
    seed: SEED,
  } as const
  const order = { dataset, durability: 'os', memtableBytes: null, workers: null } as const
  return {
    section: {
      title: `YCSB, ${clients} ${clients === 1 ? 'client' : 'clients'}`,
      dataset,
      note: 'zipfian 0.99; keys user…, half-compressible values; all engines at their defaults',
    },
    sessions: (engine, root) => ycsbSessions(engine, plan, { ...order, location: `${root}/ycsb` }),
  }
}

/** Load and mixes in one process; none where the engine cannot: a program knows the workloads it lists alone. */
export function ycsbSessions(
  { name, durability, only }: Pick<Engine, 'name' | 'durability' | 'only'>,
  { mixes, clients, seconds }: YcsbPlan,
  order: Omit<SessionOrder, 'engine' | 'steps'>,
): readonly PlannedSession[] {
  const load = { workload: ycsbName(YCSB_LOAD), operations: null, seconds: null, lanes: clients }
  const steps = mixes.map((mix) => ({
    workload: ycsbName(mix),
    operations: null,
    seconds,
    lanes: clients,
  }))
  const wanted = [load, ...steps]
  const able = only === undefined || wanted.every(({ workload }) => only.includes(workload))
  if (!able || durability[order.durability] === undefined) return []
  return [{ order: { ...order, engine: name, steps: wanted }, before: 'empty', after: 'remove' }]
}

function ycsbProgram(): Command {
  const program = new Command('bench:ycsb')
    .description('YCSB A to F: load, then the mixes in the order the authors recommend')
    .option('--engines <list>', 'which', commaList, [...DEFAULT_ENGINES, ...BOUNDS])
    .option('--runs <n>', `figures are their medians; default: ${USUAL.runs}`, wholeNumber)
    .option('--clients <list>', 'calls in flight, a table each', wholeNumbers, [16])
    .option('--records <n>', `loaded, 1 KB each; default: ${USUAL.records}`, wholeNumber)
    .option('--only <list>', 'mixes', commaList, LETTERS)
    .option('--seconds <s>', `length of each mix; default: ${USUAL.seconds}`, seconds)
    .option('--quick', '1 run, 20,000 records, mixes of 1 s')
    .addHelpText('after', () => {
      const lines = YCSB_MIXES.map(({ letter, title }) => `  ${letter}  ${title}`)
      return `\nMixes:\n${lines.join('\n')}\n\nEngines: ${ENGINES.map(({ name }) => name).join(', ')}`
    })
  return addOutcomeFlags(program)
}
