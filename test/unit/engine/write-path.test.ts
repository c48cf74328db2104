import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { codeOf, soon, start, turns } from '../../support/small-engine.ts'

function walWrites(fs: FaultFileSystem): number {
  return fs.calls.filter(({ kind, path }) => kind === 'write' && path.endsWith('.wal')).length
}

function text(engine: StorageEngine, key: string): unknown {
  return engine.getSync(key, undefined, 'utf8')
}

describe('group commit', () => {
  it('writes an unawaited loop of 256 puts in at most two writes', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const before = walWrites(fs)
    const puts = Array.from({ length: 256 }, (_, i) => engine.put(`k${i}`, 'v', {}))
    await Promise.all(puts)
    expect(walWrites(fs) - before).toBeLessThanOrEqual(2)
    expect(text(engine, 'k255')).toBe('v')
    await engine.close()
  })

  it('keeps the order of a batch and a put that follows it', async () => {
    const engine = await start(new FaultFileSystem())
    const both = [
      engine.batch([{ type: 'put', key: 'k', value: 'first' }], {}),
      engine.put('k', 'second', {}),
    ]
    await Promise.all(both)
    expect(text(engine, 'k')).toBe('second')
    await engine.close()
  })

  it('lets the last operation on a key of one batch win', async () => {
    const engine = await start(new FaultFileSystem())
    await engine.batch(
      [
        { type: 'put', key: 'k', value: 'a' },
        { type: 'del', key: 'k' },
        { type: 'put', key: 'k', value: 'b' },
        { type: 'put', key: 'gone', value: 'x' },
        { type: 'del', key: 'gone' },
      ],
      {},
    )
    expect([text(engine, 'k'), text(engine, 'gone')]).toEqual(['b', undefined])
    await engine.close()
  })

  it('shows nothing before it is synced, and acks after', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    let seenAtSync: unknown = 'never synced'
    fs.watch(({ kind, path }) => {
      if (kind === 'sync' && path.endsWith('.wal')) seenAtSync = text(engine, 'k')
    })
    await engine.put('k', 'v', {})
    expect(seenAtSync).toBe(undefined)
    expect(text(engine, 'k')).toBe('v')
    await engine.close()
  })

  it('hands the version to onCommit before the promise resolves, never inside the call', async () => {
    const engine = await start(new FaultFileSystem())
    const order: string[] = []
    const put = engine.put('k', 'v', { onCommit: (version) => order.push(`commit ${version}`) })
    order.push('returned')
    await put
    order.push('resolved')
    expect(order).toEqual(['returned', `commit ${engine.version}`, 'resolved'])
    await engine.close()
  })

  it('keeps what was written when the caller changes its buffers at once', async () => {
    const engine = await start(new FaultFileSystem())
    const key = Buffer.from('key')
    const value = Buffer.from('value')
    const put = engine.put(key, value, {})
    key.fill(0)
    value.fill(0)
    await put
    expect(text(engine, 'key')).toBe('value')
    await engine.close()
  })
})

