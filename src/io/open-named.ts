// Opening a file that the manifest names. Any thread.
import { CorruptionError } from '../base/errors.ts'
import type { FileSystem, OpenFile } from './file-system.ts'

/** Opens it for reading; that it is not there is damage. */
export function openNamed(fs: FileSystem, path: string, what: 'table' | 'segment'): OpenFile {
  try {
    return fs.openSync(path, 'read')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      const expected = `a ${what} the manifest names`
      throw new CorruptionError({ file: path, offset: 0, expected, found: 'no file' }, error)
    }
    throw error
  }
}
