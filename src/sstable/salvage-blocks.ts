// Finds the data blocks of a damaged table: by its index, or, where that is gone, by their own checksums,
// which are bound to file and place, so that nothing a value contains can pass for one. Any thread, read
// only.

import { CorruptionError, unlessCorrupt } from '../base/errors.ts'
import { PACKED_PAYLOAD_MAX } from '../base/limits.ts'
import type { KernelHeap } from '../cursor/words.ts'
import { FOOTER_BYTES } from '../format/file-footer.ts'
import { decodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import { CODEC_NONE, CODEC_ZSTD } from '../format/packed-form.ts'
import { TRAILER_COVERED } from '../format/sstable-block.ts'
import { decodeFooter, type TableFooter } from '../format/sstable-footer.ts'
import { decodeBlockList, mayBePacked } from '../format/sstable-index.ts'
import { decodeProperties, type TableProperties } from '../format/sstable-properties.ts'
import type { TableMeta } from '../format/table-meta.ts'
import type { OpenFile } from '../io/file-system.ts'
import { readWhole } from '../io/read-whole.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { readPart } from './table-parts.ts'

/** Whose blocks these are: what their checksums and versions are bound to. */
export interface TableIdentity {
  readonly number: number
  readonly salt: Buffer
  readonly baseVersion: number
  /** False: the header is damaged and nobody else knows; what is read with it must prove it right. */
  readonly certain: boolean
}

/** A data block of a damaged table. */
export interface FoundBlock {
  readonly offset: number
  /** Stored, with trailer. */
  readonly length: number
  /** Payload length before compression. */
  readonly payload: number
}

export interface FoundBlocks {
  /** By offset. */
  readonly blocks: readonly FoundBlock[]
  /** Where the data blocks end, if anything tells. */
  readonly limit: number | undefined
  /** The index they come from; without one they were searched for, and verify. */
  readonly index: Buffer | undefined
  readonly properties: TableProperties | undefined
}

/** Bytes checksummed in a search, as a multiple of the file, before it is given up. */
const SEARCH_EFFORT = 8

/** What the table says of itself. Throws CorruptionError unless header, footer, properties and index agree. */
export function ownMeta(file: OpenFile): TableMeta {
  const size = file.sizeSync()
  const refuse = (offset: number, expected: string, found: string): never => {
    throw new CorruptionError({ file: file.path, offset, expected, found })
  }
  if (size < FILE_HEADER_BYTES + FOOTER_BYTES) refuse(0, 'a header and a footer', `${size} bytes`)
  const head = Buffer.alloc(FILE_HEADER_BYTES)
  readWhole(file, head, 0)
  const { number, salt, parameter } = decodeFileHeader(head, 'sst', file.path)
  const footer = readFooter(file, size, { number, salt })
  const { offset } = footer.properties
  const properties = decodeProperties(readPart(file, footer, footer.properties), file.path, offset)
  const list = decodeBlockList(readPart(file, footer, footer.index), footer.filter.offset)
  if (list === undefined) return refuse(footer.index.offset, 'an index', 'a malformed one')
  const { entries, tombstones, earliestExpiry, latestExpiry, newestWal } = properties
  const { smallestVersion, largestVersion, largestBlock, codec } = properties
  const largest = Math.max(size, codec === CODEC_NONE ? 0 : PACKED_PAYLOAD_MAX + BLOCK_TRAILER)
  if (largestBlock > largest) refuse(offset + 72, 'a block inside the file', 'a larger one')
  const payloadBytes = list.payloads.reduce((sum, payload) => sum + payload, 0)
  return {
    number,
    size,
    salt: salt.toString('hex'),
    entries,
    tombstones,
    earliestExpiry,
    latestExpiry,
    smallestVersion,
    largestVersion,
    baseVersion: parameter,
    largestBlock,
    newestWal,
    smallestKey: new Uint8Array(list.smallestKey),
    largestKey: new Uint8Array(list.largestKey),
    ...(codec === CODEC_NONE ? {} : { packing: { codec, payloadBytes } }),
    ...(properties.segments.length === 0 ? {} : { segments: properties.segments }),
    ...(properties.expiring.length === 0 ? {} : { expiring: properties.expiring }),
  }
}

/** The manifest knows best, then the header; a damaged header is read as it stands. */
export function identify(
  file: OpenFile,
  number: number,
  meta: TableMeta | undefined,
): TableIdentity | undefined {
  const head = Buffer.alloc(FILE_HEADER_BYTES)
  const whole = file.readSync(head, 0) === head.length
  try {
    const header = decodeFileHeader(head, 'sst', file.path)
    const { salt, parameter: baseVersion } = header
    return { number: header.number, salt, baseVersion, certain: true }
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
  }
  if (meta !== undefined) {
    const { baseVersion } = meta
    return { number: meta.number, salt: Buffer.from(meta.salt, 'hex'), baseVersion, certain: true }
  }
  const high = head.readUInt32LE(36)
  if (!whole || high >= 0x200000) return undefined
  const baseVersion = high * 2 ** 32 + head.readUInt32LE(32)
  return { number, salt: Buffer.from(head.subarray(24, 32)), baseVersion, certain: false }
}

/** `image` takes the whole file; it is the call's until it returns. */
export function findBlocks(
  machine: KernelHeap,
  file: OpenFile,
  identity: TableIdentity,
  memory: { readonly image: Region; readonly saltAddress: number },
): FoundBlocks {
  const size = file.sizeSync()
  const footer = unlessCorrupt(() => readFooter(file, size, identity))
  const properties =
    footer === undefined
      ? undefined
      : unlessCorrupt(() => {
          const payload = readPart(file, footer, footer.properties)
          return decodeProperties(payload, file.path, footer.properties.offset)
        })
  const limit = footer?.filter.offset
  const index =
    footer === undefined ? undefined : unlessCorrupt(() => readPart(file, footer, footer.index))
  const list = index === undefined ? undefined : decodeBlockList(index, limit ?? size)
  if (list !== undefined) {
    const { lengths, payloads } = list
    const blocks = [...list.offsets].map((offset, i) => ({
      offset,
      length: lengths[i] as number,
      payload: payloads[i] as number,
    }))
    return { blocks, limit, index, properties }
  }
  const end = limit ?? size
  const { address } = memory.image
  const read = file.readSync(machine.heap.bytes.subarray(address, address + end), 0)
  const blocks = search(machine, identity.number, { ...memory, end: read })
  return { blocks, limit, index: undefined, properties }
}

function readFooter(
  file: OpenFile,
  fileSize: number,
  { number: fileNumber, salt }: { readonly number: number; readonly salt: Buffer },
): TableFooter {
  if (fileSize < FILE_HEADER_BYTES + FOOTER_BYTES) {
    const place = { file: file.path, offset: 0, expected: 'a footer', found: `${fileSize} bytes` }
    throw new CorruptionError(place)
  }
  const tail = Buffer.alloc(FOOTER_BYTES)
  readWhole(file, tail, fileSize - FOOTER_BYTES)
  return decodeFooter(tail, { file: file.path, fileSize, fileNumber, salt })
}

/** Every trailer names its stored length, and so the block's start: what verifies from there is a block. */
function search(
  { kernels, heap }: KernelHeap,
  number: number,
  place: { readonly image: Region; readonly saltAddress: number; readonly end: number },
): FoundBlock[] {
  const { bytes } = heap
  const base = place.image.address
  const blocks: FoundBlock[] = []
  let effort = SEARCH_EFFORT * place.end
  let start = FILE_HEADER_BYTES
  for (let at = start; at + BLOCK_TRAILER <= place.end && effort > 0; at++) {
    const trailer = base + at
    if ((bytes[trailer] as number) > CODEC_ZSTD) continue
    const payload = bytes.readUInt32LE(trailer + 4)
    const stored = storedLength(bytes, trailer, payload)
    const offset = at - stored
    if (stored === 0 || offset < start) continue
    effort -= stored
    const covered = stored + TRAILER_COVERED
    const sum = trailer + TRAILER_COVERED
    const { saltAddress } = place
    if (kernels.checksumMatches(base + offset, covered, saltAddress, number, offset, sum) !== 1) {
      continue
    }
    blocks.push({ offset, length: stored + BLOCK_TRAILER, payload })
    start = at + BLOCK_TRAILER
    at = start - 1
  }
  return blocks
}

/** What a trailer says is stored before it; 0: it is none. */
function storedLength(bytes: Buffer, trailer: number, payload: number): number {
  const packed = bytes.readUIntLE(trailer + 1, 3)
  if (bytes[trailer] === CODEC_NONE) return packed === 0 ? payload : 0
  return mayBePacked(packed, payload) ? packed : 0
}
