// What lies in a database directory, by name alone: nothing is opened, no symbolic link followed. Any thread.
import { join } from 'node:path'
import { type FileName, parseFileName } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'

export interface DirectoryEntry {
  readonly name: string
  readonly path: string
  /** undefined: the name is none of ours. */
  readonly file: FileName | undefined
  readonly kind: 'file' | 'directory' | 'other'
  readonly size: number
}

/** Names in order; what vanishes meanwhile is left out. */
export function listEntries(fs: FileSystem, directory: string): DirectoryEntry[] {
  const entries: DirectoryEntry[] = []
  for (const name of fs.listSync(directory).sort()) {
    const path = join(directory, name)
    const found = fs.statSync(path)
    if (found === undefined) continue
    entries.push({ name, path, file: parseFileName(name), ...found })
  }
  return entries
}

/** Why an entry under a data name must not be opened; undefined: it is a regular file. */
export function notAFile({ kind }: Pick<DirectoryEntry, 'kind'>): string | undefined {
  if (kind === 'file') return undefined
  return kind === 'directory' ? 'a directory' : 'a symbolic link or a special file'
}