describe('failing writes', () => {
  it('never shows a rejected commit, and goes on without reopening', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('before', '1', {})
    fs.inject({ on: 'write', path: /\.wal$/, errno: 'ENOSPC', forever: true })
    const lost = engine.put('lost', 'x', {})
    expect(await codeOf(lost)).toBe('SETT_DISK_FULL')
    expect(text(engine, 'lost')).toBe(undefined)
    fs.heal()
    await engine.put('after', '2', {})
    await engine.close()
    const again = await start(fs)
    expect([text(again, 'before'), text(again, 'lost'), text(again, 'after')]).toEqual([
      '1',
      undefined,
      '2',
    ])
    await again.close()
  })

  it('survives a failed first write of a log, whose link then comes with the next', async () => {
    const fs = new FaultFileSystem()
    const first = await start(fs)
    await first.put('old', '0', {})
    await first.close()
    const engine = await start(fs)
    fs.inject({ on: 'write', path: /\.wal$/, errno: 'EIO', shortBytes: 20 })
    const rejected = engine.put('lost', 'x', {})
    expect(await codeOf(rejected)).toBe('LEVEL_IO_ERROR')
    await engine.put('kept', '1', {})
    await engine.close()
    const again = await start(fs)
    expect([text(again, 'old'), text(again, 'lost'), text(again, 'kept')]).toEqual([
      '0',
      undefined,
      '1',
    ])
    await again.close()
  })

  it('rotates the log when a failed write cannot be cut off', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    // Half full, so that the next log is born ahead.
    await engine.put('big', 'x'.repeat(12_000), {})
    await engine.put('big2', 'x'.repeat(12_000), {})
    await engine.put('big3', 'x'.repeat(12_000), {})
    await turns()
    fs.inject({ on: 'write', path: /\.wal$/, errno: 'EIO', shortBytes: 40 })
    fs.inject({ on: 'truncate', path: /\.wal$/, errno: 'EIO', forever: true })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
    await engine.put('kept', '1', {})
    fs.heal()
    await engine.close()
    const again = await start(fs)
    expect([text(again, 'lost'), text(again, 'kept'), text(again, 'big3')]).toEqual([
      undefined,
      '1',
      'x'.repeat(12_000),
    ])
    await again.close()
  })

  it('turns read-only after a failed sync, rejects all behind it, and recovers by reopening', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('durable', '1', {})
    fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO', forever: true })
    const first = engine.put('a', 'x', {})
    const outcomes = [codeOf(first)]
    await new Promise((resolve) => setImmediate(resolve))
    outcomes.push(codeOf((async () => engine.put('b', 'x', {}))()))
    expect(await Promise.all(outcomes)).toEqual(['SETT_POISONED', 'SETT_POISONED'])
    fs.heal()
    expect(() => engine.put('c', 'x', {})).toThrow(/read-only from here on/)
    expect(text(engine, 'durable')).toBe('1')
    expect(text(engine, 'a')).toBe(undefined)
    await engine.close()
    const again = await start(fs)
    expect(text(again, 'durable')).toBe('1')
    await again.put('c', 'y', {})
    await again.close()
  })

  it('goes on flushing once the disk has room again', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    fs.inject({ on: 'write', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    const value = 'v'.repeat(1000)
    let refused = 0
    for (let i = 0; i < 400; i++) {
      const code = await codeOf(engine.put(`k${i}`, value, {}))
      if (code !== 'no error') refused += 1
      if (refused > 0) break
    }
    expect(refused).toBe(1)
    fs.heal()
    await soon(() => engine.put('more', 'y', {}))
    await engine.settle()
    expect(text(engine, 'k0')).toBe(value)
    expect(fs.listSync('/db').filter((name) => name.endsWith('.sst')).length).toBeGreaterThan(0)
    await engine.close()
  })
})

