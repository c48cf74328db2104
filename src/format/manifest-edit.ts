// Manifest edits ⇄ bytes (FORMAT §7). An edit is chained to the one before: its checksum is seeded
// with that one's, so a lost, doubled or swapped edit does not verify.
import { alignUp, compareBytes, readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import {
  EXPIRY_STEPS_MAX,
  KEY_LENGTH_MAX,
  LEVEL_COUNT,
  PACKED_PAYLOAD_MAX,
  SEGMENTS_PER_TABLE_MAX,
} from '../base/limits.ts'
import { hash64 } from '../base/xxh64.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import { CODEC_LZ4, CODEC_ZSTD } from './packed-form.ts'
import type { SegmentMeta, SegmentUse } from './segments/segment-meta.ts'
import { SEGMENT_BYTES_MIN } from './segments/segment-part.ts'
import {
  areExpirySteps,
  type ExpiryStep,
  referredBytes,
  STEP_FIELDS,
  type TableMeta,
} from './table-meta.ts'
import { FieldReader, FieldWriter } from './varint.ts'

/** `EDIT` */
export const EDIT_MAGIC = 0x54494445
export const EDIT_HEADER_BYTES = 24
const CHECKED = 8
const PAYLOAD_LENGTH = 12
const NUMBER = 16

const TAG = {
  nextFileNumber: 1,
  lastVersion: 2,
  historyFloor: 3,
  tableAdded: 4,
  tableRemoved: 5,
  walAdded: 6,
  walSealed: 7,
  walDropped: 8,
  retentionFloor: 9,
  retentionFloorRemoved: 10,
  segmentAdded: 11,
  segmentDropped: 12,
  tablePacking: 13,
  snapshot: 14,
  tableExpiry: 15,
  tableSegments: 16,
  tableExpiring: 17,
} as const

export interface TablePlace {
  readonly level: number
  readonly number: number
}

export interface TableAddition {
  readonly level: number
  readonly table: TableMeta
}

export interface WalAddition {
  readonly number: number
  /** 16 hex digits */
  readonly salt: string
}

export interface WalSeal {
  readonly number: number
  readonly length: number
  readonly lastVersion: number
  /** 16 hex digits */
  readonly digest: string
}

export interface RetentionFloor {
  readonly name: string
  readonly version: number
}

/** One atomic change of the manifest's state. Removals take effect before additions. */
export interface ManifestEdit {
  /** Replaces everything before it. */
  readonly snapshot?: boolean
  readonly nextFileNumber?: number
  readonly lastVersion?: number
  readonly historyFloor?: number
  readonly tablesRemoved?: readonly TablePlace[]
  readonly tablesAdded?: readonly TableAddition[]
  readonly walsAdded?: readonly WalAddition[]
  readonly walsSealed?: readonly WalSeal[]
  readonly walsDropped?: readonly number[]
  readonly segmentsAdded?: readonly SegmentMeta[]
  readonly segmentsDropped?: readonly number[]
  readonly retentionFloors?: readonly RetentionFloor[]
  readonly retentionFloorsRemoved?: readonly string[]
}

export function encodeEditPayload(edit: ManifestEdit): Buffer {
  const out = new FieldWriter(256)
  if (edit.snapshot === true) out.u8(TAG.snapshot)
  if (edit.nextFileNumber !== undefined) out.u8(TAG.nextFileNumber).varint(edit.nextFileNumber)
  if (edit.lastVersion !== undefined) out.u8(TAG.lastVersion).varint(edit.lastVersion)
  if (edit.historyFloor !== undefined) out.u8(TAG.historyFloor).varint(edit.historyFloor)
  for (const { level, number } of edit.tablesRemoved ?? []) {
    out.u8(TAG.tableRemoved).u8(level).varint(number)
  }
  for (const { level, table } of edit.tablesAdded ?? []) writeTable(out, level, table)
  for (const { number, salt } of edit.walsAdded ?? []) {
    out.u8(TAG.walAdded).varint(number).bytes(Buffer.from(salt, 'hex'))
  }
  for (const { number, length, lastVersion, digest } of edit.walsSealed ?? []) {
    out.u8(TAG.walSealed).varint(number).varint(length).varint(lastVersion)
    out.bytes(digestBytes(digest))
  }
  for (const number of edit.walsDropped ?? []) out.u8(TAG.walDropped).varint(number)
  for (const { number, size, salt } of edit.segmentsAdded ?? []) {
    out.u8(TAG.segmentAdded).varint(number).varint(size).bytes(Buffer.from(salt, 'hex'))
  }
  for (const number of edit.segmentsDropped ?? []) out.u8(TAG.segmentDropped).varint(number)
  for (const { name, version } of edit.retentionFloors ?? []) {
    writeName(out.u8(TAG.retentionFloor), name).varint(version)
  }
  for (const name of edit.retentionFloorsRemoved ?? []) {
    writeName(out.u8(TAG.retentionFloorRemoved), name)
  }
  return out.finish()
}

function writeTable(out: FieldWriter, level: number, table: TableMeta): void {
  out.u8(TAG.tableAdded).u8(level).varint(table.number).varint(table.size)
  out.varint(table.entries).varint(table.tombstones)
  out.varint(table.smallestVersion).varint(table.largestVersion).varint(table.baseVersion)
  out.varint(table.largestBlock).varint(table.newestWal).bytes(Buffer.from(table.salt, 'hex'))
  out.varint(table.smallestKey.length).bytes(table.smallestKey)
  out.varint(table.largestKey.length).bytes(table.largestKey)
  const { earliestExpiry, latestExpiry, packing, segments, expiring } = table
  if (earliestExpiry > 0) {
    out.u8(TAG.tableExpiry).varint(table.number).varint(earliestExpiry).varint(latestExpiry)
  }
  if (packing !== undefined) {
    out.u8(TAG.tablePacking).varint(table.number).u8(packing.codec).varint(packing.payloadBytes)
  }
  if (segments !== undefined) {
    out.u8(TAG.tableSegments).varint(table.number).varint(segments.length)
    for (const { number, bytes } of segments) out.varint(number).varint(bytes)
  }
  if (expiring === undefined) return
  out.u8(TAG.tableExpiring).varint(table.number).varint(expiring.length)
  for (const step of expiring) for (const field of STEP_FIELDS) out.varint(step[field])
}

function writeName(out: FieldWriter, name: string): FieldWriter {
  const bytes = Buffer.from(name, 'utf8')
  return out.varint(bytes.length).bytes(bytes)
}

/** A digest is a number written as hex; a salt is bytes written as hex. */
function digestBytes(digest: string): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(`0x${digest}`))
  return bytes
}

