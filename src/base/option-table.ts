// The one table of options: name, type, range, unit, doc, and how a value is checked or read from
// text. Types, validation, documentation and command-line flags all come from here.
import {
  GIB,
  HEAP_BYTES_MAX,
  KIB,
  LEVEL_COUNT,
  MEMORY_BUDGET_MIN,
  MEMTABLE_SIZE_MIN,
  MIB,
  WORKERS_MAX,
} from './limits.ts'
import { guardedLogger, type Logger } from './logger.ts'
import { type Resources, SharedResources } from './shared-resources.ts'

export type PresetName =
  | 'balanced'
  | 'throughput'
  | 'readHeavy'
  | 'durable'
  | 'lowMemory'
  | 'bulkLoad'

/** How data blocks of new tables are compressed. */
export type Compression = 'none' | 'lz4' | 'zstd'

export type DurabilityOption = 'sync' | 'none' | { readonly interval: number }

/** What a preset decides. */
export interface PresetValues {
  /** Bytes of one memtable; a full one is flushed to disk in the background. At least 64 KiB. */
  readonly memtableSize: number
  /** How many memtables may exist, the one being filled included, before writers wait. */
  readonly memtableCount: number
  /** Bytes for memtables, caches and in-flight writes together. 8 MiB to just under 4 GiB. */
  readonly memoryBudget: number
  /** Acknowledged means `'sync'` on disk, `{ interval }` synced within so many ms, `'none'`. */
  readonly durability: DurabilityOption
  /** Number of level-0 tables at which compaction starts. */
  readonly l0CompactTrigger: number
  /** Number of level-0 tables at which writers wait; `Infinity` (or `'off'`) never. */
  readonly l0StallTrigger: number | 'off'
  /** Bytes of a table block before its trailer: the unit of reading and caching. */
  readonly blockSize: number
  /** How table blocks are compressed from now on: `'none'`, `'lz4'`, or `'zstd'`, smaller and slower, and only with a
   * Node that has it (22.15, 23.8 or later). A block that saves less than an eighth is stored as it is. */
  readonly compression: Compression
  /** Values of so many bytes or more lie in segments of the value log, not in tables; `Infinity` (or `'off'`): none but
   * those too large for a memtable. `'auto'`: the largest power of two from 512 B to 64 KiB such that values of that
   * size or longer hold 80 % of the bytes lately flushed, 1 KiB if there is none; `stats().valueThreshold` tells it. */
  readonly valueThreshold: number | 'auto' | 'off'
  /** Bytes after which a segment of the value log is closed and the next begins. */
  readonly segmentSize: number
  /** Values after which it is. */
  readonly segmentMaxEntries: number
  /** Share of lookups of missing keys that still read a block, between 0 and 1. */
  readonly bloomFalsePositiveRate: number
  /** Bytes for cached table blocks. */
  readonly blockCacheSize: number
  /** Bytes for cached table indexes and filters. */
  readonly indexCacheSize: number
  /** Background threads; `'cores'` for one per core, 0 does all work on the calling thread. */
  readonly workers: number | 'cores'
  /** Bytes after which a table file is closed and the next begins. */
  readonly tableSize: number
  /** Most entries an iterator fetches at a time. */
  readonly scanPageSize: number
  /** How many times larger each level is than the one above. */
  readonly levelSizeMultiplier: number
  /** How many levels tables may occupy. */
  readonly maxLevels: number
  /** Bytes per second that compactions write, all together; `Infinity` (or `'off'`, or 0) as many as they can. */
  readonly compactionRateLimit: number | 'off'
  /** Ms without a write and with a loop at rest after which the database counts as idle; `Infinity` (or `'off'`, or
   * 0) never. */
  readonly idleAfter: number | 'off'
  /** Compaction waits until nothing was written for `idleAfter`, or somebody asks for it. */
  readonly deferCompaction: boolean
  /** Ms between two readings of all files in the background; `Infinity` (or `'off'`, or 0) never. */
  readonly scrubInterval: number | 'off'
  /** What makes the block cache take memory it never used: blocks that come in, or blocks that are found again. */
  readonly cacheGrowth: 'misses' | 'hits'
}

