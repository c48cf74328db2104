// Turns what a caller gave, the environment and a preset into one frozen set of options with no
// field missing. Pure apart from reading the core count; reads own properties only.
import { SettError } from './errors.ts'
import { HEAP_BYTES_MAX, KIB, MEMORY_BUDGET_MIN, MEMTABLE_SIZE_MIN } from './limits.ts'
import { type Logger, silentLogger } from './logger.ts'
import {
  type Compression,
  type DurabilityOption,
  FOREIGN_OPTIONS,
  formatSize,
  LATER_OPTIONS,
  LIVE_OPTIONS,
  OPTION_NAMES,
  OPTION_TABLE,
  type OptionName,
  type PresetName,
} from './option-table.ts'
import { PRESETS } from './presets.ts'
import { DEFAULT_PARTS, type SharedResources, workersOfCores } from './shared-resources.ts'
import { ZSTD_NEEDS, zstd } from './zstd.ts'

/** Every option, checked. `sources` tells where each value came from. */
export interface ResolvedOptions {
  readonly preset: PresetName
  readonly memtableSize: number
  readonly memtableCount: number
  readonly memoryBudget: number
  readonly durability: DurabilityOption
  readonly l0CompactTrigger: number
  /** Infinity: writers never wait for level 0. */
  readonly l0StallTrigger: number
  readonly blockSize: number
  readonly compression: Compression
  /** Infinity: none lies there but those too large for a memtable. */
  readonly valueThreshold: number | 'auto'
  readonly segmentSize: number
  readonly segmentMaxEntries: number
  readonly bloomFalsePositiveRate: number
  readonly blockCacheSize: number
  readonly indexCacheSize: number
  readonly workers: number
  readonly workerUrl: string | undefined
  readonly tableSize: number
  readonly scanPageSize: number
  readonly levelSizeMultiplier: number
  readonly maxLevels: number
  /** Infinity: no limit. */
  readonly compactionRateLimit: number
  /** Infinity: never idle. */
  readonly idleAfter: number
  readonly deferCompaction: boolean
  /** Infinity: never. */
  readonly scrubInterval: number
  readonly cacheGrowth: 'misses' | 'hits'
  readonly readOnly: boolean
  readonly inMemory: boolean
  readonly maxDiskBytes: number | undefined
  readonly resources: SharedResources | undefined
  readonly lockTimeout: number
  readonly lock: 'auto' | 'none'
  readonly createIfMissing: boolean
  readonly errorIfExists: boolean
  readonly logger: Logger
  readonly sources: { readonly [Name in OptionName]: string }
}

/** The environment variables that are read. */
export interface OptionEnvironment {
  readonly SETT_PRESET?: string | undefined
  readonly STORAGE_OPTIMIZED?: string | undefined
}

type Draft = { -readonly [Name in OptionName]: ResolvedOptions[Name] }
type Sources = { [Name in OptionName]: string }

const OWN_DEFAULTS = Object.freeze({
  workerUrl: undefined,
  readOnly: false,
  inMemory: false,
  maxDiskBytes: undefined,
  resources: undefined,
  lockTimeout: 0,
  lock: 'auto',
  createIfMissing: true,
  errorIfExists: false,
  logger: silentLogger,
})

/** Checks `given` and fills in the rest; throws SETT_INVALID_OPTION naming option and rule. */
export function resolveOptions(
  given: unknown,
  environment: OptionEnvironment = process.env,
): ResolvedOptions {
  const explicit = checkGiven(given)
  const [preset, presetSource] = choosePreset(explicit, environment)
  const values: Record<string, unknown> = Object.assign(Object.create(null), OWN_DEFAULTS, {
    preset,
    ...PRESETS[preset],
  })
  const sources: Sources = Object.create(null)
  for (const name of OPTION_NAMES) {
    sources[name] = Object.hasOwn(OWN_DEFAULTS, name) ? 'default' : `preset ${preset}`
    if (explicit.has(name)) {
      values[name] = explicit.get(name)
      sources[name] = 'given'
    }
  }
  sources.preset = presetSource
  const draft = values as Draft
  settle(draft, sources)
  takeShare(draft, sources)
  balanceMemory(draft, sources)
  fitQuota(draft, sources)
  checkContradictions(draft, sources, SCALED_REMEDY)
  return Object.freeze(Object.assign(draft, { sources: Object.freeze(sources) }))
}

