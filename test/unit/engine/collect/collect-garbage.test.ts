import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import type { EngineNotice } from '../../../../src/engine/types.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { prng, seededBytes } from '../../../model/prng.ts'
import { codeOf, start } from '../../../support/small-engine.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'
import { damageSegment, key, QUIET, range, SEPARATE } from './garbage.ts'

const VALUE = 1_000
const STORED = VALUE + 32

async function write(engine: StorageEngine, keys: Iterable<number>, seed: number): Promise<void> {
  const operations = [...keys].map((i) => {
    return { type: 'put', key: key(i), value: seededBytes(seed * 10_000 + i, VALUE) } as const
  })
  await engine.batch(operations, { durability: 'none' })
}

function value(engine: StorageEngine, i: number): Buffer | undefined {
  return engine.getSync(key(i), undefined, 'buffer') as Buffer | undefined
}

/** 20 values in one segment, of which the first so many are garbage. */
async function withGarbage(engine: StorageEngine, gone: number): Promise<void> {
  await write(engine, range(0, 20), 1)
  await engine.flush()
  await engine.batch(
    range(0, gone).map((i) => ({ type: 'del', key: key(i) })),
    {},
  )
  await engine.compactRange(undefined, undefined)
}

describe('collectGarbage()', () => {
  it('frees what is garbage and tells how much', async () => {
    const fs = memoryFileSystem()
    const engine = await start(fs, QUIET)
    await withGarbage(engine, 5)
    const [before] = fs.listSync('/db').filter((name) => name.endsWith('.vlog'))
    const size = 192 + 20 * STORED
    expect(engine.stats().segments).toEqual({ count: 1, bytes: size, liveBytes: 15 * STORED })
    const { bytesFreed, segments } = await engine.collectGarbage(0.1)
    expect(bytesFreed).toBe(size - 15 * STORED)
    const number = Number.parseInt(before!, 10)
    expect(segments).toEqual([{ number, size, liveBytes: 15 * STORED, freed: bytesFreed }])
    const stats = engine.stats()
    expect(stats.segments).toEqual({ count: 1, bytes: 192 + 15 * STORED, liveBytes: 15 * STORED })
    expect([stats.collections, stats.bytesCollected]).toEqual([1, size])
    for (const i of range(0, 5)) expect(value(engine, i)).toBeUndefined()
    for (const i of range(5, 20)) expect(value(engine, i)).toEqual(seededBytes(10_000 + i, VALUE))
    await engine.close()
    expect(fs.listSync('/db').filter((name) => name.endsWith('.vlog'))).toHaveLength(1)
  })

  it('leaves a segment alone that has no more garbage than the ratio', async () => {
    const engine = await start(memoryFileSystem(), QUIET)
    await withGarbage(engine, 5)
    const { bytesFreed, segments } = await engine.collectGarbage(0.25)
    expect(bytesFreed).toBe(0)
    expect(segments).toMatchObject([{ freed: 0, liveBytes: 15 * STORED, reason: 'below-ratio' }])
    expect(engine.stats().collections).toBe(0)
    await engine.close()
  })

  it('frees nothing that is not merged yet, which compactRange() does', async () => {
    const engine = await start(memoryFileSystem(), QUIET)
    await write(engine, range(0, 20), 1)
    await engine.flush()
    await write(engine, range(0, 20), 2)
    expect((await engine.collectGarbage(0)).bytesFreed).toBe(0)
    await engine.compactRange(undefined, undefined)
    expect(engine.stats().segments).toMatchObject({ count: 1, liveBytes: 20 * STORED })
    await engine.close()
  })

  it('keeps what a snapshot sees, and every version with it', async () => {
    const engine = await start(memoryFileSystem(), QUIET)
    await write(engine, range(0, 20), 1)
    await engine.flush()
    const pin = engine.pin()
    await write(engine, range(0, 10), 2)
    await engine.compactRange(undefined, undefined)
    await engine.collectGarbage(0)
    expect(engine.stats().segments.liveBytes).toBe(30 * STORED)
    for (const i of range(0, 20)) {
      expect(engine.getSync(key(i), pin, 'buffer')).toEqual(seededBytes(10_000 + i, VALUE))
    }
    const then = engine.range({
      ...{ keys: true, values: true, keyForm: 'utf8', valueForm: 'buffer' },
      version: pin.version,
    })
    expect(then.next(7)).toHaveLength(7)
    pin.release()
    await write(engine, range(5, 20), 3)
    await engine.compactRange(undefined, undefined)
    await engine.collectGarbage(0)
    // The iterator began before: what it saw is gone, but not under its feet.
    expect(engine.stats().segments.liveBytes).toBe(20 * STORED)
    await engine.close()
  })

  it('is refused while another one runs', async () => {
    const engine = await start(memoryFileSystem(), QUIET)
    await withGarbage(engine, 5)
    const first = engine.collectGarbage(0)
    expect(await codeOf(engine.collectGarbage(0))).toBe('SETT_BUSY')
    expect((await first).bytesFreed).toBeGreaterThan(0)
    await engine.collectGarbage(0)
    await engine.close()
  })

  it('is refused by a read-only database and by one that is closed meanwhile', async () => {
    const fs = memoryFileSystem()
    const engine = await start(fs, QUIET)
    await withGarbage(engine, 5)
    const late = codeOf(engine.collectGarbage(0))
    const closed = engine.close()
    expect(await late).toBe('LEVEL_DATABASE_NOT_OPEN')
    await closed
    expect(await codeOf(engine.collectGarbage(0))).toBe('LEVEL_DATABASE_NOT_OPEN')
    const reader = await start(fs, { ...QUIET, readOnly: true })
    expect(await codeOf(reader.collectGarbage(0))).toBe('LEVEL_READONLY')
    await reader.close()
  })

  it('leaves a damaged segment alone, and compaction goes on', async () => {
    const fs = memoryFileSystem()
    const engine = await start(fs, QUIET)
    await withGarbage(engine, 5)
    const name = damageSegment(fs)
    await write(engine, range(30, 40), 1)
    await engine.flush()
    await engine.batch(
      range(30, 38).map((i) => ({ type: 'del', key: key(i) })),
      {},
    )
    await engine.compactRange(undefined, undefined)
    const { segments } = await engine.collectGarbage(0)
    const spoiled = segments.filter(({ reason }) => reason === 'damaged')
    expect(spoiled.map(({ number }) => number)).toEqual([Number.parseInt(name, 10)])
    expect(engine.stats().segments.count).toBe(2)
    expect(engine.health().warnings.map(({ code }) => code)).toContain('damage-found')
    await write(engine, range(50, 60), 1)
    await engine.compactRange(undefined, undefined)
    for (const i of range(5, 19)) expect(value(engine, i)).toEqual(seededBytes(10_000 + i, VALUE))
    expect(() => value(engine, 19)).toThrow(/damaged/)
    expect((await engine.collectGarbage(0)).segments[0]).toMatchObject({ reason: 'damaged' })
    await engine.close()
  })
})

