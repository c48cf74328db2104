// close() while something is under way or has failed: it always ends, and leaves nothing accepted behind.
import { describe, expect, it } from 'vitest'
import type { Engine, RangeOptions } from '../../../src/engine/types.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { codeOf, ends, soon, start } from '../../support/small-engine.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const everything: Omit<RangeOptions, 'version'> = {
  keys: true,
  values: false,
  keyForm: 'utf8',
  valueForm: 'utf8',
}

describe('after a failed sync', () => {
  it('ends when a timed sync failed before the one a commit waits for', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: { interval: 1 } })
    let fail = (): void => undefined
    const until = new Promise<void>((resolve) => {
      fail = resolve
    })
    const held = fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO', until, forever: true })
    await engine.put('a', '1', {})
    // The timer's sync is under way, a commit's own sync waits behind it.
    await soon(() => expect(held.matches).toBe(1))
    const waiting = codeOf(engine.put('b', '2', { durability: 'sync' }))
    await turn()
    const closing = engine.close()
    await turn()
    await turn()
    fail()
    expect(await ends(waiting)).toBe('SETT_POISONED')
    await ends(closing)
  })

  it('tells those who wait for a flush', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const value = 'x'.repeat(12_000)
    for (let i = 0; i < 3; i++) await engine.put(`k${i}`, value, {})
    // The next log is there, so the flush rotates at once, with the commit still open.
    await turn()
    await turn()
    fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO', forever: true })
    const flush = codeOf(engine.flush())
    const put = codeOf(engine.put('late', 'x', {}))
    expect(await ends(Promise.all([put, flush]))).toEqual(['SETT_POISONED', 'SETT_POISONED'])
    await ends(engine.close())
  })
})

describe('with work under way', () => {
  it('keeps a commit it accepted at the last moment', async () => {
    for (let wait = 0; wait < 6; wait++) {
      const fs = new FaultFileSystem()
      const engine = await start(fs)
      await engine.put('first', '1', {})
      const closing = engine.close()
      for (let i = 0; i < wait; i++) await Promise.resolve()
      const late = await codeOf((async () => engine.put('late', '2', {}))())
      await ends(closing)
      const again = await start(fs)
      const found = again.getSync('late', undefined, 'utf8')
      expect([late, found]).toEqual(
        late === 'no error' ? ['no error', '2'] : ['LEVEL_DATABASE_NOT_OPEN', undefined],
      )
      await again.close()
    }
  })

  it('refuses a reader of before, instead of reading memory that is given back', async () => {
    const engine = await start(new FaultFileSystem())
    for (let i = 0; i < 50; i++) await engine.put(`k${i}`, 'v', {})
    const reader = engine.range({ ...everything, version: engine.version })
    expect(reader.next(10).length).toBe(10)
    await engine.close()
    expect(() => reader.next(10)).toThrow(/closed/)
  })

  it('ends a clear that is between two pages', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await fill(engine, 2500)
    const clear = codeOf(engine.clear({ ...everything, version: engine.version, limit: -1 }))
    await turn()
    await ends(engine.close())
    expect(await ends(clear)).toBe('LEVEL_DATABASE_NOT_OPEN')
    const again = await start(fs)
    expect(again.getSync('k2499', undefined, 'utf8')).toBe('v')
    await again.close()
  })

  it('waits for a flush that is under way', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    // More than half a memtable: the next log is at hand, so the flush is the next to need the manifest.
    for (const key of ['a', 'b', 'c']) await engine.put(key, 'x'.repeat(12_000), {})
    for (let i = 0; i < 50; i++) await turn()
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    const held = fs.inject({ on: 'sync', path: /MANIFEST/, until })
    const flush = codeOf(engine.flush())
    while (held.matches === 0) await turn()
    const closing = engine.close()
    for (let i = 0; i < 50; i++) await turn()
    release()
    await ends(closing)
    await ends(flush)
    const again = await start(fs)
    expect(again.getSync('c', undefined, 'utf8')).toBe('x'.repeat(12_000))
    await again.close()
  })

  it('waits for a read that is under way', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { blockSize: 512 })
    await fill(engine, 3000)
    await engine.flush()
    fs.inject({ on: 'read', delayMs: 2, forever: true })
    for (let i = 0; i < 2900; i += 300) engine.getSync(`k${i}`, undefined, 'utf8')
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    fs.heal()
    fs.inject({ on: 'read', until, forever: true })
    const read = engine.get('k2950', undefined, 'utf8')
    expect(read).toBeInstanceOf(Promise)
    const outcome = codeOf(read as Promise<unknown>)
    let closed = false
    const closing = engine.close().then(() => {
      closed = true
    })
    // In turns, not in time: a busy machine must not hide that nobody waits.
    for (let i = 0; i < 300; i++) await turn()
    expect(closed).toBe(false)
    release()
    await ends(closing)
    expect(['no error', 'LEVEL_DATABASE_NOT_OPEN']).toContain(await ends(outcome))
  })
})

async function fill(engine: Engine, count: number): Promise<void> {
  const puts = Array.from({ length: count }, (_, i) => engine.put(`k${i}`, 'v', {}))
  await Promise.all(puts)
}
