// Values larger than a quarter of the memtable: in a segment before their commit.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, start } from '../../../support/small-engine.ts'

const QUARTER = 65_536 / 4

function segments(fs: FaultFileSystem): string[] {
  return fs.listSync('/db').filter((name) => name.endsWith('.vlog'))
}

function bytes(length: number, seed = 1): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255))
}

function value(engine: StorageEngine, key: string): Buffer | undefined {
  return engine.getSync(key, undefined, 'buffer') as Buffer | undefined
}

describe('a large value', () => {
  it.each([QUARTER + 1, 100_000, 1_048_575, 1_048_576, 1_048_577, 2_000_000])(
    'of %i bytes lies in a segment, and is read back at once, after a reopen, and once flushed',
    async (length) => {
      const fs = new FaultFileSystem()
      const engine = await start(fs)
      const large = bytes(length)
      const put = engine.put('k', large, {})
      const copy = Buffer.from(large)
      large.fill(0)
      await put
      expect(segments(fs)).toHaveLength(1)
      expect(value(engine, 'k')!.equals(copy)).toBe(true)
      await engine.close()
      const again = await start(fs)
      expect(value(again, 'k')!.equals(copy)).toBe(true)
      await again.settle()
      expect(value(again, 'k')!.equals(copy)).toBe(true)
      await again.flush()
      expect(segments(fs)).toHaveLength(1)
      expect(value(again, 'k')!.equals(copy)).toBe(true)
      await again.close()
      const third = await start(fs)
      expect(value(third, 'k')!.equals(copy)).toBe(true)
      await third.close()
    },
  )

  it('of exactly a quarter of the memtable lies in the memtable', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('k', bytes(QUARTER), {})
    expect(segments(fs)).toEqual([])
    await engine.close()
  })

  it('is durable and named before the log points to it, without durability too', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none' })
    const order: string[] = []
    fs.watch(({ kind, path }) => {
      const what = /\.wal$/.test(path) ? 'log' : /\.vlog$/.test(path) ? 'segment' : undefined
      const file = what ?? (/MANIFEST/.test(path) ? 'manifest' : 'directory')
      if (kind === 'write' || kind === 'sync' || kind === 'syncDirectory')
        order.push(`${kind} ${file}`)
    })
    await engine.put('k', bytes(40_000), {})
    expect(order).toEqual([
      'write segment',
      'write segment',
      'write segment',
      'sync segment',
      'syncDirectory directory',
      'write manifest',
      'sync manifest',
      'write log',
    ])
    await engine.close()
  })
})

describe('order', () => {
  it('is that of the calls, awaited or not', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const versions: [string, number][] = []
    const note = (name: string) => ({
      onCommit: (version: number) => void versions.push([name, version]),
    })
    await Promise.all([
      engine.put('k', 'first', note('a')),
      engine.put('k', bytes(50_000, 1), note('b')),
      engine.put('k', 'third', note('c')),
      engine.batch(
        [
          { type: 'put', key: 'x', value: bytes(30_000, 2) },
          { type: 'del', key: 'k' },
          { type: 'put', key: 'y', value: bytes(30_000, 3) },
        ],
        note('d'),
      ),
      engine.put('z', bytes(60_000, 4), note('e')),
      engine.put('k', 'last', note('f')),
    ])
    expect(versions).toEqual(['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => [name, i + 1]))
    expect(engine.getSync('k', undefined, 'utf8')).toBe('last')
    expect(value(engine, 'y')!.equals(bytes(30_000, 3))).toBe(true)
    // Those that waited together share a segment.
    expect(segments(fs)).toHaveLength(1)
    await engine.close()
  })
})

describe('a failure', () => {
  it.each([
    ['write', /\.vlog$/, 'ENOSPC', 'SETT_DISK_FULL'],
    ['write', /\.vlog$/, 'EIO', 'LEVEL_IO_ERROR'],
    ['create', /\.vlog$/, 'EMFILE', 'LEVEL_IO_ERROR'],
    ['write', /MANIFEST/, 'ENOSPC', 'SETT_DISK_FULL'],
    ['write', /\.wal$/, 'ENOSPC', 'SETT_DISK_FULL'],
  ] as const)('of a %s of %s with %s fails that commit alone', async (on, path, errno, code) => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('before', '1', {})
    fs.inject({ on, path, errno, forever: true })
    const lost = codeOf(engine.put('k', bytes(40_000), {}))
    expect(await lost).toBe(code)
    fs.heal()
    await engine.put('after', '2', {})
    expect(value(engine, 'k')).toBe(undefined)
    await engine.flush()
    await engine.settle()
    await engine.close()
    expect(segments(fs)).toEqual([])
    const again = await start(fs)
    expect(value(again, 'k')).toBe(undefined)
    expect(again.getSync('after', undefined, 'utf8')).toBe('2')
    await again.put('k', bytes(40_000), {})
    expect(value(again, 'k')!.length).toBe(40_000)
    await again.close()
  })

  it.each([
    ['sync', /\.vlog$/],
    ['sync', /MANIFEST/],
    ['syncDirectory', /db$/],
  ] as const)('of the %s of %s is final', async (on, path) => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('before', '1', {})
    fs.inject({ on, path, errno: 'EIO' })
    const behind = [engine.put('k', bytes(40_000), {}), engine.put('behind', '2', {})].map(codeOf)
    expect(await Promise.all(behind)).toEqual(['SETT_POISONED', 'SETT_POISONED'])
    await engine.close()
    const again = await start(fs)
    expect(value(again, 'k')).toBe(undefined)
    expect(again.getSync('before', undefined, 'utf8')).toBe('1')
    await again.settle()
    await again.close()
    expect(segments(fs)).toEqual([])
  })
})
