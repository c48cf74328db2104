// The head and tail of a segment's file, checked against each other and against what the manifest says. Any thread;
// ordinary buffers only.
import { CorruptionError } from '../base/errors.ts'
import { FOOTER_BYTES } from '../format/file-footer.ts'
import { decodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import {
  decodeSegmentFooter,
  SEGMENT_BYTES_MIN,
  type SegmentFooter,
} from '../format/segments/segment-part.ts'
import type { OpenFile } from '../io/file-system.ts'
import { readWhole } from '../io/read-whole.ts'

/** File offset at which the values end. */
export function valuesEnd({ size }: SegmentMeta): number {
  return size - FOOTER_BYTES
}

/** Throws CorruptionError unless the open file is the segment the manifest means, as far as its ends tell. */
export function checkSegmentEnds(file: OpenFile, meta: SegmentMeta): SegmentFooter {
  const refuse = (offset: number, expected: string, found: string): never => {
    throw new CorruptionError({ file: file.path, offset, expected, found })
  }
  const size = file.sizeSync()
  if (size !== meta.size) refuse(Math.min(size, meta.size), `${meta.size} bytes`, `${size}`)
  if (size < SEGMENT_BYTES_MIN) refuse(0, 'a header, a value and a footer', `${size} bytes`)
  const head = Buffer.alloc(FILE_HEADER_BYTES)
  readWhole(file, head, 0)
  const { number, salt } = decodeFileHeader(head, 'vlog', file.path)
  if (number !== meta.number) refuse(16, `file number ${meta.number}`, `${number}`)
  if (salt.toString('hex') !== meta.salt) refuse(24, "the manifest's salt", 'another')
  const tail = Buffer.alloc(FOOTER_BYTES)
  readWhole(file, tail, valuesEnd(meta))
  return decodeSegmentFooter(tail, { file: file.path, fileSize: size, fileNumber: number, salt })
}
