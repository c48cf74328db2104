// The file numbers a job gets for its outputs: how many its planner takes, and how the job gives them out.
import { assert } from '../base/assert.ts'
import { SEGMENTS_SOUGHT } from '../sstable/tables-writer.ts'
import { tablesAtMost, valueBytesMax } from '../sstable/writer-workspace.ts'
import type { FileNumbers, TableShape } from './job.ts'

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

/** Gives out a job's numbers in order, to tables and segments alike. */
export class OutputNumbers {
  readonly #numbers: FileNumbers
  #taken = 0

  constructor(numbers: FileNumbers) {
    this.#numbers = numbers
  }

  take(): number {
    const { first, count } = this.#numbers
    assert(this.#taken < count, 'the job has a number for each of its outputs')
    this.#taken += 1
    return first + this.#taken - 1
  }
}
