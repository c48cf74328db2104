// `npm run bench:soak -- [flags]`: a long mixed load, or a set overwritten several times, then idle; one process, one
// record of the kind `soak` with a point for each second.
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { type PresetName, presets } from 'sett'
import { interruptible, UsageError } from '../commands/errors.ts'
import {
  duration,
  knownNames,
  type SizeOrDefault,
  size,
  sizeOrDefault,
  sizes,
  wholeNumber,
} from '../commands/flags.ts'
import {
  addOutcomeFlags,
  deliver,
  type OutcomeFlags,
  requireFolders,
  statedCommand,
} from '../commands/outcome.ts'
import { freeBytes, requireSpace, withScratch } from '../commands/scratch.ts'
import { engineNamed } from '../engines/all-engines.ts'
import { machineFacts, sourceFacts } from '../output/machine.ts'
import { type Progress, startProgress } from '../output/progress.ts'
import { RECORD_VERSION, type RunRecord, type Sample, type Section } from '../output/record.ts'
import { formatSoak } from '../output/soak-table.ts'
import { parsedLine, runProgram } from '../session/run-program.ts'
import { KEY_BYTES, VALUE_BYTES_MAX } from './key-model.ts'
import type { SoakCourse, SoakLoad, SoakOrder, SoakPhase, SoakProgress } from './protocol.ts'

interface Flags extends OutcomeFlags {
  readonly minutes?: number
  readonly overwrite?: number
  readonly live: number
  readonly values: readonly number[]
  readonly preset: string
  readonly durability: string
  readonly memtable: SizeOrDefault
  readonly idle: number
  readonly seed: number
  readonly compressible?: boolean
}

type Place = Pick<SoakOrder, 'location'>

const MINUTES = 10
const MIB = 2 ** 20
const LIVE_BYTES = 512 * MIB
const VALUES = [100, 400, 1_024, 4_096, 16_384]
const IDLE_SECONDS = 30
const SEED = 701
const DURABILITY = ['none', 'sync', 'preset'] as const
const PRESETS = Object.keys(presets) as readonly PresetName[]
/** Bytes on disk for a byte that lives: more than the bound that is measured. */
const SPACE_FACTOR = 4
const SPACE_FLOOR = 64 * MIB
/** A bound on what hangs: bytes written in a second, at least, and time for all else. */
const SLOWEST_BYTES = 2 * MIB
const BESIDE_SECONDS = 1_800
const STEPS = 1_000
const SECTION = 'soak'

export async function soakCommand(args: readonly string[]): Promise<number> {
  const flags = soakProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  requireFolders(flags)
  const order = orderOf(flags)
  const record = await measure(order, flags, statedCommand('bench:soak', args))
  return deliver(formatSoak(record), record, flags)
}

