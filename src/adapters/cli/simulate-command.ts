// simulate: what compaction would write, read and take up for a load and options, up to terabytes, without a disk.
import { setImmediate } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type OptionName, parseSize } from '../../base/option-table.ts'
import { type ResolvedOptions, resolveOptions } from '../../base/options.ts'
import { baseLevelSize } from '../../compaction/level-targets.ts'
import { Simulation, type SimulationSetup } from '../../compaction/simulate/simulation.ts'
import type { SimulationFigures } from '../../compaction/simulate/tally.ts'
import { type Distribution, Traffic, type Workload } from '../../compaction/simulate/workload.ts'
import { autoThreshold } from '../../engine/value-log/auto-threshold.ts'
import { valueBytesMax } from '../../sstable/writer-workspace.ts'
import { type Progress, startProgress } from './ingest/progress.ts'
import { addOptionFlags, pickOptions } from './option-flags.ts'
import { count, decimal, formatTable } from './table.ts'
import { EXIT, line, type Terminal, UsageError } from './terminal.ts'

interface Flags {
  readonly data: readonly number[]
  readonly keySize: number
  readonly valueSize: number
  readonly distribution: Distribution
  readonly overwrite: number
  readonly delete: number
  readonly compressionRatio: number
  readonly compactionSpeed: number
  readonly json?: boolean
  readonly [option: string]: unknown
}

/** Options that decide what is compacted when. */
const SHAPE: readonly OptionName[] = [
  'preset',
  'memtableSize',
  'memtableCount',
  'memoryBudget',
  'l0CompactTrigger',
  'l0StallTrigger',
  'tableSize',
  'valueThreshold',
  'segmentSize',
  'segmentMaxEntries',
  'levelSizeMultiplier',
  'maxLevels',
  'workers',
]
const DISTRIBUTIONS: readonly Distribution[] = ['uniform', 'zipf', 'sequential']
/** Data of more tables than this is taken as if its tables were larger: with values in segments, each of which many
 * tables point to, there is more to count for each. */
const TABLES_MOST = { inTables: 4_000, inSegments: 1_000 }
/** Memtables filled in one simulation, at most. */
const FLUSHES_MOST = 4_000_000
/** Between two turns of the event loop. */
const TURN_MS = 50

export function addSimulate(
  program: Command,
  terminal: Terminal,
  finish: (code: number) => void,
): void {
  const command = program
    .command('simulate')
    .description('what compaction would write, read and take up, up to terabytes, without a disk')
    .addOption(
      new Option('--data <sizes>', 'bytes of keys and values, one or more sizes')
        .argParser(sizes)
        .default([1e9, 1e11, 1e13], '1GB,100GB,10TB'),
    )
    .option('--key-size <bytes>', 'bytes of a key', size(1, 65_535), 16)
    .option('--value-size <bytes>', 'bytes of a value', size(0, 2 ** 30), 100)
    .option('--distribution <name>', DISTRIBUTIONS.join(', '), distribution, 'uniform')
    .option('--overwrite <share>', 'share of all writes that overwrite, after the load', share, 0)
    .option('--delete <share>', 'share of all writes that delete, after the load', share, 0)
    .option(
      '--compression-ratio <ratio>',
      'bytes to which a byte of a value is compressed; an eighth must be saved',
      ratio,
      1,
    )
    .addOption(
      new Option(
        '--compaction-speed <ratio>',
        'bytes a compaction reads while the program writes one',
      )
        .argParser(speed)
        .default(Number.POSITIVE_INFINITY, 'it takes no time'),
    )
    .option('--json', 'print JSON')
  addOptionFlags(command, SHAPE).action(async (flags: Flags) =>
    finish(await simulate(terminal, flags)),
  )
}

async function simulate(terminal: Terminal, flags: Flags): Promise<number> {
  const options = resolveOptions(pickOptions(flags))
  const setups = flags.data.map((dataBytes) => setupOf(dataBytes, flags, options))
  const progress = await startProgress(terminal, 'simulate', 100, 'percent')
  const results: SimulationFigures[] = []
  try {
    const total = flags.data.reduce((sum, bytes) => sum + bytes, 0)
    let before = 0
    for (const setup of setups) {
      results.push(await run(setup, { progress, before, total }))
      before += setup.workload.dataBytes
      progress.update(Math.floor((100 * before) / total), before)
    }
  } finally {
    progress.stop()
  }
  if (flags.json === true) line(terminal.stdout, JSON.stringify(results))
  else line(terminal.stdout, asText(results, options))
  return EXIT.ok
}

