// A reader of Sett's files written from docs/FORMAT.md alone (and XXH64). No codec of src/ is used on purpose.
import { expect } from 'vitest'
import { hash64 } from '../../../src/base/xxh64.ts'

export const u64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at))
const align = (at: number): number => Math.ceil(at / 8) * 8

/** §1 */
function seed(salt: Buffer, file: number, position: number): bigint {
  const place = Buffer.alloc(24)
  salt.copy(place)
  place.writeBigUInt64LE(BigInt(file), 8)
  place.writeBigUInt64LE(BigInt(position), 16)
  return hash64(place, 0n)
}

export interface HeaderRead {
  readonly number: number
  readonly salt: Buffer
  readonly parameter: number
}

/** §2 */
export function header(bytes: Buffer, magic: string): HeaderRead {
  expect(bytes.toString('latin1', 0, 8)).toBe(magic)
  expect([bytes.readUInt32LE(8), bytes.readUInt32LE(12)]).toEqual([1, 0])
  expect(bytes.subarray(40, 56).equals(Buffer.alloc(16))).toBe(true)
  expect(bytes.readBigUInt64LE(56)).toBe(hash64(bytes.subarray(0, 56), 0n))
  return { number: u64(bytes, 16), salt: bytes.subarray(24, 32), parameter: u64(bytes, 32) }
}

class Fields {
  readonly bytes: Buffer
  at: number
  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }
  u8(): number {
    return this.bytes[this.at++]!
  }
  varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  take(length: number): Buffer {
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
}

export interface Entry {
  readonly key: string
  readonly value: string
  /** In place of a value that lies in a segment. */
  readonly pointer?: Pointer
  readonly version: number
  readonly kind: number
  /** Only of what expires. */
  readonly expiresAt?: number
}

/** §9 */
export interface Pointer {
  readonly segment: number
  readonly offset: number
  readonly length: number
  readonly stored: number
}

function readPointer(bytes: Buffer): Pointer {
  expect(bytes).toHaveLength(24)
  const [length, stored] = [16, 20].map((at) => bytes.readUInt32LE(at)) as [number, number]
  return { segment: u64(bytes, 0), offset: u64(bytes, 8), length, stored }
}

export interface FrameRead {
  readonly link: number[] | undefined
  readonly commits: Entry[][]
  readonly lastVersion: number
}

export interface WalRead {
  readonly number: number
  readonly salt: Buffer
  readonly frames: readonly FrameRead[]
  readonly digest: bigint
}

/** §5, with the records of §4. */
export function readWal(bytes: Buffer): WalRead {
  const { number, salt } = header(bytes, 'SETTWAL\0')
  const frames: FrameRead[] = []
  let digest = seed(salt, number, 0)
  const commit: Entry[] = []
  for (let at = 64; at < bytes.length; ) {
    expect(bytes.readUInt32LE(at + 8)).toBe(0x4d415246)
    const end = at + 48 + bytes.readUInt32LE(at + 12)
    const sum = bytes.readBigUInt64LE(at)
    expect(hash64(bytes.subarray(at + 8, end), seed(salt, number, at))).toBe(sum)
    digest = hash64(bytes.subarray(at, at + 8), digest)
    const linked = bytes.readUInt32LE(at + 44) === 1
    const link = linked ? [48, 56, 64, 72].map((field) => u64(bytes, at + field)) : undefined
    const commits: Entry[][] = []
    let records = 0
    for (let from = at + (linked ? 80 : 48); from < end; records++) {
      const tag = bytes[from + 6]!
      const value = from + ((tag & 0x20) === 0 ? 16 : 24) + bytes.readUInt16LE(from + 4)
      const key = bytes.toString('utf8', value - bytes.readUInt16LE(from + 4), value)
      const valueEnd = value + bytes.readUInt32LE(from)
      const text = bytes.toString('utf8', value, valueEnd)
      const expires = (tag & 0x20) === 0 ? {} : { expiresAt: u64(bytes, from + 16) }
      commit.push({ key, value: text, version: u64(bytes, from + 8), kind: tag & 15, ...expires })
      if ((tag & 0x80) !== 0) commits.push(commit.splice(0))
      from = align(valueEnd)
    }
    expect(records).toBe(bytes.readUInt32LE(at + 40))
    frames.push({ link, commits, lastVersion: u64(bytes, at + 32) })
    at = end
  }
  expect(commit).toEqual([])
  return { number, salt, frames, digest }
}

