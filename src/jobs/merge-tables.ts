// What flush and compaction share: a merge whose batches go to a table writer, with progress, cancellation, the
// sums that must agree, and no file left open by a failure.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import type { CompactMerge } from '../cursor/compact-merge.ts'
import type { TablesWriter } from '../sstable/tables-writer.ts'
import type { ValueSeparator } from '../value-log/value-separator.ts'
import type { ValueSizes } from '../value-log/value-sizes.ts'
import type { JobContext, TablesResult } from './job.ts'

/** Bytes read and written between two reports, and two looks at the cancel flag. */
const REPORT_BYTES = 4 * MIB

/** Where a job's outputs go. */
export interface Outputs {
  readonly tables: TablesWriter
  /** undefined: values stay where they are. */
  readonly values?: ValueSeparator | undefined
  /** undefined: nobody asks. */
  readonly sizes?: ValueSizes | undefined
}

/** How far a job is: told now and then, held against its pace and its cancel flag. */
class Progress {
  readonly #context: JobContext
  readonly #merge: CompactMerge
  readonly #outputs: Outputs
  #reported = 0
  #paced = 0

  constructor(context: JobContext, merge: CompactMerge, outputs: Outputs) {
    this.#context = context
    this.#merge = merge
    this.#outputs = outputs
  }

  get bytesRead(): number {
    return this.#merge.bytesRead + (this.#outputs.values?.bytesRead ?? 0)
  }

  get bytesWritten(): number {
    return this.#outputs.tables.bytesWritten + (this.#outputs.values?.bytesWritten ?? 0)
  }

  getOn(): void {
    const { bytesRead, bytesWritten } = this
    this.#context.pace?.(bytesWritten - this.#paced)
    this.#paced = bytesWritten
    if (bytesRead + bytesWritten - this.#reported < REPORT_BYTES) return
    this.#reported = bytesRead + bytesWritten
    this.#context.report({ kind: 'progress', bytesRead, bytesWritten })
    refuseIfCancelled(this.#context)
  }
}

/** The loop that does the work, and nothing else: with what follows it, or with functions made anew for each job, the
 * engine that compiles it would begin again at every job. */
function mergeAll(merge: CompactMerge, { tables, values, sizes }: Outputs, progress: Progress) {
  for (let count = merge.next(); count >= 0; count = merge.next()) {
    sizes?.add(merge.batch, count)
    values?.separate(merge.batch, count)
    if (count > 0) tables.append(merge.batch, count)
    progress.getOn()
  }
}

export function mergeIntoTables(
  context: JobContext,
  merge: CompactMerge,
  outputs: Outputs,
): TablesResult {
  const { tables: writer, values } = outputs
  const progress = new Progress(context, merge, outputs)
  if (values !== undefined) values.onWritten = () => progress.getOn()
  mergeAll(merge, outputs, progress)
  refuseIfCancelled(context)
  // Segments first: the tables' end makes the directory entries of both durable.
  const segments = values?.finish() ?? []
  const tables = writer.finish()
  const { entriesIn, dropped: entriesDropped, droppedVersion } = merge
  const entriesOut = writer.entries
  assert(entriesIn === entriesOut + entriesDropped, 'entries in = entries out + entries dropped')
  let sum = 0
  for (const { entries } of tables) sum += entries
  assert(sum === entriesOut, 'the outputs hold what was kept')
  const { bytesRead, bytesWritten } = progress
  return {
    kind: 'tables',
    tables,
    segments,
    entriesIn,
    entriesOut,
    entriesDropped,
    droppedVersion,
    bytesRead,
    bytesWritten,
    ...(outputs.sizes === undefined ? {} : { bytesBySize: outputs.sizes.bytesBySize }),
  }
}

export function refuseIfCancelled(context: JobContext): void {
  if (!context.cancelled()) return
  throw new SettError(
    'SETT_BUSY',
    'The job was cancelled; it left nothing behind. Try again later.',
  )
}

/** Runs a job's work; when it fails, its files are closed and the first error is the one that counts. */
export function orAbandon<T>({ tables, values }: Outputs, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const failures = [tables.abandon(), values?.abandon()]
    const later = failures.find((failure) => failure !== undefined)
    if (later !== undefined && error instanceof Error) error.cause ??= later
    throw error
  }
}
