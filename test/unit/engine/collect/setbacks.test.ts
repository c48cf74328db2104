// What stands in the way of collections, and what goes on beside it.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { seededBytes } from '../../../model/prng.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'
import { damageSegment, key, QUIET, range, SEPARATE, segmentsOf } from './garbage.ts'

async function write(engine: StorageEngine, keys: Iterable<number>, bytes = 1_000): Promise<void> {
  for (const i of keys) await engine.put(key(i), seededBytes(i, bytes), { durability: 'none' })
}

async function remove(engine: StorageEngine, keys: readonly number[]): Promise<void> {
  await engine.batch(
    keys.map((i) => ({ type: 'del', key: key(i) })),
    {},
  )
}

/** 20 values in one segment, of which the first 15 are garbage. */
async function withGarbage(engine: StorageEngine): Promise<void> {
  await write(engine, range(0, 20))
  await engine.flush()
  await remove(engine, range(0, 15))
  await engine.compactRange(undefined, undefined)
}

function warnings(engine: StorageEngine): string[] {
  return engine.health().warnings.map(({ code }) => code)
}

it('where everything is deleted nothing stays', async () => {
  const engine = await start(memoryFileSystem(), { ...SEPARATE, durability: 'none' })
  const keys = range(0, 1_000)
  await write(engine, keys, 8_192)
  await engine.compactRange(undefined, undefined)
  await remove(engine, keys)
  await engine.flush()
  await ends(engine.settle())
  expect(engine.stats().segments.count).toBe(0)
  await engine.close()
})

