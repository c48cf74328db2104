// `npm run bench:presets -- [flags]`: Sett's presets beside each other, as Engram's table has BadgerDB by default and
// optimised. Writes go in awaited batches of 10 and each preset acks as it says, for that is what it is chosen for.
import { Command } from 'commander'
import { type PresetName, presets } from 'sett'
import type { DatasetSpec } from '../data/dataset.ts'
import { engineNamed } from '../engines/all-engines.ts'
import { ZSTD } from '../engines/sett.ts'
import {
  DOCUMENTS_TITLE,
  durabilityWords,
  formatPresets,
  OPTIMISED,
  USUAL,
} from '../output/presets-table.ts'
import type { RunRecord } from '../output/record.ts'
import type { SessionOrder, Step } from '../session/protocol.ts'
import { commaList, knownNames, seconds, wholeNumber } from './flags.ts'
import { type MatrixSection, type PlannedSession, runMatrix } from './matrix.ts'
import {
  addOutcomeFlags,
  deliver,
  type OutcomeFlags,
  requireFolders,
  statedCommand,
} from './outcome.ts'

interface Flags extends OutcomeFlags {
  readonly presets: readonly string[]
  readonly runs?: number
  readonly mib?: number
  readonly value: number
  readonly seconds?: number
  readonly quick?: boolean
}

const DEFAULTS = { runs: 3, mib: 200, seconds: 3 }
const QUICK = { runs: 1, mib: 20, seconds: 1 }
const FURTHER: readonly PresetName[] = ['readHeavy', 'lowMemory', 'bulkLoad']
const NAMES = Object.keys(presets) as readonly PresetName[]
const BATCH = 10
const KEY_BYTES = 16
/** As all of DESIGN §10: 200 MiB of them lie between the block caches of the two, and compaction moves them. */
const VALUE_BYTES = 100
/** How long a fill may take, times the reads: a preset that syncs each batch would take minutes for all keys. */
const FILL_TIMES = 4
const SEED = 601
/** Shares of `--mib`: of documents only the space is asked for. */
const DOCUMENTS = { share: 4, valueBytes: 300 }

export async function presetsCommand(args: readonly string[]): Promise<number> {
  const flags = presetsProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  requireFolders(flags)
  const { runs, mib, seconds } = { ...(flags.quick === true ? QUICK : DEFAULTS), ...flags }
  const further = knownNames(flags.presets, 'preset', NAMES)
  const names = [...new Set([USUAL, OPTIMISED, ...further])]
  const count = Math.max(1, Math.floor((mib * 2 ** 20) / (KEY_BYTES + flags.value)))
  const dataset = {
    count,
    keys: 'random',
    keyBytes: KEY_BYTES,
    valueBytes: flags.value,
    seed: SEED,
  } as const
  const measured = await runMatrix({
    kind: 'presets',
    engines: [...names, ZSTD].map((name) => engineNamed(`sett:${name}`)),
    runs,
    directory: flags.directory,
    command: statedCommand('bench:presets', args),
    sections: [presetsSection(dataset, seconds), documentsSection(mib)],
  })
  const record = withOwnDurability(measured)
  return deliver(formatPresets(record), record, flags)
}

function presetsSection(dataset: DatasetSpec, seconds: number): MatrixSection {
  return {
    section: {
      title: 'presets',
      dataset,
      note:
        `writes in awaited batches of ${BATCH} for ${FILL_TIMES * seconds} s at most, acked as the preset says; ` +
        'close counts in them',
    },
    sessions: ({ name }, root) => presetSessions(name, { dataset, seconds }, root),
  }
}

/** What a larger block gains depends on what repeats: here fields and words, from one value to the next. */
export function documentsSection(mib: number): MatrixSection {
  const { share, valueBytes } = DOCUMENTS
  const count = Math.max(1, Math.floor((mib * 2 ** 20) / share / (KEY_BYTES + valueBytes)))
  const shape = { count, keys: 'random', keyBytes: KEY_BYTES, valueBytes, seed: SEED } as const
  const dataset: DatasetSpec = { ...shape, values: 'documents' }
  return {
    section: {
      title: DOCUMENTS_TITLE,
      dataset,
      note: 'JSON records of one shape; only their space',
    },
    sessions: ({ name }, root) => spaceSessions(name, dataset, root),
  }
}

interface PresetPlan {
  readonly dataset: DatasetSpec
  readonly seconds: number
}

/** Two fills; then, of a database that was filled off the clock, reads and compaction; each in a process of its own. */
export function presetSessions(
  engine: string,
  { dataset, seconds }: PresetPlan,
  root: string,
): readonly PlannedSession[] {
  const order = (folder: string, steps: readonly Step[]): SessionOrder =>
    orderOf(engine, dataset, { location: `${root}/${folder}`, steps })
  const fills = ['fillseq', 'fillrandom'].map((workload): PlannedSession => {
    const fill = { ...step(workload, FILL_TIMES * seconds), batch: BATCH }
    return { order: order(workload, [fill]), before: 'empty', after: 'remove' }
  })
  const reads = ['readrandom-sync', 'readseq'].map((workload) => step(workload, seconds))
  const [filled, compacted] = spaceSessions(engine, dataset, root)
  // Of zstd only the space is asked for.
  if (engine === `sett:${ZSTD}`) return [filled, compacted]
  return [...fills, filled, { order: order('main', reads) }, compacted]
}

/** A database filled off the clock, and what it takes once it is compacted. */
function spaceSessions(
  engine: string,
  dataset: DatasetSpec,
  root: string,
): readonly [filled: PlannedSession, compacted: PlannedSession] {
  const order = (workload: string): SessionOrder =>
    orderOf(engine, dataset, { location: `${root}/main`, steps: [step(workload, null)] })
  return [
    { order: order('prepare'), before: 'empty' },
    { order: order('compact'), after: 'remove' },
  ]
}

function step(workload: string, seconds: number | null): Step {
  return { workload, operations: null, seconds }
}

function orderOf(
  engine: string,
  dataset: DatasetSpec,
  what: Pick<SessionOrder, 'location' | 'steps'>,
): SessionOrder {
  const own = { memtableBytes: null, workers: null, ownDurability: true }
  return { engine, dataset, durability: 'os', ...own, ...what }
}

/** The engines' own words tell of a table's class, which is not what counted here. */
function withOwnDurability(record: RunRecord): RunRecord {
  const engines = record.engines.map((note) => {
    const preset = NAMES.find((name) => note.name.split('+')[0] === `sett:${name}`)
    return preset === undefined ? note : { ...note, durability: durabilityWords(preset) }
  })
  return { ...record, engines }
}

function presetsProgram(): Command {
  const program = new Command('bench:presets')
    .description(`what ${OPTIMISED} gains over ${USUAL}, beside Engram's own default and optimised`)
    .option('--presets <list>', `further columns: ${NAMES.join(', ')}`, commaList, FURTHER)
    .option('--runs <n>', `figures are their medians; default: ${DEFAULTS.runs}`, wholeNumber)
    .option('--mib <n>', `keys and values together, MiB; default: ${DEFAULTS.mib}`, wholeNumber)
    .option('--value <bytes>', 'of one value', wholeNumber, VALUE_BYTES)
    .option(
      '--seconds <s>',
      `length of the reads, a quarter of that of the writes; default: ${DEFAULTS.seconds}`,
      seconds,
    )
    .option('--quick', '1 run, 20 MiB, reads of 1 s')
  return addOutcomeFlags(program)
}
