// How flush and compaction take values out of their entries: as the shape of their tables asks for.
import { assert } from '../base/assert.ts'
import { COMPACT_BATCH } from '../cursor/compact-merge.ts'
import type { LazyValues } from '../cursor/lazy-values.ts'
import type { SpareMemory } from '../cursor/run-source.ts'
import type { Scratch } from '../cursor/scratch.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import type { Region } from '../memory/shared-heap.ts'
import { type SegmentSources, ValueSeparator } from '../value-log/value-separator.ts'
import type { CompactSpec, FlushSpec, JobContext, SalvageSpec, TableShape } from './job.ts'
import type { OutputNumbers } from './output-numbers.ts'
import { separationBytes } from './workspace.ts'

/** undefined: no value leaves the tree. */
export function separationMemory(scratch: Scratch, shape: TableShape): Region | undefined {
  return shape.separation === undefined ? undefined : scratch.region(separationBytes(shape), 64)
}

export interface SeparationParts {
  readonly spec: FlushSpec | CompactSpec | SalvageSpec
  readonly numbers: OutputNumbers
  readonly lazy: LazyValues
  readonly spare: SpareMemory
  /** Where values to be relocated are read; without: from files as the manifest names them. */
  readonly sources?: SegmentSources
}

export function separatorOf(
  context: JobContext,
  memory: Region | undefined,
  { spec, numbers, lazy, spare, sources }: SeparationParts,
): ValueSeparator | undefined {
  const { directory, shape } = spec
  const relocate = doomed(spec)
  const { separation, compression } = shape
  if (separation === undefined || memory === undefined) {
    assert(relocate.length === 0, 'values are relocated into segments of some size')
    return undefined
  }
  const { threshold, segmentSize, segmentMaxEntries } = separation
  return new ValueSeparator(context, memory, {
    fs: context.fs,
    directory,
    shape: { segmentSize, segmentMaxEntries, compression },
    threshold,
    batch: COMPACT_BATCH,
    takeNumber: () => numbers.take('vlog'),
    randomFill: context.randomFill,
    lazy,
    spare,
    relocate,
    ...(sources === undefined ? {} : { sources }),
  })
}

function doomed(spec: SeparationParts['spec']): readonly SegmentMeta[] {
  if (spec.kind === 'salvage') return spec.segments.filter(({ sound }) => !sound)
  return spec.kind === 'compact' ? (spec.relocate ?? []) : []
}
