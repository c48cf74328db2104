// db.putStream as an application uses it.
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Database, open } from '../../../src/index.ts'
import { soon } from '../../support/small-engine.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const MIB = 1024 * 1024
const BYTES = { valueEncoding: 'buffer', workers: 0 } as const

function directory(): string {
  return join(temporaryDirectory(), 'db')
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no error',
    (error: { code: unknown }) => error.code,
  )
}

/** What nobody caught since the call. */
function uncaughtErrors(): unknown[] {
  const errors: unknown[] = []
  const listener = (error: unknown): void => void errors.push(error)
  process.on('uncaughtException', listener)
  onTestFinished(() => void process.off('uncaughtException', listener))
  return errors
}

function missingFile(): Readable {
  return createReadStream(join(temporaryDirectory(), 'missing'))
}

/** A source that has failed before anybody asks it for a byte. */
function failed(): Readable {
  return new Readable({ read: () => undefined }).destroy(new Error('gone'))
}

async function closed(source: Readable): Promise<void> {
  await soon(() => expect(source.closed).toBe(true))
}

describe('a source that fails before its first byte is asked for', () => {
  it('is told of by a database that is still opening', async () => {
    const uncaught = uncaughtErrors()
    const database = new Database<string, Buffer>(directory(), BYTES)
    const missing = codeOf(database.putStream('missing', missingFile()))
    const gone = expect(database.putStream('gone', failed())).rejects.toThrow('gone')
    expect(await missing).toBe('ENOENT')
    await gone
    expect(database.version).toBe(0)
    await database.close()
    expect(uncaught).toEqual([])
  })

  it('is told of when its turn has come', async () => {
    const uncaught = uncaughtErrors()
    const memoryBudget = 64 * MIB
    const database = await open<string, Buffer>(directory(), { ...BYTES, memoryBudget })
    const silent = [new PassThrough(), new PassThrough()]
    const first = silent.map((source, i) => database.putStream(`silent ${i}`, source))
    const sources = [missingFile(), failed()]
    const codes = sources.map((source, i) => codeOf(database.putStream(`queued ${i}`, source)))
    for (const source of sources) await closed(source)
    for (const source of silent) source.end('x')
    await Promise.all(first)
    expect(await Promise.all(codes)).toEqual(['ENOENT', undefined])
    expect(database.version).toBe(2)
    await database.close()
    expect(uncaught).toEqual([])
  })

  it('does no harm when it is refused', async () => {
    const uncaught = uncaughtErrors()
    const location = directory()
    await (await open(location, BYTES)).close()
    const database = await open<string, Buffer>(location, { ...BYTES, readOnly: true })
    for (const [key, begin, options, code] of [
      ['k', missingFile, {}, 'LEVEL_READONLY'],
      ['k', failed, {}, 'LEVEL_READONLY'],
      [null, failed, {}, 'LEVEL_INVALID_KEY'],
      ['k', failed, { ttl: 0 }, 'SETT_INVALID_OPTION'],
    ] as const) {
      const source = begin()
      expect(await codeOf(database.putStream(key as string, source, options))).toBe(code)
      await closed(source)
    }
    await database.close()
    expect(uncaught).toEqual([])
  })
})

