// Finds keys at about equal distances in tables, by their indexes alone. Any thread; writes nothing.
import { Scratch } from '../cursor/scratch.ts'
import { type WeighedKey, weighKeys } from '../format/sstable-index.ts'
import type { TableMeta } from '../manifest/levels.ts'
import { openTableParts } from '../sstable/table-parts.ts'
import { readIndex } from '../sstable/table-recheck.ts'
import type { JobContext, SampleResult, SampleSpec } from './job.ts'
import { refuseIfCancelled } from './merge-tables.ts'

export function runSample(spec: SampleSpec, context: JobContext): SampleResult {
  const keys: WeighedKey[] = []
  for (const table of spec.tables) {
    refuseIfCancelled(context)
    keys.push(...sampleTable(spec, context, table))
  }
  return { kind: 'sample', keys }
}

function sampleTable(spec: SampleSpec, context: JobContext, meta: TableMeta): WeighedKey[] {
  const scratch = new Scratch(spec.workspace)
  const saltAddress = scratch.take(8)
  const buffer = scratch.region(scratch.free - 64, 64)
  const { file, footer, properties } = openTableParts(context.fs, spec.directory, meta)
  try {
    context.heap.bytes.set(footer.salt, saltAddress)
    const place = { file, footer, properties, saltAddress, buffer }
    return weighKeys(readIndex(context, place, meta).payload, spec.keysPerTable)
  } finally {
    file.closeSync()
  }
}
