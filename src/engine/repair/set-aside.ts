// Moves what is not part of a repaired database into its lost+found folder; nothing is ever deleted. Main
// thread. The folder has the number before that of the manifest a repair wrote, so the next open knows a
// repair that a crash kept from moving everything, and finishes it before it removes leftovers of its own.
import { join } from 'node:path'
import { listEntries } from '../../inspect/directory-entries.ts'
import { type FileKind, lostFoundPath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { ManifestState } from '../../manifest/apply-edit.ts'

const MOVED: ReadonlySet<FileKind> = new Set<FileKind>([
  'sst',
  'wal',
  'vlog',
  'manifest',
  'currentTemp',
])

export interface Repaired {
  /** Number of its manifest. */
  readonly number: number
  readonly state: Pick<ManifestState, 'levels' | 'wals' | 'segments'>
}

/** Names of what was moved. */
export function setAside(fs: FileSystem, directory: string, { number, state }: Repaired): string[] {
  const folder = lostFoundPath(directory, number - 1)
  const kept = new Set([`manifest ${number}`])
  for (const table of state.levels.flat()) kept.add(`sst ${table.number}`)
  for (const wal of state.wals) kept.add(`wal ${wal.number}`)
  for (const segment of state.segments) kept.add(`vlog ${segment.number}`)
  const moved: string[] = []
  for (const { name, path, file } of listEntries(fs, directory)) {
    if (file === undefined || !MOVED.has(file.kind)) continue
    if (kept.has(`${file.kind} ${file.number}`)) continue
    fs.renameSync(path, join(folder, name))
    moved.push(name)
  }
  if (moved.length > 0) {
    fs.syncDirectorySync(folder)
    fs.syncDirectorySync(directory)
  }
  return moved
}

/** Does what a repair interrupted by a crash had left to do. */
export function finishRepair(fs: FileSystem, directory: string, repaired: Repaired): void {
  if (repaired.number < 2) return
  const folder = lostFoundPath(directory, repaired.number - 1)
  if (fs.statSync(folder)?.kind !== 'directory') return
  // The repair may have been killed before CURRENT was durable: until it is, the old manifest must keep its place.
  fs.syncDirectorySync(directory)
  setAside(fs, directory, repaired)
}

/** Before the first change: a copy of CURRENT, which is replaced; what stands in its place and is no file goes. */
export function keepCurrent(fs: FileSystem, directory: string, folder: string): void {
  const current = listEntries(fs, directory).find(({ file }) => file?.kind === 'current')
  if (current === undefined) return
  const target = join(folder, current.name)
  if (current.kind === 'file') copyFile(fs, current.path, target)
  else fs.renameSync(current.path, target)
  fs.syncDirectorySync(folder)
}

/** Of a file that has 64 bytes when it is whole. */
const COPY_BYTES = 4096

function copyFile(fs: FileSystem, from: string, to: string): void {
  const source = fs.openSync(from, 'read')
  try {
    const bytes = Buffer.alloc(Math.min(COPY_BYTES, source.sizeSync()))
    const read = source.readSync(bytes, 0)
    const target = fs.openSync(to, 'create')
    try {
      target.writeSync(bytes.subarray(0, read), 0)
      target.dataSyncSync()
    } finally {
      target.closeSync()
    }
  } finally {
    source.closeSync()
  }
}
