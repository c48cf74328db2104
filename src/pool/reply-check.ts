// Whether what a thread answered is an answer to its job: shape, ranges, sums, file numbers. Any thread. Nothing else
// is believed, for what a flush or a compaction says goes into the manifest.
import { compareBytes } from '../base/bytes.ts'
import { KEY_LENGTH_MAX } from '../base/limits.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import { areExpirySteps, type ExpiryStep, STEP_FIELDS } from '../format/table-meta.ts'
import type { FileNumbers, JobResult, JobSpec } from '../jobs/job.ts'
import type { TableMeta } from '../manifest/levels.ts'
import type { JobReply } from './protocol.ts'

type Fields = Readonly<Record<string, unknown>>

const RESULT_KINDS: Readonly<Record<JobSpec['kind'], JobResult['kind']>> = {
  flush: 'tables',
  compact: 'tables',
  sample: 'sample',
  replay: 'replay',
  verify: 'verify',
  salvage: 'salvage',
}

/** An error, or a result of some kind; isResultOf() says whether it is one of the job's. */
export function isJobReply(reply: unknown): reply is JobReply {
  if (!isRecord(reply) || reply['kind'] !== 'done' || !isRecord(reply['outcome'])) return false
  const { outcome, tables, thread, busyMs } = reply
  if (!Number.isInteger(thread) || typeof busyMs !== 'number' || !isList(tables, isCount)) {
    return false
  }
  if (outcome['ok'] === true) return isRecord(outcome['result'])
  return outcome['ok'] === false && isErrorRecord(outcome['error'])
}

/** Its tables were put back by now. */
export function isResultOf(spec: JobSpec, result: JobResult): boolean {
  if (result.kind !== RESULT_KINDS[spec.kind]) return false
  const fields = result as unknown as Fields
  switch (spec.kind) {
    case 'flush':
    case 'compact':
      return isTablesResult(fields, spec.numbers)
    case 'sample':
      return isList(fields['keys'], isWeighedKey)
    case 'replay':
      return isReplay(fields, spec.number)
    case 'verify':
      return areCounts(fields, 'entries', 'bytesRead') && isList(fields['problems'], isPlace)
    case 'salvage':
      return isSalvage(fields, spec.numbers)
  }
}

function isTablesResult(fields: Fields, numbers: FileNumbers): boolean {
  const counts = ['entriesIn', 'entriesOut', 'entriesDropped', 'droppedVersion'] as const
  if (!areCounts(fields, ...counts, 'bytesRead', 'bytesWritten')) return false
  const { tables, entriesIn, entriesOut, entriesDropped, bytesBySize } = fields
  if (bytesBySize !== undefined && !isList(bytesBySize, isCount)) return false
  if (!areNewTables(tables, numbers) || !areNewSegments(fields['segments'], tables, numbers)) {
    return false
  }
  const entries = tables.reduce((sum, table) => sum + table.entries, 0)
  return entries === entriesOut && entriesIn === entries + (entriesDropped as number)
}

function isWeighedKey(value: unknown): boolean {
  return isRecord(value) && isKey(value['key']) && isCount(value['bytes'])
}

function isReplay(fields: Fields, number: number): boolean {
  const counts = ['fileLength', 'cutAt', 'records', 'largestEntry', 'lastVersion'] as const
  return (
    fields['number'] === number &&
    areCounts(fields, ...counts, 'manifestEdit', 'syncedOffset') &&
    typeof fields['syncedPastDamage'] === 'boolean' &&
    isHex(fields['digest'])
  )
}

function isSalvage(fields: Fields, numbers: FileNumbers): boolean {
  const { whole, tables, damage, lost } = fields
  const told = areCounts(fields, 'number', 'entries') && isList(damage, isPlace)
  if (!told || !isList(lost, isPlace) || !(whole === undefined || isTable(whole))) return false
  const { lostValues, readSegments } = fields
  if (!isList(lostValues, isLostValues) || !isList(readSegments, isCount)) return false
  return areNewTables(tables, numbers) && areNewSegments(fields['segments'], tables, numbers)
}

