// The parts of a table file, by where they lie: what a flipped bit is counted under, and which keys it concerns.
import { FILE_HEADER_BYTES } from '../../../src/format/file-header.ts'
import { decodeFooter, FOOTER_BYTES } from '../../../src/format/sstable-footer.ts'
import { blockKeys, decodeBlockList } from '../../../src/format/sstable-index.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'

export type RegionKind =
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

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('utf8')
}
