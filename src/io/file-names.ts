// The name of every file in a database directory, built and parsed here only (docs/FORMAT.md). Names come from
// numbers; a directory entry that does not parse is somebody else's: never opened, never deleted.
import { join } from 'node:path'
import { assert } from '../base/assert.ts'

export type FileKind =
  | 'wal'
  | 'sst'
  | 'vlog'
  | 'manifest'
  | 'current'
  | 'currentTemp'
  | 'lock'
  | 'keys'
  | 'lostFound'

export interface FileName {
  readonly kind: FileKind
  /** 0 for kinds of which there is only one. */
  readonly number: number
}

const SINGLE_NAMES: ReadonlyMap<string, FileKind> = new Map<string, FileKind>([
  ['CURRENT', 'current'],
  ['CURRENT.tmp', 'currentTemp'],
  ['LOCK', 'lock'],
  ['LOCK.owner', 'lock'],
  ['LOCK.db', 'lock'],
  ['KEYS', 'keys'],
])

export function walPath(directory: string, number: number): string {
  return join(directory, `${digits(number)}.wal`)
}

export function tablePath(directory: string, number: number): string {
  return join(directory, `${digits(number)}.sst`)
}

export function segmentPath(directory: string, number: number): string {
  return join(directory, `${digits(number)}.vlog`)
}

export function manifestPath(directory: string, number: number): string {
  return join(directory, `MANIFEST-${digits(number)}`)
}

export function currentPath(directory: string): string {
  return join(directory, 'CURRENT')
}

/** Written and synced first, then renamed over CURRENT. */
export function currentTempPath(directory: string): string {
  return join(directory, 'CURRENT.tmp')
}

export function lockPath(directory: string): string {
  return join(directory, 'LOCK')
}

/** Who has the directory, where the system's own way of locking LOCK is missing. */
export function lockOwnerPath(directory: string): string {
  return join(directory, 'LOCK.owner')
}

/** An empty SQLite database, only ever locked. */
export function lockDatabasePath(directory: string): string {
  return join(directory, 'LOCK.db')
}

export function keysPath(directory: string): string {
  return join(directory, 'KEYS')
}

/** Folder into which a repair moves what it took out of use. */
export function lostFoundPath(directory: string, number: number): string {
  return join(directory, `lost+found-${digits(number)}`)
}

/** Takes a bare name, not a path. Only the one spelling that the functions above give is accepted. */
export function parseFileName(name: string): FileName | undefined {
  const single = SINGLE_NAMES.get(name)
  if (single !== undefined) return { kind: single, number: 0 }
  const match = /^(?:(\d{6,16})\.(wal|sst|vlog)|(MANIFEST|lost\+found)-(\d{6,16}))$/.exec(name)
  if (match === null) return undefined
  const spelled = match[1] ?? match[4] ?? ''
  const number = Number(spelled)
  if (number === 0 || !Number.isSafeInteger(number) || digits(number) !== spelled) return undefined
  const folder = match[3] === 'MANIFEST' ? 'manifest' : 'lostFound'
  return { kind: (match[2] as FileKind | undefined) ?? folder, number }
}

function digits(number: number): string {
  assert(Number.isSafeInteger(number) && number > 0, `a file number is positive, got ${number}`)
  return String(number).padStart(6, '0')
}
