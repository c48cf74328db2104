// putStream: values of any length, taken chunk by chunk.
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { valueSource } from '../../../../src/api/streams/put-stream.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import type { StreamOptions } from '../../../../src/engine/types.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'

const MIB = 1024 * 1024

function segments(fs: FaultFileSystem): string[] {
  return fs.listSync('/db').filter((name) => name.endsWith('.vlog'))
}

function bytes(length: number, seed = 1): Buffer {
  const all = Buffer.alloc(length)
  for (let i = 0; i < length; i++) all[i] = (i * 31 + seed * 17 + (i >> 8)) & 255
  return all
}

/** In chunks of the given length, through one buffer. */
async function* chunks(all: Buffer, length: number): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(length)
  for (let at = 0; at < all.length; at += length) {
    const piece = all.subarray(at, at + length)
    chunk.set(piece)
    yield chunk.subarray(0, piece.length)
    chunk.fill(0)
  }
}

function stream(
  engine: StorageEngine,
  key: string,
  source: unknown,
  options: StreamOptions = {},
): Promise<void> {
  return engine.putStream(key, valueSource(source), options)
}

function value(engine: StorageEngine, key: string): Buffer | undefined {
  return engine.getSync(key, undefined, 'buffer') as Buffer | undefined
}

describe('a streamed value', () => {
  it.each([
    [0, 10],
    [1, 10],
    [16_384, 1000],
    [16_385, 1000],
    [MIB - 1, 65_536],
    [MIB, 65_536],
    [MIB + 1, 65_536],
    [3 * MIB, 1_500_000],
    [3 * MIB + 7, 3 * MIB],
  ])('of %i bytes in chunks of %i is read back', async (length, chunk) => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const all = bytes(length)
    await stream(engine, 'k', chunks(all, chunk))
    expect(value(engine, 'k')!.equals(all)).toBe(true)
    expect(segments(fs)).toHaveLength(length > 16_384 ? 1 : 0)
    await engine.close()
    const again = await start(fs)
    expect(value(again, 'k')!.equals(all)).toBe(true)
    await again.close()
  })

  it('comes from a Readable, a ReadableStream, an array, text, or bytes', async () => {
    const engine = await start(new FaultFileSystem())
    const all = bytes(50_000)
    await stream(engine, 'readable', Readable.from([all.subarray(0, 9), all.subarray(9)]))
    const web = new ReadableStream({
      start(controller) {
        controller.enqueue(all)
        controller.close()
      },
    })
    await stream(engine, 'web', web)
    await stream(engine, 'array', [all.subarray(0, 40_000), all.subarray(40_000)])
    await stream(engine, 'bytes', all)
    for (const key of ['readable', 'web', 'array', 'bytes']) {
      expect(value(engine, key)!.equals(all)).toBe(true)
    }
    await stream(engine, 'text', ['é'.repeat(10_000), 'x'])
    expect(engine.getSync('text', undefined, 'utf8')).toBe(`${'é'.repeat(10_000)}x`)
    for (const wrong of [undefined, null, 5, {}, new Uint16Array(4)]) {
      expect(() => valueSource(wrong)).toThrow(/must be a Readable/)
    }
    expect(await codeOf(stream(engine, 'k', [5]))).toBe('LEVEL_INVALID_VALUE')
    await engine.close()
  })

  it('has its place among the commits from the moment its source has ended', async () => {
    const engine = await start(new FaultFileSystem())
    let end = (): void => undefined
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    async function* source(): AsyncGenerator<Buffer> {
      yield bytes(60_000)
      await ended
    }
    const order: string[] = []
    const note = (name: string) => ({ onCommit: () => void order.push(name) })
    const streamed = stream(engine, 'k', source(), note('stream'))
    await engine.put('k', 'before', note('before'))
    end()
    // The engine hears of it a few microtasks later.
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.all([engine.put('k', 'after', note('after')), streamed])
    expect(order).toEqual(['before', 'stream', 'after'])
    await engine.close()
  })

  it('is asked for its next chunk only when the last is written', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    let written = 0
    fs.watch(({ kind, path }) => {
      if (kind === 'write' && path.endsWith('.vlog')) written += 1
    })
    const seen: number[] = []
    function* source(): Generator<Buffer> {
      for (let i = 0; i < 5; i++) {
        seen.push(written)
        yield bytes(MIB)
      }
    }
    await stream(engine, 'k', source())
    // The header, then one part for every chunk but the newest, whose part may be the last.
    expect(seen).toEqual([0, 1, 2, 3, 4])
    await engine.close()
  })

  it('expires, and tells its version', async () => {
    const engine = await start(new FaultFileSystem())
    let version = 0
    const onCommit = (at: number): void => {
      version = at
    }
    await stream(engine, 'k', [bytes(60_000)], { ttl: 1_000_000, onCommit })
    const entry = engine.getEntry('k', undefined, 'utf8', 'buffer')!
    expect([entry.version, entry.expiresAt! > 0]).toEqual([version, true])
    await engine.close()
  })
})

