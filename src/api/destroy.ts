// destroy(): removes a database's own files, each recognised by name and first bytes, under the directory's lock.
// Files of others, LevelDB's or RocksDB's with the same names included, are never touched.
import { basename, join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { SettError } from '../base/errors.ts'
import { checkOption } from '../base/options.ts'
import { acquireDirectoryLock, LockRegistry } from '../io/directory-lock.ts'
import { type FileKind, parseFileName } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import { nodeFileSystem } from '../io/node-file-system.ts'
import { checkLocation } from './database-options.ts'
import { systemFailure } from './system-failure.ts'

/** First bytes of each kind of file (docs/FORMAT.md); kinds without a magic are known by name alone. */
const MAGIC: Partial<Record<FileKind, string>> = {
  wal: 'SETTWAL\0',
  sst: 'SETTSST\0',
  vlog: 'SETTVLG\0',
  manifest: 'SETTMAN\0',
  current: 'SETTCUR\0',
  currentTemp: 'SETTCUR\0',
}

interface OwnFile {
  readonly path: string
  readonly kind: FileKind
  /** Its first bytes say so too; false for an empty or half-written file. */
  readonly certain: boolean
}

export interface DestroyOptions {
  /** How long to wait, in ms, for another process to let go of the directory. Default 0. */
  readonly lockTimeout?: number
}

/**
 * Removes the database in `location`, and the directory if nothing else is in it. Does nothing when there
 * is no such directory. Fails with LEVEL_LOCKED while it is open anywhere, and with SETT_NOT_A_DATABASE
 * when the directory holds none.
 */
export async function destroy(location: string, options?: DestroyOptions): Promise<void> {
  checkLocation(location)
  const timeoutMs = checkOption('lockTimeout', options?.lockTimeout ?? 0) as number
  try {
    await destroyFiles(location, timeoutMs)
  } catch (error) {
    throw systemFailure(location, error)
  }
}

async function destroyFiles(location: string, timeoutMs: number): Promise<void> {
  const fs = nodeFileSystem
  const there = fs.statSync(location)
  if (there === undefined) return
  // A symbolic link to a directory is followed, by the trailing dot; link and directory then stay.
  const isLink = there.kind === 'other'
  const kind = isLink ? fs.statSync(`${location}/.`)?.kind : there.kind
  if (kind !== 'directory') throw notADatabase(location, 'is not a directory')
  checkIsDatabase(fs, location)
  const lock = await acquireDirectoryLock({
    fs,
    registry: new LockRegistry(),
    directory: location,
    mode: 'exclusive',
    timeoutMs,
    clock: systemClock,
  })
  try {
    removeFiles(fs, location)
  } finally {
    lock.release()
  }
  if (!isLink && fs.listSync(location).length === 0) fs.removeSync(location)
}

function checkIsDatabase(fs: FileSystem, location: string): void {
  if (!ownFiles(fs, location).some((file) => file.certain)) {
    throw notADatabase(location, 'holds no Sett database')
  }
}

/** CURRENT first: a directory without it is never taken for a whole database. LOCK last. */
function removeFiles(fs: FileSystem, location: string): void {
  const files = ownFiles(fs, location)
  const rank = ({ kind }: OwnFile): number => (kind === 'current' ? 0 : kind === 'lock' ? 2 : 1)
  files.sort((a, b) => rank(a) - rank(b))
  for (const { path, kind } of files) {
    if (kind === 'lostFound') removeFolder(fs, path)
    else fs.removeSync(path)
    if (kind === 'current') fs.syncDirectorySync(location)
  }
  fs.syncDirectorySync(location)
}

/** What a repair moved there, whatever its bytes; anything else in it stays, and the folder with it. */
function removeFolder(fs: FileSystem, folder: string): void {
  for (const name of fs.listSync(folder)) {
    const path = join(folder, name)
    const directory = fs.statSync(path)?.kind === 'directory'
    if (parseFileName(name) !== undefined && !directory) fs.removeSync(path)
  }
  if (fs.listSync(folder).length === 0) fs.removeSync(folder)
}

function ownFiles(fs: FileSystem, location: string): OwnFile[] {
  const files: OwnFile[] = []
  for (const name of fs.listSync(location)) {
    const kind = parseFileName(name)?.kind
    if (kind === undefined) continue
    const path = join(location, name)
    const stat = fs.statSync(path)
    if (kind === 'lostFound' && stat?.kind === 'directory') {
      files.push({ path, kind, certain: false })
    }
    if (stat?.kind !== 'file' || kind === 'lostFound') continue
    const magic = MAGIC[kind]
    if (magic === undefined) {
      files.push({ path, kind, certain: false })
    } else if (stat.size === 0) {
      files.push({ path, kind, certain: false })
    } else if (firstBytes(fs, path) === magic) {
      files.push({ path, kind, certain: true })
    }
  }
  return files
}

function firstBytes(fs: FileSystem, path: string): string {
  const file = fs.openSync(path, 'read')
  try {
    const head = Buffer.alloc(8)
    return head.toString('latin1', 0, file.readSync(head, 0))
  } finally {
    file.closeSync()
  }
}

function notADatabase(location: string, why: string): SettError {
  return new SettError(
    'SETT_NOT_A_DATABASE',
    `${basename(location)} ${why}, so nothing was removed. Check the path.`,
  )
}