describe('limits', () => {
  const limit = (8 * 1024 * 1024) / 4
  // Record header 16, key 3, rounded up to 8.
  const longest = limit - 16 - 3

  it('takes a value of exactly memoryBudget / 4, and no byte more, wherever it lies', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const value = Buffer.alloc(limit, 7)
    await engine.put(Buffer.from('k'), value, {})
    const part = value.subarray(0, limit / 4)
    await engine.batch(
      [1, 2, 3, 4].map((i) => ({ type: 'put', key: `k${i}`, value: part })),
      {},
    )
    for (const [key, found] of [
      ['k', value],
      ['k4', part],
    ] as const) {
      expect((engine.getSync(key, undefined, 'buffer') as Buffer).equals(found)).toBe(true)
    }
    for (const longer of [Buffer.alloc(limit + 1), 'x'.repeat(limit + 1)]) {
      expect(() => engine.put('k', longer, {})).toThrow(/memoryBudget \/ 4.*putStream/)
    }
    // What a commit carries beside its large values is limited as before.
    const many = Array.from({ length: 3_000 }, (_, i) => {
      return { type: 'put', key: `m${i}`, value: Buffer.alloc(800) } as const
    })
    const both = [{ type: 'put', key: 'k', value } as const, ...many]
    expect(() => engine.batch(both, {})).toThrow(/memoryBudget \/ 4/)
    // So is what may be copied for it.
    const two = ['a', 'b'].map((key) => ({ type: 'put', key, value }) as const)
    expect(() => engine.batch(two, {})).toThrow(/putStream/)
    expect(engine.version).toBe(2)
    await engine.close()
  })

  it('takes a commit of exactly memoryBudget / 4, and no byte more', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { valueThreshold: 'off' })
    const value = Buffer.alloc(longest, 7)
    await engine.put('one', value.subarray(0, longest - 1), {})
    await engine.put('two', value, {})
    await expect(async () => engine.put('six', Buffer.alloc(longest + 8), {})).rejects.toThrow(
      /memoryBudget \/ 4/,
    )
    await engine.put('small', 'x', {})
    await engine.settle()
    await engine.close()
    const again = await start(fs)
    expect((again.getSync('two', undefined, 'buffer') as Buffer).equals(value)).toBe(true)
    expect((again.getSync('one', undefined, 'buffer') as Buffer).length).toBe(longest - 1)
    await again.compactRange(undefined, undefined)
    expect((again.getSync('two', undefined, 'buffer') as Buffer).equals(value)).toBe(true)
    const reader = again.range({
      keys: true,
      values: true,
      keyForm: 'utf8',
      valueForm: 'buffer',
      version: again.version,
    })
    // Long values come on pages of their own.
    const lengths: unknown[] = []
    for (let page = reader.next(10); page.length > 0; page = reader.next(10)) {
      lengths.push(...page.map(([key, found]) => [key, found!.length]))
    }
    expect(lengths).toEqual([
      ['one', longest - 1],
      ['small', 1],
      ['two', longest],
    ])
    await again.close()
  })

  it('takes keys of 0 to 65,535 bytes and refuses 65,536', async () => {
    const engine = await start(new FaultFileSystem())
    const longKey = `${'é'.repeat(32_767)}x`
    expect(Buffer.byteLength(longKey)).toBe(65_535)
    await engine.put(longKey, 'long', {})
    await engine.put('s', '', {})
    expect([text(engine, longKey), text(engine, 's')]).toEqual(['long', ''])
    expect(() => engine.put(`${longKey}y`, 'v', {})).toThrow(/at most 65535/)
    await engine.flush()
    expect([text(engine, longKey), text(engine, 's')]).toEqual(['long', ''])
    await engine.close()
  })
})

describe('the empty key', () => {
  it('is a key like any other, in memory, in tables, in scans and after a crash', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { blockSize: 512, tableSize: 16_384 })
    const pairs = (reverse: boolean, bounds: object = {}): unknown[] =>
      engine
        .range({
          keys: true,
          values: true,
          keyForm: 'utf8',
          valueForm: 'utf8',
          version: engine.version,
          reverse,
          ...bounds,
        })
        .next(10)
    const expected = [
      ['', 'second'],
      ['a', '1'],
      ['b', '2'],
    ]
    const check = (): void => {
      expect([text(engine, ''), text(engine, 'a')]).toEqual(['second', '1'])
      expect(pairs(false)).toEqual(expected)
      expect(pairs(true)).toEqual([...expected].reverse())
      expect(pairs(false, { lte: '' })).toEqual(expected.slice(0, 1))
      expect(pairs(true, { lte: '' })).toEqual(expected.slice(0, 1))
      expect(pairs(false, { lt: '' })).toEqual([])
      expect(pairs(false, { gt: '' })).toEqual(expected.slice(1))
      expect(pairs(true, { gte: '' })).toEqual([...expected].reverse())
    }
    await engine.put('', 'first', {})
    const pin = engine.pin()
    await engine.put('', 'second', {})
    await engine.put('a', '1', {})
    await engine.put('b', '2', {})
    check()
    await engine.flush()
    check()
    expect(engine.getSync('', pin, 'utf8')).toBe('first')
    pin.release()
    await engine.compactRange(undefined, undefined)
    check()
    await engine.close()
    const again = await start(fs)
    expect(text(again, '')).toBe('second')
    await again.put('', 'third', {})
    await again.close()
    const last = await start(fs)
    expect(text(last, '')).toBe('third')
    await last.del('', {})
    await last.flush()
    expect(text(last, '')).toBe(undefined)
    await last.close()
  })
})
