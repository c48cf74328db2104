// Reads the files of a real database with nothing but docs/FORMAT.md (and XXH64): when this fails, either the
// document or the format is wrong.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../../src/api/open.ts'
import { hash64 } from '../../../src/base/xxh64.ts'
import { prng } from '../../model/prng.ts'
import { sharedTemporaryDirectory, temporaryDirectory } from '../../support/temp-directory.ts'
import { packLz4, segmentTwin } from '../../twins/segment.ts'
import {
  type Entry,
  header,
  mayContain,
  readCurrent,
  readManifest,
  readSegment,
  readTable,
  readWal,
  type TableRead,
  u64,
} from './document-reader.ts'

type Files = ReadonlyMap<string, Buffer>

const directory = sharedTemporaryDirectory()
const name = (number: number, kind: string): string => `${String(number).padStart(6, '0')}.${kind}`
const snapshotOf = (): Files =>
  new Map(readdirSync(directory).map((file) => [file, readFileSync(join(directory, file))]))

const PLAIN = { workers: 0, lock: 'none', durability: 'none' } as const
const LONG = 'long '.repeat(2_000)
const keyOf = (i: number): string => `fruit/${String(i).padStart(4, '0')}`

function noise(length: number, seed: number): Buffer {
  const random = prng(seed, 9)
  return Buffer.from(Array.from({ length }, () => random.below(256)))
}

describe('docs/FORMAT.md describes the files of', () => {
  let opened: Files
  let closed: Files

  beforeAll(async () => {
    const options = { ...PLAIN, blockSize: 512, valueThreshold: Infinity } as const
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
    const [[number, named]] = [...tables] as [[number, TableRead]]
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
    const [[number, named]] = [...tables] as [[number, TableRead]]
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
    const db = await open(place, PLAIN)
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
    const { expiries, tables, steps } = readManifest(readFileSync(join(place, current.name)))
    expect([...expiries]).toEqual([[[...tables.keys()][0], times]])
    // A key and a value of one byte, and 8.
    const counted = times.map((time) => [time, 1, 10, 0])
    expect([...steps]).toEqual([[[...tables.keys()][0], counted]])
    const { entries, properties } = readTable(read('.sst')[0]!)
    expect(entries).toEqual([first, second])
    expect([32, 40].map((offset) => u64(properties, offset))).toEqual(times)
    const told = Array.from({ length: 8 }, (_, i) => u64(properties, 104 + 8 * i))
    expect([properties.length, told]).toEqual([168, counted.flat()])
    await db.put('aa', 'for good')
    await db.compactRange()
    const later = readManifest(readFileSync(join(place, current.name)))
    const newest = Math.max(...later.tables.keys())
    expect(later.expiries.get(newest)).toEqual([times[0], 0])
    expect(later.steps.get(newest)).toEqual(counted)
    await db.close()
  })

  it('values in segments', async () => {
    const place = temporaryDirectory()
    const db = await open(place, { ...PLAIN, valueThreshold: 100 })
    const written = new Map([
      ['of some bytes', noise(333, 1)],
      ['of one part', noise(2 ** 20, 2)],
      ['of three parts', noise(2 ** 21 + 1, 3)],
      ['packed', Buffer.from(LONG)],
      ['packed in part', Buffer.concat([noise(2 ** 20, 4), Buffer.from(LONG)])],
      ['short', noise(99, 5)],
    ])
    for (const [key, value] of written) await db.put(key, value, { valueEncoding: 'buffer' })
    await db.flush()
    const read = (file: string): Buffer => readFileSync(join(place, file))
    const current = readCurrent(read('CURRENT'))
    const { segments, tables, uses } = readManifest(read(current.name))
    const [[number, segment]] = [...segments] as [[number, { size: number; salt: Buffer }]]
    const bytes = read(name(number, 'vlog'))
    expect(bytes).toHaveLength(segment.size)
    const { salt, values, codecs } = readSegment(bytes)
    expect(salt.equals(segment.salt)).toBe(true)
    expect(codecs).toEqual([0, 0, 0, 0, 0, 1, 0, 1])
    const [tableNumber] = [...tables.keys()]
    const { entries, properties } = readTable(read(name(tableNumber!, 'sst')))
    let used = 0
    for (const { key, kind, pointer } of entries) {
      expect(kind).toBe(key === 'short' ? 1 : 5)
      if (pointer === undefined) continue
      const { value, stored, keyHash } = values.get(pointer.offset)!
      expect(pointer).toMatchObject({ segment: number, length: value.length, stored })
      expect(value.equals(written.get(key)!)).toBe(true)
      expect(keyHash).toBe(hash64(Buffer.from(key), 0n))
      used += stored
    }
    expect(used).toBe(bytes.length - 64 - 128)
    expect(uses.get(tableNumber!)).toEqual([[number, used]])
    expect([104, 112].map((at) => u64(properties, at))).toEqual([number, used])
    // The twin of the writer, given the same, makes the same.
    const twin = entries.flatMap(({ key, kind }) => {
      return kind === 5 ? [{ key: Buffer.from(key), value: written.get(key)! }] : []
    })
    const again = segmentTwin({ number, salt, values: twin, pack: packLz4 })
    expect(again.bytes.equals(bytes)).toBe(true)
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