export interface ManifestRead {
  readonly wals: ReadonlyMap<number, { salt: Buffer; sealed?: { length: number; digest: bigint } }>
  readonly tables: ReadonlyMap<number, TableRead>
  readonly expiries: ReadonlyMap<number, number[]>
  readonly packings: ReadonlyMap<number, { codec: number; payloadBytes: number }>
  readonly segments: ReadonlyMap<number, { size: number; salt: Buffer }>
  /** By table: number and bytes of each segment. */
  readonly uses: ReadonlyMap<number, number[][]>
  /** By table: until, entries, bytes and bytes in segments of each step. */
  readonly steps: ReadonlyMap<number, number[][]>
  readonly marks: { next: number; version: number }
  readonly edits: readonly number[]
  readonly lastChecksum: bigint
}

/** §7 */
export function readManifest(bytes: Buffer): ManifestRead {
  const { number, salt } = header(bytes, 'SETTMAN\0')
  const wals = new Map<number, { salt: Buffer; sealed?: { length: number; digest: bigint } }>()
  const tables = new Map<number, TableRead>()
  const expiries = new Map<number, number[]>()
  const packings = new Map<number, { codec: number; payloadBytes: number }>()
  const segments = new Map<number, { size: number; salt: Buffer }>()
  const uses = new Map<number, number[][]>()
  const steps = new Map<number, number[][]>()
  const marks = { next: 0, version: 0 }
  const edits: number[] = []
  let chain = seed(salt, number, 64)
  for (let at = 64; at < bytes.length; ) {
    expect(bytes.readUInt32LE(at + 8)).toBe(0x54494445)
    const end = at + 24 + bytes.readUInt32LE(at + 12)
    expect(bytes.readBigUInt64LE(at)).toBe(hash64(bytes.subarray(at + 8, end), chain))
    chain = bytes.readBigUInt64LE(at)
    edits.push(u64(bytes, at + 16))
    const fields = new Fields(bytes, at + 24)
    while (fields.at < end) {
      const tag = fields.u8()
      if (tag === 14) expect(at).toBe(64)
      else if (tag === 1) marks.next = fields.varint()
      else if (tag === 2) marks.version = fields.varint()
      else if (tag === 3) fields.varint()
      else if (tag === 4) {
        const table = readAddition(fields)
        tables.set(table.number, table)
      } else if (tag === 13) {
        const table = tables.get(fields.varint())!
        packings.set(table.number, { codec: fields.u8(), payloadBytes: fields.varint() })
      } else if (tag === 5) {
        fields.u8()
        tables.delete(fields.varint())
      } else if (tag === 6) wals.set(fields.varint(), { salt: fields.take(8) })
      else if (tag === 7) {
        const wal = wals.get(fields.varint())!
        const length = fields.varint()
        fields.varint()
        wal.sealed = { length, digest: fields.take(8).readBigUInt64LE() }
      } else if (tag === 8) wals.delete(fields.varint())
      else if (tag === 11) {
        segments.set(fields.varint(), { size: fields.varint(), salt: fields.take(8) })
      } else if (tag === 12) segments.delete(fields.varint())
      else if (tag === 16) {
        const table = tables.get(fields.varint())!
        const count = fields.varint()
        const list = Array.from({ length: count }, () => [fields.varint(), fields.varint()])
        uses.set(table.number, list)
      } else if (tag === 17) {
        const table = tables.get(fields.varint())!
        const count = fields.varint()
        const step = (): number[] => Array.from({ length: 4 }, () => fields.varint())
        steps.set(table.number, Array.from({ length: count }, step))
      } else if (tag === 15) expiries.set(fields.varint(), [fields.varint(), fields.varint()])
      else throw new Error(`tag ${tag}`)
    }
    expect(fields.at).toBe(end)
    at = align(end)
  }
  const ofTables = { tables, expiries, packings, uses, steps }
  return { ...ofTables, wals, segments, marks, edits, lastChecksum: chain }
}