/** Options beside the preset's. */
export interface OwnOptions {
  /** Where defaults come from; else the variable SETT_PRESET tells. Default `'balanced'`. */
  readonly preset: PresetName
  /** Module the background threads load, for bundlers that move files. */
  readonly workerUrl: string | URL | undefined
  /** Refuse every write and change nothing on disk. */
  readonly readOnly: boolean
  /** Keep all files in this process's memory; gone at close. */
  readonly inMemory: boolean
  /**
   * Bytes the database's files may take together, 1 MiB or more; `undefined`: what the volume has. Beyond it puts fail
   * with SETT_DISK_FULL, while deletes and compaction go on, and may pass it for a while.
   */
  readonly maxDiskBytes: number | undefined
  /** Memory and workers shared with other databases, from `createResources()`. */
  readonly resources: Resources | undefined
  /** How long to wait, in ms, for another process to let go of the directory. */
  readonly lockTimeout: number
  /** `'none'` skips the directory lock: only where something else guards it. */
  readonly lock: 'auto' | 'none'
  /** Create the database if there is none. Default true. */
  readonly createIfMissing: boolean
  /** Fail if the database exists. Default false. */
  readonly errorIfExists: boolean
  /** `{ debug, info, warn, error }`, each called with (fields, message). Default silent. */
  readonly logger: Logger
}

export type OptionValues = PresetValues & OwnOptions
export type OptionName = keyof OptionValues

/** What a caller may give: everything optional. */
export type Options = { readonly [Name in OptionName]?: OptionValues[Name] | undefined }

/** One row. `check` returns the value to keep, or undefined when the rule is broken. */
export interface OptionRow {
  readonly unit: 'bytes' | 'bytes/s' | 'ms' | 'entries' | 'tables' | 'threads' | ''
  readonly type: string
  readonly rule: string
  readonly doc: string
  check(value: unknown): unknown
  /** From a command line or environment; undefined when it cannot be read. */
  parse(text: string): unknown
  /** False for values that cannot be written on a command line. */
  readonly flag: boolean
  /** `db.tune()` changes it while the database is open. */
  readonly live?: boolean
}

type Check = (value: unknown) => unknown

export const PRESET_NAMES: readonly PresetName[] = Object.freeze([
  'balanced',
  'throughput',
  'readHeavy',
  'durable',
  'lowMemory',
  'bulkLoad',
])

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', KIB],
  ['kib', KIB],
  ['kb', 1e3],
  ['m', MIB],
  ['mib', MIB],
  ['mb', 1e6],
  ['g', GIB],
  ['gib', GIB],
  ['gb', 1e9],
  ['t', 1024 * GIB],
  ['tib', 1024 * GIB],
  ['tb', 1e12],
])

/** `64KiB`, `8m`, `1.5 GiB`, `4096`; undefined when it is none of these. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = SIZE_UNITS.get(match?.[2]?.toLowerCase() ?? '')
  return match === null || unit === undefined ? undefined : Math.floor(Number(match[1]) * unit)
}

export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', GIB],
    ['MiB', MIB],
    ['KiB', KIB],
  ] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(2))} ${unit}`
  }
  return `${bytes} B`
}

const inRange =
  (min: number, max: number): Check =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined

const parseNumber = (text: string): unknown => (text.trim() === '' ? undefined : Number(text))

function size(min: number, max: number, doc: string): OptionRow {
  const range = `${min} (${formatSize(min)}) to ${max} (${formatSize(max)})`
  const rule = `must be a whole number of bytes from ${range}`
  const check = inRange(min, max)
  return { unit: 'bytes', type: 'number', rule, doc, check, parse: parseSize, flag: true }
}

function whole(unit: OptionRow['unit'], range: readonly [number, number], doc: string): OptionRow {
  const rule = `must be a whole number from ${range[0]} to ${range[1]}`
  const check = inRange(range[0], range[1])
  return { unit, type: 'number', rule, doc, check, parse: parseNumber, flag: true }
}

function choice(names: readonly string[], doc: string): OptionRow {
  const quoted = names.map((name) => `'${name}'`)
  return {
    unit: '',
    type: quoted.join(' | '),
    rule: `must be one of ${quoted.join(', ')}`,
    doc,
    check: (value) => names.find((name) => name === value),
    parse: (text) => text,
    flag: true,
  }
}

function flag(doc: string): OptionRow {
  return {
    unit: '',
    type: 'boolean',
    rule: 'must be true or false',
    doc,
    check: (value) => (typeof value === 'boolean' ? value : undefined),
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
    flag: true,
  }
}

/** A number in a range, or none at all: `'off'`, `Infinity` and 0 are the same, and kept as Infinity. */
function orOff(unit: 'bytes/s' | 'ms', range: readonly [number, number], doc: string): OptionRow {
  const [min, max] = range
  const isRate = unit === 'bytes/s'
  const shown = isRate
    ? `bytes per second from ${min} (${formatSize(min)}) to ${max} (${formatSize(max)})`
    : `ms from ${min} to ${max}`
  return {
    unit,
    type: "number | 'off'",
    rule: `must be a whole number of ${shown}, or 'off' (0, Infinity)`,
    doc,
    check: (value) =>
      value === 'off' || value === 0 || value === Number.POSITIVE_INFINITY
        ? Number.POSITIVE_INFINITY
        : inRange(min, max)(value),
    parse: (text) => (text === 'off' ? text : isRate ? parseSize(text) : parseNumber(text)),
    flag: true,
  }
}

