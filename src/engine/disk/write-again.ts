// Brings what an earlier open left of a log or a manifest to the disk for certain. Main thread, at open. After a failed
// fsync the system takes bytes for written that the disk never saw: they are readable, the next fsync succeeds, and
// the next power cut takes them. So what was never synced is written again, where it lies, before it is synced.
import { CorruptionError } from '../../base/errors.ts'
import { MIB } from '../../base/limits.ts'
import type { OpenFile } from '../../io/file-system.ts'

const CHUNK_BYTES = MIB

/** Writes bytes `from` to `to` of the file once more; the caller syncs it. */
export async function writeAgain(file: OpenFile, from: number, to: number): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(CHUNK_BYTES, to - from)))
  for (let at = from; at < to; ) {
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, to - at))
    const found = await file.read(chunk, at)
    if (found < chunk.length) {
      throw new CorruptionError({
        file: file.path,
        offset: at + found,
        expected: `${to} bytes, as there were a moment ago`,
        found: `${at + found}`,
      })
    }
    await file.write(chunk, at)
    at += chunk.length
  }
}
