// Before an open: every table the manifest names is there, a regular file of its length. By name and size
// alone, so it costs a call per table; what is inside is checked when it is read.
import { CorruptionError } from '../base/errors.ts'
import { notAFile } from '../inspect/directory-entries.ts'
import { tablePath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { ManifestState } from '../manifest/apply-edit.ts'

/** As many are named in the error; the rest is counted. */
const NAMED_MAX = 20

/** Throws CorruptionError at the first table that is not there, and tells which others are not. */
export function requireTables(fs: FileSystem, directory: string, { levels }: ManifestState): void {
  const wrong: { file: string; offset: number; found: string; expected: string }[] = []
  for (const { number, size } of levels.flat()) {
    const file = tablePath(directory, number)
    const there = fs.statSync(file)
    const expected = `a table of ${size} bytes, which the manifest names`
    const strange = there === undefined ? 'no file' : notAFile(there)
    if (strange !== undefined) wrong.push({ file, offset: 0, expected, found: strange })
    else if (there !== undefined && there.size !== size) {
      const offset = Math.min(there.size, size)
      wrong.push({ file, offset, expected, found: `${there.size} bytes` })
    }
  }
  const [first, ...others] = wrong
  if (first === undefined) return
  if (others.length === 0) throw new CorruptionError(first)
  const more = others.slice(0, NAMED_MAX).map(({ file, found }) => `${file} (${found})`)
  const rest = others.length > NAMED_MAX ? ` and ${others.length - NAMED_MAX} more` : ''
  throw new CorruptionError({
    ...first,
    found: `${first.found}; the same is wrong with ${more.join(', ')}${rest}`,
  })
}
