// Before an open touches anything: what stands under a name of ours is a regular file, and every table and segment the
// manifest names is there in its length. By name, kind and size alone, so it costs a call per file; what is inside is
// checked when it is read. Main thread.
import { CorruptionError, type CorruptionPlace } from '../base/errors.ts'
import type { Zstd } from '../base/zstd.ts'
import { CODEC_ZSTD } from '../format/packed-form.ts'
import { type DirectoryEntry, listEntries, notAFile } from '../inspect/directory-entries.ts'
import { segmentPath, tablePath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { ManifestState } from '../manifest/apply-edit.ts'
import { requireZstd } from '../packing/unpack-block.ts'

/** As many are named in the error; the rest is counted. */
const NAMED_MAX = 20

/** What is in the directory. Throws CorruptionError if a symbolic link, a directory or a special file has the name of a
 * file. */
export function requireRegularFiles(fs: FileSystem, directory: string): readonly DirectoryEntry[] {
  const entries = listEntries(fs, directory)
  const wrong: CorruptionPlace[] = []
  for (const entry of entries) {
    if (entry.file === undefined || entry.file.kind === 'lostFound') continue
    const found = notAFile(entry)
    if (found === undefined) continue
    wrong.push({ file: entry.path, offset: 0, expected: 'a regular file', found })
  }
  refuseAll(wrong)
  return entries
}

/** Throws CorruptionError at the first table or segment that is not there, and tells which others are not. */
export function requireNamed(
  fs: FileSystem,
  directory: string,
  { levels, segments }: Pick<ManifestState, 'levels' | 'segments'>,
): void {
  const wrong: CorruptionPlace[] = []
  const requireOne = (what: string, file: string, size: number): void => {
    const there = fs.statSync(file)
    const expected = `a ${what} of ${size} bytes, which the manifest names`
    if (there === undefined) wrong.push({ file, offset: 0, expected, found: 'no file' })
    else if (there.size !== size) {
      const offset = Math.min(there.size, size)
      wrong.push({ file, offset, expected, found: `${there.size} bytes` })
    }
  }
  for (const { number, size } of levels.flat())
    requireOne('table', tablePath(directory, number), size)
  for (const { number, size } of segments)
    requireOne('segment', segmentPath(directory, number), size)
  refuseAll(wrong)
}

/** Throws SETT_CODEC_UNAVAILABLE if a table has zstd blocks and this Node has no zstd. */
export function requireCodecs(
  directory: string,
  { levels }: ManifestState,
  library: Zstd | undefined,
): void {
  const table = levels.flat().find(({ packing }) => packing?.codec === CODEC_ZSTD)
  if (table !== undefined) requireZstd(tablePath(directory, table.number), library)
}

function refuseAll(wrong: readonly CorruptionPlace[]): void {
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
