// bench/history/<kind>.ndjson: one line per kept run, oldest first. A line is a whole record, its curves thinned;
// nothing in these files is ever rewritten.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import type { LatencySummary } from '../data/histogram.ts'
import { rateOf } from './readings.ts'
import { RECORD_VERSION, type RecordKind, type RunRecord, type Sample } from './record.ts'

/** A line longer than this is thinned further; a record of many sections may stay above it, without any curves. */
export const LINE_BYTES_AIMED = 200_000

interface Thinning {
  readonly curvePoints: number
  readonly windows: number
  /** True: curves of the run in the middle only, which are those that a report draws. */
  readonly middleOnly: boolean
}

const THINNINGS: readonly Thinning[] = [
  { curvePoints: 40, windows: 200, middleOnly: false },
  { curvePoints: 40, windows: 120, middleOnly: true },
  { curvePoints: 20, windows: 60, middleOnly: true },
  { curvePoints: 12, windows: 30, middleOnly: true },
  { curvePoints: 0, windows: 0, middleOnly: true },
]
const DIGITS = 5
/** A quantile needs more: 0.999999 must not become 1. */
const QUANTILE_DIGITS = 8

/** Of this package. */
export function packageRoot(): string {
  return dirname(createRequire(import.meta.url).resolve('sett/package.json'))
}

export function historyFolder(): string {
  return join(packageRoot(), 'bench/history')
}

export function historyFile(kind: RecordKind, folder: string = historyFolder()): string {
  return join(folder, `${kind}.ndjson`)
}

/** Appends the record to the history of its kind and returns the file. */
export function keepRecord(record: RunRecord, folder: string = historyFolder()): string {
  const file = historyFile(record.kind, folder)
  mkdirSync(folder, { recursive: true })
  appendFileSync(file, `${lineOf(record)}\n`)
  return file
}

/** Empty where no run is kept. Throws with file and line when a line is damaged or of another version. */
export function readHistory(
  kind: RecordKind,
  folder: string = historyFolder(),
): readonly RunRecord[] {
  const file = historyFile(kind, folder)
  if (!existsSync(file)) return []
  return readRecords(file).map((record, at) => {
    if (record.kind === kind) return record
    throw new Error(
      `${file}, line ${at + 1}: a run of kind ${record.kind}; move it to its own file`,
    )
  })
}

export function latestRecord(
  kind: RecordKind,
  folder: string = historyFolder(),
): RunRecord | undefined {
  return readHistory(kind, folder).at(-1)
}

/** All records of an `.ndjson` file, or the one that any other file holds. Throws as readHistory does. */
export function readRecords(file: string): readonly RunRecord[] {
  const text = readFileSync(file, 'utf8')
  if (extname(file) !== '.ndjson') return [parseRecord(text, file)]
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line, at) => parseRecord(line, `${file}, line ${at + 1}`))
}

function parseRecord(text: string, place: string): RunRecord {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch (cause) {
    throw new Error(`${place}: not JSON; restore it from version control, or remove it`, { cause })
  }
  requireRecord(found, place)
  return found
}

const KINDS: readonly RecordKind[] = [
  'db',
  'badger',
  'ycsb',
  'presets',
  'scaling',
  'growth',
  'soak',
]
const TEXTS = ['date', 'commit', 'settVersion', 'command']
/** What the members of each list must have at least. */
const LISTS = {
  engines: { texts: ['name', 'version', 'durability'], numbers: [] },
  sections: { texts: ['title'], numbers: [] },
  samples: {
    texts: ['engine', 'workload', 'section', 'durability'],
    numbers: ['run', 'operations', 'elapsedMs', 'cpuMs', 'peakMiB', 'sessionCpuSeconds'],
  },
} as const

interface Fields {
  readonly [name: string]: unknown
}

