// Merges tables into new ones, leaving out what no reader can ask for. The inputs are only read; what becomes of
// them is decided by whoever installs the result.
import { assert } from '../base/assert.ts'
import { CompactMerge, compactScratchBytes } from '../cursor/compact-merge.ts'
import { LazyValues } from '../cursor/lazy-values.ts'
import { Scratch } from '../cursor/scratch.ts'
import type { TableMeta } from '../manifest/levels.ts'
import { TableSource, tableSourceBytes } from '../sstable/table-source.ts'
import { TablesWriter } from '../sstable/tables-writer.ts'
import type { CompactSpec, JobContext, TablesResult } from './job.ts'
import { JobTables } from './job-tables.ts'
import { mergeIntoTables, orAbandon } from './merge-tables.ts'
import { compactSourceBlock } from './workspace.ts'

export function runCompaction(spec: CompactSpec, context: JobContext): TablesResult {
  const { snapshots, shape, sources } = spec
  const inputs = sources.flat()
  const scratch = new Scratch(spec.workspace)
  const largestBlock = inputs.reduce((most, table) => Math.max(most, table.largestBlock), 0)
  const inlineMax = compactSourceBlock(largestBlock)
  const mergeMemory = scratch.region(compactScratchBytes(sources.length, snapshots.length))
  const memories = sources.map(() => scratch.region(tableSourceBytes(inlineMax)))
  const salts = scratch.take(8 * inputs.length)
  const writerMemory = scratch.region(scratch.free - 64, 64)
  const { fs } = context
  const { directory } = spec
  const lazy = new LazyValues()
  const opener = new JobTables(context, {
    fs,
    directory,
    tables: inputs,
    salts,
    buffer: writerMemory,
  })
  try {
    const writer = new TablesWriter(context, writerMemory, {
      fs,
      directory,
      shape,
      numbers: spec.numbers,
      baseVersion: smallestVersion(inputs),
      newestWal: inputs.reduce((newest, table) => Math.max(newest, table.newestWal), 0),
      lazy,
      randomFill: context.randomFill,
      finished: (table) => context.report({ kind: 'table', table }),
    })
    const runs = sources.map((tables, i) => {
      const memory = memories[i]
      assert(memory !== undefined, 'each source has its memory')
      const options = { tables, opener, cache: undefined, lazy, spare: writer, reverse: false }
      return new TableSource(context, memory, { ...options, inlineMax })
    })
    const merge = new CompactMerge(context, mergeMemory, {
      sources: runs,
      snapshots,
      dropTombstones: spec.dropTombstones,
    })
    return orAbandon(writer, () => {
      const result = mergeIntoTables(context, merge, writer)
      const expected = inputs.reduce((sum, { entries }) => sum + entries, 0)
      assert(result.entriesIn === expected, 'every entry of the inputs was read')
      return result
    })
  } finally {
    opener.close()
  }
}

function smallestVersion(tables: readonly TableMeta[]): number {
  return tables.reduce(
    (least, table) => Math.min(least, table.smallestVersion),
    Number.MAX_SAFE_INTEGER,
  )
}