export interface TableRead {
  readonly level: number
  readonly number: number
  readonly salt: Buffer
  readonly versions: { smallest: number; largest: number; base: number }
  readonly counts: {
    size: number
    entries: number
    tombstones: number
    largestBlock: number
    newestWal: number
  }
  readonly smallestKey: string
  readonly largestKey: string
}

function readAddition(fields: Fields): TableRead {
  const level = fields.u8()
  const varints = Array.from({ length: 9 }, () => fields.varint())
  const [number = 0, size = 0, entries = 0, tombstones = 0] = varints
  const [smallest = 0, largest = 0, base = 0, largestBlock = 0, newestWal = 0] = varints.slice(4)
  const salt = fields.take(8)
  const [smallestKey = '', largestKey = ''] = [1, 2].map(() =>
    fields.take(fields.varint()).toString(),
  )
  const versions = { smallest, largest, base }
  const counts = { size, entries, tombstones, largestBlock, newestWal }
  return { level, number, salt, versions, counts, smallestKey, largestKey }
}

/** §6.1: entries of a data block payload, decoded from its start and from each restart. */
function readBlock(payload: Buffer, base: number): Entry[] {
  const restarts = payload.readUInt32LE(payload.length - 4)
  const end = payload.length - 4 - 4 * restarts
  const entries: Entry[] = []
  const fields = new Fields(payload)
  for (let key = Buffer.alloc(0); fields.at < end; ) {
    if (entries.length % 16 === 0) {
      expect(payload.readUInt32LE(end + 4 * (entries.length / 16))).toBe(fields.at)
      expect(payload[fields.at]).toBe(0)
    }
    const shared = fields.varint()
    const [other, valueLength] = [fields.varint(), fields.varint()]
    const tag = fields.u8()
    const version = base + fields.varint()
    if ((tag & 0x10) !== 0) fields.u8()
    const expires = (tag & 0x20) === 0 ? {} : { expiresAt: fields.varint() }
    key = Buffer.concat([key.subarray(0, shared), fields.take(other)])
    const value = fields.take(valueLength)
    const held = { key: key.toString(), version, kind: tag & 15, ...expires }
    if (held.kind === 5) entries.push({ ...held, value: '', pointer: readPointer(value) })
    else entries.push({ ...held, value: value.toString() })
  }
  expect(restarts).toBe(Math.ceil(entries.length / 16))
  return entries
}

/** An LZ4 block, by the page §6.7 names. */
function readLz4(block: Buffer, length: number): Buffer {
  const fields = new Fields(block)
  const plain: number[] = []
  const extended = (half: number): number => {
    let count = half
    for (let more = half === 15; more; ) {
      const byte = fields.u8()
      count += byte
      more = byte === 255
    }
    return count
  }
  for (;;) {
    const token = fields.u8()
    plain.push(...fields.take(extended(token >> 4)))
    if (fields.at === block.length) break
    const offset = fields.take(2).readUInt16LE()
    for (let i = extended(token & 15) + 4; i > 0; i--) plain.push(plain[plain.length - offset]!)
  }
  expect(plain).toHaveLength(length)
  return Buffer.from(plain)
}

export interface TableFileRead {
  readonly number: number
  readonly salt: Buffer
  readonly base: number
  readonly filter: Buffer
  readonly properties: Buffer
  readonly blocks: readonly (IndexRead & { readonly entries: readonly Entry[] })[]
  readonly entries: readonly Entry[]
}

