// The tables and segments a manifest names: that they are there, and that head and tail of each are those of the file
// meant.
import { CorruptionError, SettError } from '../../base/errors.ts'
import { segmentPath, tablePath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import { openNamed } from '../../io/open-named.ts'
import type { ManifestState } from '../../manifest/apply-edit.ts'
import { openTableParts } from '../../sstable/table-parts.ts'
import { checkSegmentEnds } from '../../value-log/segment-ends.ts'
import { type Findings, REPAIR_NEXT } from './findings.ts'

export function examineStores(
  fs: FileSystem,
  directory: string,
  { levels, segments }: Pick<ManifestState, 'levels' | 'segments'>,
  findings: Findings,
): void {
  const examine = (path: string, look: () => void): void => {
    const there = fs.statSync(path)
    // What is no file has been told with the entries.
    if (there === undefined || there.kind === 'file') tellDamage(path, look, findings)
  }
  for (const meta of levels.flat()) {
    const path = tablePath(directory, meta.number)
    examine(path, () => openTableParts(fs, directory, meta).file.closeSync())
  }
  for (const meta of segments) {
    const path = segmentPath(directory, meta.number)
    examine(path, () => {
      const file = openNamed(fs, path, 'segment')
      try {
        checkSegmentEnds(file, meta)
      } finally {
        file.closeSync()
      }
    })
  }
}

function tellDamage(path: string, look: () => void, findings: Findings): void {
  try {
    look()
  } catch (error) {
    if (error instanceof CorruptionError) {
      const { offset, expected, found } = error
      findings.problem(path, `Expected ${expected}, found ${found}`, REPAIR_NEXT, offset)
    } else if (error instanceof SettError) {
      findings.problem(path, error.message, 'Open it with a newer release')
    } else {
      throw error
    }
  }
}
