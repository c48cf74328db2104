// getStream(): a value as a Readable, verified piece by piece, at the pace of its reader, as it was at the call.
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import type { ValueStream } from '../../../src/api/streams/get-stream.ts'
import { Database } from '../../../src/index.ts'
import { halfNoise } from '../../support/half-noise.ts'
import { soon } from '../../support/small-engine.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const MIB = 2 ** 20
const OPTIONS = { workers: 0, valueThreshold: 1_024, memtableSize: 4 * MIB, memoryBudget: 64 * MIB }

type Binary = Database<string, Buffer>

/** Four parts and a bit of another; and one that lies with its key. */
const long = Buffer.from(halfNoise(4 * MIB + 4_321, 7))
const short = Buffer.from(halfNoise(900, 8))

async function opened(
  directory: string = temporaryDirectory(),
  options: object = {},
): Promise<Binary> {
  const db: Binary = new Database(directory, { ...OPTIONS, ...options, valueEncoding: 'buffer' })
  await db.open()
  onTestFinished(() => db.close())
  return db
}

async function filled(directory?: string, options?: object): Promise<Binary> {
  const db = await opened(directory, options)
  await db.put('long', long)
  await db.put('short', short)
  await db.put('empty', Buffer.alloc(0))
  await db.flush()
  return db
}

async function read(stream: ValueStream | undefined): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream!) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

const segments = (db: Binary): string[] =>
  readdirSync(db.location).filter((name) => name.endsWith('.vlog'))

/** The error a stream ends with. */
const failure = (stream: ValueStream): Promise<{ code: string; message: string }> =>
  new Promise((resolve) => stream.once('error', (error) => resolve(error as never)))

it('gives the bytes of a value, from memory and from files, in pieces of at most 1 MiB', async () => {
  const db = await opened()
  const values = { long, short, empty: Buffer.alloc(0) }
  for (const where of ['memory', 'files']) {
    for (const [key, value] of Object.entries(values)) {
      if (where === 'memory') await db.put(key, value)
      const stream = (await db.getStream(key))!
      expect(stream.valueLength).toBe(value.length)
      let largest = 0
      stream.on('data', (piece: Buffer) => {
        largest = Math.max(largest, piece.length)
      })
      expect((await read(stream)).equals(value), `${key} from ${where}`).toBe(true)
      expect(largest).toBe(Math.min(value.length, MIB))
    }
    await db.flush()
  }
  expect(segments(db)).toHaveLength(1)
  expect(await db.getStream('none')).toBeUndefined()
})

it('gives any range of it', async () => {
  const db = await filled()
  const spots = [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, long.length - 1, long.length, 2 ** 40]
  const spot = fc.oneof(fc.constantFrom(...spots), fc.nat(long.length))
  const range = fc
    .tuple(spot, spot)
    .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }))
  const property = fc.asyncProperty(range, fc.constantFrom('long', 'short'), async (given, key) => {
    const value = key === 'long' ? long : short
    const found = await read(await db.getStream(key, given))
    return found.equals(value.subarray(given.start, given.end + 1))
  })
  await fc.assert(property, { numRuns: 40 })
  expect((await read(await db.getStream('long', { start: 4 * MIB }))).length).toBe(4_321)
  expect((await read(await db.getStream('long', { end: 9 }))).length).toBe(10)
})

it('reads no faster than its reader takes it', async () => {
  const db = await filled()
  const stream = (await db.getStream('long', { highWaterMark: 1_000 }))!
  stream.once('readable', () => undefined)
  await soon(() => expect(stream.readableLength).toBe(MIB))
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(stream.readableLength).toBe(MIB)
  const taken: Buffer[] = []
  const slow = new Writable({
    highWaterMark: 1,
    write(piece: Buffer, _, done) {
      expect(stream.readableLength).toBeLessThanOrEqual(2 * MIB)
      taken.push(piece)
      setTimeout(done, 5)
    },
  })
  await pipeline(stream, slow)
  expect(Buffer.concat(taken).equals(long)).toBe(true)
})

it('gives what a snapshot shows, and outlives the snapshot and the file', async () => {
  const db = await filled()
  const [file] = segments(db)
  const snapshot = db.snapshot()
  await db.put('long', Buffer.from('other'))
  const streams = [
    (await db.getStream('long', { snapshot }))!,
    (await db.getStream('long', { snapshot }))!,
  ]
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]())
  const firsts = await Promise.all(iterators.map((iterator) => iterator.next()))
  expect(await read(await db.getStream('long'))).toEqual(Buffer.from('other'))
  await snapshot.close()
  await expect(db.getStream('long', { snapshot })).rejects.toMatchObject({
    code: expect.any(String),
  })
  await db.flush()
  await db.compactRange()
  expect(segments(db)).toContain(file)
  streams[1]!.destroy()
  const pieces: Buffer[] = [firsts[0]!.value as Buffer]
  for await (const piece of { [Symbol.asyncIterator]: () => iterators[0]! }) {
    pieces.push(piece as Buffer)
  }
  expect(Buffer.concat(pieces).equals(long)).toBe(true)
  await soon(() => expect(segments(db)).not.toContain(file))
})

