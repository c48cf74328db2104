// Reads the files of a real database with nothing but docs/FORMAT.md (and XXH64): when this fails, either the
// document or the format is wrong. No codec of src/ is used on purpose.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../../src/api/open.ts'
import { hash64 } from '../../../src/base/xxh64.ts'
import { sharedTemporaryDirectory, temporaryDirectory } from '../../support/temp-directory.ts'

type Files = ReadonlyMap<string, Buffer>
const u64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at))
const align = (at: number): number => Math.ceil(at / 8) * 8

/** §1 */
function seed(salt: Buffer, file: number, position: number): bigint {
  const place = Buffer.alloc(24)
  salt.copy(place)
  place.writeBigUInt64LE(BigInt(file), 8)
  place.writeBigUInt64LE(BigInt(position), 16)
  return hash64(place, 0n)
}

/** §2 */
function header(bytes: Buffer, magic: string) {
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

interface Entry {
  readonly key: string
  readonly value: string
  readonly version: number
  readonly kind: number
  /** Only of what expires. */
  readonly expiresAt?: number
}

/** §5, with the records of §4. */
function readWal(bytes: Buffer) {
  const { number, salt } = header(bytes, 'SETTWAL\0')
  const frames: { link: number[] | undefined; commits: Entry[][]; lastVersion: number }[] = []
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

/** §7 */
function readManifest(bytes: Buffer) {
  const { number, salt } = header(bytes, 'SETTMAN\0')
  const wals = new Map<number, { salt: Buffer; sealed?: { length: number; digest: bigint } }>()
  const tables = new Map<number, ReturnType<typeof readAddition>>()
  const expiries = new Map<number, number[]>()
  const packings = new Map<number, { codec: number; payloadBytes: number }>()
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
      else if (tag === 15) expiries.set(fields.varint(), [fields.varint(), fields.varint()])
      else throw new Error(`tag ${tag}`)
    }
    expect(fields.at).toBe(end)
    at = align(end)
  }
  return { wals, tables, expiries, packings, marks, edits, lastChecksum: chain }
}