/**
 * What the options of an open database become with `changes`, by the rules of opening. Throws SETT_INVALID_OPTION for
 * an option that is unknown, out of range, fixed while the database is open, or in contradiction to another.
 */
export function tunedOptions(current: ResolvedOptions, changes: unknown): ResolvedOptions {
  const explicit = checkGiven(changes)
  const fixed = [...explicit.keys()].find((name) => OPTION_TABLE[name].live !== true)
  if (fixed !== undefined) {
    throw invalid(
      `Option '${fixed}' is fixed while the database is open. Close it and open it with the new value; ` +
        `tune() takes ${LIVE_OPTIONS.join(', ')}.`,
    )
  }
  const sources: Sources = Object.assign(Object.create(null), current.sources)
  const draft: Draft = Object.assign(Object.create(null), current)
  unsettle(draft, sources)
  for (const [name, value] of explicit) {
    Object.assign(draft, { [name]: value })
    sources[name] = 'tuned'
  }
  settle(draft, sources)
  checkContradictions(draft, sources, FIXED_REMEDY)
  return Object.freeze(Object.assign(draft, { sources: Object.freeze(sources) }))
}

function checkGiven(given: unknown): Map<OptionName, unknown> {
  const explicit = new Map<OptionName, unknown>()
  if (given === undefined || given === null) return explicit
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw invalid('Options must be an object, such as { preset: "throughput" }.')
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(OPTION_TABLE, name)) throw unknownOption(name)
    const value: unknown = Reflect.get(given, name)
    if (value !== undefined)
      explicit.set(name as OptionName, checkOption(name as OptionName, value))
  }
  return explicit
}

/** The value to keep; throws SETT_INVALID_OPTION with the option's rule. */
export function checkOption(name: OptionName, value: unknown): unknown {
  const row = OPTION_TABLE[name]
  const kept = row.check(value)
  if (kept === undefined) {
    throw invalid(`Option '${name}' ${row.rule}; it is ${describe(value)}.`)
  }
  return kept
}

function invalid(message: string): SettError {
  return new SettError('SETT_INVALID_OPTION', message)
}

function describe(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return `${value}`
  if (typeof value === 'string') return value.length <= 40 ? `'${value}'` : 'a longer string'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function unknownOption(name: string): SettError {
  if (LATER_OPTIONS.has(name)) {
    return invalid(`Option '${name}' is not in this release. Leave it out for now.`)
  }
  const shown = name.length <= 40 ? `'${name}'` : 'with a longer name'
  const near = FOREIGN_OPTIONS.get(name) ?? nearestName(name)
  const hint =
    near === undefined ? `Known options: ${OPTION_NAMES.join(', ')}.` : `Did you mean '${near}'?`
  return invalid(`There is no option ${shown}. ${hint}`)
}

/** The known name at the smallest edit distance, if that is small for its length. */
export function nearestName(
  name: string,
  known: readonly string[] = OPTION_NAMES,
): string | undefined {
  if (name.length > 40) return undefined
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      bestDistance = distance
      best = candidate
    }
  }
  return best !== undefined && bestDistance <= Math.max(2, best.length * 0.4) ? best : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