describe('too little room', () => {
  it('for the copies: nothing begins until there is more', async () => {
    const bench = await BenchEngine.open(QUIET)
    const { engine, fs } = bench
    await withGarbage(engine)
    fs.setCapacity(2 ** 30)
    const used = 2 ** 30 - fs.spaceSync('/db').freeBytes
    fs.setCapacity(used + 9_000)
    await ends(engine.settle())
    expect(engine.stats().collections).toBe(0)
    expect(bench.notices.filter(({ event }) => event === 'collection')).toEqual([])
    fs.setCapacity(used + 400_000)
    await ends(engine.settle())
    expect(engine.stats().collections).toBe(1)
    await bench.close()
  })

  it('within the quota: it is passed for the one that brings most back', async () => {
    const maxDiskBytes = 1_048_576
    const engine = await start(memoryFileSystem(), { ...QUIET, maxDiskBytes })
    await write(engine, range(0, 20))
    await engine.flush()
    let next = 100
    for (const bytes of [20_000, 4_000]) {
      while ((await codeOf(write(engine, [next], bytes))) === 'no error') {
        next += 1
        await engine.flush()
      }
    }
    expect(next).toBeGreaterThan(130)
    await remove(engine, range(0, 15))
    const spare = (): number => maxDiskBytes - engine.stats().diskBytes
    expect(spare()).toBeLessThan(10_320)
    await engine.compactRange(undefined, undefined)
    await ends(engine.settle())
    expect(engine.stats().collections).toBe(1)
    expect(spare()).toBeGreaterThan(10_320)
    await engine.close()
  })

  it('for what collectGarbage() is to copy: it is told of each segment, and nothing is written', async () => {
    const bench = await BenchEngine.open(QUIET)
    const { engine, fs } = bench
    await withGarbage(engine)
    // What was compacted is gone.
    await bench.turns()
    fs.setCapacity(2 ** 30)
    const used = 2 ** 30 - fs.spaceSync('/db').freeBytes
    // 5 KB are in use.
    fs.setCapacity(used + 5_000)
    const created = fs.calls.filter(({ kind }) => kind === 'create').length
    const report = await ends(engine.collectGarbage(0.1))
    expect(report.segments.map(({ reason }) => reason)).toEqual(['no-room'])
    expect(report.bytesFreed).toBe(0)
    expect(fs.calls.filter(({ kind }) => kind === 'create')).toHaveLength(created)
    fs.setCapacity(used + 400_000)
    const [row] = (await ends(engine.collectGarbage(0.1))).segments
    expect(row).toMatchObject({ freed: row!.size - row!.liveBytes })
    await bench.close()
  })

  it('within the quota: what is deleted makes room for puts, and nobody calls collectGarbage()', async () => {
    const large = { segmentSize: 1 << 20, memtableSize: 1 << 20, memoryBudget: 64 << 20 }
    const maxDiskBytes = 8 << 20
    const bench = await BenchEngine.open({ ...QUIET, ...large, maxDiskBytes })
    const { engine } = bench
    let next = 0
    for (const bytes of [4_000, 1_000, 300]) {
      while ((await codeOf(write(engine, [next], bytes))) === 'no error') {
        next += 1
        if (next % 100 === 0) await engine.flush()
      }
      await engine.flush()
      await ends(engine.settle())
    }
    await remove(
      engine,
      range(0, next).filter((i) => i % 10 < 4),
    )
    await engine.compactRange(undefined, undefined)
    await ends(engine.settle())
    expect(engine.stats().collections).toBeGreaterThan(0)
    expect(await codeOf(write(engine, [next], 60_000))).toBe('no error')
    expect(maxDiskBytes - engine.stats().diskBytes).toBeGreaterThan(500_000)
    await bench.close()
  })

  it.each([
    ['at once', 0],
    ['after a while', 30],
  ])(
    'at first: collectGarbage() goes on with the room that the first ones leave, %s',
    async (_, delayMs) => {
      const bench = await BenchEngine.open(QUIET)
      const { engine, fs } = bench
      for (const first of [0, 40, 80]) {
        await write(engine, range(first, first + 40))
        await engine.flush()
      }
      // Live: 5, 15 and 25 of 40.
      await remove(engine, [...range(5, 40), ...range(55, 80), ...range(105, 120)])
      await engine.compactRange(undefined, undefined)
      const { segments } = engine.stats()
      expect(segments.count).toBe(3)
      fs.setCapacity(2 ** 30)
      const used = 2 ** 30 - fs.spaceSync('/db').freeBytes
      fs.setCapacity(used + 24_000)
      // Where files go slowly, the room is there only when they are gone.
      fs.inject({ on: 'remove', forever: true, delayMs })
      const report = await ends(engine.collectGarbage(0.1))
      expect(report.segments.map(({ reason }) => reason)).toEqual([undefined, undefined, undefined])
      await bench.close()
    },
  )

  it('that nobody knew of is told by collectGarbage() as well', async () => {
    const bench = await BenchEngine.open(QUIET)
    const { engine, fs } = bench
    await withGarbage(engine)
    fs.inject({ on: 'create', path: /\.vlog$/, errno: 'ENOSPC', forever: true })
    const report = await ends(engine.collectGarbage(0.1))
    expect(report.segments.map(({ reason }) => reason)).toEqual(['no-room'])
    fs.heal()
    const { bytesFreed } = await ends(engine.collectGarbage(0.1))
    expect(bytesFreed).toBeGreaterThan(10_000)
    await bench.close()
  })

  it('that nobody knew of: compaction goes on, and a collection is tried later', async () => {
    const bench = await BenchEngine.still(QUIET)
    const { engine, fs, clock } = bench
    const told = (phase: string): number =>
      bench.notices.filter((each) => {
        return each.event === 'collection' && 'phase' in each && each.phase === phase
      }).length
    await withGarbage(engine)
    fs.inject({ on: 'create', path: /\.vlog$/, errno: 'ENOSPC', forever: true })
    await ends(engine.settle())
    await bench.turns(2)
    expect([told('begin'), told('failed')]).toEqual([1, 1])
    expect(warnings(engine)).not.toContain('background-failing')
    const { compactions } = engine.stats()
    for (const _ of range(0, 6)) {
      await engine.put('a', 'short', {})
      await engine.flush()
    }
    await ends(engine.settle())
    expect(engine.stats().compactions).toBeGreaterThan(compactions)
    expect(told('begin')).toBe(1)
    fs.heal()
    await clock.passAndHold(6_000)
    await bench.turns()
    expect([told('begin'), told('end')]).toEqual([2, 1])
    await bench.close()
  })
})

