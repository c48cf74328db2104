// A failed fsync is final, whatever it was for: nothing is synced twice, nothing is written any more, reads go on, and
// the next open makes durable what the disk may have lost.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import type { Fault } from '../../../faults/fault-rules.ts'
import { codeOf, ends, start, turns } from '../../../support/small-engine.ts'

function text(engine: StorageEngine, key: string): unknown {
  return engine.getSync(key, undefined, 'utf8')
}

const put = (engine: StorageEngine, key: string): Promise<string> =>
  codeOf((async () => engine.put(key, 'x'.repeat(1000), {}))())

async function fillUntilRefused(engine: StorageEngine): Promise<string> {
  for (let i = 0; i < 200; i++) {
    const code = await ends(put(engine, `k${i}`))
    if (code !== 'no error') return code
  }
  return 'never refused'
}

describe('a failed sync', () => {
  const flush = (engine: StorageEngine): Promise<string> => codeOf(engine.flush())
  // The first log that is made from now on is the only one `path` can mean.
  const nextLog = (fs: FaultFileSystem): RegExp => {
    const numbers = fs.listSync('/db').map((name) => Number(/\d+/.exec(name)?.[0] ?? 0))
    return new RegExp(`${Math.max(...numbers) + 1}\\.wal$`)
  }
  const cases: [
    string,
    (fs: FaultFileSystem) => Fault,
    (engine: StorageEngine) => Promise<string>,
  ][] = [
    ['a table', () => ({ on: 'sync', path: /\.sst$/ }), flush],
    ['the directory, after a table', () => ({ on: 'syncDirectory', nth: 2 }), flush],
    ['the next log', (fs) => ({ on: 'sync', path: nextLog(fs) }), fillUntilRefused],
    ['the directory, after a log', () => ({ on: 'syncDirectory' }), fillUntilRefused],
    ['the manifest', () => ({ on: 'sync', path: /MANIFEST/ }), flush],
  ]

  it.each(cases)('of %s ends all writing, and is not repeated', async (_, faultOn, work) => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('a', '1', {})
    const from = fs.calls.length
    const fault = faultOn(fs)
    fs.inject({ ...fault, errno: 'EIO' })
    expect(await ends(work(engine))).toBe('SETT_POISONED')
    expect(() => engine.put('b', '2', {})).toThrow(
      /read-only from here on|could not be made durable/,
    )
    expect(text(engine, 'a')).toBe('1')
    // Time for another try, if anybody made one.
    await new Promise((resolve) => setTimeout(resolve, 700))
    await engine.close()
    const syncs = fs.calls.slice(from).filter(({ kind }) => kind === fault.on)
    const failed = syncs.findIndex(({ error }) => error !== undefined)
    const { file, path } = syncs[failed]!
    const again = syncs.slice(failed + 1).filter((call) => call.file === file && call.path === path)
    expect(again).toEqual([])
    expect(fs.openHandles).toBe(0)
    const next = await start(fs)
    expect(text(next, 'a')).toBe('1')
    await next.put('b', '2', {})
    await next.close()
  })

  it('while closing is told, and everything is given back', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none' })
    await engine.put('a', '1', {})
    fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO' })
    expect(await codeOf(engine.close())).toBe('SETT_POISONED')
    expect(fs.openHandles).toBe(0)
    const again = await start(fs)
    expect(text(again, 'a')).toBe('1')
    await again.close()
  })
})