it('ends with LEVEL_ABORTED by its signal, before and while it is read', async () => {
  const db = await filled()
  const early = AbortSignal.abort(new Error('early'))
  await expect(db.getStream('long', { signal: early })).rejects.toMatchObject({
    code: 'LEVEL_ABORTED',
  })
  const control = new AbortController()
  const stream = (await db.getStream('long', { signal: control.signal }))!
  const failed = failure(stream)
  stream.once('data', () => control.abort(new Error('enough')))
  expect(await failed).toMatchObject({ code: 'LEVEL_ABORTED', cause: { message: 'enough' } })
  const ended = (await db.getStream('short', { signal: control.signal }).catch(() => undefined))!
  expect(ended).toBeUndefined()
})

it('fails with LEVEL_DATABASE_NOT_OPEN when the database closes, which does not wait for its reader', async () => {
  const db = await filled()
  const reading = (await db.getStream('long'))!
  const idle = (await db.getStream('long'))!
  const kept = (await db.getStream('short'))!
  const failures = [reading, idle, kept].map(failure)
  reading.resume()
  await db.close()
  for (const error of await Promise.all(failures))
    expect(error.code).toBe('LEVEL_DATABASE_NOT_OPEN')
  await expect(db.getStream('long')).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
  await db.open()
  expect((await read(await db.getStream('long'))).equals(long)).toBe(true)
})

it('gives the parts before a damaged one, and then fails with its file and place', async () => {
  const directory = temporaryDirectory()
  const first = await filled(directory, { compression: 'none' })
  const [name] = segments(first)
  await first.close()
  const path = join(directory, name!)
  const at = readFileSync(path).length - 1_000
  const file = openSync(path, 'r+')
  writeSync(file, '?', at)
  closeSync(file)
  const db = await opened(directory)
  const stream = (await db.getStream('long'))!
  const pieces: Buffer[] = []
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  const error = (await failure(stream)) as { code: string; file?: string; offset?: number }
  expect(error).toMatchObject({ code: 'LEVEL_CORRUPTION', file: path })
  const found = Buffer.concat(pieces)
  expect(found.length).toBe(4 * MIB)
  expect(found.equals(long.subarray(0, 4 * MIB))).toBe(true)
  expect((await read(await db.getStream('long', { end: 3 * MIB }))).length).toBe(3 * MIB + 1)
})

it('refuses options that make no sense, and takes encodings of keys', async () => {
  const db = await filled()
  const bad: object[] = [
    { start: -1 },
    { end: 1.5 },
    { start: 5, end: 4 },
    { start: '1' },
    { highWaterMark: -1 },
    { highWaterMark: 'much' },
    { signal: {} },
    { snapshot: {} },
  ]
  for (const options of bad) {
    await expect(db.getStream('long', options)).rejects.toBeInstanceOf(Error)
    if ('snapshot' in options) continue
    await expect(db.getStream('long', options)).rejects.toMatchObject({
      code: 'SETT_INVALID_OPTION',
    })
  }
  await expect(db.getStream(null as never)).rejects.toMatchObject({ code: 'LEVEL_INVALID_KEY' })
  const inherited = Object.create({ start: 5 })
  expect((await read(await db.getStream('short', inherited))).equals(short)).toBe(true)
  const keyEncoding = 'buffer'
  const stream = await db.getStream(Buffer.from('short'), { keyEncoding })
  expect((await read(stream)).equals(short)).toBe(true)
})

it('waits for a database that is being opened, and reads what a sublevel wrote', async () => {
  const directory = temporaryDirectory()
  const first = await filled(directory)
  const sublevel = first.sublevel<string, Buffer>('part', { valueEncoding: 'buffer' })
  await sublevel.put('key', long)
  const key = sublevel.prefixKey('key', 'utf8')
  expect((await read(await first.getStream(key))).equals(long)).toBe(true)
  await first.close()
  const db = new Database(directory, OPTIONS)
  onTestFinished(() => db.close())
  expect((await read(await db.getStream(key))).equals(long)).toBe(true)
})