function choosePreset(
  explicit: ReadonlyMap<OptionName, unknown>,
  environment: OptionEnvironment,
): [PresetName, string] {
  const given = explicit.get('preset')
  if (given !== undefined) return [given as PresetName, 'given']
  const named = environment.SETT_PRESET
  if (named !== undefined && named !== '') {
    const row = OPTION_TABLE.preset
    if (row.check(named) === undefined) {
      throw invalid(`The environment variable SETT_PRESET ${row.rule}; it is ${describe(named)}.`)
    }
    return [named as PresetName, 'SETT_PRESET']
  }
  if (environment.STORAGE_OPTIMIZED === 'true') return ['throughput', 'STORAGE_OPTIMIZED']
  return ['balanced', 'default']
}

/** Somebody decided it: it does not follow others. */
function chosen(source: string): boolean {
  return source === 'given' || source === 'tuned'
}

/** Values that follow from others or from the machine. */
function settle(draft: Draft, sources: Sources): void {
  if (draft.inMemory && sources.workers !== 'given') {
    draft.workers = 0
    sources.workers = 'inMemory'
  }
  if ((draft.workers as number | 'cores') === 'cores') {
    draft.workers = workersOfCores()
    sources.workers += ', cores'
  }
  if (draft.readOnly && sources.createIfMissing !== 'given') {
    draft.createIfMissing = false
    sources.createIfMissing = 'readOnly'
  }
  // A lone compaction trigger moves the stall with it, and the other way round.
  if (draft.l0StallTrigger <= draft.l0CompactTrigger) {
    if (!chosen(sources.l0StallTrigger)) {
      draft.l0StallTrigger = draft.l0CompactTrigger * 3
      sources.l0StallTrigger = 'l0CompactTrigger × 3'
    } else if (!chosen(sources.l0CompactTrigger)) {
      draft.l0CompactTrigger = Math.max(1, Math.floor(draft.l0StallTrigger / 3))
      sources.l0CompactTrigger = 'l0StallTrigger / 3'
    }
  }
  if (draft.deferCompaction && !chosen(sources.deferCompaction) && neverEnds(draft)) {
    draft.deferCompaction = false
    sources.deferCompaction = 'l0StallTrigger, idleAfter'
  }
}

/** What nobody chose follows anew, as if the database were opened with all that is tuned. */
function unsettle(draft: Draft, sources: Sources): void {
  for (const name of ['l0CompactTrigger', 'l0StallTrigger', 'deferCompaction'] as const) {
    if (chosen(sources[name])) continue
    Object.assign(draft, { [name]: PRESETS[draft.preset][name] })
    sources[name] = `preset ${draft.preset}`
  }
}

/** Writers, or level 0, would wait for compactions that nothing lets begin. */
function neverEnds({ l0StallTrigger, idleAfter }: Draft): boolean {
  return l0StallTrigger !== Number.POSITIVE_INFINITY || idleAfter === Number.POSITIVE_INFINITY
}

/** Budget and workers of a database that shares them with others. */
function takeShare(draft: Draft, sources: Sources): void {
  const { resources } = draft
  if (resources === undefined) return
  if (sources.workers !== 'given' && sources.workers !== 'inMemory') {
    draft.workers = resources.workers
    sources.workers = 'resources'
  }
  if (sources.memoryBudget === 'given') return
  const part = Math.floor(resources.memoryBudget / DEFAULT_PARTS)
  draft.memoryBudget = Math.min(draft.memoryBudget, Math.max(MEMORY_BUDGET_MIN, part))
  sources.memoryBudget = RESOURCES_PART
}

const RESOURCES_PART: string = `resources / ${DEFAULT_PARTS}`
const ROUNDING = 4 * KIB
/** Smallest sizes scaling may reach, the table's own minimums. */
const CACHE_MINIMUM = { blockCacheSize: 256 * KIB, indexCacheSize: 64 * KIB } as const
/** Share of the budget for memtables and caches when scaled; the rest is for jobs in flight. */
const SCALED_SHARE = 0.75

function parts(draft: Draft): number {
  return draft.memtableSize * draft.memtableCount + draft.blockCacheSize + draft.indexCacheSize
}