describe('a failed sync of background work', () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  // What they answer is the code of the first refusal.
  const flushing = async (engine: StorageEngine, steps: number): Promise<string> => {
    let code = 'no error'
    // Nobody waits for the flush that one of them brings about.
    for (let i = 0; i < 54 + steps && code === 'no error'; i++) code = await put(engine, `k${i}`)
    return code
  }
  const compacting = async (engine: StorageEngine, steps: number): Promise<string> => {
    const code = await put(engine, 'k')
    await engine.flush()
    for (let i = 0; i < steps; i++) await turn()
    return code
  }
  const cases: [string, Fault, typeof flushing][] = [
    ['a flush: its table', { on: 'sync', path: /\.sst$/ }, flushing],
    ['a flush: its directory', { on: 'syncDirectory', nth: 2 }, flushing],
    ['a compaction: its table', { on: 'sync', path: /\.sst$/, nth: 2 }, compacting],
    ['a compaction: its directory', { on: 'syncDirectory', nth: 3 }, compacting],
  ]

  it.each(cases)('%s: a caller is told of it, close() if no other', async (_, fault, work) => {
    let struck = 0
    for (let steps = 0; steps < 14; steps++) {
      const fs = new FaultFileSystem()
      const engine = await start(fs, { l0CompactTrigger: 2, l0StallTrigger: 8 })
      await engine.put('a', '1', {})
      if (work === compacting) {
        await engine.put('z', '1', {})
        await engine.flush()
      }
      const injection = fs.inject({ ...fault, errno: 'EIO' })
      const from = fs.calls.length
      const refused = await work(engine, steps)
      const told = [refused, await ends(codeOf(engine.close()))]
      const syncs = fs.calls.slice(from).filter(({ kind }) => kind === fault.on)
      const failed = syncs.findIndex(({ error }) => error !== undefined)
      struck += failed >= 0 ? 1 : 0
      expect(told.includes('SETT_POISONED'), `after ${steps} steps`).toBe(failed >= 0)
      const met = syncs[failed]
      const again = syncs
        .slice(failed + 1)
        .filter(({ file, path }) => file === met?.file && path === met.path)
      expect(failed >= 0 ? again : []).toEqual([])
      expect(fs.openHandles).toBe(0)
      injection.lift()
      const next = await start(fs)
      expect(text(next, 'a')).toBe('1')
      await next.close()
    }
    expect(struck).toBeGreaterThan(0)
  })
})

describe('a log that is being born when a sync fails elsewhere', () => {
  it('asks for no other sync', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none' })
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    const active = fs.listSync('/db').find((name) => name.endsWith('.wal'))!
    const birth = fs.inject({ on: 'sync', path: /\.wal$/, until })
    for (const key of ['a', 'b', 'c']) await engine.put(key, 'x'.repeat(12_000), {})
    await turns()
    expect(birth.matches).toBe(1)
    fs.inject({ on: 'sync', path: new RegExp(active), errno: 'EIO' })
    expect(await codeOf(engine.put('d', '1', { durability: 'sync' }))).toBe('SETT_POISONED')
    const from = fs.calls.length
    release()
    await engine.close()
    const later = fs.calls.slice(from).map(({ kind }) => kind)
    expect(later.filter((kind) => kind === 'sync' || kind === 'syncDirectory')).toEqual([])
    expect(fs.openHandles).toBe(0)
  })
})

describe('a failed sync in the flush of what was replayed', () => {
  const faults: Fault[] = [1, 2, 3, 4].map((nth) => ({ on: 'syncDirectory', nth }))
  it.each([{ on: 'sync', path: /\.sst$/ } as Fault, ...faults])(
    '%o: open() or close() tells',
    async (fault) => {
      const first = new FaultFileSystem()
      const killed = await start(first)
      await killed.put('a', '1', {})
      const fs = new FaultFileSystem({
        files: first.image({ rule: 'ext4', survives: () => 'all' }),
      })
      await killed.close()
      fs.inject({ ...fault, errno: 'EIO' })
      const opened = start(fs)
      // Where the open itself needs the sync, it is the one to refuse.
      let code = await codeOf(opened)
      if (code === 'no error') code = await codeOf((await opened).close())
      const syncs = fs.calls.filter(({ kind }) => kind === fault.on)
      const failed = syncs.findIndex(({ error }) => error !== undefined)
      expect(code !== 'no error').toBe(failed >= 0)
      const met = syncs[failed]
      expect(
        syncs.slice(failed + 1).filter(({ file, path }) => file === met?.file && path === met.path),
      ).toEqual([])
      expect(fs.openHandles).toBe(0)
    },
  )
})

describe('reopened after a failed sync', () => {
  it('a database loses nothing of what it then shows to the next power cut', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('synced', '1', {})
    await engine.put('cached', '2', { durability: 'none' })
    fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO', failedSync: 'clean' })
    expect(await put(engine, 'unknown')).toBe('SETT_POISONED')
    await engine.close()
    const second = await start(fs)
    const shown = ['synced', 'cached', 'unknown'].map((key) => text(second, key))
    expect(shown.slice(0, 2)).toEqual(['1', '2'])
    // What was replayed is not in tables before the next power cut.
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    fs.inject({ on: 'sync', path: /MANIFEST/, until, forever: true })
    await second.put('later', '3', {})
    const image = fs.image({ rule: 'strict', survives: () => 'none' })
    release()
    await second.close()
    const third = await start(new FaultFileSystem({ files: image }))
    expect(['synced', 'cached', 'unknown'].map((key) => text(third, key))).toEqual(shown)
    expect(text(third, 'later')).toBe('3')
    await third.close()
  })
})
