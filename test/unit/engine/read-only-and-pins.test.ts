// A read-only open changes nothing on disk, also after a crash; any number of snapshots lets flushes go on.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { Survival } from '../../faults/disk.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'

const small = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024 }

const killed: Survival = { rule: 'strict', survives: () => 'all' }

function start(fs: FileSystem, options: object = {}): Promise<StorageEngine> {
  return openEngine('/db', resolveOptions({ ...small, ...options }), { fs })
}

describe('a read-only open after a crash', () => {
  it('reads everything and changes nothing', async () => {
    const before = new FaultFileSystem()
    const first = await start(before)
    for (let i = 0; i < 200; i++) await first.put(`k${i}`, 'v'.repeat(900), {})
    const fs = new FaultFileSystem({ files: before.image(killed) })
    await first.close()
    const steps = fs.steps.length
    const engine = await start(fs, { readOnly: true })
    expect(engine.getSync('k199', undefined, 'utf8')).toBe('v'.repeat(900))
    expect(() => engine.put('a', 'b', {})).toThrow(/readOnly/)
    await expect(engine.flush()).rejects.toThrow(/readOnly/)
    await engine.settle()
    await engine.close()
    expect(fs.steps.length).toBe(steps)
  })
})

describe('very many snapshots', () => {
  it('each keep what they show, through flushes and compactions', async () => {
    const engine = await start(memoryFileSystem(), { durability: 'none' })
    const pins = []
    for (let i = 0; i < 3000; i++) {
      const put = engine.put('k', String(i), {})
      if (i % 50 === 0) await put
      else await Promise.resolve()
      if (i % 50 === 0) pins.push(engine.pin())
    }
    for (let i = 0; i < 9000; i++) {
      await engine.put('k', `late ${i}`, {})
      pins.push(engine.pin())
    }
    await engine.compactRange(undefined, undefined)
    const late = pins.slice(-9000).map((pin) => engine.getSync('k', pin, 'utf8'))
    expect(late).toEqual(late.map((_, i) => `late ${i}`))
    for (const pin of pins) pin.release()
    await engine.close()
  }, 20_000)
})