function requireRecord(found: unknown, place: string): asserts found is RunRecord {
  const wrong = (what: string): Error => new Error(`${place}: ${what}`)
  if (!isObject(found)) throw wrong('no record of a run')
  const { recordVersion, kind } = found
  if (recordVersion !== RECORD_VERSION) {
    const ours = `this bench reads ${RECORD_VERSION}; use the bench that wrote it`
    throw wrong(`recordVersion is ${String(recordVersion)}, ${ours}`)
  }
  if (!KINDS.some((known) => known === kind)) {
    throw wrong(`no kind ${String(kind)} is known; known: ${KINDS.join(', ')}`)
  }
  const text = TEXTS.find((name) => typeof found[name] !== 'string')
  if (text !== undefined) throw wrong(`${text} is not a text`)
  if (Number.isNaN(Date.parse(String(found['date'])))) throw wrong('date is not a date')
  if (!isObject(found['machine'])) throw wrong('machine is missing')
  for (const [name, { texts, numbers }] of Object.entries(LISTS)) {
    const list: unknown = found[name]
    if (!Array.isArray(list)) throw wrong(`${name} is not a list`)
    const bad = list.findIndex(
      (one) => !hasAll(one, texts, 'string') || !hasAll(one, numbers, 'number'),
    )
    if (bad >= 0) throw wrong(`${name}[${bad}] lacks one of ${[...texts, ...numbers].join(', ')}`)
  }
  if (!Array.isArray(found['controls'])) throw wrong('controls is not a list')
  const { soak } = found
  if (kind === 'soak' && !(isObject(soak) && Array.isArray(soak['points']))) {
    throw wrong('soak has no points')
  }
}

function hasAll(value: unknown, names: readonly string[], type: 'string' | 'number'): boolean {
  return isObject(value) && names.every((name) => typeof value[name] === type)
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// Thinning.

function lineOf(record: RunRecord): string {
  let line = ''
  for (const thinning of THINNINGS) {
    line = JSON.stringify(thinned(record, thinning), shortened)
    if (Buffer.byteLength(line) < LINE_BYTES_AIMED) break
  }
  return line
}

/** For JSON.stringify: fractions keep five digits, more than any measured figure is good for; members of lists stay. */
function shortened(name: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value) || /^\d+$/.test(name)) return value
  return Number(value.toPrecision(DIGITS))
}

function thinned(record: RunRecord, thinning: Thinning): RunRecord {
  const drawn = new Set(middleSamples(record.samples))
  const samples = record.samples.map((sample) => {
    const bare = thinning.middleOnly && !drawn.has(sample)
    return thinSample(sample, bare ? { ...thinning, curvePoints: 0, windows: 0 } : thinning)
  })
  return { ...record, samples }
}

/** Of each workload, section and engine the run with the middle rate. */
function middleSamples(samples: readonly Sample[]): readonly Sample[] {
  const runs = new Map<string, Sample[]>()
  for (const sample of samples) {
    const { section, durability, workload, engine } = sample
    const key = JSON.stringify([section, durability, workload, engine])
    runs.set(key, [...(runs.get(key) ?? []), sample])
  }
  return [...runs.values()].map((each) => {
    const sorted = each.sort((a, b) => rateOf(a) - rateOf(b))
    return sorted[sorted.length >> 1]!
  })
}

function thinSample(sample: Sample, { curvePoints, windows: most }: Thinning): Sample {
  const { latency, windows, ...rest } = sample
  return {
    ...rest,
    ...(latency === undefined
      ? {}
      : { latency: { ...latency, curve: thinCurve(latency.curve, curvePoints) } }),
    ...(windows === undefined || most === 0 ? {} : { windows: joined(windows, most) }),
  }
}

type Curve = LatencySummary['curve']

/** First and last stay. */
function thinCurve(curve: Curve, most: number): Curve {
  if (most === 0) return []
  const step = Math.max(1, (curve.length - 1) / (most - 1))
  return Array.from({ length: Math.min(most, curve.length) }, (_, at) => {
    const [quantile, micros] = curve[Math.round(at * step)]!
    return [Number(quantile.toPrecision(QUANTILE_DIGITS)), Number(micros.toPrecision(DIGITS))]
  })
}

function joined(
  { ms, operations }: NonNullable<Sample['windows']>,
  most: number,
): NonNullable<Sample['windows']> {
  const each = Math.ceil(operations.length / most)
  const sums = Array.from({ length: Math.ceil(operations.length / each) }, (_, at) =>
    operations.slice(at * each, (at + 1) * each).reduce((sum, done) => sum + done, 0),
  )
  return { ms: ms * each, operations: sums }
}
