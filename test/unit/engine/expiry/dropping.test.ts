// Tables that expire as a whole go by themselves, on a timer; readers that began before keep them; a clock that is
// set back changes nothing anybody sees; and what is written stays so through a crash and a reopening.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/base/options.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { FileSystem } from '../../../../src/io/file-system.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { HandClock } from './hand-clock.ts'

const NOW = 1_700_000_000_000
// An idle database compacts of its own accord: it shall not here.
const SMALL = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024 }
const OPTIONS = { ...SMALL, idleAfter: 'off' }
const FORM = { keys: true, values: true, keyForm: 'utf8', valueForm: 'utf8' } as const

interface Field {
  readonly fs: FaultFileSystem
  readonly clock: HandClock
  readonly engine: StorageEngine
}

function start(fs: FileSystem, clock: HandClock, options: object = {}): Promise<StorageEngine> {
  return openEngine('/db', resolveOptions({ ...OPTIONS, ...options }), { fs, clock })
}

async function field(): Promise<Field> {
  const fs = new FaultFileSystem()
  const clock = new HandClock(NOW)
  return { fs, clock, engine: await start(fs, clock) }
}

async function fill(engine: StorageEngine, names: string, ttl?: number): Promise<void> {
  const operations = Array.from({ length: 100 }, (_, i) => {
    return { type: 'put', key: `${names} ${i}`, value: 'v'.repeat(100) } as const
  })
  await engine.batch(operations, ttl === undefined ? {} : { ttl })
}

const tables = (engine: StorageEngine): number[] =>
  engine.stats().levels.map((level) => level.tables)
const count = (engine: StorageEngine): number =>
  engine.range({ ...FORM, version: engine.version }).next(1_000).length

describe('a table in which everything expires', () => {
  it('goes on a timer of its own, unread, and its file with it', async () => {
    const { fs, clock, engine } = await field()
    await fill(engine, 'short', 1_000)
    await engine.flush()
    expect(tables(engine)).toEqual([1, 0, 0, 0, 0, 0, 0])
    const files = () => fs.listSync('/db').filter((name) => name.endsWith('.sst'))
    expect(files()).toHaveLength(1)
    const { compactions } = engine.stats()
    const reads = fs.calls.filter(
      ({ kind, path }) => kind === 'read' && path.endsWith('.sst'),
    ).length
    clock.pass(999)
    await engine.settle()
    expect([count(engine), files().length]).toEqual([100, 1])
    // The scan above has read it; dropping it reads nothing more.
    const before = fs.calls.filter(
      ({ kind, path }) => kind === 'read' && path.endsWith('.sst'),
    ).length
    expect(before).toBeGreaterThan(reads)
    clock.pass(1)
    await engine.settle()
    expect(tables(engine)).toEqual([0, 0, 0, 0, 0, 0, 0])
    expect(engine.stats().compactions).toBe(compactions + 1)
    const after = fs.calls.filter(
      ({ kind, path }) => kind === 'read' && path.endsWith('.sst'),
    ).length
    expect(after).toBe(before)
    expect(count(engine)).toBe(0)
    await engine.close()
    expect(files()).toEqual([])
    const again = await start(fs, clock)
    expect(count(again)).toBe(0)
    await again.close()
  })

  it('waits for a reader that began before, and is looked at again once it has gone', async () => {
    const { clock, engine } = await field()
    await fill(engine, 'short', 1_000)
    await engine.flush()
    const pin = engine.pin()
    clock.pass(5_000)
    await engine.settle()
    expect(tables(engine)[0]).toBe(1)
    expect(engine.getSync('short 7', pin, 'utf8')).toBe('v'.repeat(100))
    expect(engine.getSync('short 7', undefined, 'utf8')).toBeUndefined()
    pin.release()
    clock.pass(60_000)
    await engine.settle()
    expect(tables(engine)[0]).toBe(0)
    await engine.close()
  })

  it('does not bring back what it replaced', async () => {
    const { clock, engine } = await field()
    await fill(engine, 'key')
    await engine.compactRange(undefined, undefined)
    await fill(engine, 'key', 1_000)
    await engine.flush()
    clock.pass(2_000)
    await engine.settle()
    expect(count(engine)).toBe(0)
    await engine.compactRange(undefined, undefined)
    expect(tables(engine)).toEqual([0, 0, 0, 0, 0, 0, 0])
    await engine.close()
  })

  it('is rewritten when half of it has expired', async () => {
    const { clock, engine } = await field()
    await fill(engine, 'early', 1_000)
    await fill(engine, 'late', 3_000)
    await engine.compactRange(undefined, undefined)
    const { entries } = engine.stats().levels[6]!
    expect(entries).toBe(200)
    clock.pass(999)
    await engine.settle()
    expect(engine.stats().levels[6]!.entries).toBe(200)
    clock.pass(1)
    await engine.settle()
    expect(engine.stats().levels[6]!.entries).toBe(100)
    expect(count(engine)).toBe(100)
    await engine.close()
  })
})

