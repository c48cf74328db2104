// Segments live while anything points to them: a commit under way, a memtable, a replayed log, a table.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, start } from '../../../support/small-engine.ts'

function segments(fs: FaultFileSystem): string[] {
  return fs.listSync('/db').filter((name) => name.endsWith('.vlog'))
}

function value(engine: StorageEngine, key: string): string | undefined {
  return engine.getSync(key, undefined, 'utf8') as string | undefined
}

const long = (mark: string): string => mark.repeat(30_000)

/** Removals go some turns later. */
async function removed(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a segment', () => {
  it('stays while the memtable that points to it waits for its flush', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('other', long('o'), {})
    await engine.flush()
    // Its own memtable is flushed only after this edit.
    const held = engine.put('k', long('k'), {})
    await held
    fs.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC' })
    await codeOf(engine.flush())
    // A failed value leads to a look for segments that nobody needs.
    fs.inject({ on: 'write', path: /\.wal$/, errno: 'ENOSPC', forever: true })
    await codeOf(engine.put('failed', long('f'), {}))
    fs.heal()
    expect(value(engine, 'k')).toBe(long('k'))
    await engine.compactRange(undefined, undefined)
    expect([value(engine, 'k'), value(engine, 'other')]).toEqual([long('k'), long('o')])
    await engine.close()
  })

  it('is dropped with the flush of a memtable in which its value was overwritten', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('k', long('a'), {})
    await engine.put('k', long('b'), {})
    expect(segments(fs)).toHaveLength(2)
    await engine.flush()
    await removed()
    expect(segments(fs)).toHaveLength(1)
    expect(value(engine, 'k')).toBe(long('b'))
    await engine.del('k', {})
    await engine.compactRange(undefined, undefined)
    await removed()
    expect(segments(fs)).toEqual([])
    await engine.close()
  })

  it('stays while a snapshot sees its value', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('k', long('a'), {})
    const pin = engine.pin()
    await engine.put('k', 'b', {})
    await engine.compactRange(undefined, undefined)
    expect(engine.getSync('k', pin, 'utf8')).toBe(long('a'))
    pin.release()
    await engine.put('k', 'c', {})
    await engine.compactRange(undefined, undefined)
    await removed()
    expect(segments(fs)).toEqual([])
    await engine.close()
  })

  it('stays after a crash until the replayed log that points to it is flushed', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('k', long('k'), {})
    await engine.put('gone', long('g'), {})
    await engine.put('gone', 'short', {})
    const after = fs.afterKill()
    const looking = await start(after, { readOnly: true })
    expect(value(looking, 'k')).toBe(long('k'))
    await looking.close()
    expect(segments(after)).toHaveLength(2)
    // Its flush fails at first: whatever else is installed meanwhile drops nothing it needs.
    after.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC' })
    const again = await start(after)
    await again.put('failing', long('f'), {})
    expect([value(again, 'k'), value(again, 'gone')]).toEqual([long('k'), 'short'])
    await again.flush().catch(() => again.flush())
    await removed()
    expect(segments(after)).toHaveLength(2)
    expect([value(again, 'k'), value(again, 'gone')]).toEqual([long('k'), 'short'])
    await again.close()
    await engine.close()
  })

  it('that was named, and then a crash came before the commit, goes at the next open', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.flush()
    let crashed: FaultFileSystem | undefined
    fs.watch(({ kind, path }) => {
      if (kind === 'write' && path.endsWith('.wal')) crashed ??= fs.afterKill()
    })
    await engine.put('k', long('k'), {})
    await engine.close()
    const after = crashed!
    expect(segments(after)).toHaveLength(1)
    const again = await start(after)
    expect(value(again, 'k')).toBe(undefined)
    await removed()
    expect(segments(after)).toEqual([])
    // Its number is not used again.
    await again.put('k', long('k'), {})
    expect(segments(after)).not.toEqual(segments(fs))
    await again.close()
  })
})