/** db.tune() may change it. */
function live(row: OptionRow): OptionRow {
  return { ...row, live: true }
}

/** The longest a timer of Node waits: 24.8 days. */
const TIMER_MAX = 2 ** 31 - 1

const INTERVAL_MAX = 60_000

export const DURABILITY_RULE: string = [
  "must be 'sync', 'none' or { interval } with a whole number of ms",
  `from 1 to ${INTERVAL_MAX}`,
].join(' ')

/** The durability to keep, or undefined when `value` is not one. */
export function checkDurability(value: unknown): DurabilityOption | undefined {
  if (value === 'sync' || value === 'none') return value
  if (typeof value !== 'object' || value === null) return undefined
  const names = Object.keys(value)
  if (names.length !== 1 || names[0] !== 'interval') return undefined
  const interval: unknown = Reflect.get(value, 'interval')
  return inRange(1, INTERVAL_MAX)(interval) === undefined
    ? undefined
    : Object.freeze({ interval: interval as number })
}

const durability: OptionRow = {
  unit: '',
  type: "'sync' | 'none' | { interval: number }",
  rule: DURABILITY_RULE,
  doc: "an acknowledged write is: 'sync' on disk, { interval } synced within so many ms, 'none'",
  check: checkDurability,
  parse: (text) => (/^\d+$/.test(text) ? { interval: Number(text) } : text),
  flag: true,
}

const STALL_MAX = 10_000

const l0StallTrigger: OptionRow = {
  unit: 'tables',
  type: "number | 'off'",
  rule: `must be a whole number from 2 to ${STALL_MAX}, or 'off' (Infinity)`,
  doc: 'level-0 tables at which writers wait',
  check: (value) =>
    value === 'off' || value === Number.POSITIVE_INFINITY
      ? Number.POSITIVE_INFINITY
      : inRange(2, STALL_MAX)(value),
  parse: (text) => (text === 'off' ? text : parseNumber(text)),
  flag: true,
}

const THRESHOLD_MIN = 64