function readAddition(fields: Fields) {
  const level = fields.u8()
  const [number, size, entries, tombstones] = [1, 2, 3, 4].map(() => fields.varint())
  const [smallest, largest, base, largestBlock, newestWal] = [1, 2, 3, 4, 5].map(() =>
    fields.varint(),
  )
  const salt = fields.take(8)
  const [smallestKey, largestKey] = [1, 2].map(() => fields.take(fields.varint()).toString())
  const versions = { smallest: smallest!, largest: largest!, base: base! }
  const counts = { size, entries, tombstones, largestBlock, newestWal }
  return { level, number: number!, salt, versions, counts, smallestKey, largestKey }
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
    const value = fields.take(valueLength).toString()
    entries.push({ key: key.toString(), value, version, kind: tag & 15, ...expires })
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

/** §6 */
function readTable(bytes: Buffer) {
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

/** §6.2 */
function readIndex(index: Buffer) {
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
function mayContain(filter: Buffer, key: string): boolean {
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

/** §8 */
function readCurrent(bytes: Buffer) {
  expect(bytes.length).toBe(64)
  expect(bytes.toString('latin1', 0, 8)).toBe('SETTCUR\0')
  expect(bytes.readUInt32LE(8)).toBe(1)
  expect(bytes.readBigUInt64LE(56)).toBe(hash64(bytes.subarray(0, 56), 0n))
  const clean = bytes.readUInt32LE(12)
  const name = `MANIFEST-${String(u64(bytes, 16)).padStart(6, '0')}`
  return { clean, name, length: u64(bytes, 24), lastChecksum: bytes.readBigUInt64LE(32) }
}

const directory = sharedTemporaryDirectory()
const name = (number: number, kind: string): string => `${String(number).padStart(6, '0')}.${kind}`
const snapshotOf = (): Files =>
  new Map(readdirSync(directory).map((file) => [file, readFileSync(join(directory, file))]))

const LONG = 'long '.repeat(2_000)
const keyOf = (i: number): string => `fruit/${String(i).padStart(4, '0')}`

describe('docs/FORMAT.md describes the files of', () => {
  let opened: Files
  let closed: Files

  beforeAll(async () => {
    const options = { workers: 0, lock: 'none', blockSize: 512, durability: 'none' } as const
    const db = await open(directory, options)
    for (let i = 0; i < 300; i++) await db.put(keyOf(i), `value ${i}`)
    const snapshot = db.snapshot()
    await db.batch([
      { type: 'put', key: '', value: 'empty key' },
      { type: 'put', key: keyOf(7), value: LONG },
      { type: 'del', key: keyOf(8) },
    ])
    await db.flush()
    await snapshot.close()
    await db.put('first frame', '1')
    await db.batch([
      { type: 'put', key: 'second frame', value: '2' },
      { type: 'del', key: 'first frame' },
    ])
    opened = snapshotOf()
    await db.close()
    closed = snapshotOf()
  })

  it('a database that is open', () => {
    const current = readCurrent(opened.get('CURRENT')!)
    expect(current).toMatchObject({ clean: 0, length: 0, lastChecksum: 0n })
    const { wals, edits, marks } = readManifest(opened.get(current.name)!)
    expect(edits).toEqual(edits.map((_, i) => edits[0]! + i))
    const numbers = [...opened.keys()].map(
      (file) => Number.parseInt(file.replace(/\D/g, ''), 10) || 0,
    )
    expect(marks.next).toBeGreaterThan(Math.max(...numbers))
    for (const [number, { salt, sealed }] of wals) {
      expect(header(opened.get(name(number, 'wal'))!, 'SETTWAL\0')).toMatchObject({ number, salt })
      expect(sealed).toBeUndefined()
    }
  })

  it('a log with two frames', () => {
    const { wals } = readManifest(opened.get(readCurrent(opened.get('CURRENT')!).name)!)
    const read = [...wals.keys()].map((number) => readWal(opened.get(name(number, 'wal'))!))
    const [wal] = read.filter(({ frames }) => frames.length > 0)
    expect(wal!.frames).toHaveLength(2)
    const [first, second] = wal!.frames
    // The predecessor went with its flush; the link still tells what it was.
    expect(first!.link).toMatchObject([expect.any(Number), expect.any(Number), 301, 0])
    expect(first!.link![0]).toBeLessThan(wal!.number)
    expect(first!.commits).toEqual([[{ key: 'first frame', value: '1', version: 302, kind: 1 }]])
    expect(second).toMatchObject({ link: undefined, lastVersion: 303 })
    expect(second!.commits).toEqual([
      [
        { key: 'second frame', value: '2', version: 303, kind: 1 },
        { key: 'first frame', value: '', version: 303, kind: 2 },
      ],
    ])
  })

  it('a table', () => {
    const { tables, packings } = readManifest(opened.get(readCurrent(opened.get('CURRENT')!).name)!)
    const [[number, named]] = [...tables] as [[number, ReturnType<typeof readAddition>]]
    const bytes = opened.get(name(number, 'sst'))!
    const table = readTable(bytes)
    expect(table.entries).toHaveLength(303)
    expect(table.entries.slice(0, 2)).toEqual([
      { key: '', value: 'empty key', version: 301, kind: 1 },
      { key: keyOf(0), value: 'value 0', version: 1, kind: 1 },
    ])
    expect(
      table.entries.slice(8, 12).map(({ value, version, kind }) => [value, version, kind]),
    ).toEqual([
      [LONG, 301, 1],
      ['value 7', 8, 1],
      ['', 301, 2],
      ['value 8', 9, 1],
    ])
    const alone = table.blocks.find(({ entries }) => entries[0]!.value === LONG)!
    expect(alone.entries).toHaveLength(1)
    const others = table.blocks.filter((block) => block !== alone)
    expect(Math.max(...others.map(({ length }) => length))).toBeLessThanOrEqual(512 + 16)
    expect(named).toMatchObject({ level: 0, number, smallestKey: '', largestKey: keyOf(299) })
    expect(named.salt.equals(table.salt)).toBe(true)
    expect(named.versions).toEqual({ smallest: 1, largest: 301, base: table.base })
    expect(named.counts).toMatchObject({ size: bytes.length, entries: 303, tombstones: 1 })
    expect(named.counts.largestBlock).toBe(alone.payload + 16)
    expect(alone.length).toBeLessThan(alone.payload / 8)
    expect(others.some(({ length, payload }) => length < payload)).toBe(true)
    const payloadBytes = table.blocks.reduce((sum, { payload }) => sum + payload, 0)
    expect(packings.get(number)).toEqual({ codec: 1, payloadBytes })
  })

  it('its properties and its filter', () => {
    const { tables } = readManifest(opened.get(readCurrent(opened.get('CURRENT')!).name)!)
    const [[number, named]] = [...tables] as [[number, ReturnType<typeof readAddition>]]
    const { properties, filter, entries, blocks } = readTable(opened.get(name(number, 'sst'))!)
    const sum = (of: 'key' | 'value'): number =>
      entries.reduce((total, entry) => total + Buffer.byteLength(entry[of]), 0)
    const numbers = Array.from({ length: 8 }, (_, i) => u64(properties, 8 * i))
    expect(numbers).toEqual([303, 1, 1, 301, 0, 0, sum('key'), sum('value')])
    expect([64, 68, 96, 100].map((at) => properties.readUInt32LE(at))).toEqual([16, 512, 0, 1])
    const { largestBlock, newestWal } = named.counts
    expect([72, 80, 88].map((at) => u64(properties, at))).toEqual([
      largestBlock,
      newestWal,
      blocks.length,
    ])
    expect(properties).toHaveLength(104)
    expect(u64(filter, 8)).toBe(301)
    expect(filter).toHaveLength(64 + 64 * filter.readUInt32LE(4))
    expect(entries.every(({ key }) => mayContain(filter, key))).toBe(true)
    const absent = Array.from({ length: 2_000 }, (_, i) => `tree/${i}`)
    expect(absent.filter((key) => mayContain(filter, key)).length).toBeLessThan(100)
  })

  it('entries that expire', async () => {
    const at = Date.now()
    const hour = 3_600_000
    const place = temporaryDirectory()
    const db = await open(place, { workers: 0, lock: 'none', durability: 'none' })
    await db.batch([
      { type: 'put', key: 'a', value: '1', ttl: hour },
      { type: 'put', key: 'b', value: '2', ttl: 2 * hour },
    ])
    const read = (kind: string) => {
      const files = readdirSync(place).filter((file) => file.endsWith(kind))
      return files.map((file) => readFileSync(join(place, file)))
    }
    const [[first, second]] = read('.wal').flatMap((bytes) =>
      readWal(bytes).frames.flatMap(({ commits }) => commits),
    ) as [[Entry, Entry]]
    expect(second.expiresAt! - first.expiresAt!).toBe(hour)
    expect(first.expiresAt! - at - hour).toBeLessThan(hour / 2)
    expect(first.expiresAt! - at).toBeGreaterThanOrEqual(hour)
    await db.flush()
    const times = [first.expiresAt!, second.expiresAt!]
    const current = readCurrent(readFileSync(join(place, 'CURRENT')))
    const { expiries, tables } = readManifest(readFileSync(join(place, current.name)))
    expect([...expiries]).toEqual([[[...tables.keys()][0], times]])
    const { entries, properties } = readTable(read('.sst')[0]!)
    expect(entries).toEqual([first, second])
    expect([32, 40].map((offset) => u64(properties, offset))).toEqual(times)
    await db.put('aa', 'for good')
    await db.compactRange()
    const later = readManifest(readFileSync(join(place, current.name)))
    const newest = Math.max(...later.tables.keys())
    expect(later.expiries.get(newest)).toEqual([times[0], 0])
    await db.close()
  })

  it('a database that was closed', () => {
    const current = readCurrent(closed.get('CURRENT')!)
    const bytes = closed.get(current.name)!
    const { wals, lastChecksum, marks } = readManifest(bytes)
    expect(current).toMatchObject({ clean: 1, length: bytes.length, lastChecksum })
    expect(marks.version).toBe(303)
    expect(wals.size).toBe(1)
    const [[number, { sealed }]] = [...wals] as unknown as [[number, { sealed: object }]]
    const log = closed.get(name(number, 'wal'))!
    expect(sealed).toEqual({ length: log.length, digest: readWal(log).digest })
  })
})