/** All but where it lies. Throws UsageError. */
export function orderOf(flags: Omit<Flags, keyof OutcomeFlags>): Omit<SoakOrder, keyof Place> {
  const { minutes, overwrite, live, values, memtable, idle, seed, compressible = false } = flags
  if (minutes !== undefined && overwrite !== undefined) {
    throw new UsageError('--minutes is for the mixed load; --overwrite ends after its last pass')
  }
  const [longest] = [...values].sort((a, b) => b - a)
  if (longest! > VALUE_BYTES_MAX) {
    throw new UsageError(
      `--values ${longest}: the load makes values of up to ${VALUE_BYTES_MAX} bytes`,
    )
  }
  const [preset] = knownNames([flags.preset], 'preset', PRESETS)
  const [durability] = knownNames([flags.durability], 'durability', DURABILITY)
  const load: SoakLoad =
    overwrite === undefined
      ? { kind: 'mixed', seconds: (minutes ?? MINUTES) * 60 }
      : { kind: 'overwrite', passes: overwrite }
  return {
    preset: preset!,
    options: {
      ...(durability !== 'preset' && { durability: durability! }),
      ...(memtable !== 'default' && { memtableSize: memtable }),
    },
    keys: Math.max(1, Math.round(live / (KEY_BYTES + meanOf(values)))),
    ...{ values, seed, compressible, load, idleSeconds: idle },
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function measure(
  order: Omit<SoakOrder, keyof Place>,
  { directory, live }: Flags,
  command: string,
): Promise<RunRecord> {
  return interruptible(async (signal) => {
    const started = performance.now()
    const { memtableSize, memtableCount } = presets[order.preset]
    const needed = SPACE_FLOOR + SPACE_FACTOR * live + memtableSize * memtableCount
    await requireSpace(directory, needed, freeBytes)
    const machine = machineFacts(directory)
    const progress = startProgress(process.stderr, STEPS)
    try {
      const course = await withScratch(directory, (location) =>
        runInProcess({ ...order, location }, { signal, progress, live }),
      )
      const load: [number, number] = [machine.load[0], machineFacts(directory).load[0]]
      const tookSeconds = (performance.now() - started) / 1_000
      const facts = { machine: { ...machine, load }, tookSeconds, command }
      return await recordOf(order, course, facts)
    } finally {
      progress.stop()
    }
  })
}

interface Running {
  readonly signal: AbortSignal
  readonly progress: Progress
  readonly live: number
}

function runInProcess(order: SoakOrder, { signal, progress, live }: Running): Promise<SoakCourse> {
  const { load } = order
  const seconds = load.kind === 'mixed' ? load.seconds : (live * (load.passes + 1)) / SLOWEST_BYTES
  return runProgram(
    {
      name: 'soak',
      command: process.execPath,
      args: [fileURLToPath(new URL('./soak-process.js', import.meta.url)), JSON.stringify(order)],
      resultOf: (line) => messageOf(line)?.course,
      onLine: (line) => {
        const told = messageOf(line)?.progress
        if (told !== undefined) progress.show(Math.floor(told.share * STEPS), told.what)
      },
    },
    { signal, timeoutMs: (2 * seconds + order.idleSeconds + BESIDE_SECONDS) * 1_000 },
  )
}

interface Message {
  readonly progress?: SoakProgress
  readonly course?: SoakCourse
}

/** undefined: something else that was printed. */
function messageOf(line: string): Message | undefined {
  const found = parsedLine(line)
  return typeof found === 'object' && found !== null ? found : undefined
}

type Facts = Pick<RunRecord, 'machine' | 'tookSeconds' | 'command'>

async function recordOf(
  order: Omit<SoakOrder, keyof Place>,
  course: SoakCourse,
  facts: Facts,
): Promise<RunRecord> {
  const engine = engineNamed('sett')
  const { version } = 'load' in engine ? await engine.load() : await engine.program()
  const place = { engine: 'sett', run: 0, section: SECTION, durability: 'os' } as const
  const cause = `${course.wrong} wrong answers: ${course.mistakes.join('; ')}`
  return {
    recordVersion: RECORD_VERSION,
    kind: 'soak',
    date: new Date().toISOString(),
    ...sourceFacts(),
    ...facts,
    runs: 1,
    engines: [{ name: 'sett', kind: 'ours', version, durability: durabilityWords(order) }],
    sections: [sectionOf(order)],
    samples: (['fill', 'load'] as const).map((phase) => ({
      ...place,
      ...sampleOf(course, phase),
    })),
    controls: [],
    gaps: course.wrong === 0 ? [] : [{ ...place, workload: SECTION, cause, failed: true }],
    soak: course,
  }
}

function durabilityWords({ options, preset }: Omit<SoakOrder, keyof Place>): string {
  const { durability } = options
  return durability === undefined ? `as ${preset} says` : `durability '${durability}'`
}

function sectionOf(order: Omit<SoakOrder, keyof Place>): Section {
  const { keys, values, seed, load, preset, compressible } = order
  const valueBytes = Math.round(meanOf(values))
  const compress = compressible ? 'compress to about half' : 'do not compress'
  const what =
    load.kind === 'mixed'
      ? `${figureOf(load.seconds / 60)} min of puts, deletes, puts that expire, reads and snapshots`
      : `every key written anew ${load.passes} times, each time in another order`
  return {
    title: SECTION,
    dataset: { count: keys, keys: 'random', keyBytes: KEY_BYTES, valueBytes, seed },
    note: `${preset}, ${durabilityWords(order)}; values of ${values.join(', ')} B that ${compress}; ${what}`,
  }
}

function figureOf(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US')
}

function sampleOf(
  { points, peakBytes }: SoakCourse,
  phase: SoakPhase,
): Omit<Sample, 'engine' | 'run' | 'section' | 'durability'> {
  const own = points.filter((point) => point.phase === phase)
  const sum = (pick: (point: (typeof own)[number]) => number): number =>
    own.reduce((total, point) => total + pick(point), 0)
  const cpuMs = sum((point) => point.cpuMs)
  return {
    workload: `soak-${phase}`,
    operations: sum((point) => point.operations),
    elapsedMs: sum((point) => point.ms),
    cpuMs,
    peakMiB: peakBytes / MIB,
    sessionCpuSeconds: points.reduce((total, point) => total + point.cpuMs, 0) / 1_000,
  }
}

function soakProgram(): Command {
  const program = new Command('bench:soak')
    .description(
      'a long mixed load, or --overwrite, then idle: are throughput, memory and space held?',
    )
    .option(
      '--minutes <n>',
      `of overwrites, deletes, puts that expire, reads, snapshots; default: ${MINUTES}`,
      duration('minutes'),
    )
    .option('--overwrite <n>', 'instead: every key is written anew so many times', wholeNumber)
    .option('--live <size>', 'keys and values of the whole set', size, LIVE_BYTES)
    .option('--values <list>', 'bytes of a value, all equally likely', sizes, VALUES)
    .option('--compressible', 'values compress to about half, which may hide garbage')
    .option('--preset <name>', PRESETS.join(', '), 'balanced')
    .option('--durability <name>', DURABILITY.join(', '), 'none')
    .option('--memtable <size>', "or 'default': the preset's", sizeOrDefault, 'default')
    .option('--idle <s>', 'at least, until the files rest', duration('seconds'), IDLE_SECONDS)
    .option('--seed <n>', 'of keys, values and order', wholeNumber, SEED)
  return addOutcomeFlags(program)
}
