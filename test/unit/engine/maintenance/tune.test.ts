import { describe, expect, it } from 'vitest'
import { LIVE_OPTIONS, OPTION_NAMES } from '../../../../src/base/option-table.ts'
import { explain } from '../../../../src/base/options.ts'
import { createResources, open, SettError } from '../../../../src/index.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { start } from '../../../support/small-engine.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'

function refusal(work: () => void): SettError {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(SettError)
    return error as SettError
  }
  throw new Error('was accepted')
}

describe('tune', () => {
  it('names what is live when an option is fixed', async () => {
    const engine = await start(new FaultFileSystem())
    for (const name of OPTION_NAMES.filter((each) => !LIVE_OPTIONS.includes(each))) {
      const resources = createResources({ memoryBudget: 64 << 20 })
      const unset = { workerUrl: 'file:///w.js', maxDiskBytes: 1 << 30, resources }
      const value = { ...engine.options, ...unset }[name]
      const error = refusal(() => engine.tune({ [name]: value }))
      expect(error.code).toBe('SETT_INVALID_OPTION')
      expect(error.message).toContain(`'${name}' is fixed while the database is open`)
      expect(error.message).toContain('l0CompactTrigger, l0StallTrigger')
    }
    await engine.close()
  })

  it.each([
    [{ tableSize: 1 }, /'tableSize' must be a whole number of bytes/],
    [{ tableSise: 1 << 20 }, /Did you mean 'tableSize'/],
    [{ l0CompactTrigger: 9, l0StallTrigger: 9 }, /greater than/],
    [{ memtableSize: 64 << 20 }, /open it with a larger budget/],
    [{ blockSize: 64 * 1024 }, /can be lowered/],
    [{ tableSize: 1 << 30 }, /background jobs take/],
    [{ deferCompaction: true, l0StallTrigger: 30 }, /deferCompaction/],
    [{ compactionRateLimit: 7 }, /bytes per second/],
    [{ versionsToKeep: 2 }, /not in this release/],
    [{ valueThreshold: 63 }, /'valueThreshold' must be a whole number of bytes from 64/],
    [{ valueThreshold: 65_536 }, /at most memtableSize \/ 4/],
    [{ segmentSize: 1000 }, /'segmentSize'/],
    ['fast', /must be an object/],
  ])('refuses %j, and nothing is changed, not even what is right in it', async (wrong, message) => {
    const engine = await start(new FaultFileSystem())
    const before = explain(engine.options)
    const given = typeof wrong === 'object' ? { scanPageSize: 5, ...wrong } : wrong
    expect(refusal(() => engine.tune(given as object)).message).toMatch(message)
    expect(explain(engine.options)).toBe(before)
    await engine.close()
  })

  it('says where a value came from, and lasts until the database is closed', async () => {
    const db = await open(temporaryDirectory(), { preset: 'lowMemory', workers: 0 })
    db.tune({ scanPageSize: 33, l0CompactTrigger: 20 })
    expect(db.explain()).toMatch(/scanPageSize +33 +entries +tuned/)
    expect(db.explain()).toMatch(/l0CompactTrigger +20 +tables +tuned/)
    // It follows, as it would at open.
    expect(db.explain()).toMatch(/l0StallTrigger +60 +tables +l0CompactTrigger × 3/)
    await db.close()
    await db.open()
    expect(db.explain()).toMatch(/scanPageSize +100 +entries +preset lowMemory/)
    await db.close()
  })

  it('lets what nobody chose follow anew, as an open with all that is tuned would', async () => {
    const db = await open(temporaryDirectory(), { workers: 0 })
    db.tune({ l0CompactTrigger: 20 })
    db.tune({ l0CompactTrigger: 16 })
    expect(db.explain()).toMatch(/l0StallTrigger +48 +tables +l0CompactTrigger × 3/)
    db.tune({ l0CompactTrigger: 6 })
    expect(db.explain()).toMatch(/l0StallTrigger +15 +tables +preset balanced/)
    expect(refusal(() => db.tune({ l0StallTrigger: 6 })).message).toMatch(/greater than/)
    await db.close()
  })

  it('defers compaction again once nothing is in the way', async () => {
    const db = await open(temporaryDirectory(), { preset: 'bulkLoad', workers: 0 })
    db.tune({ l0StallTrigger: 40 })
    expect(db.explain()).toMatch(/deferCompaction +false +l0StallTrigger, idleAfter/)
    db.tune({ l0StallTrigger: 'off' })
    expect(db.explain()).toMatch(/deferCompaction +true +preset bulkLoad/)
    await db.close()
  })

  it('is refused before the database is open and after it is closed', async () => {
    const db = await open(temporaryDirectory(), { workers: 0 })
    await db.close()
    expect(refusal(() => db.tune({ scanPageSize: 3 })).code).toBe('LEVEL_DATABASE_NOT_OPEN')
  })

  it('lets writers go on when they wait for level 0 and the trigger is raised', async () => {
    const bench = await BenchEngine.open(
      { l0CompactTrigger: 1, l0StallTrigger: 2 },
      new Set(['compact']),
    )
    const puts = Array.from({ length: 400 }, (_, i) => bench.put(i, 1, 1024))
    const all = Promise.all(puts).then(() => 'written')
    await bench.turns(300)
    expect(await Promise.race([all, Promise.resolve('waiting')])).toBe('waiting')
    bench.engine.tune({ l0StallTrigger: 'off' })
    expect(await all).toBe('written')
    await bench.close()
  })

  it('starts a compaction that a lower trigger makes due', async () => {
    const bench = await BenchEngine.open({ l0CompactTrigger: 10 })
    await bench.fillLevel0(3)
    await bench.turns()
    expect(bench.level(0)).toBe(3)
    bench.engine.tune({ l0CompactTrigger: 2 })
    await bench.engine.settle()
    expect(bench.level(0)).toBe(0)
    await bench.close()
  })

  it('brings what was written under a weaker durability to disk at once, whatever comes after it', async () => {
    for (const durability of ['sync', 'none', { interval: 10 }]) {
      const bench = await BenchEngine.open({ durability: { interval: 60_000 } })
      bench.clock.hold()
      await bench.put(0, 1)
      const before = bench.engine.stats().walSyncs
      bench.engine.tune({ durability })
      await bench.turns()
      expect(bench.engine.stats().walSyncs).toBeGreaterThan(before)
      bench.clock.release()
      await bench.close()
    }
  })

  it('makes every later commit follow the new durability', async () => {
    const bench = await BenchEngine.open({ durability: 'none' })
    const syncsOfAPut = async (): Promise<number> => {
      const { walSyncs } = bench.engine.stats()
      await bench.put(0, 1)
      return bench.engine.stats().walSyncs - walSyncs
    }
    expect(await syncsOfAPut()).toBe(0)
    bench.engine.tune({ durability: 'sync' })
    await bench.turns()
    expect(await syncsOfAPut()).toBe(1)
    bench.engine.tune({ durability: 'none' })
    await bench.turns()
    expect(await syncsOfAPut()).toBe(0)
    await bench.close()
  })

  it('counts a new interval from the next write, however long the old one was', async () => {
    const bench = await BenchEngine.open({ durability: { interval: 60_000 } })
    bench.clock.hold()
    await bench.put(0, 1)
    bench.engine.tune({ durability: { interval: 10 } })
    await bench.turns()
    await bench.put(1, 1)
    const { walSyncs } = bench.engine.stats()
    const began = bench.clock.now
    bench.clock.release()
    while (bench.engine.stats().walSyncs === walSyncs) await bench.turns(1)
    expect(bench.clock.now - began).toBeLessThan(2_000)
    await bench.close()
  })
})
