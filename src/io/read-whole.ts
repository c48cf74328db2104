// Reads of as many bytes as there must be. Any thread.
import { CorruptionError } from '../base/errors.ts'
import type { OpenFile } from './file-system.ts'

/** Reads until the target is full; an earlier end of the file is damage. */
export function readWhole(file: OpenFile, target: Uint8Array, offset: number): void {
  const found = file.readSync(target, offset)
  if (found !== target.length) throw shortFile(file.path, offset, target.length, found)
}

/** A file that ends `found` bytes behind `offset`, before `length` bytes were read. */
export function shortFile(
  file: string,
  offset: number,
  length: number,
  found: number,
): CorruptionError {
  return new CorruptionError({
    file,
    offset: offset + found,
    expected: `${length} bytes from offset ${offset}`,
    found: `the end of the file after ${found}`,
  })
}
