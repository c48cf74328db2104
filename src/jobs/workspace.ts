// How much scratch memory a job needs. The engine allocates it and puts it into the spec; the job carves it by
// the same numbers. Everything is in bytes.

import { KEY_LENGTH_MAX, MIB, PACKED_PAYLOAD_MAX } from '../base/limits.ts'
import { COMPACT_BATCH, compactScratchBytes } from '../cursor/compact-merge.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import type { TableMeta } from '../manifest/levels.ts'
import { MEMTABLE_SOURCE_BYTES } from '../memtable/memtable-source.ts'
import { unpackRoom } from '../packing/unpack-block.ts'
import { checkBytes, decodeBytes } from '../sstable/table-check.ts'
import { tableSourceBytes } from '../sstable/table-source.ts'
import { writerBytes } from '../sstable/writer-workspace.ts'
import { SEGMENT_CHECK_BYTES } from '../value-log/segment-check.ts'
import { separatorBytes } from '../value-log/value-separator.ts'
import type { TableShape } from './job.ts'
import { POINTED_VALUES_BYTES } from './salvage/pointed-values.ts'

/** Live read versions there is always room for: heaps are sized by it. */
const SNAPSHOTS = 4096
const SLACK = 1024

/** Scratch in which a job takes values out of its entries. */
export function separationBytes({ separation, compression }: TableShape): number {
  return separation === undefined ? 0 : separatorBytes(compression, COMPACT_BATCH) + 64
}

/** Scratch of a flush of a memtable whose largest key + value is `largestEntry`. */
export function flushWorkspaceBytes(
  shape: TableShape,
  largestEntry: number,
  snapshotCount = 0,
): number {
  return (
    compactScratchBytes(1, Math.max(SNAPSHOTS, snapshotCount)) +
    MEMTABLE_SOURCE_BYTES +
    separationBytes(shape) +
    writerBytes(shape, Math.min(largestEntry, inlineMax(shape))) +
    SLACK
  )
}

/** Longest key + value that reaches the tables of a flush: longer values go to segments. */
function inlineMax({ separation }: TableShape): number {
  return separation === undefined ? Number.POSITIVE_INFINITY : separation.threshold + KEY_LENGTH_MAX
}

/** Scratch of a compaction of that many sources; `largestBlock` is the largest of its input tables'. */
export function compactWorkspaceBytes(
  shape: TableShape,
  sourceCount: number,
  largestBlock: number,
  snapshotCount = 0,
): number {
  return (
    compactScratchBytes(sourceCount, Math.max(SNAPSHOTS, snapshotCount)) +
    sourceCount * tableSourceBytes(compactSourceBlock(largestBlock)) +
    separationBytes(shape) +
    writerBytes(shape, largestBlock) +
    SLACK
  )
}

/** Sources a compaction may have before level 0 is stalled for good. */
const SOURCES = 40

/** Scratch of a compaction as heaps are planned for, one for each worker; only large entries make one need more. */
export function plannedWorkspaceBytes(shape: TableShape): number {
  return compactWorkspaceBytes(shape, SOURCES, shape.blockSize * 2)
}

/** Most index bytes that are checked in the heap, those of a full table of short keys twice over; a longer one goes
 * through an ordinary buffer, fifty times slower. */
const INDEX_BYTES = 4 * MIB

/** Scratch of a search for keys in tables' indexes; less than plannedWorkspaceBytes() of any shape. */
export function sampleWorkspaceBytes(): number {
  return INDEX_BYTES + SLACK
}

/** Longest block that passes through a compaction source's own buffers; longer ones are read one at a time. */
export function compactSourceBlock(largestBlock: number): number {
  return Math.min(largestBlock, 256 * 1024)
}

/** Scratch of a salvage of a table file of so many bytes, whatever lies in it. */
export function salvageWorkspaceBytes(shape: TableShape, fileBytes: number): number {
  const image = salvageImageBytes(fileBytes)
  const search = image + decodeBytes(image) + SLACK
  return Math.max(search, compactWorkspaceBytes(shape, 1, image) + POINTED_VALUES_BYTES)
}

/** The whole file, or any block of it while it is read. */
export function salvageImageBytes(fileBytes: number): number {
  return Math.max(fileBytes + 8, unpackRoom(PACKED_PAYLOAD_MAX))
}

/** Scratch of a verification of these tables, or of segments one by one. */
export function verifyWorkspaceBytes(
  tables: readonly TableMeta[],
  segments: readonly SegmentMeta[] = [],
): number {
  let bytes = segments.length === 0 ? 0 : SEGMENT_CHECK_BYTES
  for (const table of tables) bytes = Math.max(bytes, checkBytes(table))
  return bytes + SLACK
}
