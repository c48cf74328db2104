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
import { countRecords } from '../wal/record-count.ts'
import { replayArenaBytes } from '../wal/replay.ts'

/** A WAL the manifest names, as it lies in the directory. */
export interface WalOnDisk extends WalState {
  /** Bytes to read: sealed, or all there are. undefined: the file is missing. */
  readonly bytes: number | undefined
  /** Region its replay needs. */
  readonly arenaBytes: number
}

export interface MemoryPlan {
  readonly wals: readonly WalOnDisk[]
  readonly heapBytes: number
}

/** Sources a compaction may have before level 0 is stalled for good. */
const SOURCES = 40

export function planMemory(
  fs: FileSystem,
  directory: string,
  options: ResolvedOptions,
  manifest: ManifestState,
): MemoryPlan {
  const roomy = findWals(fs, directory, manifest)
  const wanted = bytesWanted(options, roomy, manifest)
  if (wanted <= HEAP_BYTES_MAX) return { wals: roomy, heapBytes: wanted }
  // Arenas for the smallest possible records do not fit side by side; those for the records that are there will.
  const wals = roomy.map((wal) => exactArena(fs, directory, wal))
  return { wals, heapBytes: Math.min(HEAP_BYTES_MAX, bytesWanted(options, wals, manifest)) }
}

function findWals(fs: FileSystem, directory: string, manifest: ManifestState): WalOnDisk[] {
  return manifest.wals.map((wal) => {
    const size = fs.statSync(walPath(directory, wal.number))?.size
    if (size === undefined) return { ...wal, bytes: undefined, arenaBytes: 0 }
    const bytes = Math.min(size, wal.sealed?.length ?? size)
    return { ...wal, bytes, arenaBytes: replayArenaBytes(bytes) }
  })
}

function exactArena(fs: FileSystem, directory: string, wal: WalOnDisk): WalOnDisk {
  const { bytes } = wal
  if (bytes === undefined) return wal
  const records = countRecords(fs, walPath(directory, wal.number), bytes)
  return { ...wal, arenaBytes: replayArenaBytes(bytes, records) }
}

export function tableShape(options: ResolvedOptions): TableShape {
  const { blockSize, tableSize, bloomFalsePositiveRate } = options
  return { blockSize, tableSize, filter: filterShape(bloomFalsePositiveRate) }
}

/** Heap for the budget, for jobs' scratch (two large entries among it), and for replaying these WALs. Entries may
 * be longer than this budget allows: an earlier open may have had a larger one. */
function bytesWanted(
  options: ResolvedOptions,
  wals: readonly WalOnDisk[],
  { levels }: ManifestState,
): number {
  const { memoryBudget, workers } = options
  const longest = Math.max(
    memoryBudget / 4,
    ...wals.map(({ bytes }) => bytes ?? 0),
    ...levels.map((tables) =>
      tables.reduce((most, table) => Math.max(most, table.largestBlock), 0),
    ),
  )
  const jobs = compactWorkspaceBytes(tableShape(options), SOURCES, options.blockSize * 2)
  const replay = wals.reduce((sum, { arenaBytes }) => sum + arenaBytes, 0)
  return Math.ceil(memoryBudget + 3 * longest + (workers + 1) * jobs + replay + 8 * MIB)
}