describe('damage', () => {
  it('in a doomed segment concerns nobody who waits for something else', async () => {
    const fs = memoryFileSystem()
    const engine = await start(fs, QUIET)
    await withGarbage(engine)
    damageSegment(fs)
    await ends(engine.settle())
    expect(engine.stats().collections).toBe(0)
    expect(warnings(engine)).toContain('damage-found')
    expect(warnings(engine)).not.toContain('background-failing')
    await write(engine, range(30, 40))
    await ends(engine.flush())
    await engine.close()
  })

  it('that two tables meet at once is told in the report', async () => {
    const large = { tableSize: 16_384, segmentSize: 1 << 20, memtableSize: 262_144 }
    const bench = await BenchEngine.open({
      ...{ ...QUIET, ...large, workers: 3, memoryBudget: 64 << 20 },
    })
    const { engine } = bench
    await write(engine, range(0, 150))
    await engine.flush()
    await remove(engine, range(0, 30))
    await engine.compactRange(undefined, undefined)
    const { segments, levels } = engine.stats()
    expect(segments.count).toBe(1)
    expect(levels.at(-1)!.tables).toBeGreaterThan(1)
    bench.fs.removeSync(`/db/${segmentsOf(bench.fs)[0]}`)
    const report = await ends(engine.collectGarbage(0.1))
    expect(report.segments.map(({ reason }) => reason)).toEqual(['damaged'])
    await bench.close()
  })
})

describe('beside compactRange() and flatten()', () => {
  it('close() ends them after the step that runs', async () => {
    const bench = await BenchEngine.open({
      ...{ ...QUIET, valueThreshold: 'off', l0CompactTrigger: 50 },
    })
    const { engine } = bench
    await bench.fillLevel0(40)
    bench.held.add('compact')
    const begun = (): number =>
      bench.notices.filter((each) => {
        return each.event === 'compaction' && 'phase' in each && each.phase === 'begin'
      }).length
    const flatten = codeOf(engine.flatten())
    while (begun() === 0) await bench.turns(1)
    const closing = engine.close()
    await bench.turns()
    bench.letGo()
    expect(await ends(flatten)).toBe('LEVEL_DATABASE_NOT_OPEN')
    await closing
    expect(begun()).toBe(1)
  })

  it('a table that is collected meanwhile is still compacted', async () => {
    const bench = await BenchEngine.open(QUIET)
    const { engine } = bench
    await write(engine, range(0, 40))
    await engine.flush()
    await remove(engine, range(0, 20))
    await engine.compactRange(undefined, undefined)
    const pin = engine.pin()
    await remove(engine, [20])
    await engine.compactRange(undefined, undefined)
    pin.release()
    const entries = (): number =>
      engine.stats().levels.reduce((sum, level) => sum + level.entries, 0)
    expect(entries()).toBe(21)
    bench.held.add('compact')
    const collect = engine.collectGarbage(0)
    await bench.turns()
    const compact = engine.compactRange(undefined, undefined)
    await bench.turns()
    bench.letGo()
    expect((await ends(collect)).bytesFreed).toBeGreaterThan(0)
    await ends(compact)
    expect(entries()).toBe(19)
    await bench.close()
  })

  it('a failed sync in a collection ends them, too: nothing is synced again', async () => {
    const bench = await BenchEngine.open(QUIET)
    const { engine, fs } = bench
    await write(engine, range(0, 40))
    await engine.flush()
    await remove(engine, range(0, 20))
    await engine.compactRange(undefined, undefined)
    await remove(engine, [20])
    await engine.flush()
    bench.held.add('compact')
    const collect = codeOf(engine.collectGarbage(0))
    await bench.turns()
    const compact = codeOf(engine.compactRange(undefined, undefined))
    await bench.turns()
    fs.inject({ on: 'syncDirectory', path: /^\/db$/, errno: 'EIO' })
    const before = fs.calls.length
    bench.letGo()
    expect(await ends(collect)).toBe('SETT_POISONED')
    expect(await ends(compact)).toBe('SETT_POISONED')
    const synced = fs.calls.slice(before).filter(({ kind }) => kind === 'syncDirectory')
    expect(synced).toHaveLength(1)
    await codeOf(engine.close())
  })
})