describe('what ends a stream early', () => {
  const failure = new Error('the source failed')

  async function* failing(): AsyncGenerator<Buffer> {
    yield bytes(2 * MIB)
    throw failure
  }

  async function leavesNothing(fs: FaultFileSystem, engine: StorageEngine): Promise<void> {
    expect(value(engine, 'k')).toBe(undefined)
    await engine.put('other', 'x', {})
    await engine.close()
    expect(segments(fs)).toEqual([])
  }

  it('is an error of its source, which the caller gets', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await expect(stream(engine, 'k', failing())).rejects.toBe(failure)
    await leavesNothing(fs, engine)
  })

  it('is its signal, while the source is silent', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const controller = new AbortController()
    async function* silent(): AsyncGenerator<Buffer> {
      yield bytes(2 * MIB)
      setImmediate(() => controller.abort(failure))
      await new Promise(() => undefined)
    }
    const { signal } = controller
    const ended = stream(engine, 'k', silent(), { signal })
    await expect(ended).rejects.toMatchObject({ code: 'LEVEL_ABORTED', cause: failure })
    const late = stream(engine, 'k', [bytes(10)], { signal })
    await expect(late).rejects.toMatchObject({ code: 'LEVEL_ABORTED' })
    await leavesNothing(fs, engine)
  })

  it('is the closing of the database, while the source is silent', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    let asked = (): void => undefined
    const silence = new Promise<void>((resolve) => {
      asked = resolve
    })
    async function* silent(): AsyncGenerator<Buffer> {
      yield bytes(2 * MIB)
      asked()
      await new Promise(() => undefined)
    }
    // As many as run at once, and more.
    const streams = Array.from({ length: 5 }, (_, i) => codeOf(stream(engine, `k${i}`, silent())))
    await silence
    await ends(engine.close())
    expect(new Set(await Promise.all(streams))).toEqual(new Set(['LEVEL_DATABASE_NOT_OPEN']))
    expect(segments(fs)).toEqual([])
  })

  it('is more than a gibibyte', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const part = Buffer.alloc(16)
    // Lies about its length, so that no gibibyte need be written.
    Object.defineProperty(part, 'length', { value: 1024 * MIB + 1 })
    const input = { next: () => Promise.resolve(part) }
    expect(await codeOf(engine.putStream('k', input, {}))).toBe('SETT_TOO_LARGE')
    await leavesNothing(fs, engine)
  })

  it('is a full disk', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    fs.inject({ on: 'write', path: /\.vlog$/, errno: 'ENOSPC', nth: 3 })
    expect(await codeOf(stream(engine, 'k', chunks(bytes(4 * MIB), MIB)))).toBe('SETT_DISK_FULL')
    await leavesNothing(fs, engine)
  })

  it('is the quota, which counts what is being written', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { maxDiskBytes: 16 * MIB })
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield Buffer.alloc(65_536)
    }
    expect(await codeOf(stream(engine, 'k', endless()))).toBe('SETT_DISK_FULL')
    await engine.put('small', 'x', {})
    await leavesNothing(fs, engine)
  })

  it('is that the database is read-only', async () => {
    const fs = new FaultFileSystem()
    await (await start(fs)).close()
    const engine = await start(fs, { readOnly: true })
    expect(await codeOf(stream(engine, 'k', [bytes(10)]))).toBe('LEVEL_READONLY')
    await engine.close()
  })
})

describe('many streams', () => {
  it('all end, though few run at once, and silent ones that are aborted make room', async () => {
    const engine = await start(new FaultFileSystem())
    const controller = new AbortController()
    async function* silent(): AsyncGenerator<Buffer> {
      yield bytes(20_000)
      await new Promise(() => undefined)
    }
    const { signal } = controller
    const stuck = [1, 2, 3].map((i) => codeOf(stream(engine, `s${i}`, silent(), { signal })))
    const streams = Array.from({ length: 6 }, (_, i) =>
      stream(engine, `k${i}`, chunks(bytes(100_000 + i, i), 30_000)),
    )
    // Commits of others go on meanwhile.
    await engine.put('small', 'x', {})
    await engine.put('large', bytes(50_000), {})
    controller.abort()
    expect(new Set(await Promise.all(stuck))).toEqual(new Set(['LEVEL_ABORTED']))
    await ends(Promise.all(streams))
    for (let i = 0; i < 6; i++) {
      expect(value(engine, `k${i}`)!.equals(bytes(100_000 + i, i))).toBe(true)
    }
    await engine.close()
  })
})
