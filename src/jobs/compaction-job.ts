// Merges tables into new ones, leaving out what no reader can ask for: all their entries, or those of a range of keys.
// The inputs are only read; what becomes of them is decided by whoever installs the result.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import { type Bounds, inBounds, mayOverlap } from '../cursor/bounds.ts'
import { CompactMerge, compactScratchBytes } from '../cursor/compact-merge.ts'
import { LazyValues } from '../cursor/lazy-values.ts'
import { Scratch } from '../cursor/scratch.ts'
import type { TableMeta } from '../manifest/levels.ts'
import type { Region } from '../memory/shared-heap.ts'
import { unpackRoom } from '../packing/unpack-block.ts'
import { checkTable, decodeBytes } from '../sstable/table-check.ts'
import { TableSource, tableSourceBytes } from '../sstable/table-source.ts'
import { TablesWriter } from '../sstable/tables-writer.ts'
import type { CompactSpec, JobContext, TablesResult } from './job.ts'
import { JobTables } from './job-tables.ts'
import { mergeIntoTables, orAbandon } from './merge-tables.ts'
import { OutputNumbers } from './output-numbers.ts'
import { separationMemory, separatorOf } from './separate-values.ts'
import { compactSourceBlock } from './workspace.ts'

export function runCompaction(spec: CompactSpec, context: JobContext): TablesResult {
  const { snapshots, shape, sources, bounds } = spec
  const inputs = sources.flat()
  const scratch = new Scratch(spec.workspace)
  const largestBlock = inputs.reduce((most, table) => Math.max(most, table.largestBlock), 0)
  const inlineMax = compactSourceBlock(largestBlock)
  const mergeMemory = scratch.region(compactScratchBytes(sources.length, snapshots.length))
  const memories = sources.map(() => scratch.region(tableSourceBytes(inlineMax)))
  const salts = scratch.take(8 * inputs.length)
  const valuesMemory = separationMemory(scratch, shape)
  const writerMemory = scratch.region(scratch.free - 64, 64)
  const { fs } = context
  const { directory } = spec
  const lazy = new LazyValues()
  const numbers = new OutputNumbers(spec.numbers, context.report)
  const opener = new JobTables(context, {
    fs,
    directory,
    tables: inputs,
    salts,
    buffer: writerMemory,
    start: bounds?.lower?.key,
  })
  try {
    const writer = new TablesWriter(context, writerMemory, {
      fs,
      directory,
      shape,
      takeNumber: () => numbers.take('sst'),
      tablesAhead: spec.numbers.tablesAhead ?? 0,
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
      return new TableSource(context, memory, { ...options, ...rangeOf(bounds), inlineMax })
    })
    const merge = new CompactMerge(context, mergeMemory, {
      sources: runs,
      snapshots,
      horizons: spec.horizons,
      dropTombstones: spec.dropTombstones,
    })
    const values = separatorOf(context, valuesMemory, { spec, numbers, lazy, spare: writer })
    const outputs = { tables: writer, values }
    return orAbandon(outputs, () => {
      const result = mergeIntoTables(context, merge, outputs)
      const { least, most } = entriesWithin(inputs, bounds)
      const { entriesIn } = result
      assert(least <= entriesIn && entriesIn <= most, 'every entry of the inputs was read')
      return result
    })
  } catch (error) {
    if (error instanceof SettError && error.code === 'SETT_INTERNAL') {
      requireSound(context, inputs, { opener, memory: writerMemory })
    }
    throw error
  } finally {
    opener.close()
  }
}

function rangeOf(bounds: Bounds | undefined): { within?: Bounds; start?: Uint8Array } {
  if (bounds === undefined) return {}
  const { lower } = bounds
  return lower === undefined ? { within: bounds } : { within: bounds, start: lower.key }
}

/** How many entries the tables have in the range: how many of a table that lies across a bound, only the sum over all
 * parts tells. Without bounds the two are the same. */
function entriesWithin(
  tables: readonly TableMeta[],
  bounds: Bounds = {},
): { readonly least: number; readonly most: number } {
  let least = 0
  let most = 0
  for (const { entries, smallestKey, largestKey } of tables) {
    if (inBounds(smallestKey, bounds) && inBounds(largestKey, bounds)) least += entries
    if (mayOverlap(smallestKey, largestKey, bounds)) most += entries
  }
  return { least, most }
}

/** Sums did not agree. If an input holds other entries than the manifest says, or in another order, under right
 * checksums, it is damaged and stays so: throws CorruptionError. Else memory failed, and a new try may succeed. */
function requireSound(
  context: JobContext,
  inputs: readonly TableMeta[],
  { opener, memory }: { readonly opener: JobTables; readonly memory: Region },
): void {
  for (const table of inputs) {
    const decodeLength = decodeBytes(table.largestBlock)
    if (decodeLength + unpackRoom(table.largestBlock) + 128 > memory.length) continue
    const scratch = new Scratch(memory)
    const decode = scratch.region(decodeLength)
    const buffer = scratch.region(scratch.free - 64, 64)
    checkTable(context, opener.acquire(table), { buffer, decode })
  }
}

function smallestVersion(tables: readonly TableMeta[]): number {
  return tables.reduce(
    (least, table) => Math.min(least, table.smallestVersion),
    Number.MAX_SAFE_INTEGER,
  )
}
