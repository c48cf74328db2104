// How much shared heap a database gets at open. Pages are committed when first touched, so room that is never used
// costs nothing but addresses.
import { HEAP_BYTES_MAX, MIB } from '../base/limits.ts'
import type { ResolvedOptions } from '../base/options.ts'
import { filterShape } from '../format/sstable-filter.ts'
import { walPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { TableShape } from '../jobs/job.ts'
import { compactWorkspaceBytes } from '../jobs/workspace.ts'
import type { ManifestState, WalState } from '../manifest/apply-edit.ts'
import { replayArenaBytes } from '../wal/replay.ts'

/** A WAL the manifest names, as it lies in the directory. */
export interface WalOnDisk extends WalState {
  /** Bytes to read: sealed, or all there are. undefined: the file is missing. */
  readonly bytes: number | undefined
}

/** Sources a compaction may have before level 0 is stalled for good. */
const SOURCES = 40

export function findWals(fs: FileSystem, directory: string, manifest: ManifestState): WalOnDisk[] {
  return manifest.wals.map((wal) => {
    const size = fs.statSync(walPath(directory, wal.number))?.size
    if (size === undefined) return { ...wal, bytes: undefined }
    return { ...wal, bytes: Math.min(size, wal.sealed?.length ?? size) }
  })
}

export function tableShape(options: ResolvedOptions): TableShape {
  const { blockSize, tableSize, bloomFalsePositiveRate } = options
  return { blockSize, tableSize, filter: filterShape(bloomFalsePositiveRate) }
}

/** Heap for the budget, for jobs' scratch (two large commits among it), and for replaying these WALs. */
export function heapBytes(options: ResolvedOptions, wals: readonly WalOnDisk[]): number {
  const { memoryBudget, workers } = options
  const commitMax = memoryBudget / 4
  const jobs = compactWorkspaceBytes(tableShape(options), SOURCES, options.blockSize * 2)
  const replay = wals.reduce((sum, { bytes }) => sum + replayArenaBytes(bytes ?? 0), 0)
  const wanted = memoryBudget + 3 * commitMax + (workers + 1) * jobs + replay + 8 * MIB
  return Math.min(HEAP_BYTES_MAX, Math.ceil(wanted))
}
