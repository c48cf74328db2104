// What flush and compaction share: a merge whose batches go to a table writer, with progress, cancellation, the
// sums that must agree, and no output left behind by a failure.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import type { CompactMerge } from '../cursor/compact-merge.ts'
import type { TablesWriter } from '../sstable/tables-writer.ts'
import type { JobContext, TablesResult } from './job.ts'

/** Bytes read and written between two reports, and two looks at the cancel flag. */
const REPORT_BYTES = 4 * MIB

export function mergeIntoTables(
  context: JobContext,
  merge: CompactMerge,
  writer: TablesWriter,
): TablesResult {
  let reported = 0
  let paced = 0
  for (let count = merge.next(); count >= 0; count = merge.next()) {
    if (count > 0) writer.append(merge.batch, count)
    context.pace?.(writer.bytesWritten - paced)
    paced = writer.bytesWritten
    const moved = merge.bytesRead + writer.bytesWritten
    if (moved - reported < REPORT_BYTES) continue
    reported = moved
    context.report({
      kind: 'progress',
      bytesRead: merge.bytesRead,
      bytesWritten: writer.bytesWritten,
    })
    refuseIfCancelled(context)
  }
  refuseIfCancelled(context)
  const tables = writer.finish()
  const { entriesIn, dropped: entriesDropped, droppedVersion, bytesRead } = merge
  const entriesOut = writer.entries
  assert(entriesIn === entriesOut + entriesDropped, 'entries in = entries out + entries dropped')
  let sum = 0
  for (const { entries } of tables) sum += entries
  assert(sum === entriesOut, 'the outputs hold what was kept')
  const { bytesWritten } = writer
  return {
    kind: 'tables',
    tables,
    entriesIn,
    entriesOut,
    entriesDropped,
    droppedVersion,
    bytesRead,
    bytesWritten,
  }
}

export function refuseIfCancelled(context: JobContext): void {
  if (!context.cancelled()) return
  throw new SettError(
    'SETT_BUSY',
    'The job was cancelled; it left nothing behind. Try again later.',
  )
}

/** Runs a job's work; when it fails, its outputs are removed and the first error is the one that counts. */
export function orAbandon<T>(writer: TablesWriter, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const leftover = writer.abandon()
    if (leftover !== undefined && error instanceof Error) error.cause ??= leftover
    throw error
  }
}