interface EditParts {
  snapshot: boolean
  readonly marks: { nextFileNumber?: number; lastVersion?: number; historyFloor?: number }
  readonly tablesRemoved: TablePlace[]
  readonly tablesAdded: TableAddition[]
  /** By table number; the tables are told once all fields are read. */
  readonly walsAdded: WalAddition[]
  readonly walsSealed: WalSeal[]
  readonly walsDropped: number[]
  readonly segmentsAdded: SegmentMeta[]
  readonly segmentsDropped: number[]
  readonly retentionFloors: RetentionFloor[]
  readonly retentionFloorsRemoved: string[]
}

/** `offset` is the payload's file offset, for errors. Keys are copies. */
export function decodeEditPayload(payload: Buffer, file: string, offset: number): ManifestEdit {
  const reader = new FieldReader(payload, file, offset)
  const parts: EditParts = {
    snapshot: false,
    marks: {},
    tablesRemoved: [],
    tablesAdded: [],
    walsAdded: [],
    walsSealed: [],
    walsDropped: [],
    segmentsAdded: [],
    segmentsDropped: [],
    retentionFloors: [],
    retentionFloorsRemoved: [],
  }
  while (!reader.done) readField(reader, parts)
  // Memory is planned by it before the table is looked at.
  for (const { table } of parts.tablesAdded) {
    const { largestBlock, size, packing } = table
    if (largestBlock < size) continue
    if (packing === undefined || largestBlock > PACKED_PAYLOAD_MAX + BLOCK_TRAILER) {
      reader.fail('a largest block inside its table', `one of ${largestBlock} bytes`)
    }
  }
  const { snapshot, marks, ...lists } = parts
  const filled = Object.entries(lists).filter(([, list]) => list.length > 0)
  return { ...(snapshot ? { snapshot } : {}), ...marks, ...Object.fromEntries(filled) }
}

