// Looks into WAL files the manifest does not name. Main thread, at open, read only. A file without
// a valid frame is the leftover of a birth that a crash cut short; one with a frame needs judging
// (replay-order.ts).
import { CorruptionError } from '../base/errors.ts'
import { checksum } from '../format/checksum.ts'
import { decodeFileHeader, FILE_HEADER_BYTES, type FileHeader } from '../format/file-header.ts'
import { FRAME_CHECKED, FRAME_HEADER_BYTES, readFrameHeader } from '../format/wal-frame.ts'
import { walPath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'

export interface UnnamedWal {
  readonly number: number
  /** The manifest edit its first frame names, if that frame is valid. */
  readonly firstFrameEdit?: number
}

/** A file that belongs under another name was not put here by the engine: CorruptionError. */
export function inspectUnnamedWal(fs: FileSystem, directory: string, number: number): UnnamedWal {
  const path = walPath(directory, number)
  const file = fs.openSync(path, 'read')
  try {
    return inspect(file, path, number)
  } finally {
    file.closeSync()
  }
}

function inspect(file: OpenFile, path: string, number: number): UnnamedWal {
  const size = file.sizeSync()
  const start = Buffer.alloc(Math.min(size, FILE_HEADER_BYTES + FRAME_HEADER_BYTES))
  readAll(file, start, 0)
  const salt = saltOf(start.subarray(0, FILE_HEADER_BYTES), path, number)
  if (salt === undefined) return { number }
  // The frame's length is checked against the file before anything of that length is allocated.
  const header = readFrameHeader(start.subarray(FILE_HEADER_BYTES), 0, size - FILE_HEADER_BYTES)
  if (header === undefined) return { number }
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + header.payloadLength)
  readAll(file, frame, FILE_HEADER_BYTES)
  const place = { salt, fileNumber: number, position: FILE_HEADER_BYTES }
  const valid = checksum(frame.subarray(FRAME_CHECKED), place) === frame.readBigUInt64LE(0)
  return valid ? { number, firstFrameEdit: header.manifestEdit } : { number }
}

/** A log that ends before its length would pass for a leftover. */
function readAll(file: OpenFile, target: Uint8Array, offset: number): void {
  const read = file.readSync(target, offset)
  if (read === target.length) return
  throw new CorruptionError({
    file: file.path,
    offset: offset + read,
    expected: `${target.length} bytes from offset ${offset}`,
    found: `the end of the file after ${read}`,
  })
}

/** undefined: the header was never whole. */
function saltOf(bytes: Buffer, path: string, number: number): Buffer | undefined {
  let header: FileHeader
  try {
    header = decodeFileHeader(bytes, 'wal', path)
  } catch (error) {
    if (error instanceof CorruptionError) return undefined
    throw error
  }
  if (header.number === number) return header.salt
  throw new CorruptionError({
    file: path,
    offset: 16,
    expected: `file number ${number}`,
    found: `${header.number}: a file put under another name`,
  })
}
