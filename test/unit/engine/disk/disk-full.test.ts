// A volume that gets full: puts stop before it is, deletes and background work go on, nothing piles up, and all goes on
// by itself when there is room.
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../../src/base/clock.ts'
import { BackOff } from '../../../../src/engine/disk/back-off.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { halfNoise } from '../../../support/half-noise.ts'
import { codeOf, ends, start, turns } from '../../../support/small-engine.ts'

/** Noise: it takes as much room in a table. */
const VALUE = halfNoise(25_000, 1).slice(0, 15_000)

/** Puts until one is refused; returns how many were not, and the code. */
async function fill(engine: StorageEngine, most: number, value = VALUE): Promise<[number, string]> {
  for (let i = 0; i < most; i++) {
    const code = await ends(
      codeOf((async () => engine.put(`k${String(i).padStart(5, '0')}`, value, {}))()),
    )
    if (code !== 'no error') return [i, code]
  }
  return [most, 'no error']
}

/** Puts until one is refused though nothing is under way that gives room back; returns how many were stored. */
async function fillUp(engine: StorageEngine): Promise<number> {
  for (let stored = 0, refused = 0; ; ) {
    const key = `k${String(stored).padStart(5, '0')}`
    const code = await codeOf((async () => engine.put(key, VALUE, {}))())
    refused = code === 'no error' ? 0 : refused + 1
    if (refused === 2) return stored
    if (refused === 0) stored += 1
    else expect(code).toBe('SETT_DISK_FULL')
    if (refused === 1)
      expect(['no error', 'SETT_DISK_FULL']).toContain(await codeOf(engine.settle()))
  }
}

describe('the reserve', () => {
  const capacity = 4 * 1024 * 1024

  it('is kept from puts; deletes, flushes and compactions use it; more room is noticed', async () => {
    const fs = new FaultFileSystem()
    // So that a merge of level 0 needs little room: the reserve of so small a volume is small. And so that the tables
    // of a flush are none of the small ones that are gathered.
    const engine = await start(fs, { l0CompactTrigger: 2, tableSize: 262_144 })
    fs.setCapacity(capacity)
    const stored = await fillUp(engine)
    expect(stored).toBeGreaterThan(100)
    const { freeBytes } = fs.spaceSync('/db')
    expect(freeBytes).toBeGreaterThan(capacity * 0.015)
    expect(await codeOf((async () => engine.put('one more', VALUE, {}))())).toBe('SETT_DISK_FULL')
    const mixed = [
      { type: 'del', key: 'k00000' },
      { type: 'put', key: 'k00001', value: VALUE },
    ] as const
    expect(await codeOf((async () => engine.batch(mixed, {}))())).toBe('SETT_DISK_FULL')
    const deletes = Array.from({ length: stored }, (_, i) => i)
    for (const i of deletes) await engine.del(`k${String(i).padStart(5, '0')}`, {})
    await engine.compactRange(undefined, undefined)
    // Room came back by itself, and nobody reopened anything. Files go one turn later.
    await turns()
    expect(fs.spaceSync('/db').freeBytes).toBeGreaterThan(capacity / 2)
    await engine.put('after', VALUE, {})
    await engine.close()
    const again = await start(fs)
    expect(again.getSync('after', undefined, 'utf8')).toBe(VALUE)
    expect(again.getSync('k00001', undefined, 'utf8')).toBe(undefined)
    await again.close()
  })

  it('is kept from the puts of one turn, too, of which nothing is in the log yet', async () => {
    const fs = new FaultFileSystem()
    const MIB = 1024 * 1024
    const options = { memtableSize: MIB, memoryBudget: 16 * MIB, compression: 'none' }
    const engine = await start(fs, options)
    fs.setCapacity(1.3 * MIB)
    const value = VALUE.slice(0, 4_000)
    const flood = Array.from({ length: 240 }, async (_, i) => {
      return await codeOf((async () => engine.put(`k${i}`, value, {}))())
    })
    const codes = await ends(Promise.all(flood))
    const stored = codes.filter((code) => code === 'no error').length
    expect(codes.filter((code) => code === 'SETT_DISK_FULL')).toHaveLength(240 - stored)
    expect(stored).toBeGreaterThan(100)
    // Otherwise nothing would ever give room back: neither deletes nor a reopening.
    expect(await codeOf(engine.flush())).toBe('no error')
    await engine.close()
  })

  it('is 64 MiB at most, and none where the system does not tell', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    fs.setCapacity(2 ** 40)
    const real = fs.spaceSync('/db')
    const space = { freeBytes: 65 * 1024 * 1024, totalBytes: real.totalBytes }
    fs.spaceSync = () => space
    await engine.put('a', '1', {})
    space.freeBytes = 63 * 1024 * 1024
    const large = halfNoise(170_000, 2).slice(0, 100_000)
    expect((await fill(engine, 100, large))[1]).toBe('SETT_DISK_FULL')
    space.totalBytes = 0
    await engine.put('b', '2', {})
    fs.spaceSync = () => {
      throw Object.assign(new Error('EIO: i/o error, statfs'), { code: 'EIO' })
    }
    expect(await fill(engine, 60, large)).toEqual([60, 'no error'])
    await engine.close()
  })
})

