// The header of a data file, for whoever asks what a file is rather than what the manifest says it is. Any thread.
import { CorruptionError } from '../base/errors.ts'
import {
  decodeFileHeader,
  FILE_HEADER_BYTES,
  type FileHeader,
  type FileKind,
} from '../format/file-header.ts'
import type { FileSystem } from '../io/file-system.ts'

/** undefined: damaged, or no file of that kind. The path must name a regular file. */
export function readHeader(fs: FileSystem, path: string, kind: FileKind): FileHeader | undefined {
  const file = fs.openSync(path, 'read')
  try {
    const bytes = Buffer.alloc(FILE_HEADER_BYTES)
    const read = file.readSync(bytes, 0)
    return decodeFileHeader(bytes.subarray(0, read), kind, path)
  } catch (error) {
    if (error instanceof CorruptionError) return undefined
    throw error
  } finally {
    file.closeSync()
  }
}