const valueThreshold: OptionRow = {
  unit: 'bytes',
  type: "number | 'auto' | 'off'",
  rule: `must be a whole number of bytes from ${THRESHOLD_MIN} to ${GIB} (1 GiB), 'auto', or 'off' (Infinity)`,
  doc: "values of so many bytes or more lie in the value log, not in tables; 'auto': by the sizes written",
  check: (value) => {
    if (value === 'off' || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    return value === 'auto' ? value : inRange(THRESHOLD_MIN, GIB)(value)
  },
  parse: (text) => (text === 'off' || text === 'auto' ? text : parseSize(text)),
  flag: true,
}

const workers: OptionRow = {
  unit: 'threads',
  type: "number | 'cores'",
  rule: `must be a whole number from 0 to ${WORKERS_MAX}, or 'cores'`,
  doc: 'background threads; 0 does all work on the calling thread',
  check: (value) => (value === 'cores' ? value : inRange(0, WORKERS_MAX)(value)),
  parse: (text) => (text === 'cores' ? text : parseNumber(text)),
  flag: true,
}

const bloomFalsePositiveRate: OptionRow = {
  unit: '',
  type: 'number',
  rule: 'must be a number from 0.00001 to 0.5',
  doc: 'share of lookups of missing keys that still read a block',
  check: (value) =>
    typeof value === 'number' && value >= 0.00001 && value <= 0.5 ? value : undefined,
  parse: parseNumber,
  flag: true,
}

const workerUrl: OptionRow = {
  unit: '',
  type: 'string | URL',
  rule: 'must be a URL, or a string holding a file: URL or an absolute path',
  doc: 'module the background threads load, for bundlers that move files',
  check: (value) => {
    if (value instanceof URL) return value.href
    return typeof value === 'string' && /^(file:|data:|\/|[a-z]:[\\/])/i.test(value)
      ? value
      : undefined
  },
  parse: (text) => text,
  flag: true,
}

const resources: OptionRow = {
  unit: '',
  type: 'Resources',
  rule: 'must be what createResources() returned',
  doc: 'memory and workers shared with other databases',
  check: (value) => (value instanceof SharedResources ? value : undefined),
  parse: () => undefined,
  flag: false,
}

const LOGGER_METHODS = ['debug', 'info', 'warn', 'error']

const logger: OptionRow = {
  unit: '',
  type: '{ debug, info, warn, error }',
  rule: 'must be an object with the functions debug, info, warn and error',
  doc: 'where messages go; each function gets (fields, message)',
  check: (value) =>
    typeof value === 'object' &&
    value !== null &&
    LOGGER_METHODS.every((name) => typeof Reflect.get(value, name) === 'function')
      ? guardedLogger(value as Logger)
      : undefined,
  parse: () => undefined,
  flag: false,
}

export const OPTION_TABLE: { readonly [Name in OptionName]: OptionRow } = Object.freeze({
  preset: choice(PRESET_NAMES, 'where the defaults of the other options come from'),
  memtableSize: live(size(MEMTABLE_SIZE_MIN, GIB, 'size of one memtable; a full one is flushed')),
  memtableCount: live(whole('', [2, 16], 'memtables that may exist before writers wait')),
  memoryBudget: size(MEMORY_BUDGET_MIN, HEAP_BYTES_MAX, 'memtables, caches and in-flight writes'),
  durability: live(durability),
  l0CompactTrigger: live(whole('tables', [1, 1000], 'level-0 tables at which compaction starts')),
  l0StallTrigger: live(l0StallTrigger),
  blockSize: live(size(512, 64 * KIB, 'the unit of reading and caching in a table')),
  compression: live(choice(['none', 'lz4', 'zstd'], 'how blocks of new tables are compressed')),
  valueThreshold: live(valueThreshold),
  segmentSize: live(size(64 * KIB, 64 * GIB, 'size at which a segment of the value log is closed')),
  segmentMaxEntries: live(
    whole('entries', [1, 1_000_000_000], 'values after which a segment is closed'),
  ),
  bloomFalsePositiveRate: live(bloomFalsePositiveRate),
  blockCacheSize: size(256 * KIB, 3 * GIB, 'cached table blocks'),
  indexCacheSize: size(64 * KIB, 2 * GIB, 'cached table indexes and filters'),
  workers,
  workerUrl,
  tableSize: live(size(16 * KIB, GIB, 'size at which a table file is closed')),
  scanPageSize: live(whole('entries', [1, 100_000], 'most entries an iterator fetches at a time')),
  levelSizeMultiplier: live(whole('', [2, 100], 'how many times larger each level is')),
  maxLevels: live(whole('', [2, LEVEL_COUNT], 'levels that tables may occupy')),
  compactionRateLimit: live(
    orOff('bytes/s', [64 * KIB, 4 * GIB - 1], 'bytes that compactions write per second'),
  ),
  idleAfter: live(
    orOff(
      'ms',
      [1, TIMER_MAX],
      'time without a write after which compaction does more than is due',
    ),
  ),
  deferCompaction: live(flag('compaction waits until a load has ended')),
  scrubInterval: live(
    orOff('ms', [1000, TIMER_MAX], 'time between two readings of all files in the background'),
  ),
  cacheGrowth: choice(['misses', 'hits'], 'what makes the block cache take more memory'),
  readOnly: flag('refuse every write and change nothing on disk'),
  inMemory: flag('keep all files in memory; gone at close'),
  maxDiskBytes: size(MIB, Number.MAX_SAFE_INTEGER, 'what all files may take; puts stop there'),
  resources,
  lockTimeout: whole('ms', [0, 2 ** 31 - 1], 'how long to wait for another process to close'),
  lock: choice(['auto', 'none'], "'none' skips the directory lock"),
  createIfMissing: flag('create the database if there is none'),
  errorIfExists: flag('fail if the database exists'),
  logger,
})

export const OPTION_NAMES: readonly OptionName[] = Object.freeze(
  Object.keys(OPTION_TABLE) as OptionName[],
)

/** What `db.tune()` takes. */
export const LIVE_OPTIONS: readonly OptionName[] = Object.freeze(
  OPTION_NAMES.filter((name) => OPTION_TABLE[name].live === true),
)

/** Known names of options that come with later releases. */
export const LATER_OPTIONS: ReadonlySet<string> = new Set([
  'versionsToKeep',
  'conflicts',
  'includeDataInErrors',
])

/** What other stores call our options. */
export const FOREIGN_OPTIONS: ReadonlyMap<string, OptionName> = new Map([
  ['cacheSize', 'blockCacheSize'],
  ['writeBufferSize', 'memtableSize'],
  ['maxFileSize', 'tableSize'],
  ['highWaterMark', 'scanPageSize'],
  ['sync', 'durability'],
  ['noSync', 'durability'],
  ['multithreading', 'workers'],
  ['threads', 'workers'],
  ['create', 'createIfMissing'],
])
