// The tables a manifest names: that they are there, and that head and tail of each are those of the table meant.
import { CorruptionError, SettError } from '../../base/errors.ts'
import { tablePath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { ManifestState } from '../../manifest/apply-edit.ts'
import { openTableParts } from '../../sstable/table-parts.ts'
import { type Findings, REPAIR_NEXT } from './findings.ts'

export function examineTables(
  fs: FileSystem,
  directory: string,
  { levels }: Pick<ManifestState, 'levels'>,
  findings: Findings,
): void {
  for (const meta of levels.flat()) {
    const path = tablePath(directory, meta.number)
    const there = fs.statSync(path)
    // What is no file has been told with the entries.
    if (there !== undefined && there.kind !== 'file') continue
    try {
      openTableParts(fs, directory, meta).file.closeSync()
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
}
