// How many bytes the files of a database take, from what the engine knows of them: nothing asks the file system. Main
// thread.
import type { ManifestLog } from '../../manifest/manifest-log.ts'
import type { WalFile } from '../../wal/wal-file.ts'
import type { TreeState } from '../tree-state.ts'

export interface DiskUsageParts {
  readonly tree: Pick<TreeState, 'levels' | 'segmentSums'>
  readonly manifest: Pick<ManifestLog, 'length' | 'state'>
  /** Logs that are being written, or whose memtable waits for its flush. */
  readonly logs: readonly Pick<WalFile, 'number' | 'length' | 'zeros'>[]
}

/** Tables, segments, logs and the manifest. Files that are being made, or removed, do not count. */
export function diskUsage({ tree, manifest, logs }: DiskUsageParts): number {
  let bytes = manifest.length + tree.segmentSums.bytes
  for (const tables of tree.levels) for (const { size } of tables) bytes += size
  for (const { number, sealed } of manifest.state.wals) {
    const log = logs.find((each) => each.number === number)
    bytes += log === undefined ? (sealed?.length ?? 0) : log.length + log.zeros
  }
  return bytes
}