describe('putStream', () => {
  it('stores a file, also while the database is still opening', async () => {
    const location = directory()
    const path = join(temporaryDirectory(), 'file')
    const bytes = Buffer.alloc(3 * MIB + 5, 'some text, ')
    writeFileSync(path, bytes)
    const database = new Database<string, Buffer>(location, BYTES)
    await database.putStream('file', createReadStream(path))
    expect((await database.get('file'))!.equals(bytes)).toBe(true)
    await database.close()
    const again = await open<string, Buffer>(location, BYTES)
    expect((await again.get('file'))!.equals(bytes)).toBe(true)
    await again.close()
  })

  it('encodes its key, and takes that of a sublevel', async () => {
    const database = await open<string, Buffer>('db', { inMemory: true, ...BYTES })
    const key = { keyEncoding: 'hex' }
    await database.putStream('616263', ['one ', Buffer.from('value')], key)
    expect(String(await database.get('abc'))).toBe('one value')
    const below = database.sublevel<string, Buffer>('below', { valueEncoding: 'buffer' })
    await database.putStream(below.prefixKey('k', 'utf8', false), [Buffer.alloc(20 * MIB, 7)])
    expect((await below.get('k'))!.length).toBe(20 * MIB)
    await database.close()
  })

  it('destroys a stream it gives up', async () => {
    const location = directory()
    const database = await open<string, Buffer>(location, BYTES)
    const controller = new AbortController()
    const silent = new PassThrough()
    silent.write(Buffer.alloc(10_000))
    const aborted = database.putStream('k', silent, { signal: controller.signal })
    setImmediate(() => controller.abort(new Error('enough')))
    await expect(aborted).rejects.toMatchObject({
      code: 'LEVEL_ABORTED',
      cause: { message: 'enough' },
    })
    expect(silent.destroyed).toBe(true)
    let cancelled: unknown
    const web = new ReadableStream<Uint8Array>({
      cancel: (reason) => {
        cancelled = reason
      },
    })
    const streaming = codeOf(database.putStream('k', web))
    await new Promise((resolve) => setImmediate(resolve))
    await database.close()
    expect(await streaming).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect(cancelled).toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
    const readable = Readable.from([Buffer.alloc(1)])
    expect(await codeOf(database.putStream('k', readable))).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect(readable.destroyed).toBe(true)
    const reader = await open<string, Buffer>(location, { ...BYTES, readOnly: true })
    expect(await codeOf(reader.putStream('k', ['x']))).toBe('LEVEL_READONLY')
    expect(await reader.get('k')).toBe(undefined)
    await reader.close()
  })

  it('refuses what is no source, no key or no option, and reads nothing of it', async () => {
    const database = await open<string, Buffer>('db', { inMemory: true, ...BYTES })
    const refuses = async (key: unknown, source: unknown, options?: object): Promise<unknown> =>
      codeOf(database.putStream(key as string, source as string[], options as object))
    expect(await refuses(undefined, ['x'])).toBe('LEVEL_INVALID_KEY')
    expect(await refuses('k', 5)).toBe('LEVEL_INVALID_VALUE')
    expect(await refuses('k', [new Date()])).toBe('LEVEL_INVALID_VALUE')
    expect(await refuses('k', ['x'], { signal: 5 })).toBe('SETT_INVALID_OPTION')
    expect(await refuses('k', ['x'], { ttl: 0 })).toBe('SETT_INVALID_OPTION')
    expect(await refuses('k'.repeat(70_000), ['x'])).toBe('SETT_TOO_LARGE')
    for (const [key, options] of [
      [undefined, {}],
      ['k', { ttl: 0 }],
      ['k', { signal: 5 }],
    ] as const) {
      const readable = Readable.from(['x'])
      await refuses(key, readable, options)
      expect(readable.destroyed).toBe(true)
    }
    // As with put(): no options.
    await database.putStream('k', ['x'], null as never)
    expect(database.version).toBe(1)
    const locked = new ReadableStream()
    locked.getReader()
    expect(await refuses('k', locked)).toBe('LEVEL_INVALID_VALUE')
    expect(database.version).toBe(1)
    await database.close()
  })

  it('lets the event loop turn while a source has chunks ready, be they empty', async () => {
    const database = await open<string, Buffer>('db', { inMemory: true, ...BYTES })
    function* source(): Generator<Buffer> {
      for (let i = 0; i < 100_000; i++) yield Buffer.alloc(0)
      yield Buffer.from('x')
    }
    let turns = 0
    const counting = setInterval(() => {
      turns += 1
    }, 1)
    await database.putStream('k', source())
    clearInterval(counting)
    expect(turns).toBeGreaterThan(2)
    expect(String(await database.get('k'))).toBe('x')
    await database.putStream('none', [Buffer.alloc(0)])
    expect((await database.get('none'))!.length).toBe(0)
    await database.close()
  })

  it('takes no option from a prototype', async () => {
    const database = await open<string, Buffer>(directory(), { ...BYTES, memtableSize: 65_536 })
    const { signal } = new AbortController()
    const versions: number[] = []
    const pollution = { value: (version: number) => versions.push(version), configurable: true }
    Object.defineProperty(Object.prototype, 'onCommit', pollution)
    try {
      for (const length of [10, 100_000]) {
        await database.putStream('k', [Buffer.alloc(length)], { signal })
      }
    } finally {
      Reflect.deleteProperty(Object.prototype, 'onCommit')
    }
    expect(versions).toEqual([])
    expect(database.version).toBe(2)
    await database.close()
  })

  it('takes memory for a part of a value, not for the whole', async () => {
    const memoryBudget = 64 * MIB
    const database = await open<string, Buffer>(directory(), { ...BYTES, memoryBudget })
    const chunk = Buffer.alloc(MIB / 4, 'a part of a long value ')
    const before = process.memoryUsage.rss()
    let most = 0
    function* source(): Generator<Buffer> {
      for (let i = 0; i < 1024; i++) {
        most = Math.max(most, process.memoryUsage.rss() - before)
        yield chunk
      }
    }
    await database.putStream('long', source())
    // Of 256 MiB.
    expect(most).toBeLessThan(64 * MIB)
    await database.close()
  })
})
