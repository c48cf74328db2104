// db.putStream as an application uses it.
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Database, open } from '../../../src/index.ts'
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
    const locked = new ReadableStream()
    locked.getReader()
    expect(await refuses('k', locked)).toBe('LEVEL_INVALID_VALUE')
    expect(database.version).toBe(0)
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