/** Makes memtables, caches and budget fit each other by moving only what was not given. */
function balanceMemory(draft: Draft, sources: Sources): void {
  const preset = PRESETS[draft.preset]
  if (sources.memoryBudget !== 'given' && sources.memoryBudget !== RESOURCES_PART) {
    const slack = preset.memoryBudget * (1 - SCALED_SHARE)
    const needed = Math.min(HEAP_BYTES_MAX, parts(draft) + slack)
    if (parts(draft) > draft.memoryBudget) {
      draft.memoryBudget = roundUp(needed)
      sources.memoryBudget = 'sum of memtables and caches'
    }
    return
  }
  const growth = draft.memoryBudget / preset.memoryBudget
  if (growth > 1) {
    for (const name of ['blockCacheSize', 'indexCacheSize'] as const) {
      const grown = Math.min(draft[name] * growth, draft.memoryBudget / 2)
      if (sources[name] !== 'given') scaleTo(draft, sources, { name, size: grown })
    }
  }
  if (parts(draft) > draft.memoryBudget * SCALED_SHARE) shrinkParts(draft, sources)
}

function shrinkParts(draft: Draft, sources: Sources): void {
  const free = (['memtableSize', 'blockCacheSize', 'indexCacheSize'] as const).filter(
    (name) => sources[name] !== 'given',
  )
  const weight = (name: (typeof free)[number]): number =>
    name === 'memtableSize' ? draft.memtableCount : 1
  const loose = free.reduce((sum, name) => sum + draft[name] * weight(name), 0)
  if (loose === 0) return
  const fixed = parts(draft) - loose
  const target = draft.memoryBudget * SCALED_SHARE
  // Given parts beyond the usual share leave the others half of what remains.
  const room = fixed < target * 0.9 ? target - fixed : (draft.memoryBudget - fixed) / 2
  const factor = Math.max(0, Math.min(1, room / loose))
  for (const name of free) {
    if (factor < 1) scaleTo(draft, sources, { name, size: draft[name] * factor })
  }
}

type Scaled = 'memtableSize' | 'blockCacheSize' | 'indexCacheSize'

function scaleTo(draft: Draft, sources: Sources, to: { name: Scaled; size: number }): void {
  const least = to.name === 'memtableSize' ? MEMTABLE_SIZE_MIN : CACHE_MINIMUM[to.name]
  draft[to.name] = Math.max(least, Math.floor(to.size / ROUNDING) * ROUNDING)
  sources[to.name] = 'scaled to memoryBudget'
}

/** Files there are before level 0 is compacted for the first time, in memtables: its tables, a log, and the next. */
function memtablesOnDisk(draft: Draft): number {
  return draft.l0CompactTrigger + 2
}

/** Under a small quota memtables are small, or puts would stop before compaction starts. */
function fitQuota(draft: Draft, sources: Sources): void {
  if (draft.maxDiskBytes === undefined || sources.memtableSize === 'given') return
  const most = draft.maxDiskBytes / memtablesOnDisk(draft)
  if (draft.memtableSize <= most) return
  draft.memtableSize = Math.max(MEMTABLE_SIZE_MIN, Math.floor(most / ROUNDING) * ROUNDING)
  sources.memtableSize = 'scaled to maxDiskBytes'
}

function roundUp(bytes: number): number {
  return Math.min(HEAP_BYTES_MAX, Math.ceil(bytes / ROUNDING) * ROUNDING)
}

const SCALED_REMEDY =
  'Raise the budget, lower one of them, or leave some out: what is not given is scaled.'
const FIXED_REMEDY = 'Lower one of them, or close the database and open it with a larger budget.'

