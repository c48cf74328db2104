// Writes an immutable memtable as level-0 tables. Versions that no reader can ask for are left out; tombstones
// stay, for older tables may hold the key, and what expired becomes one.
import { CompactMerge, compactScratchBytes } from '../cursor/compact-merge.ts'
import { LazyValues } from '../cursor/lazy-values.ts'
import { Scratch } from '../cursor/scratch.ts'
import { MEMTABLE_SOURCE_BYTES, MemtableSource } from '../memtable/memtable-source.ts'
import { TablesWriter } from '../sstable/tables-writer.ts'
import { ValueSizes } from '../value-log/value-sizes.ts'
import type { FlushSpec, JobContext, TablesResult } from './job.ts'
import { mergeIntoTables, orAbandon } from './merge-tables.ts'
import { OutputNumbers } from './output-numbers.ts'
import { separationMemory, separatorOf } from './separate-values.ts'

export function runFlush(spec: FlushSpec, context: JobContext): TablesResult {
  const { snapshots, shape } = spec
  const scratch = new Scratch(spec.workspace)
  const mergeMemory = scratch.region(compactScratchBytes(1, snapshots.length))
  const sourceMemory = scratch.region(MEMTABLE_SOURCE_BYTES)
  const numbers = new OutputNumbers(spec.numbers, context.report)
  const lazy = new LazyValues()
  const valuesMemory = separationMemory(scratch, shape)
  const rest = scratch.free - 64
  const source = new MemtableSource(context, sourceMemory, { arena: spec.arena, reverse: false })
  const merge = new CompactMerge(context, mergeMemory, {
    sources: [source],
    snapshots,
    horizons: spec.horizons,
    dropTombstones: false,
  })
  const tables = new TablesWriter(context, scratch.region(rest, 64), {
    fs: context.fs,
    directory: spec.directory,
    shape,
    takeNumber: () => numbers.take('sst'),
    tablesAhead: spec.numbers.tablesAhead ?? 0,
    // Finding the smallest version would take a walk of its own and saves a byte or two per entry.
    baseVersion: 0,
    newestWal: spec.newestWal,
    lazy,
    randomFill: context.randomFill,
    finished: (table) => context.report({ kind: 'table', table }),
  })
  const values = separatorOf(context, valuesMemory, { spec, numbers, lazy, spare: tables })
  const sizes = spec.measureValues === true ? new ValueSizes(context) : undefined
  const outputs = { tables, values, sizes }
  return orAbandon(outputs, () => mergeIntoTables(context, merge, outputs))
}
