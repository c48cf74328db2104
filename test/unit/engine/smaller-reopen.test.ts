// What a generous open wrote, a frugal one can recover, flush, compact and read.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { planMemory } from '../../../src/engine/memory-plan.ts'
import { openEngine } from '../../../src/engine/open.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { countRecords } from '../../../src/wal/record-count.ts'
import type { Survival } from '../../faults/disk.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'

const MIB = 1024 * 1024

const killed: Survival = { rule: 'strict', survives: () => 'all' }

function start(fs: FileSystem, options: object): Promise<StorageEngine> {
  return openEngine('/db', resolveOptions({ workers: 0, valueThreshold: 'off', ...options }), {
    fs,
  })
}

const generous = { memtableSize: 16 * MIB, memoryBudget: 400 * MIB }
const frugal = { memtableSize: 65_536, memoryBudget: 8 * MIB }

describe('a database reopened with less memory', () => {
  it('recovers and flushes large logs, and takes writes', async () => {
    const before = new FaultFileSystem()
    const first = await start(before, generous)
    const values = Array.from({ length: 24 }, (_, i) => Buffer.alloc(MIB, i))
    for (const [i, value] of values.entries()) await first.put(`k${i}`, value, {})
    const fs = new FaultFileSystem({ files: before.image(killed) })
    await first.close()
    const again = await start(fs, frugal)
    await again.flush()
    await again.put('new', 'x', {})
    for (const [i, value] of values.entries()) {
      expect(value.equals(again.getSync(`k${i}`, undefined, 'buffer') as Buffer)).toBe(true)
    }
    await again.close()
  })

  it('flushes, compacts, reads and scans a value longer than its whole budget', async () => {
    const fs = memoryFileSystem()
    const first = await start(fs, generous)
    const value = Buffer.alloc(100 * MIB - 4096, 7)
    await first.put('long', value, {})
    await first.close()
    const again = await start(fs, frugal)
    await again.put('short', 'x', {})
    await again.flush()
    await again.compactRange(undefined, undefined)
    await again.close()
    const third = await start(fs, frugal)
    await third.put('shorter', 'y', {})
    await third.put('a', 'y', {})
    await third.flush()
    await third.compactRange(undefined, undefined)
    expect(value.equals(third.getSync('long', undefined, 'buffer') as Buffer)).toBe(true)
    const reader = third.range({
      keys: true,
      values: true,
      keyForm: 'utf8',
      valueForm: 'buffer',
      version: third.version,
    })
    // Long values come on pages of their own.
    const lengths: unknown[] = []
    for (let page = reader.next(10); page.length > 0; page = reader.next(10)) {
      lengths.push(...page.map(([key, found]) => [key, found!.length]))
    }
    expect(lengths).toEqual([
      ['a', 1],
      ['long', value.length],
      ['short', 1],
      ['shorter', 1],
    ])
    await third.close()
  })
})

describe('room for replaying logs', () => {
  it('is what their records need when more cannot be had', async () => {
    const fs = memoryFileSystem()
    const engine = await start(fs, generous)
    for (let i = 0; i < 300; i++) await engine.put(`k${i}`, 'v'.repeat(i % 7 === 0 ? 9000 : 90), {})
    await engine.close()
    const { state } = readManifest(fs, '/db')!
    const { number, salt, sealed } = state.wals[0]!
    const path = `/db/${String(number).padStart(6, '0')}.wal`
    expect(countRecords(fs, path, sealed!.length)).toBe(300)
    expect(countRecords(fs, path, sealed!.length - 8)).toBeLessThan(300)
    // Five full logs of the largest preset, by their sizes alone.
    const large: FileSystem = {
      ...fs,
      statSync(path) {
        const found = fs.statSync(path)
        if (found === undefined || !path.endsWith('.wal')) return found
        return { ...found, size: 250 * MIB }
      },
    }
    const wals = Array.from({ length: 5 }, () => ({ number, salt }))
    const options = resolveOptions({ preset: 'throughput', workers: 4 })
    const plan = planMemory(large, '/db', options, { ...state, wals })
    const arenas = plan.wals.reduce((sum, { arenaBytes }) => sum + arenaBytes, 0)
    expect(arenas).toBeGreaterThan(5 * 250 * MIB)
    expect(arenas).toBeLessThan(5 * 256 * MIB)
    // Beside them there is room for a memtable and the caches.
    expect(plan.heapBytes - arenas).toBeGreaterThan((256 + 256 + 128) * MIB)
  })
})
