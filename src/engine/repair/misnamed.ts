// Tables, logs and segments that lie under the name of a file of another kind. Main thread. They are not followed: that
// they were this database's is only likely. What they held is told as lost.
import type { DirectoryEntry } from '../../inspect/directory-entries.ts'
import { readHeader } from '../../inspect/file-heads.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { RepairNotes } from './report.ts'

const KINDS = [
  { kind: 'sst', loss: 'table', what: 'table' },
  { kind: 'wal', loss: 'wal', what: 'log' },
  { kind: 'vlog', loss: 'segment', what: 'segment' },
] as const

export function tellMisnamed(
  fs: FileSystem,
  entries: readonly DirectoryEntry[],
  notes: RepairNotes,
): void {
  for (const { file, kind: type, path, name, size } of entries) {
    if (type !== 'file' || !mayHoldAnother(file?.kind)) continue
    for (const { kind, loss, what } of KINDS) {
      if (file?.kind === kind) continue
      const number = readHeader(fs, path, kind)?.number
      if (number === undefined || isThere(fs, entries, { kind, number })) continue
      const why = `${name} holds ${what} ${number}, which no file of its own name does`
      notes.loss({ kind: loss, file: path, offset: 0, length: size, why })
    }
  }
}

function mayHoldAnother(kind: string | undefined): boolean {
  return kind === 'manifest' || kind === 'wal' || kind === 'sst' || kind === 'vlog'
}

function isThere(
  fs: FileSystem,
  entries: readonly DirectoryEntry[],
  wanted: { readonly kind: 'sst' | 'wal' | 'vlog'; readonly number: number },
): boolean {
  const { kind, number } = wanted
  const own = entries.find(({ file }) => file?.kind === kind && file.number === number)
  return own?.kind === 'file' && readHeader(fs, own.path, kind)?.number === number
}
