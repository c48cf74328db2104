// Which manifest a repair goes by, if any: the one CURRENT names, or else the newest that is whole. Main
// thread, read only.
import { CorruptionError, SettError } from '../../base/errors.ts'
import { type DirectoryEntry, notAFile } from '../../inspect/directory-entries.ts'
import { manifestPath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import { EMPTY_STATE, type ManifestState } from '../../manifest/apply-edit.ts'
import { readCurrent, readManifest, readManifestFile } from '../../manifest/read-manifest.ts'
import type { RepairNotes } from './report.ts'

/** undefined: no manifest can be read. Throws SETT_NOT_A_DATABASE when there is nothing to repair. */
export function findAuthority(
  fs: FileSystem,
  directory: string,
  entries: readonly DirectoryEntry[],
  notes: RepairNotes,
): ManifestState | undefined {
  const newest = newestManifest(entries)
  const current = entries.find(({ file }) => file?.kind === 'current')
  const strange = current === undefined ? undefined : notAFile(current)
  if (strange !== undefined) notes.note(`CURRENT is ${strange}, which is not followed`)
  const named =
    strange !== undefined
      ? undefined
      : tryRead(notes, () => readManifest(fs, directory)?.state ?? EMPTY_STATE)
  if (named !== undefined) {
    if (named !== EMPTY_STATE || current !== undefined) return named
    // Nothing but an interrupted creation, if that.
    throw nothingThere(directory)
  }
  // What CURRENT names counts, or nothing does: an older manifest would take newer files for leftovers.
  const leads = current?.kind === 'file' && isWhole(() => readCurrent(fs, directory))
  if (leads || newest?.kind !== 'file' || newest.file === undefined) return undefined
  const { number } = newest.file
  const found = tryRead(notes, () => wholeManifest(fs, directory, number))
  if (found !== undefined)
    notes.note(`CURRENT leads nowhere; manifest ${number} is whole and counts`)
  return found
}

function newestManifest(entries: readonly DirectoryEntry[]): DirectoryEntry | undefined {
  const manifests = entries.filter(({ file }) => file?.kind === 'manifest')
  return manifests.sort((a, b) => (b.file?.number ?? 0) - (a.file?.number ?? 0))[0]
}

/** Without CURRENT nothing tells whether its end was ever longer, so a torn one does not count. */
function wholeManifest(fs: FileSystem, directory: string, number: number): ManifestState {
  const { state, tornBytes } = readManifestFile(fs, directory, number)
  if (tornBytes === 0) return state
  const place = { offset: 0, expected: 'a manifest with a whole end', found: 'a torn one' }
  throw new CorruptionError({ file: manifestPath(directory, number), ...place })
}

function isWhole(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof CorruptionError) return false
    throw error
  }
}

function tryRead(notes: RepairNotes, read: () => ManifestState): ManifestState | undefined {
  try {
    return read()
  } catch (error) {
    if (isNoFile(error)) {
      notes.note(`A manifest is no regular file, and is not followed: ${error.path}`)
    } else if (error instanceof CorruptionError) {
      const { file, offset, expected, found } = error
      notes.note(
        `No manifest is whole at ${file}, offset ${offset}: expected ${expected}, found ${found}`,
      )
    } else {
      throw error
    }
    return undefined
  }
}

/** What opening a symbolic link, a directory or a special file answers. */
function isNoFile(error: unknown): error is Error & { readonly path: string } {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error)) return false
  return ['ELOOP', 'EMLINK', 'EISDIR', 'EINVAL'].includes(String(error.code))
}

function nothingThere(directory: string): SettError {
  return new SettError(
    'SETT_NOT_A_DATABASE',
    `${directory} holds no data of a database, so nothing was changed. Check the path.`,
  )
}
