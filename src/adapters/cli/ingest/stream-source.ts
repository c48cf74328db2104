// Stores one large file without holding it whole, digesting it on the way. A file that changes while it is read fails
// its own stream, so nothing of it is stored; it is tried once more, then skipped.
import type { FileHandle } from 'node:fs/promises'
import type { Database } from '../../../api/database.ts'
import { MIB } from '../../../base/limits.ts'
import { newDigest } from './digest.ts'
import { ATTEMPTS, openSource, sameContent } from './read-source.ts'
import { type SkipReason, type SourceFile, skipReason } from './walk.ts'

export type StreamResult =
  | { readonly ok: true; readonly size: number; readonly digest: Buffer }
  | { readonly ok: false; readonly reason: SkipReason }

const PIECE = MIB

/** Thrown by the source of a value, and told apart from what the database throws. */
const CHANGED = new Error('The file changed while it was read.')

export async function streamSource(
  database: Database<Buffer, Buffer>,
  file: SourceFile,
): Promise<StreamResult> {
  let result: StreamResult = { ok: false, reason: 'changed' }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    result = await streamOnce(database, file)
    if (result.ok || (result.reason !== 'changed' && result.reason !== 'vanished')) break
  }
  return result
}

async function streamOnce(
  database: Database<Buffer, Buffer>,
  { path, key }: SourceFile,
): Promise<StreamResult> {
  let handle: FileHandle | undefined
  try {
    handle = await openSource(path)
    if (!(await handle.stat()).isFile()) return { ok: false, reason: 'not a regular file' }
    const digest = newDigest()
    let size = 0
    const pieces = filePieces(handle, (piece) => {
      digest.update(piece)
      size += piece.length
    })
    await database.putStream(key, pieces)
    return { ok: true, size, digest: digest.digest() }
  } catch (error) {
    return { ok: false, reason: error === CHANGED ? 'changed' : skipReason(error) }
  } finally {
    await handle?.close()
  }
}

async function* filePieces(
  handle: FileHandle,
  seen: (piece: Buffer) => void,
): AsyncGenerator<Buffer> {
  const before = await handle.stat({ bigint: true })
  const buffer = Buffer.allocUnsafe(PIECE)
  let at = 0
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, PIECE, at)
    if (bytesRead === 0) break
    at += bytesRead
    const piece = buffer.subarray(0, bytesRead)
    seen(piece)
    yield piece
  }
  const after = await handle.stat({ bigint: true })
  if (BigInt(at) !== before.size || !sameContent(before, after)) throw CHANGED
}
