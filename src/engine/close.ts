// Closes a database: finishes what was promised, seals the logs, and gives everything back. Main thread.
import type { SettError } from '../base/errors.ts'
import type { ManifestLog } from '../manifest/manifest-log.ts'
import type { WalFile } from '../wal/wal-file.ts'
import { isDiskFull } from './disk/failures.ts'
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
  const known = health.poisoned
  try {
    parts.pressure.end()
    // What has not come to its end is not waited for: its source may never end.
    await parts.streams.stop()
    // No turn may pass between the look and the refusal: a commit that came in then would miss the seal.
    while (!writes.idle) await writes.drained()
    health.beginClose()
    progress.signal()
    parts.stopCare()
    walSyncer.stop()
    // Of commits that failed meanwhile.
    await Promise.all([writes.settled(), parts.streams.settled()])
    // They read into the heap, from files that are about to be closed.
    await Promise.allSettled(parts.coldReads)
    parts.values.close()
    await parts.verifier.stop()
    // In this order: what a flush adds may be what a small compaction takes away.
    await flushes.stop()
    await compactions.stop()
    const wals = await parts.memtables.settle()
    try {
      if (health.poisoned === undefined && !parts.options.readOnly) await seal(parts, wals)
      else refuseIfUntold(parts, known)
    } finally {
      // One that nobody waits for may be under way, and a closed descriptor's number is given to the next file.
      await walSyncer.settled()
      for (const { file } of wals) file.closeSync()
    }
  } finally {
    // The lock goes last: a next opener must not meet files that are about to vanish. A manifest may go as well.
    await parts.manifest.settled()
    await parts.obsolete.settled()
    await parts.release()
  }
}

/** What was acknowledged may not be on disk. Whoever closes must learn that from somebody. */
function refuseIfUntold({ health, manifest }: ClosingParts, known: SettError | undefined): void {
  if (known === undefined) manifest.requireOwner()
  if (health.untold !== undefined) throw health.untold
}

/** Every commit is on disk after this. A full disk has no room to write that down: the next open finds logs to
 * replay, and loses nothing. */
async function seal(parts: ClosingParts, wals: readonly WalFile[]): Promise<void> {
  const { walSyncer, health, environment } = parts
  for (const wal of wals) walSyncer.ended(wal)
  await walSyncer.syncAll().catch((error: unknown) => {
    throw health.poison('Syncing the log', error)
  })
  try {
    await markClean(parts, wals)
  } catch (error) {
    if (!isDiskFull(error)) throw error
    const what = 'The disk is full, so the database is closed as after a crash; nothing is lost'
    environment.logger.warn({ err: error }, what)
  }
}

/** After this the next open demands every log byte and every edit. WALs that were never written to go. */
async function markClean(parts: ClosingParts, wals: readonly WalFile[]): Promise<void> {
  const { manifest, numbering, oracle, obsolete } = parts
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

/** What close() waits for at this moment, in words; the longest first. */
export function underWay(parts: EngineParts): string[] {
  const { writes, streams, flushes, compactions, verifier, coldReads, watch } = parts
  const call = watch.longest
  const doing: readonly (readonly [boolean, string])[] = [
    [!writes.idle, 'commits that are not on disk yet'],
    [streams.busy, 'values that are being written'],
    [flushes.busy, 'a flush'],
    [compactions.busy, 'a compaction'],
    [verifier.busy, 'a verification'],
    [coldReads.size > 0, 'reads from disk'],
  ]
  const words = doing.flatMap(([is, what]) => (is ? [what] : []))
  if (call === undefined) return words
  return [`a ${call.operation} of ${call.path} for ${Math.round(call.elapsedMs)} ms`, ...words]
}
