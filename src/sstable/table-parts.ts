// The head and tail of a table file: header, footer and properties, checked against each other and against
// what the manifest says. Any thread; ordinary buffers only.

import { CorruptionError } from '../base/errors.ts'
import { GIB } from '../base/limits.ts'
import { FOOTER_BYTES } from '../format/file-footer.ts'
import { decodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import { CODEC_NONE } from '../format/packed-form.ts'
import { sameUses } from '../format/segments/segment-meta.ts'
import { decodeFooter, type TableFooter, type TablePart } from '../format/sstable-footer.ts'
import { decodeProperties, type TableProperties } from '../format/sstable-properties.ts'
import { sameSteps, type TableMeta } from '../format/table-meta.ts'
import { tablePath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { openNamed } from '../io/open-named.ts'
import { readWhole } from '../io/read-whole.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import { verifyBlockCopy } from './table-blocks.ts'
import { COUNTED_FACTS } from './table-tally.ts'

export interface TableParts {
  readonly file: OpenFile
  readonly footer: TableFooter
  readonly properties: TableProperties
}

const RANGE_TOMBSTONES_BYTES = 8
/** What properties may take: far more than they do. */
const PROPERTIES_BYTES_MAX = 65_536

/** Opens a table's file and checks its parts; the caller closes the file. Throws CorruptionError also when
 * the file is missing or is another table than the manifest's. */
export function openTableParts(fs: FileSystem, directory: string, meta: TableMeta): TableParts {
  const file = openNamed(fs, tablePath(directory, meta.number), 'table')
  try {
    return readTableParts(file, meta)
  } catch (error) {
    file.closeSync()
    throw error
  }
}

/** Checks header, footer, range tombstones and properties of an open file. */
export function readTableParts(file: OpenFile, meta: TableMeta): TableParts {
  const refuse = (offset: number, expected: string, found: string): never => {
    throw new CorruptionError({ file: file.path, offset, expected, found })
  }
  const size = file.sizeSync()
  if (size !== meta.size) refuse(Math.min(size, meta.size), `${meta.size} bytes`, `${size}`)
  if (size < FILE_HEADER_BYTES + FOOTER_BYTES) refuse(0, 'a header and a footer', `${size} bytes`)
  const head = Buffer.alloc(FILE_HEADER_BYTES)
  readWhole(file, head, 0)
  const header = decodeFileHeader(head, 'sst', file.path)
  if (header.number !== meta.number) refuse(16, `file number ${meta.number}`, `${header.number}`)
  if (header.salt.toString('hex') !== meta.salt) refuse(24, "the manifest's salt", 'another')
  if (header.parameter !== meta.baseVersion) {
    refuse(32, `base version ${meta.baseVersion}`, `${header.parameter}`)
  }
  const tail = Buffer.alloc(FOOTER_BYTES)
  readWhole(file, tail, size - FOOTER_BYTES)
  const footer = decodeFooter(tail, {
    file: file.path,
    fileSize: size,
    fileNumber: meta.number,
    salt: header.salt,
  })
  const tombstones = footer.rangeTombstones
  const none =
    tombstones.length === RANGE_TOMBSTONES_BYTES &&
    readPart(file, footer, tombstones).every((byte) => byte === 0)
  if (!none) refuse(tombstones.offset, 'no range tombstones', `${tombstones.length} bytes`)
  const { offset, length } = footer.properties
  if (length > PROPERTIES_BYTES_MAX) {
    refuse(offset, `properties of at most ${PROPERTIES_BYTES_MAX} bytes`, `${length}`)
  }
  const properties = decodeProperties(readPart(file, footer, footer.properties), file.path, offset)
  for (const fact of [...COUNTED_FACTS, 'largestBlock', 'newestWal'] as const) {
    if (properties[fact] !== meta[fact]) {
      refuse(offset, `${fact} ${meta[fact]}, as the manifest says`, `${properties[fact]}`)
    }
  }
  const codec = meta.packing?.codec ?? CODEC_NONE
  if (properties.codec !== codec) {
    refuse(offset + 100, `codec ${codec}, as the manifest says`, `${properties.codec}`)
  }
  if (!sameUses(properties.segments, meta.segments ?? [])) {
    refuse(offset + 96, 'the segments the manifest says', 'others')
  }
  if (!sameSteps(properties.expiring, meta.expiring ?? [])) {
    refuse(offset + 96, 'steps of expiry as the manifest has them', 'others')
  }
  return { file, footer, properties }
}

/** The payload of a part, verified, as a copy. */
export function readPart(file: OpenFile, footer: TableFooter, part: TablePart): Buffer {
  if (part.length > GIB) {
    const { offset, length } = part
    const expected = `a part of at most ${GIB} bytes`
    throw new CorruptionError({ file: file.path, offset, expected, found: `${length}` })
  }
  const block = Buffer.allocUnsafeSlow(part.length + BLOCK_TRAILER)
  readWhole(file, block, part.offset)
  const { salt, fileNumber } = footer
  verifyBlockCopy(block, { salt, fileNumber, position: part.offset }, file.path)
  return block.subarray(0, part.length)
}
