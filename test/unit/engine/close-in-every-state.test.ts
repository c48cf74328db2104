// close() while something is under way or has failed: it always ends, and leaves nothing accepted behind.
import { describe, expect, it } from 'vitest'
import type { Engine, RangeOptions } from '../../../src/engine/types.ts'
import type { FileSystem, OpenFile } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { errno } from '../../support/faulty-file-system.ts'
import { codeOf, endsWithin, faulty, start } from '../../support/small-engine.ts'

const ends = <T>(work: Promise<T>): Promise<T> => endsWithin(1500, work)

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const everything: Omit<RangeOptions, 'version'> = {
  keys: true,
  values: false,
  keyForm: 'utf8',
  valueForm: 'utf8',
}

describe('after a failed sync', () => {
  it('ends when a timed sync failed before the one a commit waits for', async () => {
    const fs = faulty()
    const engine = await start(fs, { durability: { interval: 1 } })
    await engine.put('a', '1', {})
    let fail = (): void => undefined
    const held = new Promise<void>((_, reject) => {
      fail = () => reject(errno('EIO'))
    })
    fs.hold = ({ kind, path }) => (kind === 'sync' && path.endsWith('.wal') ? held : undefined)
    // The timer's sync is under way, a commit's own sync waits behind it.
    await new Promise((resolve) => setTimeout(resolve, 20))
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
    const fs = faulty()
    const engine = await start(fs)
    const value = 'x'.repeat(12_000)
    for (let i = 0; i < 3; i++) await engine.put(`k${i}`, value, {})
    // The next log is there, so the flush rotates at once, with the commit still open.
    await turn()
    await turn()
    fs.hook = ({ kind, path }) => {
      if (kind === 'sync' && path.endsWith('.wal')) throw errno('EIO')
    }
    const flush = codeOf(engine.flush())
    const put = codeOf(engine.put('late', 'x', {}))
    expect(await ends(Promise.all([put, flush]))).toEqual(['SETT_POISONED', 'SETT_POISONED'])
    await ends(engine.close())
  })
})

describe('with work under way', () => {
  it('keeps a commit it accepted at the last moment', async () => {
    for (let wait = 0; wait < 6; wait++) {
      const fs = faulty()
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
    const engine = await start(faulty())
    for (let i = 0; i < 50; i++) await engine.put(`k${i}`, 'v', {})
    const reader = engine.range({ ...everything, version: engine.version })
    expect(reader.next(10).length).toBe(10)
    await engine.close()
    expect(() => reader.next(10)).toThrow(/closed/)
  })

  it('ends a clear that is between two pages', async () => {
    const fs = faulty()
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

  it('waits for a read that is under way', async () => {
    const slow = slowReads(memoryFileSystem())
    const engine = await start(slow, { blockSize: 512 })
    await fill(engine, 3000)
    await engine.flush()
    slow.delayMs = 2
    for (let i = 0; i < 2900; i += 300) engine.getSync(`k${i}`, undefined, 'utf8')
    let release = (): void => undefined
    slow.held = new Promise((resolve) => {
      release = resolve
    })
    const read = engine.get('k2950', undefined, 'utf8')
    expect(read).toBeInstanceOf(Promise)
    const outcome = codeOf(read as Promise<unknown>)
    let closed = false
    const closing = engine.close().then(() => {
      closed = true
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
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

interface SlowReads extends FileSystem {
  delayMs: number
  held: Promise<void> | undefined
}

/** Synchronous reads take `delayMs`; others wait for `held`. */
function slowReads(inner: FileSystem): SlowReads {
  const wrap = (file: OpenFile): OpenFile => ({
    path: file.path,
    descriptor: undefined,
    readSync(target, position) {
      const until = performance.now() + outer.delayMs
      while (performance.now() < until);
      return file.readSync(target, position)
    },
    async read(target, position) {
      await outer.held
      return file.read(target, position)
    },
    writeSync: (source, position) => file.writeSync(source, position),
    write: (source, position) => file.write(source, position),
    truncateSync: (length) => file.truncateSync(length),
    sizeSync: () => file.sizeSync(),
    dataSyncSync: () => file.dataSyncSync(),
    dataSync: () => file.dataSync(),
    closeSync: () => file.closeSync(),
  })
  const outer: SlowReads = {
    ...inner,
    delayMs: 0,
    held: undefined,
    openSync: (path, mode) => wrap(inner.openSync(path, mode)),
  }
  return outer
}