function readField(reader: FieldReader, parts: EditParts): void {
  const tag = reader.u8()
  switch (tag) {
    case TAG.snapshot:
      parts.snapshot = true
      return
    case TAG.nextFileNumber:
      parts.marks.nextFileNumber = reader.varint()
      return
    case TAG.lastVersion:
      parts.marks.lastVersion = reader.varint()
      return
    case TAG.historyFloor:
      parts.marks.historyFloor = reader.varint()
      return
    case TAG.tableAdded:
      parts.tablesAdded.push({ level: readLevel(reader), table: readTable(reader) })
      return
    case TAG.tableExpiry:
      readExpiry(reader, parts.tablesAdded)
      return
    case TAG.tableRemoved:
      parts.tablesRemoved.push({ level: readLevel(reader), number: readNumber(reader) })
      return
    case TAG.walAdded:
      parts.walsAdded.push({ number: readNumber(reader), salt: reader.view(8).toString('hex') })
      return
    case TAG.walSealed:
      parts.walsSealed.push({
        number: readNumber(reader),
        length: reader.varint(),
        lastVersion: reader.varint(),
        digest: readDigest(reader),
      })
      return
    case TAG.walDropped:
      parts.walsDropped.push(readNumber(reader))
      return
    case TAG.segmentAdded:
      parts.segmentsAdded.push(readSegment(reader))
      return
    case TAG.segmentDropped:
      parts.segmentsDropped.push(readNumber(reader))
      return
    case TAG.tableSegments:
      readSegments(reader, parts.tablesAdded)
      return
    case TAG.tableExpiring:
      readExpiring(reader, parts.tablesAdded)
      return
    case TAG.tablePacking:
      readPacking(reader, parts.tablesAdded)
      return
    case TAG.retentionFloor:
      parts.retentionFloors.push({ name: readName(reader), version: reader.varint() })
      return
    case TAG.retentionFloorRemoved:
      parts.retentionFloorsRemoved.push(readName(reader))
      return
    default:
      reader.fail('a field of this format version', `tag ${tag}`)
  }
}

function readSegment(reader: FieldReader): SegmentMeta {
  const number = readNumber(reader)
  const size = reader.varint()
  if (size < SEGMENT_BYTES_MIN) {
    reader.fail(`a segment of ${SEGMENT_BYTES_MIN} bytes or more`, `${size}`)
  }
  return { number, size, salt: reader.view(8).toString('hex') }
}

function readLevel(reader: FieldReader): number {
  const level = reader.u8()
  return level < LEVEL_COUNT ? level : reader.fail(`a level below ${LEVEL_COUNT}`, `${level}`)
}

function readNumber(reader: FieldReader): number {
  const number = reader.varint()
  return number > 0 ? number : reader.fail('a file number', '0')
}