describe('by itself', () => {
  it('the engine keeps the bound once it is at rest', async () => {
    const engine = await start(memoryFileSystem(), { ...SEPARATE, durability: 'none' })
    const random = prng(3)
    const keys = 800
    await write(engine, range(0, keys), 0)
    for (let i = 0; i < 5 * keys; i += 1) {
      await engine.put(key(random.below(keys)), seededBytes(i, VALUE), {})
    }
    await engine.settle()
    const { segments, diskBytes, collections } = engine.stats()
    expect(collections).toBeGreaterThan(3)
    expect(segments.bytes).toBeLessThan(1.5 * keys * STORED)
    // What lies in the memtable, too.
    expect(diskBytes).toBeLessThan(1.5 * keys * STORED + 2 * 65_536)
    await engine.close()
  })

  it('it waits for the end of a load that it was told of', async () => {
    const engine = await start(memoryFileSystem(), QUIET)
    await withGarbage(engine, 15)
    expect(engine.stats().collections).toBe(0)
    await engine.settle()
    expect(engine.stats().collections).toBe(1)
    await engine.close()
  })

  it('it tells of each table it rewrites', async () => {
    const bench = await BenchEngine.open(SEPARATE)
    await withGarbage(bench.engine, 15)
    await bench.engine.settle()
    await bench.turns(2)
    const told = bench.notices.filter(
      (notice): notice is Extract<EngineNotice, { event: 'collection' }> =>
        notice.event === 'collection',
    )
    expect(told).toMatchObject([
      { phase: 'begin', level: 6, segments: 1, bytes: 5 * STORED },
      { phase: 'end', level: 6, tables: 1, job: told[0]!.job },
    ])
    await bench.close()
  })

  it('a failure is told, and what failed can be tried again', async () => {
    const bench = await BenchEngine.open(QUIET)
    await withGarbage(bench.engine, 15)
    bench.fs.inject({ on: 'create', path: /\.vlog$/, errno: 'EIO' })
    expect(await codeOf(bench.engine.collectGarbage(0))).toBe('LEVEL_IO_ERROR')
    bench.fs.heal()
    expect((await bench.engine.collectGarbage(0)).bytesFreed).toBeGreaterThan(0)
    await bench.close()
  })
})