function isLostValues(value: unknown): boolean {
  if (!isRecord(value) || !isPlace(value) || !isRecord(value['keys'])) return false
  const { first, last } = value['keys']
  return areCounts(value, 'segment', 'from', 'length', 'values') && isKey(first) && isKey(last)
}

/** Written by this job: under numbers that were given to it, each once. */
function areNewTables(value: unknown, { first, count }: FileNumbers): value is TableMeta[] {
  if (!isList(value, isTable)) return false
  const numbers = new Set((value as TableMeta[]).map(({ number }) => number))
  if (numbers.size !== (value as TableMeta[]).length) return false
  return [...numbers].every((number) => number >= first && number < first + count)
}

/** Under numbers of this job that none of its tables has, each once, and each of use to one of them. */
function areNewSegments(
  value: unknown,
  tables: readonly TableMeta[],
  { first, count }: FileNumbers,
): boolean {
  if (!isList(value, isSegment)) return false
  const taken = new Set(tables.map(({ number }) => number))
  const used = new Set(tables.flatMap(({ segments = [] }) => segments.map(({ number }) => number)))
  for (const { number } of value as readonly SegmentMeta[]) {
    const given = number >= first && number < first + count
    if (!given || taken.has(number) || !used.has(number)) return false
    taken.add(number)
  }
  return true
}

function isSegment(value: unknown): boolean {
  return isRecord(value) && areCounts(value, 'number', 'size') && isHex(value['salt'])
}

function areSegmentUses(value: unknown): boolean {
  if (value === undefined) return true
  const isUse = (use: unknown): boolean => isRecord(use) && areCounts(use, 'number', 'bytes')
  return isList(value, isUse)
}

function areSteps(value: unknown): boolean {
  if (value === undefined) return true
  const isStep = (step: unknown): boolean => isRecord(step) && areCounts(step, ...STEP_FIELDS)
  return isList(value, isStep) && areExpirySteps(value as readonly ExpiryStep[])
}

function isTable(value: unknown): boolean {
  if (!isRecord(value)) return false
  const sizes = ['number', 'size', 'entries', 'tombstones', 'largestBlock', 'newestWal'] as const
  const versions = ['smallestVersion', 'largestVersion', 'baseVersion'] as const
  const times = ['earliestExpiry', 'latestExpiry'] as const
  if (!areCounts(value, ...sizes, ...versions, ...times) || !isHex(value['salt'])) return false
  const { smallestKey, largestKey, smallestVersion, largestVersion } = value as unknown as TableMeta
  if (!isKey(smallestKey) || !isKey(largestKey) || !isPacking(value['packing'])) return false
  if (!areSegmentUses(value['segments']) || !areSteps(value['expiring'])) return false
  return compareBytes(smallestKey, largestKey) <= 0 && smallestVersion <= largestVersion
}

function isPacking(value: unknown): boolean {
  return value === undefined || (isRecord(value) && areCounts(value, 'codec', 'payloadBytes'))
}

function isErrorRecord(value: unknown): boolean {
  if (!isRecord(value)) return false
  const { place } = value
  const texts = ['name', 'code', 'message', 'stack'].every((name) => isText(value[name]))
  return texts && (place === undefined || isPlace(place))
}

function isPlace(value: unknown): boolean {
  if (!isRecord(value) || !isCount(value['offset'])) return false
  return ['file', 'expected', 'found'].every((name) => isText(value[name]))
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function isList(value: unknown, check: (each: unknown) => boolean): value is readonly unknown[] {
  return Array.isArray(value) && value.every(check)
}

function areCounts(fields: Fields, ...names: readonly string[]): boolean {
  return names.every((name) => isCount(fields[name]))
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isHex(value: unknown): boolean {
  return isText(value) && /^[0-9a-f]{16}$/.test(value as string)
}

function isKey(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length <= KEY_LENGTH_MAX
}
