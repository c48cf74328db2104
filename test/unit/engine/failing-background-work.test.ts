// Flushes, compactions and edits that fail: nobody waits for ever, and the disk is not filled with leftovers.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { codeOf, ends, soon, start, turns } from '../../support/small-engine.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function tablesOf(fs: FileSystem): string[] {
  return fs.listSync('/db').filter((name) => name.endsWith('.sst'))
}

async function putMany(engine: StorageEngine, count: number): Promise<string> {
  for (let i = 0; i < count; i++) {
    const code = await ends(codeOf((async () => engine.put(`k${i}`, 'v'.repeat(1000), {}))()))
    if (code !== 'no error') return code
  }
  return 'no error'
}

describe('damage met by a compaction', () => {
  it('refuses writers once level 0 is full, instead of letting them and close() wait', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { l0CompactTrigger: 2, l0StallTrigger: 3 })
    await engine.put('a', 'x', {})
    await engine.flush()
    damage(fs, `/db/${tablesOf(fs)[0]}`, 70)
    await engine.put('a', 'y', {})
    await engine.flush()
    await turns()
    expect(await putMany(engine, 400)).toBe('LEVEL_CORRUPTION')
    expect(await putMany(engine, 400)).toBe('LEVEL_CORRUPTION')
    await ends(engine.close())
  })
})

describe('a failed compactRange', () => {
  it('leaves level 0 to be compacted again', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { l0CompactTrigger: 5, l0StallTrigger: 6 })
    await engine.put('a', 'x', {})
    await engine.flush()
    await engine.put('a', 'y', {})
    await engine.flush()
    let settled: Promise<string> | undefined
    fs.inject({ on: 'write', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    fs.watch(({ kind, path }) => {
      if (kind === 'write' && path.endsWith('.sst')) settled = codeOf(engine.settle())
    })
    expect(await ends(codeOf(engine.compactRange(undefined, undefined)))).not.toBe('no error')
    fs.heal()
    expect(await ends(settled!)).toBe('SETT_DISK_FULL')
    await soon(async () => expect(await putMany(engine, 400)).toBe('no error'))
    await ends(engine.close())
  })
})

describe('settle() behind a failed compactRange', () => {
  it('ends, when nothing of it is due by itself', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    for (const value of ['x', 'y']) {
      await engine.put('a', value, {})
      await engine.flush()
    }
    fs.inject({ on: 'write', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    expect(await ends(codeOf(engine.compactRange(undefined, undefined)))).not.toBe('no error')
    fs.heal()
    expect(await ends(codeOf(engine.settle()))).toBe('no error')
    await ends(engine.close())
  })
})

describe('a manifest that cannot be written', () => {
  it('stops everything that would need it, and writes no table again and again', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('a', 'x', {})
    fs.inject({ on: 'sync', path: /MANIFEST/, errno: 'EIO', forever: true })
    expect(await ends(codeOf(engine.flush()))).toBe('SETT_POISONED')
    await pause(1200)
    expect(tablesOf(fs).length).toBeLessThanOrEqual(1)
    expect(() => engine.put('b', 'y', {})).toThrow(/read-only from here on/)
    expect(engine.getSync('a', undefined, 'utf8')).toBe('x')
    fs.heal()
    await ends(engine.close())
    const again = await start(fs)
    expect(again.getSync('a', undefined, 'utf8')).toBe('x')
    await again.close()
  })

  it('removes the tables an edit could not name for want of space', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const value = 'x'.repeat(12_000)
    for (let i = 0; i < 3; i++) await engine.put(`k${i}`, value, {})
    await engine.put('a', 'x', {})
    // Half full: the next log is born by now, so that the flush gets as far as its edit.
    await turns()
    fs.inject({ on: 'write', path: /MANIFEST/, errno: 'ENOSPC', forever: true })
    const flush = codeOf(engine.flush())
    await pause(1300)
    await ends(flush)
    expect(tablesOf(fs).length).toBeLessThanOrEqual(1)
    fs.heal()
    await pause(600)
    await ends(engine.flush())
    expect(engine.getSync('a', undefined, 'utf8')).toBe('x')
    await ends(engine.close())
    const again = await start(fs)
    expect(again.getSync('a', undefined, 'utf8')).toBe('x')
    expect(tablesOf(fs).length).toBe(1)
    await again.close()
  })
})

describe('a scan whose read failed', () => {
  it('goes on where it was, when it is asked again', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { blockSize: 512, scanPageSize: 10 })
    const keys = Array.from({ length: 3000 }, (_, i) => `k${String(i).padStart(5, '0')}`)
    await Promise.all(keys.map((key) => engine.put(key, 'v'.repeat(400), {})))
    await engine.flush()
    const reader = engine.range({
      keys: true,
      values: true,
      keyForm: 'utf8',
      valueForm: 'utf8',
      version: engine.version,
    })
    const found: unknown[] = []
    let failures = 0
    for (let i = 0; ; i++) {
      fs.heal()
      if (i % 2 === 1) fs.inject({ on: 'read', path: /\.sst$/, errno: 'EIO', forever: true })
      try {
        const page = reader.next(700)
        if (page.length === 0) break
        for (const [key] of page) found.push(key)
      } catch {
        failures += 1
      }
    }
    expect(failures).toBeGreaterThan(0)
    expect(found).toEqual(keys)
    await engine.close()
  })
})

/** Puts a file with one other byte in the place of this one. */
function damage(fs: FileSystem, path: string, offset: number): void {
  const old = fs.openSync(path, 'read')
  const bytes = Buffer.alloc(old.sizeSync())
  old.readSync(bytes, 0)
  old.closeSync()
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 0xff, offset)
  fs.removeSync(path)
  const file = fs.openSync(path, 'create')
  file.writeSync(bytes, 0)
  file.closeSync()
}
