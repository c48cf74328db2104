// What an engine reads values in segments with, over a file system and a machine of the test's choice.

import {
  SeparatedValues,
  type SeparatedValuesParts,
} from '../../src/engine/value-log/separated-values.ts'
import type { SegmentMeta } from '../../src/format/segments/segment-meta.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { OpenSegments } from '../../src/value-log/open-segments.ts'

export interface SegmentsOnDisk {
  readonly fs: FileSystem
  readonly directory: string
  readonly segments?: readonly SegmentMeta[]
}

export function separatedValues(
  parts: Omit<SeparatedValuesParts, 'segments' | 'noteReadMs'>,
  { fs, directory, segments = [] }: SegmentsOnDisk,
): SeparatedValues {
  const open = new OpenSegments({
    fs,
    directory,
    metaOf: (number) => segments.find((segment) => segment.number === number),
    filesMax: 64,
    closeOthers: () => false,
  })
  return new SeparatedValues({ ...parts, segments: open, noteReadMs: () => undefined })
}
