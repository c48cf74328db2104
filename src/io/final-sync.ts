// fsync as the engine relies on it: one that failed is final. The system marks what it could not write as written, so
// a second call would report success for bytes that are nowhere: there is none, and SETT_POISONED tells whoever
// waits. Any thread.
import { SettError } from '../base/errors.ts'
import type { FileSystem, OpenFile } from './file-system.ts'

export function syncFileOrPoison(file: OpenFile): void {
  try {
    file.dataSyncSync()
  } catch (error) {
    throw syncFailure(file.path, error)
  }
}

export function syncDirectoryOrPoison(fs: FileSystem, path: string): void {
  try {
    fs.syncDirectorySync(path)
  } catch (error) {
    throw directoryFailure(path, error)
  }
}

/** As syncDirectoryOrPoison, without blocking the calling thread. */
export async function syncDirectoryLater(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.syncDirectory(path)
  } catch (error) {
    throw directoryFailure(path, error)
  }
}

export function syncFailure(path: string, cause: unknown): SettError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new SettError(
    'SETT_POISONED',
    `${path} could not be made durable (${reason}). Check the disk, then reopen the database.`,
    cause,
  )
}

/** A directory that could not even be opened was not synced: that may be tried again. */
function directoryFailure(path: string, error: unknown): unknown {
  const opening = error instanceof Error && 'syscall' in error && error.syscall === 'open'
  return opening ? error : syncFailure(path, error)
}
