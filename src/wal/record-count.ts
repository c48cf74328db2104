// Counts the records of a WAL by its frame headers, without verifying anything. Replay follows the same headers, so it
// links no more records than this; what a damaged header claims is bounded by the bytes that are there.
import { FILE_HEADER_BYTES } from '../format/file-header.ts'
import { FRAME_HEADER_BYTES, readFrameHeader } from '../format/wal-frame.ts'
import type { FileSystem } from '../io/file-system.ts'

const CHUNK_BYTES = 256 * 1024

/** At least as many records as replay can find in the first `length` bytes of the file. */
export function countRecords(fs: FileSystem, path: string, length: number): number {
  const file = fs.openSync(path, 'read')
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    let records = 0
    let start = 0
    let read = 0
    for (let at = FILE_HEADER_BYTES; at + FRAME_HEADER_BYTES <= length; ) {
      if (at + FRAME_HEADER_BYTES > start + read) {
        start = at
        read = file.readSync(chunk, start)
      }
      const header = readFrameHeader(chunk.subarray(0, read), at - start, length - start)
      if (header === undefined) break
      records += header.recordCount
      at += FRAME_HEADER_BYTES + header.payloadLength
    }
    return records
  } finally {
    file.closeSync()
  }
}