/** §6 */
export function readTable(bytes: Buffer): TableFileRead {
  const { number, salt, parameter: base } = header(bytes, 'SETTSST\0')
  const footer = bytes.subarray(-128)
  const footerAt = bytes.length - 128
  const sum = hash64(footer.subarray(0, 112), seed(salt, number, footerAt))
  expect(footer.readBigUInt64LE(112)).toBe(sum)
  expect(footer.toString('latin1', 120)).toBe('SETTSST\0')
  expect([64, 72].map((at) => u64(footer, at))).toEqual([bytes.length, number])
  expect(footer.subarray(80, 88).equals(salt)).toBe(true)
  expect(footer.readUInt32LE(88)).toBe(1)
  const block = (at: number, length: number, payload = length): Buffer => {
    const codec = payload === length ? 0 : 1
    expect(bytes[at + length]).toBe(codec)
    expect(bytes.readUIntLE(at + length + 1, 3)).toBe(codec === 0 ? 0 : length)
    expect(bytes.readUInt32LE(at + length + 4)).toBe(payload)
    const found = hash64(bytes.subarray(at, at + length + 8), seed(salt, number, at))
    expect(found).toBe(bytes.readBigUInt64LE(at + length + 8))
    const stored = bytes.subarray(at, at + length)
    if (codec === 0) return stored
    expect(length).toBeLessThanOrEqual(payload - Math.floor(payload / 8))
    return readLz4(stored, payload)
  }
  const [filter, ranges, properties, index] = [0, 16, 32, 48].map((at) =>
    block(u64(footer, at), u64(footer, at + 8)),
  )
  expect(ranges).toEqual(Buffer.alloc(8))
  const blocks = readIndex(index!).map((each) => {
    const entries = readBlock(block(each.offset, each.length - 16, each.payload), base)
    expect([entries[0]!.key, entries.at(-1)!.key]).toEqual([each.first, each.last])
    return { ...each, entries }
  })
  const entries = blocks.flatMap((each) => each.entries)
  return { number, salt, base, filter: filter!, properties: properties!, blocks, entries }
}

export interface SegmentRead {
  readonly number: number
  readonly salt: Buffer
  /** By the offset at which each begins. */
  readonly values: ReadonlyMap<number, { value: Buffer; stored: number; keyHash: bigint }>
  /** Of the parts. */
  readonly codecs: readonly number[]
}

/** §9 */
export function readSegment(bytes: Buffer): SegmentRead {
  const { number, salt, parameter } = header(bytes, 'SETTVLG\0')
  expect(parameter).toBe(0)
  const end = bytes.length - 128
  const footer = bytes.subarray(end)
  const sum = hash64(footer.subarray(0, 112), seed(salt, number, end))
  expect(footer.readBigUInt64LE(112)).toBe(sum)
  expect(footer.toString('latin1', 120)).toBe('SETTVLG\0')
  expect([64, 72].map((at) => u64(footer, at))).toEqual([bytes.length, number])
  expect(footer.subarray(80, 88).equals(salt)).toBe(true)
  expect(footer.readUInt32LE(88)).toBe(1)
  const values = new Map<number, { value: Buffer; stored: number; keyHash: bigint }>()
  const codecs: number[] = []
  for (let at = 64; at < end; ) {
    const from = at
    const keyHash = bytes.readBigUInt64LE(at + 16)
    const parts: Buffer[] = []
    for (let last = false, position = 0; !last; ) {
      const part = readPart(bytes, at, seed(salt, number, at))
      expect([part.position, part.keyHash]).toEqual([position, keyHash])
      expect(part.last || part.payload.length === 2 ** 20).toBe(true)
      parts.push(part.payload)
      codecs.push(part.codec)
      position += part.payload.length
      last = part.last
      at = part.end
    }
    values.set(from, { value: Buffer.concat(parts), stored: at - from, keyHash })
  }
  const lengths = [...values.values()].map(({ value }) => value.length)
  const total = lengths.reduce((sum, length) => sum + length, 0)
  expect([0, 8].map((at) => u64(footer, at))).toEqual([values.size, total])
  return { number, salt, values, codecs }
}

