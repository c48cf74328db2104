// The file numbers a job gets for its outputs: how many its planner takes, and how the job gives them out.
import { assert } from '../base/assert.ts'
import { SEGMENTS_SOUGHT } from '../sstable/tables-writer.ts'
import { tablesAtMost, valueBytesMax } from '../sstable/writer-workspace.ts'
import type { FileNumbers, JobContext, OutputFile, TableShape } from './job.ts'

/** What a job takes in. */
export interface JobInput {
  /** Of keys and values, before compression. */
  readonly bytes: number
  readonly entries: number
  readonly tables: number
  /** Stored bytes of values in segments, as far as they are known. */
  readonly referred: number
}

const SPARE = 16
/** Stored bytes per byte of a value and its entry: a part has a header of 32 bytes. */
const STORED_PER_BYTE = 3

/** How many numbers cover every output, and for how many tables closed ahead of their size. */
export function outputsAtMost(
  shape: TableShape,
  { bytes, entries, tables, referred }: JobInput,
): Omit<FileNumbers, 'first'> {
  const stored = STORED_PER_BYTE * bytes + referred
  const tablesAhead = SPARE + Math.ceil(stored / valueBytesMax(shape))
  const forTables = tables + tablesAtMost(shape, bytes) + Math.ceil(entries / SEGMENTS_SOUGHT)
  const count = SPARE + forTables + tablesAhead + segmentsAtMost(shape, stored, entries)
  return { count, tablesAhead }
}

function segmentsAtMost({ separation }: TableShape, stored: number, entries: number): number {
  if (separation === undefined) return 0
  const { segmentSize, segmentMaxEntries } = separation
  return 1 + Math.ceil(stored / segmentSize) + Math.ceil(entries / segmentMaxEntries)
}

/** Gives out a job's numbers in order, to tables and segments alike. Each file is told of before it is created: whoever
 * removes what a failed job made, be it that its thread died in between, knows of every one and of no other. */
export class OutputNumbers {
  readonly #numbers: FileNumbers
  readonly #report: JobContext['report']
  #taken = 0

  constructor(numbers: FileNumbers, report: JobContext['report']) {
    this.#numbers = numbers
    this.#report = report
  }

  /** The number of the file that is created next. */
  take(file: OutputFile['file']): number {
    const { first, count } = this.#numbers
    assert(this.#taken < count, 'the job has a number for each of its outputs')
    const number = first + this.#taken
    this.#taken += 1
    this.#report({ kind: 'output', file, number })
    return number
  }
}
