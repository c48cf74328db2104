// Which segment a file is, by its header or, where that is damaged, its footer: each is enough. Any thread, read only.
import { unlessCorrupt } from '../base/errors.ts'
import { claimedIdentity, FOOTER_BYTES } from '../format/file-footer.ts'
import { decodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import { decodeSegmentFooter } from '../format/segments/segment-part.ts'
import type { FileSystem } from '../io/file-system.ts'

export interface SegmentIdentity {
  readonly number: number
  /** 16 hex digits. */
  readonly salt: string
  /** False: both are damaged, and the header is read as it stands, the number in the file's name taken. */
  readonly certain: boolean
}

/** The path must name a regular file. `number` is that of its name; undefined: it is too short to be anything. */
export function identifySegment(
  fs: FileSystem,
  path: string,
  number: number,
): SegmentIdentity | undefined {
  const file = fs.openSync(path, 'read')
  try {
    const size = file.sizeSync()
    const head = Buffer.alloc(FILE_HEADER_BYTES)
    const tail = Buffer.alloc(FOOTER_BYTES)
    if (size < head.length || file.readSync(head, 0) < head.length) return undefined
    const whole = byHeader(head, path)
    if (whole !== undefined) return whole
    const position = size - tail.length
    const ended = position >= head.length && file.readSync(tail, position) === tail.length
    const byEnd = ended ? byFooter(tail, path, size) : undefined
    return byEnd ?? { number, salt: head.toString('hex', 24, 32), certain: false }
  } finally {
    file.closeSync()
  }
}

function byHeader(head: Buffer, path: string): SegmentIdentity | undefined {
  return unlessCorrupt(() => {
    const { number, salt } = decodeFileHeader(head, 'vlog', path)
    return { number, salt: salt.toString('hex'), certain: true }
  })
}

function byFooter(tail: Buffer, path: string, fileSize: number): SegmentIdentity | undefined {
  return unlessCorrupt(() => {
    const { fileNumber, salt } = claimedIdentity(tail, path)
    decodeSegmentFooter(tail, { file: path, fileSize, fileNumber, salt })
    return { number: fileNumber, salt: salt.toString('hex'), certain: true }
  })
}