function checkContradictions(draft: Draft, sources: Sources, remedy: string): void {
  if (draft.l0StallTrigger <= draft.l0CompactTrigger) {
    throw invalid(
      `Option 'l0StallTrigger' (${draft.l0StallTrigger}) must be greater than ` +
        `'l0CompactTrigger' (${draft.l0CompactTrigger}), or writers wait before compaction starts.`,
    )
  }
  const { valueThreshold, memtableSize } = draft
  if (Number.isFinite(valueThreshold) && Number(valueThreshold) > memtableSize / 4) {
    throw invalid(
      `Option 'valueThreshold' (${valueThreshold}) must be at most memtableSize / 4 (${memtableSize / 4}), from ` +
        "where on values lie in the value log in any case. Lower it, or use 'off'.",
    )
  }
  if (parts(draft) > draft.memoryBudget) {
    throw invalid(
      `Option 'memoryBudget' (${formatSize(draft.memoryBudget)}) must be at least ` +
        `memtableSize × memtableCount + blockCacheSize + indexCacheSize (${formatSize(parts(draft))}). ` +
        remedy,
    )
  }
  if (draft.deferCompaction && neverEnds(draft)) {
    throw invalid(
      "Option 'deferCompaction' needs l0StallTrigger 'off' and an 'idleAfter' that is not: else writers " +
        'wait for compactions that do not begin.',
    )
  }
  if (draft.compression === 'zstd' && zstd === undefined) {
    throw invalid(
      `Option 'compression' can be 'zstd' only with ${ZSTD_NEEDS}; this is ${process.version}. ` +
        "Use 'lz4', or another Node.",
    )
  }
  const { maxDiskBytes, resources } = draft
  if (maxDiskBytes !== undefined && draft.memtableSize * memtablesOnDisk(draft) > maxDiskBytes) {
    throw invalid(
      `Option 'maxDiskBytes' (${formatSize(maxDiskBytes)}) must be at least memtableSize × ` +
        `(l0CompactTrigger + 2) (${formatSize(draft.memtableSize * memtablesOnDisk(draft))}), or puts stop ` +
        'before compaction starts.',
    )
  }
  if (resources !== undefined && draft.workers > resources.workers) {
    throw invalid(
      `Option 'workers' (${draft.workers}) must be at most those of 'resources' (${resources.workers}). ` +
        'Leave it out to use all of them.',
    )
  }
  if (resources !== undefined && draft.memoryBudget > resources.memoryBudget) {
    throw invalid(
      `Option 'memoryBudget' (${formatSize(draft.memoryBudget)}) must be at most that of 'resources' ` +
        `(${formatSize(resources.memoryBudget)}).`,
    )
  }
  if (draft.inMemory && draft.workers > 0) {
    throw invalid(
      "Option 'workers' must be 0 or left out with 'inMemory': its files belong to one thread.",
    )
  }
  if (draft.inMemory && draft.readOnly) {
    throw invalid(
      "Options 'inMemory' and 'readOnly' exclude each other: always empty. Leave one out.",
    )
  }
  if (draft.readOnly && draft.errorIfExists) {
    throw invalid("Options 'readOnly' and 'errorIfExists' exclude each other. Leave one out.")
  }
  if (draft.readOnly && draft.createIfMissing && sources.createIfMissing === 'given') {
    throw invalid("Options 'readOnly' and 'createIfMissing' exclude each other. Leave one out.")
  }
}

/** Every option, one per line: value, unit, source. */
export function explain(options: ResolvedOptions): string {
  const rows = OPTION_NAMES.map((name) => {
    const { unit } = OPTION_TABLE[name]
    return [name, show(name, options[name]), unit, options.sources[name]]
  })
  rows.unshift(['option', 'value', 'unit', 'source'])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function show(name: OptionName, value: unknown): string {
  if (value === undefined) return '-'
  if (value === Number.POSITIVE_INFINITY) return 'off'
  if (name === 'logger') return value === silentLogger ? 'silent' : 'given'
  if (name === 'resources') return 'shared'
  if (OPTION_TABLE[name].unit.startsWith('bytes'))
    return `${value} (${formatSize(value as number)})`
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
