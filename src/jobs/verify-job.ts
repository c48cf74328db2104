// Re-reads tables: every checksum, the order and counts of entries, and that the filter knows every key.
import { CorruptionError } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import { Scratch } from '../cursor/scratch.ts'
import { loadU32 } from '../cursor/words.ts'
import { DESC_KEY, DESC_KEY_LENGTH, DESC_SIZE } from '../kernel/layout.ts'
import type { TableMeta } from '../manifest/levels.ts'
import {
  checkBufferBytes,
  checkTable,
  decodeBytes,
  filterBytesMax,
} from '../sstable/table-check.ts'
import { openTableParts } from '../sstable/table-parts.ts'
import { checkFilter } from '../sstable/table-reader.ts'
import { openBlockList, readPartInHeap } from '../sstable/table-recheck.ts'
import type { JobContext, VerifyResult, VerifySpec } from './job.ts'
import { refuseIfCancelled } from './merge-tables.ts'

const REPORT_BYTES = 4 * MIB

export function runVerify(spec: VerifySpec, context: JobContext): VerifyResult {
  let entries = 0
  let bytesRead = 0
  let reported = 0
  const read = (bytes: number) => {
    bytesRead += bytes
    if (bytesRead - reported < REPORT_BYTES) return
    reported = bytesRead
    context.report({ kind: 'progress', bytesRead, bytesWritten: 0 })
    refuseIfCancelled(context)
  }
  for (const table of spec.tables) {
    refuseIfCancelled(context)
    entries += verifyTable(spec, context, table, read)
  }
  return { kind: 'verify', entries, bytesRead }
}

function verifyTable(
  spec: VerifySpec,
  context: JobContext,
  meta: TableMeta,
  read: (bytes: number) => void,
): number {
  const { kernels, heap } = context
  const scratch = new Scratch(spec.workspace)
  const saltAddress = scratch.take(8)
  const hash = scratch.take(8)
  const buffer = scratch.region(checkBufferBytes(meta))
  const decode = scratch.region(decodeBytes(meta.largestBlock))
  const filterMemory = scratch.region(Math.min(scratch.free - 64, filterBytesMax(meta)), 64)
  const { file, footer } = openTableParts(context.fs, spec.directory, meta)
  try {
    heap.bytes.set(footer.salt, saltAddress)
    const place = { file, footer, saltAddress, buffer: filterMemory }
    const table = openBlockList(context, place, meta)
    // Without room for the filter its checksum is still verified, the membership of keys is not.
    const filter = readPartInHeap(context, place, footer.filter)
    if (filter > 0) checkFilter(context, { file, footer, filter })
    const probe = (first: number, end: number) => {
      for (let at = first; at < end && filter > 0; at += DESC_SIZE) {
        const length = loadU32(heap.u32, at + DESC_KEY_LENGTH)
        kernels.hash64(loadU32(heap.u32, at + DESC_KEY), length, 0, hash)
        if (kernels.filterProbe(filter, hash) === 0) throw missing(file.path, footer.filter.offset)
      }
    }
    const tally = checkTable(context, table, { buffer, decode }, { entries: probe, read })
    read(meta.size - footer.filter.offset)
    return tally.entries
  } finally {
    file.closeSync()
  }
}

function missing(file: string, offset: number): CorruptionError {
  const expected = 'a filter that knows every key of the table'
  return new CorruptionError({ file, offset, expected, found: 'one that lacks a key' })
}
