// The parts of a table or segment, by where they lie: what a flipped bit is counted under, and which keys it concerns.
import { hash64 } from '../../../src/base/xxh64.ts'
import { FOOTER_BYTES } from '../../../src/format/file-footer.ts'
import { FILE_HEADER_BYTES } from '../../../src/format/file-header.ts'
import { decodeFooter } from '../../../src/format/sstable-footer.ts'
import { blockKeys, decodeBlockList } from '../../../src/format/sstable-index.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'

/** What a segment's flipped bit is counted under. `unread`: of a value nobody can ask for any more. */
type SegmentRegionKind =
  | 'segment header'
  | 'part header'
  | 'stored bytes'
  | 'padding'
  | 'unread'
  | 'segment footer'

export type RegionKind =
  | SegmentRegionKind
  | 'header'
  | 'data block'
  | 'filter'
  | 'range tombstones'
  | 'properties'
  | 'index'
  | 'footer'

export interface Region {
  readonly kind: RegionKind
  readonly from: number
  readonly to: number
  /** Where the bytes begin whose checksum covers it, if before `from`. */
  readonly start?: number
  /** Outermost keys of the entries that cannot be read when it is damaged. */
  readonly first: string
  readonly last: string
}

const TRAILER = 16

/** All bytes of the file belong to exactly one region. */
export function regionsOf(table: Buffer, meta: TableMeta): Region[] {
  const footer = decodeFooter(table.subarray(table.length - FOOTER_BYTES), {
    file: '',
    fileSize: table.length,
    fileNumber: meta.number,
    salt: Buffer.from(meta.salt, 'hex'),
  })
  const { filter, rangeTombstones, properties, index } = footer
  const whole = { first: text(meta.smallestKey), last: text(meta.largestKey) }
  const regions: Region[] = [{ kind: 'header', from: 0, to: FILE_HEADER_BYTES, ...whole }]
  const payload = table.subarray(index.offset, index.offset + index.length)
  const list = decodeBlockList(payload, filter.offset)
  if (list === undefined) throw new Error('an undamaged index parses')
  for (const [i, from] of list.offsets.entries()) {
    const { first, last } = blockKeys(payload, i)
    const to = from + list.lengths[i]!
    regions.push({ kind: 'data block', from, to, first: text(first), last: text(last) })
  }
  const parts = [
    ['filter', filter],
    ['range tombstones', rangeTombstones],
    ['properties', properties],
    ['index', index],
  ] as const
  for (const [kind, { offset, length }] of parts) {
    regions.push({ kind, from: offset, to: offset + length + TRAILER, ...whole })
  }
  const from = table.length - FOOTER_BYTES
  regions.push({ kind: 'footer', from, to: table.length, ...whole })
  let end = 0
  for (const region of regions) {
    if (region.from !== end) throw new Error(`bytes of no region at ${end}`)
    end = region.to
  }
  return regions
}

/** All bytes of the file belong to exactly one region. `live`: whether the value of a key is the one at an offset. */
export function segmentRegionsOf(
  bytes: Buffer,
  keys: readonly string[],
  live: (key: string, offset: number) => boolean,
): Region[] {
  const byHash = new Map(keys.map((key) => [hash64(Buffer.from(key), 0n), key]))
  const end = bytes.length - FOOTER_BYTES
  const regions: Region[] = []
  const seen: string[] = []
  let value = 64
  for (let at = 64; at < end; ) {
    const key = byHash.get(bytes.readBigUInt64LE(at + 16))
    if (key === undefined) throw new Error(`a value of no key at ${at}`)
    const packed = bytes.readUIntLE(at + 13, 3)
    const stored = at + 32 + (packed === 0 ? bytes.readUInt32LE(at + 8) : packed)
    const next = Math.ceil(stored / 8) * 8
    const [start, read] = [at, live(key, value)]
    if (read) seen.push(key)
    const add = (kind: SegmentRegionKind, from: number, to: number): void => {
      if (from < to)
        regions.push({ kind: read ? kind : 'unread', from, to, start, first: key, last: key })
    }
    add('part header', at, at + 32)
    add('stored bytes', at + 32, stored)
    add('padding', stored, next)
    if (bytes.readUInt32LE(at + 28) === 1) value = next
    at = next
  }
  const [any] = seen
  if (any === undefined) return []
  const whole = { first: any, last: any }
  return [
    { kind: 'segment header', from: 0, to: 64, ...whole },
    ...regions,
    { kind: 'segment footer', from: end, to: bytes.length, ...whole },
  ]
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('utf8')
}
