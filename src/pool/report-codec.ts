// Job reports as ring messages: u32 job, u8 kind, u8 0 (1 for an output that is a segment), u16 0, then for
// progress two f64, for an output its number as f64, for a table u32 key lengths (two), u32 count of segments,
// u32 0, both keys, two f64 per segment, and the other fields as JSON. Both sides are one version of one program,
// and nothing of this is stored.
import { assert } from '../base/assert.ts'
import { KEY_LENGTH_MAX, SEGMENTS_PER_TABLE_MAX } from '../base/limits.ts'
import type { SegmentUse } from '../format/segments/segment-meta.ts'
import type { JobReport } from '../jobs/job.ts'
import type { TableMeta } from '../manifest/levels.ts'

const KIND_PROGRESS = 1
/** A table the job reported while it ran. */
const KIND_TABLE = 2
/** A table of the result that the job had not reported. */
const KIND_RESULT_TABLE = 3
const KIND_OUTPUT = 4

const HEADER = 8
const TABLE_HEADER = HEADER + 16
const SEGMENT_BYTES = 16
/** Room for the other fields of a table. */
const FIELDS_MAX = 8192

export const MESSAGE_MAX: number =
  TABLE_HEADER + 2 * KEY_LENGTH_MAX + SEGMENTS_PER_TABLE_MAX * SEGMENT_BYTES + FIELDS_MAX

export interface DecodedReport {
  readonly job: number
  readonly report: JobReport
  /** True: part of the result only, not for onReport. */
  readonly resultOnly: boolean
}

/** Encodes into `target`, at least MESSAGE_MAX bytes; returns the part used. */
export function encodeReport(
  target: Buffer,
  job: number,
  report: JobReport,
  resultOnly = false,
): Buffer {
  target.writeUInt32LE(job, 0)
  target.writeUInt32LE(0, 4)
  if (report.kind === 'progress') {
    target[4] = KIND_PROGRESS
    target.writeDoubleLE(report.bytesRead, HEADER)
    target.writeDoubleLE(report.bytesWritten, HEADER + 8)
    return target.subarray(0, HEADER + 16)
  }
  if (report.kind === 'output') {
    target[4] = KIND_OUTPUT
    target[5] = report.file === 'vlog' ? 1 : 0
    target.writeDoubleLE(report.number, HEADER)
    return target.subarray(0, HEADER + 8)
  }
  const { smallestKey, largestKey, segments = [], ...fields } = report.table
  target[4] = resultOnly ? KIND_RESULT_TABLE : KIND_TABLE
  target.writeUInt32LE(smallestKey.length, HEADER)
  target.writeUInt32LE(largestKey.length, HEADER + 4)
  target.writeUInt32LE(segments.length, HEADER + 8)
  target.writeUInt32LE(0, HEADER + 12)
  target.set(smallestKey, TABLE_HEADER)
  target.set(largestKey, TABLE_HEADER + smallestKey.length)
  const uses = TABLE_HEADER + smallestKey.length + largestKey.length
  for (const [i, { number, bytes }] of segments.entries()) {
    target.writeDoubleLE(number, uses + SEGMENT_BYTES * i)
    target.writeDoubleLE(bytes, uses + SEGMENT_BYTES * i + 8)
  }
  const at = uses + SEGMENT_BYTES * segments.length
  const json = JSON.stringify(fields)
  assert(json.length * 3 <= target.length - at, 'the fields of a table fit its report')
  return target.subarray(0, at + target.write(json, at))
}

/** The result shares no bytes with the message. */
export function decodeReport(message: Buffer): DecodedReport {
  const job = message.readUInt32LE(0)
  const kind = message[4]
  if (kind === KIND_PROGRESS) {
    const bytesRead = message.readDoubleLE(HEADER)
    const bytesWritten = message.readDoubleLE(HEADER + 8)
    return { job, report: { kind: 'progress', bytesRead, bytesWritten }, resultOnly: false }
  }
  if (kind === KIND_OUTPUT) {
    const file = message[5] === 1 ? 'vlog' : 'sst'
    const number = message.readDoubleLE(HEADER)
    return { job, report: { kind: 'output', file, number }, resultOnly: false }
  }
  assert(kind === KIND_TABLE || kind === KIND_RESULT_TABLE, 'a report is of a known kind')
  const second = TABLE_HEADER + message.readUInt32LE(HEADER)
  const end = second + message.readUInt32LE(HEADER + 4)
  const count = message.readUInt32LE(HEADER + 8)
  const segments = decodeUses(message, end, count)
  const fields = JSON.parse(message.toString('utf8', end + SEGMENT_BYTES * count)) as TableFields
  const smallestKey = copy(message, TABLE_HEADER, second)
  const largestKey = copy(message, second, end)
  const referred = count === 0 ? {} : { segments }
  const table: TableMeta = { ...fields, smallestKey, largestKey, ...referred }
  return { job, report: { kind: 'table', table }, resultOnly: kind === KIND_RESULT_TABLE }
}

type TableFields = Omit<TableMeta, 'smallestKey' | 'largestKey' | 'segments'>

function decodeUses(message: Buffer, start: number, count: number): readonly SegmentUse[] {
  return Array.from({ length: count }, (_, i) => {
    const at = start + SEGMENT_BYTES * i
    return { number: message.readDoubleLE(at), bytes: message.readDoubleLE(at + 8) }
  })
}

/** An array of its own, neither shared nor part of Buffer's pool. */
function copy(message: Buffer, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(to - from)
  bytes.set(message.subarray(from, to))
  return bytes
}