describe('a disk that refuses', () => {
  it('leaves no log behind for each try to start the next one', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    fs.inject({ on: 'syncDirectory', errno: 'EMFILE', forever: true })
    expect((await fill(engine, 200))[1]).toBe('LEVEL_IO_ERROR')
    for (let i = 0; i < 10; i++) {
      expect(await codeOf((async () => engine.put('x', VALUE, {}))())).toBe('LEVEL_IO_ERROR')
    }
    await turns()
    const logs = fs.listSync('/db').filter((name) => name.endsWith('.wal'))
    expect(logs.length).toBeLessThanOrEqual(2)
    fs.heal()
    await ends(engine.put('y', VALUE, {}))
    await engine.close()
  })

  it('is told to those who wait for a flush with a code of ours', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('a', '1', {})
    fs.inject({ on: 'write', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    expect(await codeOf(engine.flush())).toBe('SETT_DISK_FULL')
    await turns()
    expect(fs.listSync('/db').filter((name) => name.endsWith('.sst'))).toEqual([])
    fs.heal()
    await ends(engine.flush())
    expect(await codeOf(engine.compactRange(undefined, undefined))).toBe('no error')
    await engine.close()
  })

  it('is tried again after ever longer pauses, up to five seconds', () => {
    const delays: number[] = []
    const due: (() => void)[] = []
    const clock = {
      after(delayMs: number, run: () => void) {
        delays.push(delayMs)
        due.push(run)
        return { unref: () => undefined, cancel: () => undefined }
      },
    } as unknown as Clock
    const backOff = new BackOff(clock)
    let tries = 0
    const fail = (): void => {
      tries += 1
      backOff.later(fail)
      backOff.later(fail)
    }
    fail()
    while (tries < 7) due.shift()!()
    expect(delays).toEqual([500, 1000, 2000, 4000, 5000, 5000, 5000])
    backOff.succeeded()
    due.shift()!()
    expect(delays.at(-1)).toBe(500)
  })

  it('does not keep a database from closing, and what was acked is there afterwards', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none' })
    await engine.put('a', '1', {})
    fs.inject({ on: ['write', 'create'], path: /MANIFEST|CURRENT/, errno: 'ENOSPC', forever: true })
    await engine.close()
    expect(fs.openHandles).toBe(0)
    const image = fs.image({ rule: 'strict', survives: () => 'none' })
    const again = await start(new FaultFileSystem({ files: image }))
    expect(again.getSync('a', undefined, 'utf8')).toBe('1')
    await again.close()
  })
})