function readPart(bytes: Buffer, at: number, placed: bigint) {
  const length = bytes.readUInt32LE(at + 8)
  const codec = bytes[at + 12]!
  const packed = bytes.readUIntLE(at + 13, 3)
  expect(codec === 0).toBe(packed === 0)
  const stored = codec === 0 ? length : packed
  const sum = hash64(bytes.subarray(at + 8, at + 32 + stored), placed)
  expect(bytes.readBigUInt64LE(at)).toBe(sum)
  const end = align(at + 32 + stored)
  expect(bytes.subarray(at + 32 + stored, end).every((byte) => byte === 0)).toBe(true)
  const held = bytes.subarray(at + 32, at + 32 + stored)
  const flags = bytes.readUInt32LE(at + 28)
  expect(flags).toBeLessThanOrEqual(1)
  return {
    codec,
    payload: codec === 0 ? held : readLz4(held, length),
    keyHash: bytes.readBigUInt64LE(at + 16),
    position: bytes.readUInt32LE(at + 24),
    last: flags === 1,
    end,
  }
}

interface IndexRead {
  readonly offset: number
  readonly length: number
  readonly payload: number
  readonly first: string
  readonly last: string
}

/** §6.2 */
function readIndex(index: Buffer): IndexRead[] {
  const [n, keyBytes, common] = [0, 4, 8].map((at) => index.readUInt32LE(at)) as [
    number,
    number,
    number,
  ]
  const keys = align(16 + 20 * n + 4 * (2 * n + 1))
  const payloads = Math.ceil((keys + keyBytes) / 4) * 4
  const packed = index.readUInt32LE(12) === 1
  expect(index.length).toBe(packed ? payloads + 4 * n : keys + keyBytes)
  const boundary = (i: number): number => keys + index.readUInt32LE(16 + 20 * n + 4 * i)
  return Array.from({ length: n }, (_, i) => {
    const last = index.subarray(boundary(2 * i + 1), boundary(2 * i + 2))
    const prefix = Buffer.alloc(8)
    last.copy(prefix, 0, common)
    expect(index.readBigUInt64LE(16 + 8 * i)).toBe(prefix.readBigUInt64BE())
    const first = index.toString('utf8', boundary(2 * i), boundary(2 * i + 1))
    const length = index.readUInt32LE(16 + 16 * n + 4 * i)
    const payload = packed ? index.readUInt32LE(payloads + 4 * i) : length - 16
    const offset = u64(index, 16 + 8 * n + 8 * i)
    return { offset, length, payload, first, last: last.toString() }
  })
}

/** §6.3 */
export function mayContain(filter: Buffer, key: string): boolean {
  const h = hash64(Buffer.from(key), 0n)
  const block = Number(((h >> 32n) * BigInt(filter.readUInt32LE(4))) >> 32n)
  let g = Number(h & 0xffffffffn)
  for (let k = filter.readUInt32LE(0); k > 0; k--) {
    g = Math.imul(g, 0x9e3779b1) >>> 0
    const bit = g >>> 23
    if ((filter[64 + 64 * block + (bit >> 3)]! & (1 << (bit & 7))) === 0) return false
  }
  return true
}

export interface CurrentRead {
  readonly clean: number
  readonly name: string
  readonly length: number
  readonly lastChecksum: bigint
}

/** §8 */
export function readCurrent(bytes: Buffer): CurrentRead {
  expect(bytes.length).toBe(64)
  expect(bytes.toString('latin1', 0, 8)).toBe('SETTCUR\0')
  expect(bytes.readUInt32LE(8)).toBe(1)
  expect(bytes.readBigUInt64LE(56)).toBe(hash64(bytes.subarray(0, 56), 0n))
  const clean = bytes.readUInt32LE(12)
  const name = `MANIFEST-${String(u64(bytes, 16)).padStart(6, '0')}`
  return { clean, name, length: u64(bytes, 24), lastChecksum: bytes.readBigUInt64LE(32) }
}