/** Refuses what contradicts. */
function setupOf(dataBytes: number, flags: Flags, options: ResolvedOptions): SimulationSetup {
  const { keySize, valueSize, overwrite, delete: deleted } = flags
  const { memtableSize, maxLevels, workers } = options
  if (overwrite + deleted >= 1) {
    throw new UsageError(
      '--overwrite and --delete together must stay below 1: the rest is the load.',
    )
  }
  const entry = keySize + valueSize
  if (entry > memtableSize / 4) {
    throw new UsageError(
      `A key and its value (${entry} bytes) must fit into a quarter of --memtable-size (${memtableSize}).`,
    )
  }
  if (dataBytes < entry) {
    throw new UsageError(`--data (${dataBytes} bytes) must hold one key and its value (${entry}).`)
  }
  if (dataBytes / (1 - overwrite - deleted) / memtableSize > FLUSHES_MOST) {
    throw new UsageError(
      `--data fills more than ${count(FLUSHES_MOST)} memtables. Raise --memtable-size, or lower --data.`,
    )
  }
  const workload: Workload = {
    dataBytes,
    keyBytes: keySize,
    valueBytes: valueSize,
    distribution: flags.distribution,
    overwriteShare: overwrite,
    deleteShare: deleted,
    compressionRatio: flags.compressionRatio,
  }
  const valueThreshold = thresholdOf(options, valueSize)
  return {
    workload,
    pick: {
      ...options,
      tableSize: tableSizeOf(workload, valueThreshold, options),
      baseLevelSize: baseLevelSize(options),
    },
    memtableSize,
    maxLevels,
    valueThreshold,
    segments: options,
    parallel: Math.max(1, workers - 1),
    speed: flags.compactionSpeed,
  }
}

/** `auto` goes by the sizes written, which are all the same here. */
function thresholdOf({ valueThreshold }: ResolvedOptions, valueBytes: number): number {
  if (valueThreshold !== 'auto') return valueThreshold
  const bytesBySize = Array.from({ length: 31 }, () => 0)
  if (valueBytes > 0) bytesBySize[31 - Math.clz32(valueBytes)] = valueBytes
  return autoThreshold(bytesBySize)
}

/** A table is cut by its own size, or by what it points to. */
function tableSizeOf(
  workload: Workload,
  valueThreshold: number,
  { tableSize }: ResolvedOptions,
): number {
  const { keys, sizes, separates } = new Traffic(workload, valueThreshold)
  if (!separates) return Math.max(tableSize, Math.ceil(workload.dataBytes / TABLES_MOST.inTables))
  const values = (keys * sizes.put.segment) / (valueBytesMax({ tableSize }) / tableSize)
  const bytes = Math.max(keys * sizes.put.table, values)
  return Math.max(tableSize, Math.ceil(bytes / TABLES_MOST.inSegments))
}

async function run(
  setup: SimulationSetup,
  shown: { readonly progress: Progress; readonly before: number; readonly total: number },
): Promise<SimulationFigures> {
  const steps = new Simulation(setup).run()
  let turnedMs = performance.now()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (performance.now() - turnedMs < TURN_MS) continue
    const bytes = shown.before + step.value * setup.workload.dataBytes
    shown.progress.update(Math.floor((100 * bytes) / shown.total), bytes)
    await setImmediate()
    turnedMs = performance.now()
  }
}

