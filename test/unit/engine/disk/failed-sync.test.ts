// A failed fsync is final, whatever it was for: nothing is synced twice, nothing is written any more, reads go on, and
// the next open makes durable what the disk may have lost.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import type { Fault } from '../../../faults/fault-rules.ts'
import { codeOf, endsWithin, start } from '../../../support/small-engine.ts'

function text(engine: StorageEngine, key: string): unknown {
  return engine.getSync(key, undefined, 'utf8')
}

const put = (engine: StorageEngine, key: string): Promise<string> =>
  codeOf((async () => engine.put(key, 'x'.repeat(1000), {}))())

async function fillUntilRefused(engine: StorageEngine): Promise<string> {
  for (let i = 0; i < 200; i++) {
    const code = await endsWithin(10_000, put(engine, `k${i}`))
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
    expect(await endsWithin(10_000, work(engine))).toBe('SETT_POISONED')
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
