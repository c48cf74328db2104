// Closes a database: finishes what was promised, seals the logs, and gives everything back. Main thread.
import type { ManifestLog } from '../manifest/manifest-log.ts'
import type { WalFile } from '../wal/wal-file.ts'
import type { EngineParts } from './engine-parts.ts'
import type { FileNumbering } from './file-numbering.ts'
import type { ObsoleteFiles } from './obsolete-files.ts'

export interface ClosingParts extends EngineParts {
  readonly manifest: ManifestLog
  readonly numbering: FileNumbering
  readonly obsolete: ObsoleteFiles
  /** Closes files, frees the heap, drops the lock. */
  readonly release: () => Promise<void>
}

export async function shutDown(parts: ClosingParts): Promise<void> {
  const { writes, health, flushes, compactions, walSyncer, progress } = parts
  try {
    // No turn may pass between the look and the refusal: a commit that came in then would miss the seal.
    while (!writes.idle) await writes.drained()
    health.beginClose()
    progress.signal()
    walSyncer.stop()
    // They read into the heap, from files that are about to be closed.
    await Promise.allSettled(parts.coldReads)
    await parts.verifier.stop()
    // In this order: what a flush adds may be what a small compaction takes away.
    await flushes.stop()
    await compactions.stop()
    const wals = await parts.memtables.settle()
    try {
      if (health.poisoned === undefined && !parts.options.readOnly) await seal(parts, wals)
    } finally {
      for (const { file } of wals) file.closeSync()
    }
  } finally {
    // The lock goes last: a next opener must not meet files that are about to vanish.
    await parts.obsolete.settled()
    await parts.release()
  }
}

/** After this the next open demands every log byte and every edit. WALs that were never written to go. */
async function seal(parts: ClosingParts, wals: readonly WalFile[]): Promise<void> {
  const { walSyncer, manifest, numbering, oracle, obsolete } = parts
  await walSyncer.syncAll()
  const sealed = new Set(
    manifest.state.wals.flatMap((wal) => (wal.sealed === undefined ? [] : [wal.number])),
  )
  const used = wals.filter((wal) => wal.hasFrames && !sealed.has(wal.number))
  const unused = wals.filter((wal) => !wal.hasFrames && !sealed.has(wal.number))
  await manifest.append({
    walsSealed: used.map(({ number, length, lastVersion, digest }) => ({
      number,
      length,
      lastVersion,
      digest,
    })),
    walsDropped: unused.map(({ number }) => number),
    nextFileNumber: numbering.next,
    lastVersion: oracle.lastVersion,
  })
  await manifest.closeClean()
  for (const { number } of unused) obsolete.removeWal(number)
}
