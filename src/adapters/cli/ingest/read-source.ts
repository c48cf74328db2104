// Reads one file whole, digesting it on the way, and notices when it changes meanwhile. A file that changed or
// vanished is tried once more, then skipped.
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { newDigest } from './digest.ts'
import { type SkipReason, skipReason } from './walk.ts'

export type ReadResult =
  | { readonly ok: true; readonly bytes: Buffer; readonly digest: Buffer }
  | { readonly ok: false; readonly reason: SkipReason }

export interface ReadLimits {
  readonly bytesMax: number
  /** Called when the bytes are in and before the file is looked at again; for tests. */
  readonly afterRead?: () => void
}

export const ATTEMPTS = 2
/** The digest is computed piece by piece, so that the event loop turns in between. */
const PIECE = 1024 * 1024
// A FIFO put in the file's place must not block, a link must not be followed.
const READ_FLAGS: number =
  constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

export function openSource(path: Buffer): Promise<FileHandle> {
  return open(path, READ_FLAGS)
}

export async function readSource(path: Buffer, limits: ReadLimits): Promise<ReadResult> {
  let result: ReadResult = { ok: false, reason: 'changed' }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    result = await readOnce(path, limits)
    if (result.ok || (result.reason !== 'changed' && result.reason !== 'vanished')) break
  }
  return result
}

async function readOnce(path: Buffer, limits: ReadLimits): Promise<ReadResult> {
  let file: FileHandle | undefined
  try {
    file = await openSource(path)
    return await readHandle(file, limits)
  } catch (error) {
    return { ok: false, reason: skipReason(error) }
  } finally {
    await file?.close()
  }
}

async function readHandle(file: FileHandle, limits: ReadLimits): Promise<ReadResult> {
  const before = await file.stat({ bigint: true })
  if (!before.isFile()) return { ok: false, reason: 'not a regular file' }
  if (before.size > BigInt(limits.bytesMax)) return { ok: false, reason: 'too large' }
  const bytes = Buffer.allocUnsafe(Number(before.size))
  const hash = newDigest()
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(PIECE, bytes.length - done), done)
    if (bytesRead === 0) return { ok: false, reason: 'changed' }
    hash.update(bytes.subarray(done, done + bytesRead))
    done += bytesRead
  }
  limits.afterRead?.()
  const after = await file.stat({ bigint: true })
  if (!sameContent(before, after)) return { ok: false, reason: 'changed' }
  return { ok: true, bytes, digest: hash.digest() }
}

export function sameContent(before: BigIntStats, after: BigIntStats): boolean {
  return before.size === after.size && before.mtimeNs === after.mtimeNs && after.nlink > 0n
}
