// How much shared heap a database gets at open. Pages are committed when first touched, so room that is never used
// costs nothing but addresses.
import { HEAP_BYTES_MAX, MIB } from '../base/limits.ts'
import type { ResolvedOptions } from '../base/options.ts'
import { insideBytesMax } from '../compaction/pick-level0.ts'
import { type FilterShape, filterShape } from '../format/sstable-filter.ts'
import { walPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { TableShape } from '../jobs/job.ts'
import { plannedWorkspaceBytes } from '../jobs/workspace.ts'
import type { ManifestState, WalState } from '../manifest/apply-edit.ts'
import { countRecords } from '../wal/record-count.ts'
import { replayArenaBytes } from '../wal/replay.ts'
import { WrittenSizes } from './value-log/auto-threshold.ts'

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
  /** Scratch there is room for per job. */
  readonly jobBytes: number
}

export function planMemory(
  fs: FileSystem,
  directory: string,
  options: ResolvedOptions,
  manifest: ManifestState,
): MemoryPlan {
  const roomy = findWals(fs, directory, manifest)
  const jobBytes = plannedWorkspaceBytes(tableShape(options))
  const wanted = bytesWanted(options, roomy, manifest)
  if (wanted <= HEAP_BYTES_MAX) return { wals: roomy, heapBytes: wanted, jobBytes }
  // Arenas for the smallest possible records do not fit side by side; those for the records that are there will.
  const wals = roomy.map((wal) => exactArena(fs, directory, wal))
  const least = bytesWanted(options, wals, manifest)
  return { wals, heapBytes: Math.min(HEAP_BYTES_MAX, least), jobBytes }
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

/** Room that tune() may give to background jobs. */
export const TUNING_BYTES: number = 24 * MIB

/** No more than there can be immutable memtables. */
export function flushesAtOnce(workers: number, memtableCount: number): number {
  return Math.max(1, Math.min(workers, memtableCount - 1))
}

/** By rate: finding a shape takes milliseconds, and a process has few of them. The presets' are known from the start; a
 * test finds them anew. */
const filters = new Map<number, FilterShape>([
  [0.01, { bitsPerKey: 10, k: 7 }],
  [0.001, { bitsPerKey: 15.5, k: 9 }],
])

/** Of the tables and segments written from now on. `sizes`: what decides under valueThreshold 'auto'. */
export function tableShape(
  options: ResolvedOptions,
  sizes: WrittenSizes = new WrittenSizes(),
): TableShape {
  const { blockSize, tableSize, bloomFalsePositiveRate, compression } = options
  const { valueThreshold, segmentSize, segmentMaxEntries } = options
  const rate = bloomFalsePositiveRate
  const filter = filters.get(rate) ?? filterShape(rate)
  filters.set(rate, filter)
  const threshold = valueThreshold === 'auto' ? sizes.threshold : valueThreshold
  const separation = { threshold, segmentSize, segmentMaxEntries }
  return { blockSize, tableSize, filter, compression, separation }
}

/** Scratch of as many jobs as may run: the flushes, beside them compactions and one job more (without workers one at a
 * time), and one of them a merge inside level 0, which writes one large table. */
export function scratchBytes(options: ResolvedOptions): number {
  const { workers, memtableCount } = options
  const shape = tableShape(options)
  const inside = { ...shape, tableSize: insideBytesMax(shape.tableSize) }
  const jobs = workers + flushesAtOnce(workers, memtableCount)
  return jobs * plannedWorkspaceBytes(shape) + plannedWorkspaceBytes(inside)
}

/** Heap for the budget, for jobs' scratch (two large entries among it), and for replaying these WALs. Entries may
 * be longer than this budget allows: an earlier open may have had a larger one. */
function bytesWanted(
  options: ResolvedOptions,
  wals: readonly WalOnDisk[],
  { levels }: ManifestState,
): number {
  const { memoryBudget } = options
  const longest = Math.max(
    memoryBudget / 4,
    ...wals.map(({ bytes }) => bytes ?? 0),
    ...levels.map((tables) =>
      tables.reduce((most, table) => Math.max(most, table.largestBlock), 0),
    ),
  )
  const replay = wals.reduce((sum, { arenaBytes }) => sum + arenaBytes, 0)
  const spare = 6 * MIB + TUNING_BYTES
  return Math.ceil(memoryBudget + 3 * longest + scratchBytes(options) + replay + spare)
}