it('no timer is set for what never expires, none is left by close(), and none in a read-only database', async () => {
  const { fs, clock, engine } = await field()
  // What looks after a database that was written to has a timer, too, for a while.
  const rest = (): void => {
    for (let i = 0; i < 60; i++) clock.pass(1_000)
  }
  await fill(engine, 'for good')
  await engine.flush()
  rest()
  expect(clock.timers.size).toBe(0)
  await fill(engine, 'short', 100_000)
  await engine.flush()
  rest()
  expect(clock.timers.size).toBe(1)
  await engine.close()
  expect(clock.timers.size).toBe(0)
  clock.pass(100_000)
  const reading = await start(fs, clock, { readOnly: true })
  expect([count(reading), clock.timers.size]).toEqual([100, 0])
  await reading.close()
})

describe('a clock that is set back', () => {
  it('shows again what had expired, but nothing that a flush or compaction relied on', async () => {
    const { fs, clock, engine } = await field()
    await fill(engine, 'key', 1_000)
    clock.pass(2_000)
    expect(count(engine)).toBe(0)
    clock.wall -= 1_500
    expect(count(engine)).toBe(100)
    clock.pass(1_500)
    const pin = engine.pin()
    await engine.flush()
    clock.wall -= 1_500
    expect(count(engine)).toBe(0)
    expect(engine.getSync('key 1', undefined, 'utf8')).toBeUndefined()
    const late = engine.pin()
    expect(late.now).toBe(NOW + 2_000)
    expect(engine.getSync('key 1', late, 'utf8')).toBeUndefined()
    // For the database time stands still until the clock has caught up.
    await engine.put('new', 'value', { ttl: 10 })
    expect(engine.getEntry('new', undefined, 'utf8', 'utf8')?.expiresAt).toBe(NOW + 2_010)
    pin.release()
    late.release()
    await engine.close()
    const again = await start(fs, clock)
    expect(count(again)).toBe(1)
    await again.close()
  })

  it('shows all of it again after ten years ahead, whatever ran meanwhile', async () => {
    const { fs, clock, engine } = await field()
    const year = 365 * 86_400_000
    await fill(engine, 'table', year)
    await engine.flush()
    await fill(engine, 'memory', year)
    clock.pass(10 * year)
    expect(count(engine)).toBe(0)
    await engine.flush()
    await engine.compactRange(undefined, undefined)
    await engine.settle()
    expect(count(engine)).toBe(0)
    clock.wall -= 10 * year
    expect(count(engine)).toBe(200)
    await engine.close()
    const again = await start(fs, clock)
    expect(count(again)).toBe(200)
    await again.close()
  })

  it('changes nothing for a reader that has begun', async () => {
    const { clock, engine } = await field()
    await fill(engine, 'key', 1_000)
    const before = engine.pin()
    clock.pass(2_000)
    const after = engine.pin()
    const reader = engine.range({ ...FORM, version: after.version, now: after.now })
    clock.wall -= 2_000
    for (const step of [() => engine.flush(), () => engine.compactRange(undefined, undefined)]) {
      await step()
      expect(engine.getSync('key 1', before, 'utf8')).toBe('v'.repeat(100))
      expect(engine.getSync('key 1', after, 'utf8')).toBeUndefined()
    }
    expect(reader.next(10)).toEqual([])
    await engine.close()
  })
})

it('a log that is read back keeps when its entries expire', async () => {
  const { fs, clock, engine } = await field()
  await engine.put('a', '1', { ttl: 1_000 })
  await engine.batch([{ type: 'put', key: 'b', value: '2', ttl: 2_000 }], { ttl: 5 })
  const files = fs.image({ rule: 'strict', survives: () => 'all' })
  await engine.close()
  const again = await start(new FaultFileSystem({ files }), clock)
  const expiry = (key: string) => again.getEntry(key, undefined, 'utf8', 'utf8')?.expiresAt
  expect([expiry('a'), expiry('b')]).toEqual([NOW + 1_000, NOW + 2_000])
  clock.pass(1_000)
  expect([expiry('a'), expiry('b')]).toEqual([undefined, NOW + 2_000])
  await again.close()
})