function readTable(reader: FieldReader): TableMeta {
  const table = {
    number: readNumber(reader),
    size: reader.varint(),
    entries: reader.varint(),
    tombstones: reader.varint(),
    earliestExpiry: 0,
    latestExpiry: 0,
    smallestVersion: reader.varint(),
    largestVersion: reader.varint(),
    baseVersion: reader.varint(),
    largestBlock: reader.varint(),
    newestWal: reader.varint(),
    salt: reader.view(8).toString('hex'),
    smallestKey: readKey(reader),
    largestKey: readKey(reader),
  }
  if (compareBytes(table.smallestKey, table.largestKey) > 0) {
    reader.fail('a table whose smallest key is not above its largest', 'one above')
  }
  if (table.tombstones > table.entries) reader.fail('no more tombstones than entries', 'more')
  if (table.smallestVersion > table.largestVersion || table.baseVersion > table.smallestVersion) {
    reader.fail('ascending versions of a table', 'descending ones')
  }
  return table
}

/** The table right before, of which a field says more. */
function amended(reader: FieldReader, tables: readonly TableAddition[], what: string): TableMeta {
  const number = readNumber(reader)
  const table = tables.at(-1)?.table
  return table?.number === number
    ? table
    : reader.fail(`the ${what} of the table before it`, `that of table ${number}`)
}

function amend(tables: TableAddition[], more: Partial<TableMeta>): void {
  const last = tables.at(-1)!
  tables[tables.length - 1] = { level: last.level, table: { ...last.table, ...more } }
}

function readExpiry(reader: FieldReader, tables: TableAddition[]): void {
  const table = amended(reader, tables, 'expiry')
  if (table.earliestExpiry > 0) reader.fail('one expiry per table', 'a second one')
  const earliestExpiry = reader.varint()
  const latestExpiry = reader.varint()
  if (earliestExpiry === 0) reader.fail('an expiry', '0')
  if (latestExpiry !== 0 && latestExpiry < earliestExpiry) {
    reader.fail('a latest expiry not before the earliest', 'one before it')
  }
  amend(tables, { earliestExpiry, latestExpiry })
}

function readPacking(reader: FieldReader, tables: TableAddition[]): void {
  const table = amended(reader, tables, 'compression')
  if (table.packing !== undefined) reader.fail('one compression per table', 'a second one')
  const codec = reader.u8()
  const payloadBytes = reader.varint()
  if (codec !== CODEC_LZ4 && codec !== CODEC_ZSTD) {
    reader.fail(`codec ${CODEC_LZ4} or ${CODEC_ZSTD}`, `${codec}`)
  }
  // Shares of it are taken of what expires.
  if (payloadBytes === 0) reader.fail('a table with bytes before compression', 'none')
  // No block is shorter than its trailer and a byte, nor longer before compression than PACKED_PAYLOAD_MAX.
  if (payloadBytes > table.size * PACKED_PAYLOAD_MAX) {
    reader.fail('a table whose blocks fit in memory', `${payloadBytes} bytes of blocks`)
  }
  amend(tables, { packing: { codec, payloadBytes } })
}

function readSegments(reader: FieldReader, tables: TableAddition[]): void {
  const table = amended(reader, tables, 'segments')
  if (table.segments !== undefined) reader.fail('one list of segments per table', 'a second one')
  const count = reader.varint()
  if (count === 0 || count > SEGMENTS_PER_TABLE_MAX) {
    reader.fail(`1 to ${SEGMENTS_PER_TABLE_MAX} segments of a table`, `${count}`)
  }
  const segments: SegmentUse[] = []
  let last = 0
  for (let i = 0; i < count; i += 1) {
    const use = { number: reader.varint(), bytes: reader.varint() }
    if (use.number <= last || use.bytes === 0) {
      reader.fail('segments of a table by number, each with bytes', 'others')
    }
    last = use.number
    segments.push(use)
  }
  amend(tables, { segments })
}

