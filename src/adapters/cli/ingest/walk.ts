// Lists the regular files below a directory, names as raw bytes. Symbolic links are not followed, so the walk
// always ends; what is no regular file is counted and left out.

import { isUtf8 } from 'node:buffer'
import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { codeOf } from '../terminal.ts'

/** Why a file was left out. Links are counted apart: leaving them out is the rule, not a failure. */
export type SkipReason = 'not a regular file' | 'unreadable' | 'vanished' | 'changed' | 'too large'

export interface SourceFile {
  /** Bytes of the whole path. */
  readonly path: Buffer
  /** Bytes of the path below the source, `/` between parts. */
  readonly key: Buffer
  /** When listed; it may change. */
  readonly size: number
}

export interface Listing {
  readonly files: SourceFile[]
  links: number
  /** Stored under their raw bytes. */
  namesNotUtf8: number
}

export type OnSkip = (reason: SkipReason, path: Buffer) => void

const SLASH = Buffer.from('/')

export async function listFiles(
  source: string,
  onSkip: OnSkip,
  stopped: () => boolean,
): Promise<Listing> {
  const listing: Listing = { files: [], links: 0, namesNotUtf8: 0 }
  const root = Buffer.from(source)
  const pending: { readonly path: Buffer; readonly key: Buffer }[] = [
    { path: root, key: Buffer.alloc(0) },
  ]
  for (let next = pending.pop(); next !== undefined && !stopped(); next = pending.pop()) {
    const below: typeof pending = []
    for (const entry of await entriesOf(next.path, onSkip)) {
      const path = Buffer.concat([next.path, SLASH, entry.name])
      const key = next.key.length === 0 ? entry.name : Buffer.concat([next.key, SLASH, entry.name])
      if (entry.isDirectory()) below.push({ path, key })
      else if (entry.isSymbolicLink()) listing.links++
      else await addFile(listing, { path, key, entry }, onSkip)
    }
    pending.push(...below.reverse())
  }
  return listing
}

async function entriesOf(path: Buffer, onSkip: OnSkip): Promise<Dirent<Buffer>[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' })
    return entries.sort((a, b) => Buffer.compare(a.name, b.name))
  } catch (error) {
    onSkip(skipReason(error), path)
    return []
  }
}

async function addFile(
  listing: Listing,
  found: { readonly path: Buffer; readonly key: Buffer; readonly entry: Dirent<Buffer> },
  onSkip: OnSkip,
): Promise<void> {
  const { path, key, entry } = found
  if (!entry.isFile()) return onSkip('not a regular file', path)
  try {
    const { size } = await lstat(path)
    if (!isUtf8(entry.name)) listing.namesNotUtf8++
    listing.files.push({ path, key, size })
  } catch (error) {
    onSkip(skipReason(error), path)
  }
}

/** The rule for an error of the file system; anything unexpected is not hidden. */
export function skipReason(error: unknown): SkipReason {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'vanished'
  if (code === 'ELOOP' || code === 'ENXIO') return 'not a regular file'
  if (code === 'EACCES' || code === 'EPERM' || code === 'EIO' || code === 'EISDIR') {
    return 'unreadable'
  }
  throw error
}
