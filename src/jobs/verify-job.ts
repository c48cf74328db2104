// Re-reads tables, logs and segments: every checksum, the order and counts of entries, that the filter knows every
// key, and that pointers lead to values of their keys. Damage is told in the result, all of it; only what the system
// refuses fails the job.
import { alignUp } from '../base/bytes.ts'
import { CorruptionError, type CorruptionPlace } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import { Scratch } from '../cursor/scratch.ts'
import { loadU32 } from '../cursor/words.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import { segmentPath, walPath } from '../io/file-names.ts'
import { openNamed } from '../io/open-named.ts'
import {
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_SIZE,
  KIND_MASK,
  KIND_POINTER,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  RECORD_KEY_LENGTH,
  RECORD_TAG,
  RECORD_VALUE_LENGTH,
  TAG_EXPIRY,
} from '../kernel/layout.ts'
import type { TableMeta } from '../manifest/levels.ts'
import {
  checkBufferBytes,
  checkTable,
  decodeBytes,
  filterBytesMax,
} from '../sstable/table-check.ts'
import { openTableParts } from '../sstable/table-parts.ts'
import { checkFilter } from '../sstable/table-reader.ts'
import { openBlockList, type PartPlace, readPartInHeap } from '../sstable/table-recheck.ts'
import { type PointedRecord, PointerCheck } from '../value-log/pointer-check.ts'
import { checkSegment, SEGMENT_CHECK_BYTES } from '../value-log/segment-check.ts'
import { surveyWal } from '../wal/wal-survey.ts'
import type { JobContext, VerifyResult, VerifySpec, WalExtent } from './job.ts'
import { refuseIfCancelled } from './merge-tables.ts'

const REPORT_BYTES = 4 * MIB

/** Reports the bytes read, and looks at the cancel flag, every few of them. */
type Read = (bytes: number) => void

export function runVerify(spec: VerifySpec, context: JobContext): VerifyResult {
  let entries = 0
  let bytesRead = 0
  let reported = 0
  const problems: CorruptionPlace[] = []
  const read: Read = (bytes) => {
    bytesRead += bytes
    if (bytesRead - reported < REPORT_BYTES) return
    reported = bytesRead
    context.report({ kind: 'progress', bytesRead, bytesWritten: 0 })
    refuseIfCancelled(context)
  }
  for (const table of spec.tables) {
    refuseIfCancelled(context)
    collect(problems, () => {
      entries += verifyTable(spec, context, table, { read, problems })
    })
  }
  for (const wal of spec.wals ?? []) {
    refuseIfCancelled(context)
    collect(problems, () => {
      entries += verifyWal(spec, context, wal, { read, problems })
    })
  }
  for (const segment of spec.segments ?? []) {
    refuseIfCancelled(context)
    collect(problems, () => {
      entries += verifySegment(spec, context, segment, { read, problems })
    })
  }
  return { kind: 'verify', entries, bytesRead, problems }
}

function collect(problems: CorruptionPlace[], work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    problems.push(placeOf(error))
  }
}

export function placeOf({ file, offset, expected, found }: CorruptionPlace): CorruptionPlace {
  return { file, offset, expected, found }
}

interface Findings {
  readonly read: Read
  readonly problems: CorruptionPlace[]
}

function verifyTable(
  spec: VerifySpec,
  context: JobContext,
  meta: TableMeta,
  { read, problems }: Findings,
): number {
  const { kernels, heap } = context
  const scratch = new Scratch(spec.workspace)
  const saltAddress = scratch.take(8)
  const hash = scratch.take(8)
  const buffer = scratch.region(checkBufferBytes(meta))
  const decode = scratch.region(decodeBytes(meta.largestBlock))
  const filterMemory = scratch.region(Math.min(scratch.free - 64, filterBytesMax(meta)), 64)
  const { file, footer, properties } = openTableParts(context.fs, spec.directory, meta)
  const { directory, pointed: segments = [] } = spec
  const pointers = new PointerCheck({ ...context, directory, segments, hash })
  try {
    heap.bytes.set(footer.salt, saltAddress)
    const place = { file, footer, properties, saltAddress, buffer: filterMemory }
    const table = openBlockList(context, place, meta)
    let filter = 0
    collect(problems, () => {
      filter = readFilter(context, place)
    })
    const probe = (first: number, end: number) => {
      for (let at = first; at < end && filter > 0; at += DESC_SIZE) {
        const length = loadU32(heap.u32, at + DESC_KEY_LENGTH)
        kernels.hash64(loadU32(heap.u32, at + DESC_KEY), length, 0, hash)
        if (kernels.filterProbe(filter, hash) === 0) throw missing(file.path, footer.filter.offset)
      }
    }
    const damaged = (_ordinal: number, error: CorruptionError): void => {
      problems.push(placeOf(error))
    }
    const entries = (first: number, end: number, ordinal: number): void => {
      probe(first, end)
      if (segments.length === 0) return
      astray(file.path, table.blockOffset(ordinal), () => pointers.follow(first, end))
    }
    const tally = checkTable(context, table, { buffer, decode }, { entries, read, damaged })
    read(meta.size - footer.filter.offset)
    return tally.entries
  } finally {
    file.closeSync()
    pointers.close()
  }
}