/** Behind the table's expiry and segments, which bound what may expire of it. */
function readExpiring(reader: FieldReader, tables: TableAddition[]): void {
  const table = amended(reader, tables, 'steps of expiry')
  if (table.expiring !== undefined) reader.fail('steps of expiry once per table', 'a second list')
  const count = reader.varint()
  if (count === 0 || count > EXPIRY_STEPS_MAX) {
    reader.fail(`1 to ${EXPIRY_STEPS_MAX} steps of expiry`, `${count}`)
  }
  const expiring: ExpiryStep[] = []
  let entries = 0
  let referred = 0
  for (let i = 0; i < count; i += 1) {
    const step = {
      until: reader.varint(),
      entries: reader.varint(),
      bytes: reader.varint(),
      referred: reader.varint(),
    }
    entries += step.entries
    referred += step.referred
    expiring.push(step)
  }
  const { earliestExpiry, latestExpiry } = table
  const last = expiring[count - 1]!.until
  const within = earliestExpiry > 0 && expiring[0]!.until >= earliestExpiry
  if (!areExpirySteps(expiring) || !within || (latestExpiry !== 0 && last !== latestExpiry)) {
    reader.fail('steps of expiry by time, from the earliest to the latest', 'others')
  }
  if (entries > table.entries || referred > referredBytes(table)) {
    reader.fail('no more that expires than a table has', 'more')
  }
  amend(tables, { expiring })
}

function readKey(reader: FieldReader): Buffer {
  const length = reader.varint()
  if (length > KEY_LENGTH_MAX) reader.fail('a key of at most 65,535 bytes', `${length}`)
  return Buffer.from(reader.view(length))
}

function readDigest(reader: FieldReader): string {
  return reader.view(8).readBigUInt64LE().toString(16).padStart(16, '0')
}

function readName(reader: FieldReader): string {
  const bytes = reader.view(reader.varint())
  const name = bytes.toString('utf8')
  if (!Buffer.from(name, 'utf8').equals(bytes)) reader.fail('a name in UTF-8', 'other bytes')
  return name
}

export interface SealedEdit {
  readonly bytes: Buffer
  /** Seeds the edit that follows. */
  readonly checksum: bigint
}

/** A whole edit, padded to 8. `seed`: the checksum of the edit before. */
export function sealEdit(payload: Buffer, number: number, seed: bigint): SealedEdit {
  const bytes = Buffer.alloc(alignUp(EDIT_HEADER_BYTES + payload.length, 8))
  bytes.writeUInt32LE(EDIT_MAGIC, CHECKED)
  bytes.writeUInt32LE(payload.length, PAYLOAD_LENGTH)
  writeSafeU64(bytes, number, NUMBER)
  bytes.set(payload, EDIT_HEADER_BYTES)
  const checksum = hash64(bytes.subarray(CHECKED, EDIT_HEADER_BYTES + payload.length), seed)
  bytes.writeBigUInt64LE(checksum, 0)
  return { bytes, checksum }
}

/** An edit's frame as it claims to be; nothing is verified yet but that it ends inside the file. */
export interface EditFrame {
  readonly number: number
  readonly payloadLength: number
  readonly checksum: bigint
  /** Offset of the edit behind it. */
  readonly end: number
}

export function readEditFrame(bytes: Buffer, at: number): EditFrame | undefined {
  if (bytes.length - at < EDIT_HEADER_BYTES) return undefined
  if (bytes.readUInt32LE(at + CHECKED) !== EDIT_MAGIC) return undefined
  const payloadLength = bytes.readUInt32LE(at + PAYLOAD_LENGTH)
  const end = at + alignUp(EDIT_HEADER_BYTES + payloadLength, 8)
  if (end > bytes.length || bytes.readUInt32LE(at + NUMBER + 4) >= 0x200000) return undefined
  const number = readSafeU64(bytes, at + NUMBER, '')
  return { number, payloadLength, checksum: bytes.readBigUInt64LE(at), end }
}

export function editVerifies(bytes: Buffer, at: number, frame: EditFrame, seed: bigint): boolean {
  const payloadEnd = at + EDIT_HEADER_BYTES + frame.payloadLength
  for (let i = payloadEnd; i < frame.end; i += 1) if (bytes[i] !== 0) return false
  return hash64(bytes.subarray(at + CHECKED, payloadEnd), seed) === frame.checksum
}