function asText(results: readonly SimulationFigures[], options: ResolvedOptions): string {
  const parts = [
    `preset ${options.preset}: memtables of ${amount(options.memtableSize)}, levels growing ` +
      `${options.levelSizeMultiplier} times, level 0 compacted at ${options.l0CompactTrigger} tables`,
    '',
    formatTable(
      ['data', 'log', 'tables', 'segments', 'write amp', 'idle', 'read amp', 'space amp', 'idle'],
      results.map(amplificationRow),
    ),
    '',
    formatTable(
      [
        'data',
        'flushes',
        'compactions',
        'collections',
        'moves',
        'largest job',
        'copied',
        'freed',
        'waiting',
      ],
      results.map(jobRow),
    ),
    '',
    formatTable(
      [
        'data',
        'tables',
        'segments',
        'value log',
        ...Array.from({ length: options.maxLevels }, (_, level) => `L${level}`),
      ],
      results.map((figures) => fileRow(figures, options)),
    ),
    '',
    'write amp: bytes written for each byte given, to the log, to tables and to segments of the value log, until the',
    'load has ended; idle: more, at rest after it. read amp: tables whose range holds a key, on average (most), and',
    'the segment of its value. space amp: bytes of tables and segments for each byte readers see, at the end (most);',
    'idle: at rest; -: readers see nothing then. copied: values out of segments that were mostly garbage; freed: bytes',
    'of segments. Files: at rest.',
  ]
  const coarse = results.filter(({ tableSize }) => tableSize > options.tableSize)
  for (const { dataBytes, tableSize, readAmplification } of coarse) {
    const most = readAmplification.segments > 0 ? TABLES_MOST.inSegments : TABLES_MOST.inTables
    const size = amount(tableSize)
    parts.push(`${amount(dataBytes)}: as if tables had ${size}, so that there are ${count(most)}.`)
  }
  return parts.join('\n')
}

function amplificationRow(figures: SimulationFigures): string[] {
  const { writeAmplification: write, readAmplification: read, spaceAmplification: space } = figures
  return [
    amount(figures.dataBytes),
    decimal(write.log),
    decimal(write.tables),
    decimal(write.segments),
    decimal(write.together),
    decimal(write.idle),
    `${decimal(read.mean)} (${decimal(read.most)})${read.segments > 0 ? ` + ${read.segments}` : ''}`,
    `${timesLive(space.end)} (${timesLive(space.most)})`,
    timesLive(space.idle),
  ]
}

/** A dash: nothing is live that it could be told of. */
function timesLive(amplification: number | undefined): string {
  return amplification === undefined ? '-' : decimal(amplification, 2)
}

function jobRow(figures: SimulationFigures): string[] {
  return [
    amount(figures.dataBytes),
    count(figures.flushes),
    count(figures.compactions),
    count(figures.collections),
    count(figures.moves),
    amount(figures.largestJobBytes),
    amount(figures.relocatedBytes),
    amount(figures.freedBytes),
    `${decimal(100 * figures.stalledShare)} %`,
  ]
}

/** Tables as many as there would be of the size they are to have. */
function fileRow(figures: SimulationFigures, options: ResolvedOptions): string[] {
  const { dataBytes, levels, segments, tableSize } = figures
  const tables = levels.reduce((sum, level) => sum + level.tables, 0)
  return [
    amount(dataBytes),
    count((tables * tableSize) / options.tableSize),
    count(segments.files),
    segments.bytes === 0 ? '-' : amount(segments.bytes),
    ...levels.map(({ bytes }) => (bytes === 0 ? '-' : amount(bytes))),
  ]
}

/** Three digits and a unit of thousands. */
function amount(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = value >= 99.5 || unit === 0 ? 0 : value >= 9.95 ? 1 : 2
  return `${Number(value.toFixed(digits))} ${units[unit]}`
}

function sizes(text: string): number[] {
  return text.split(',').map((each) => {
    const bytes = parseSize(each)
    if (bytes === undefined || !(bytes >= 1 && bytes <= 1e15)) {
      throw new InvalidArgumentError('It must be sizes from 1 B to 1000 TB, such as 1GB,10TB.')
    }
    return bytes
  })
}

function size(least: number, most: number): (text: string) => number {
  return (text) => {
    const bytes = parseSize(text)
    if (bytes !== undefined && bytes >= least && bytes <= most) return bytes
    throw new InvalidArgumentError(`It must be a whole number of bytes from ${least} to ${most}.`)
  }
}

function share(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value < 1) return value
  throw new InvalidArgumentError('It must be a number from 0 to below 1.')
}

function ratio(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0.01 && value <= 1) return value
  throw new InvalidArgumentError('It must be a number from 0.01 to 1.')
}

function speed(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0.01 && value <= 1000) return value
  throw new InvalidArgumentError('It must be a number from 0.01 to 1000.')
}

function distribution(text: string): Distribution {
  const known = DISTRIBUTIONS.find((name) => name === text)
  if (known !== undefined) return known
  throw new InvalidArgumentError(`It must be one of ${DISTRIBUTIONS.join(', ')}.`)
}
