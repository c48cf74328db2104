// A table file taken apart, changed inside and put together again, with the checksums right.
import { checksum } from '../../../src/format/checksum.ts'
import { FOOTER_BYTES } from '../../../src/format/file-footer.ts'
import { decodeFooter, type TableFooter } from '../../../src/format/sstable-footer.ts'
import { decodeBlockList } from '../../../src/format/sstable-index.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import type { Prng } from '../../model/prng.ts'
import { type Field, mutate, pick, u32s, u64s } from './mutation.ts'

const TRAILER = 16
const COVERED = 8

export interface BaseTable {
  readonly meta: TableMeta
  readonly bytes: Buffer
  readonly footer: TableFooter
  readonly blocks: readonly { readonly offset: number; readonly length: number }[]
}

export function takeApart(meta: TableMeta, bytes: Buffer): BaseTable {
  const footer = decodeFooter(bytes.subarray(bytes.length - FOOTER_BYTES), {
    file: '',
    fileSize: bytes.length,
    fileNumber: meta.number,
    salt: Buffer.from(meta.salt, 'hex'),
  })
  const { offset, length } = footer.index
  const list = decodeBlockList(bytes.subarray(offset, offset + length), footer.filter.offset)
  if (list === undefined) throw new Error('an undamaged index parses')
  const blocks = [...list.offsets].map((at, i) => ({
    offset: at,
    length: list.lengths[i]! - TRAILER,
  }))
  return { meta, bytes, footer, blocks }
}

/** What the properties say, field by field, as the manifest has it. */
const FACTS = [
  ['entries', 0],
  ['tombstones', 8],
  ['smallestVersion', 16],
  ['largestVersion', 24],
  ['largestBlock', 72],
  ['newestWal', 80],
] as const

/** The table with one more entry or block in its properties than there are; the manifest's idea of it goes along. */
export function withOneMore(
  base: BaseTable,
  what: 'entries' | 'blocks',
): { bytes: Buffer; meta: TableMeta } {
  const bytes = Buffer.from(base.bytes)
  const { properties } = base.footer
  const at = properties.offset + (what === 'entries' ? 0 : 88)
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at) + 1n, at)
  seal(base.meta, bytes, properties)
  return { bytes, meta: follow(base, bytes) }
}

/** The table with other bytes in its first segment than its entries add up to. */
export function withOtherUse(base: BaseTable, change: number): { bytes: Buffer; meta: TableMeta } {
  const bytes = Buffer.from(base.bytes)
  const { properties } = base.footer
  const at = properties.offset + 112
  bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at) + BigInt(change), at)
  seal(base.meta, bytes, properties)
  const segments = base.meta.segments!.map((use, i) => {
    return i === 0 ? { ...use, bytes: use.bytes + change } : use
  })
  return { bytes, meta: { ...base.meta, segments } }
}

/** The table with another number in its first step of expiry than its entries add up to. */
export function withOtherStep(
  base: BaseTable,
  field: 'entries' | 'bytes' | 'referred',
): { bytes: Buffer; meta: TableMeta } {
  const bytes = Buffer.from(base.bytes)
  const { properties } = base.footer
  const { segments = [], expiring } = base.meta
  const [first, ...others] = expiring!
  const step = { ...first!, [field]: first![field] + 1 }
  const place = { entries: 8, bytes: 16, referred: 24 }[field]
  const at = properties.offset + 104 + 16 * segments.length + place
  bytes.writeBigUInt64LE(BigInt(step[field]), at)
  seal(base.meta, bytes, properties)
  return { bytes, meta: { ...base.meta, expiring: [step, ...others] } }
}

/** The table with one to three parts changed; the manifest's idea of it goes along, as if it had been forged too. */
export function forge(base: BaseTable, random: Prng): { bytes: Buffer; meta: TableMeta } {
  const bytes = Buffer.from(base.bytes)
  for (let count = 1 + random.below(3); count > 0; count--) change(base, bytes, random)
  const meta = follow(base, bytes)
  return { bytes, meta: isPossible(meta) && random.chance(0.7) ? meta : base.meta }
}

function change({ meta, footer, blocks }: BaseTable, bytes: Buffer, random: Prng): void {
  const part = (at: { offset: number; length: number }, fields: readonly Field[]): void => {
    mutate(bytes.subarray(at.offset, at.offset + at.length), fields, random)
    seal(meta, bytes, at)
  }
  const n = blocks.length
  switch (random.below(8)) {
    case 0:
      part(footer.index, [...u32s(0, 4), ...u64s(16, 2 * n), ...u32s(16 + 16 * n, 3 * n + 1)])
      return
    case 1:
      part(footer.filter, [...u32s(0, 2), ...u64s(8, 1)])
      return
    case 2:
      part(footer.properties, [
        ...u64s(0, footer.properties.length / 8),
        ...u32s(64, 2),
        ...u32s(96, 2),
      ])
      return
    case 3:
      part(footer.rangeTombstones, u32s(0, 2))
      return
    case 4: {
      const at = bytes.length - FOOTER_BYTES
      mutate(bytes.subarray(at, at + 112), u64s(0, 12), random)
      sealFooter(meta, bytes)
      return
    }
    default: {
      const block = pick(random, blocks)
      const tail = u32s(block.length - 12, 3)
      const head = Array.from(
        { length: 6 },
        (): Field => ({ at: random.below(block.length), size: 1 }),
      )
      part(block, random.chance(0.3) ? tail : head)
    }
  }
}

function seal(
  meta: TableMeta,
  bytes: Buffer,
  { offset, length }: { offset: number; length: number },
): void {
  const place = placeOf(meta, offset)
  const sum = checksum(bytes.subarray(offset, offset + length + COVERED), place)
  bytes.writeBigUInt64LE(sum, offset + length + COVERED)
}

function sealFooter(meta: TableMeta, bytes: Buffer): void {
  const position = bytes.length - FOOTER_BYTES
  const sum = checksum(bytes.subarray(position, position + 112), placeOf(meta, position))
  bytes.writeBigUInt64LE(sum, position + 112)
}

function placeOf(
  { salt, number: fileNumber }: TableMeta,
  position: number,
): Parameters<typeof checksum>[1] {
  return { salt: Buffer.from(salt, 'hex'), fileNumber, position }
}

/** Others a manifest's decoder refuses. */
function isPossible(meta: TableMeta): boolean {
  const { entries, tombstones, smallestVersion, largestVersion, baseVersion } = meta
  return (
    meta.largestBlock < Math.max(meta.size, meta.packing === undefined ? 0 : 2 ** 20 + 17) &&
    tombstones <= entries &&
    smallestVersion <= largestVersion &&
    baseVersion <= smallestVersion &&
    Buffer.compare(meta.smallestKey, meta.largestKey) <= 0
  )
}

/** What the manifest would say of the changed table. */
function follow({ meta, footer }: BaseTable, bytes: Buffer): TableMeta {
  const { offset, length } = footer.properties
  const properties = bytes.subarray(offset, offset + length)
  const facts: { -readonly [Name in (typeof FACTS)[number][0]]?: number } = {}
  for (const [name, at] of FACTS) {
    facts[name] = Number(BigInt.asUintN(53, properties.readBigUInt64LE(at)))
  }
  const index = bytes.subarray(footer.index.offset, footer.index.offset + footer.index.length)
  const list = decodeBlockList(index, footer.filter.offset)
  const keys =
    list === undefined ? {} : { smallestKey: list.smallestKey, largestKey: list.largestKey }
  return { ...meta, ...facts, ...keys }
}
