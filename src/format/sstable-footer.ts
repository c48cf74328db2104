// The last 128 bytes of an SSTable: where its parts lie (FORMAT §6.6). No IO.
import { readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import {
  checkFooter,
  FOOTER_BYTES,
  type FooterExpectation,
  type FooterIdentity,
  sealFooter,
} from './file-footer.ts'
import { FILE_HEADER_BYTES } from './file-header.ts'

/** A block between the data blocks and the footer. */
export interface TablePart {
  readonly offset: number
  /** Payload bytes; the trailer follows. */
  readonly length: number
}

export interface TableFooter extends FooterIdentity {
  readonly filter: TablePart
  readonly rangeTombstones: TablePart
  readonly properties: TablePart
  readonly index: TablePart
}

export function encodeFooter(footer: TableFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  const parts = [footer.filter, footer.rangeTombstones, footer.properties, footer.index]
  for (const [i, part] of parts.entries()) {
    writeSafeU64(bytes, part.offset, i * 16)
    writeSafeU64(bytes, part.length, i * 16 + 8)
  }
  return sealFooter(bytes, 'sst', footer)
}

/** Decodes and checks the footer; its parts lie one after the other between header and footer. */
export function decodeFooter(bytes: Buffer, expected: FooterExpectation): TableFooter {
  const refuse = checkFooter(bytes, 'sst', expected)
  const { file, fileSize, fileNumber, salt } = expected
  const position = fileSize - FOOTER_BYTES
  const number = (at: number): number => readSafeU64(bytes, at, file)
  const part = (at: number): TablePart => ({ offset: number(at), length: number(at + 8) })
  const footer: TableFooter = {
    filter: part(0),
    rangeTombstones: part(16),
    properties: part(32),
    index: part(48),
    fileSize,
    fileNumber,
    salt,
  }
  let end = FILE_HEADER_BYTES
  for (const { offset, length } of [
    footer.filter,
    footer.rangeTombstones,
    footer.properties,
    footer.index,
  ]) {
    if (offset < end || offset + length + BLOCK_TRAILER > position) {
      refuse(0, `parts in order before offset ${position}`, `one at ${offset} of ${length} bytes`)
    }
    end = offset + length + BLOCK_TRAILER
  }
  return footer
}