/** A pointer that leads astray is told as damage of its table or log: the segment is looked at by itself. */
function astray(file: string, offset: number, follow: () => void): void {
  try {
    follow()
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    const expected = `pointers to values of their keys; at ${error.offset} of ${error.file}: ${error.expected}`
    throw new CorruptionError({ file, offset, expected, found: error.found }, error)
  }
}

function verifySegment(
  { directory, workspace }: VerifySpec,
  context: JobContext,
  meta: SegmentMeta,
  { read, problems }: Findings,
): number {
  const scratch = new Scratch(workspace)
  const saltAddress = scratch.take(8)
  const buffer = scratch.region(SEGMENT_CHECK_BYTES)
  const file = openNamed(context.fs, segmentPath(directory, meta.number), 'segment')
  try {
    const damaged = (error: CorruptionError): void => void problems.push(placeOf(error))
    const check = { file, meta, saltAddress, buffer }
    return checkSegment(context, check, { read, damaged }).values
  } finally {
    file.closeSync()
  }
}

/** Address of the filter; 0: without room for it its checksum is still verified, the membership of keys is not. */
export function readFilter(context: JobContext, place: PartPlace): number {
  const { file, footer } = place
  const filter = readPartInHeap(context, place, footer.filter)
  if (filter > 0) checkFilter(context, { file, footer, filter })
  return filter
}

function verifyWal(
  { directory, workspace, pointed: segments = [] }: VerifySpec,
  context: JobContext,
  wal: WalExtent,
  { read, problems }: Findings,
): number {
  const { number, salt, length, digest } = wal
  const path = walPath(directory, number)
  const refuse = (offset: number, expected: string, found: string): never => {
    throw new CorruptionError({ file: path, offset, expected, found })
  }
  if (context.fs.statSync(path) === undefined) refuse(0, 'a log the manifest names', 'no file')
  const hash = new Scratch(workspace).take(8)
  const pointers = new PointerCheck({ ...context, directory, segments, hash })
  const records = (run: Buffer, count: number): void => {
    collect(problems, () =>
      astray(path, 0, () => pointers.followRecords(pointedRecords(run, count))),
    )
  }
  const found = closing(pointers, () =>
    surveyWal({ fs: context.fs, path, number, salt, length }, { read, records }),
  )
  const damage = found.headerDamage ?? found.damage
  if (damage !== undefined) refuse(damage.offset, damage.expected, damage.found)
  if (found.cutAt < length) refuse(found.fileLength, `${length} bytes`, `${found.fileLength}`)
  if (found.digest !== digest) refuse(found.cutAt, `digest ${digest}`, found.digest)
  return found.records
}

function closing<T>(pointers: PointerCheck, work: () => T): T {
  try {
    return work()
  } finally {
    pointers.close()
  }
}

/** Those of `count` verified records in a row whose value is a pointer. */
function pointedRecords(run: Buffer, count: number): PointedRecord[] {
  const pointed: PointedRecord[] = []
  for (let at = 0, i = 0; i < count; i++) {
    const tag = run[at + RECORD_TAG] as number
    const header = (tag & TAG_EXPIRY) === 0 ? RECORD_HEADER : RECORD_HEADER_WITH_EXPIRY
    const value = at + header + run.readUInt16LE(at + RECORD_KEY_LENGTH)
    const end = value + run.readUInt32LE(at + RECORD_VALUE_LENGTH)
    if ((tag & KIND_MASK) === KIND_POINTER) {
      pointed.push({ key: run.subarray(at + header, value), value: run.subarray(value, end) })
    }
    at = alignUp(end, 8)
  }
  return pointed
}

function missing(file: string, offset: number): CorruptionError {
  const expected = 'a filter that knows every key of the table'
  return new CorruptionError({ file, offset, expected, found: 'one that lacks a key' })
}
