// Adaptive compaction, scrubbing and health: the decisions as pure functions, and where the engine follows them.
import { describe, expect, it } from 'vitest'
import { idleTrigger } from '../../../../src/compaction/idle-trigger.ts'
import {
  backgroundShare,
  flushPays,
  parallelJobs,
} from '../../../../src/engine/maintenance/adapt.ts'
import { checkHealth, type HealthFacts } from '../../../../src/engine/maintenance/health-check.ts'
import { HealthMonitor } from '../../../../src/engine/maintenance/health-monitor.ts'
import { Upkeep } from '../../../../src/engine/maintenance/upkeep.ts'
import type { EngineNotice, WarningCode } from '../../../../src/engine/types.ts'
import { QuickClock } from '../../../support/fake/quick-clock.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'

const TRIGGERS = { l0CompactTrigger: 4, l0StallTrigger: 12 }

describe('how much compaction a load allows', () => {
  it('is all of it for an idle loop, half beside a busy one, and all again before writers would wait', () => {
    const share = (loopBusy: number, level0: number): number =>
      backgroundShare({ loopBusy, writeRate: 1 }, level0, TRIGGERS)
    expect(share(0.3, 0)).toBe(1)
    expect(share(0.6, 7)).toBe(1)
    expect(share(0.775, 7)).toBeCloseTo(0.75)
    expect(share(1, 7)).toBe(0.5)
    expect(share(1, 8)).toBe(1)
    expect(backgroundShare({ loopBusy: 1, writeRate: 0 }, 0, TRIGGERS)).toBe(1)
    const off = { l0CompactTrigger: 4, l0StallTrigger: Number.POSITIVE_INFINITY }
    expect(backgroundShare({ loopBusy: 1, writeRate: 1 }, 7, off)).toBe(0.5)
    expect(backgroundShare({ loopBusy: 1, writeRate: 1 }, 8, off)).toBe(1)
  })

  it('never falls with less load, and always leaves one job', () => {
    let last = 1
    for (let busy = 0; busy <= 1; busy += 0.01) {
      const share = backgroundShare({ loopBusy: busy, writeRate: 5 }, 3, TRIGGERS)
      expect(share).toBeLessThanOrEqual(last)
      last = share
      for (const most of [1, 2, 3, 16]) {
        expect(parallelJobs(most, share)).toBeGreaterThanOrEqual(1)
        expect(parallelJobs(most, share)).toBeLessThanOrEqual(most)
      }
    }
    expect(parallelJobs(8, 0.5)).toBe(4)
  })

  it('is two tables of level 0 when idle, unless the level below is much larger', () => {
    const options = { l0CompactTrigger: 4, levelSizeMultiplier: 10 }
    const table = (size: number): { size: number } => ({ size })
    const levels = (...sizes: number[][]): never =>
      sizes.map((tables) => tables.map(table)) as never
    expect(idleTrigger(levels([5, 5], [], [100]), options)).toBe(2)
    expect(idleTrigger(levels([5, 4], [], [100]), options)).toBe(4)
    expect(idleTrigger(levels([1], [], []), options)).toBe(2)
    expect(idleTrigger(levels([1], [], []), { ...options, l0CompactTrigger: 1 })).toBe(1)
  })
})

describe('whether an idle database flushes', () => {
  const MIB = 2 ** 20
  const files = { bytes: 610 * MIB, logs: 61 * MIB, garbage: 161 * MIB, kept: 0, hidden: 0 }

  it('is for what the log takes beside what is live, if that is much', () => {
    expect(flushPays(files)).toBe(true)
    expect(flushPays({ ...files, garbage: 100 * MIB })).toBe(false)
    expect(flushPays({ bytes: 9 * MIB, logs: 5 * MIB, garbage: 0, kept: 0, hidden: 0 })).toBe(true)
    expect(flushPays({ bytes: 5 * MIB, logs: 3 * MIB, garbage: 0, kept: 0, hidden: 0 })).toBe(false)
  })

  it('is for what its memtable may hide in tables, as deletes do that take little of the log', () => {
    const deletes = { bytes: 100 * MIB, logs: MIB, garbage: 10 * MIB, kept: 0 }
    expect(flushPays({ ...deletes, hidden: 0.25 })).toBe(false)
    expect(flushPays({ ...deletes, hidden: 0.26 })).toBe(true)
    expect(flushPays({ ...deletes, hidden: 9 })).toBe(true)
    const small = { bytes: 5 * MIB, logs: MIB, garbage: 0, kept: 0 }
    expect(flushPays({ ...small, hidden: 0.74 })).toBe(false)
    expect(flushPays({ ...small, hidden: 0.75 })).toBe(true)
  })

  it('is for values that its memtable keeps, if they are an eighth of all files', () => {
    expect(flushPays({ bytes: 8_000, logs: 100, garbage: 0, kept: 1_001, hidden: 0 })).toBe(true)
    expect(flushPays({ bytes: 8_000, logs: 100, garbage: 0, kept: 1_000, hidden: 0 })).toBe(false)
    expect(flushPays({ bytes: 8_000, logs: 100, garbage: 0, kept: 0, hidden: 0 })).toBe(false)
  })
})

describe('an engine beside a busy loop', () => {
  /** An upkeep that sees what it is told to. */
  function watched(changes: object): {
    readonly upkeep: Upkeep
    readonly second: (activeMs: number, bytes: number) => Promise<void>
    readonly shares: () => number
  } {
    const clock = new QuickClock()
    clock.hold()
    let written = 0
    let shares = 0
    const options = { ...BenchEngine.resolve({}), workers: 9, ...changes }
    const upkeep = new Upkeep({
      clock,
      options,
      levels: () => [[], [], [], [], [], [], []],
      written: () => written,
      compacting: () => true,
      pinned: () => false,
      closing: () => false,
      kick: () => undefined,
      rested: () => true,
      shareChanged() {
        shares += 1
      },
      look: () => undefined,
    })
    const second = async (activeMs: number, bytes: number): Promise<void> => {
      const { activeMs: active = 0, idleMs: idle = 0 } = clock.loop ?? {}
      clock.loop = { activeMs: active + activeMs, idleMs: idle + 1000 - activeMs }
      written += bytes
      clock.release()
      await clock.pass(1_000)
      clock.hold()
    }
    clock.loop = { activeMs: 0, idleMs: 0 }
    upkeep.stir()
    return { upkeep, second, shares: () => shares }
  }

  it('runs fewer jobs and writes less, and all again when the loop is free', async () => {
    const limits = { compactionRateLimit: 1000, idleAfter: 60_000 }
    const { upkeep, second, shares } = watched(limits)
    await second(1000, 5_000)
    expect([upkeep.parallel, upkeep.rate]).toEqual([4, 500])
    await second(100, 5_000)
    expect([upkeep.parallel, upkeep.rate]).toEqual([8, 1000])
    await second(1000, 0)
    expect(upkeep.parallel).toBe(8)
    expect(shares()).toBe(2)
    upkeep.stop()
  })

  it('does nothing that is not due while the loop reads, but takes a load for ended', async () => {
    const { upkeep, second } = watched({
      idleAfter: 3_000,
      deferCompaction: true,
      l0StallTrigger: Number.POSITIVE_INFINITY,
    })
    await second(900, 5_000)
    expect([upkeep.deferred, upkeep.idle]).toEqual([true, false])
    for (let i = 0; i < 4; i++) await second(900, 0)
    expect([upkeep.deferred, upkeep.idle]).toEqual([false, false])
    for (let i = 0; i < 4; i++) await second(100, 0)
    expect([upkeep.deferred, upkeep.idle]).toEqual([false, true])
    await second(100, 10)
    expect([upkeep.deferred, upkeep.idle]).toEqual([true, false])
    upkeep.stop()
  })

  it('counts as idle only until something is written', async () => {
    const bench = await BenchEngine.open({ idleAfter: 1_000, l0CompactTrigger: 10 })
    await bench.fillLevel0(1)
    await bench.clock.pass(10_000)
    // One table: nothing to gain. The next makes two, but the database is not idle then.
    bench.clock.hold()
    await bench.fillLevel0(1)
    await bench.turns()
    expect(bench.level(0)).toBe(2)
    bench.clock.release()
    await bench.clock.pass(10_000)
    await bench.engine.settle()
    expect(bench.level(0)).toBe(0)
    await bench.close()
  })

  it('has no timer once it is idle', async () => {
    const bench = await BenchEngine.open({ idleAfter: 1_000 })
    await bench.fillLevel0(3)
    await bench.clock.pass(20_000)
    expect(bench.clock.pending).toBe(0)
    await bench.close()
  })
})

describe('a load that defers compaction', () => {
  const LOAD = { preset: 'bulkLoad', memtableSize: 65_536, l0CompactTrigger: 2 }

  it('ends when nothing is written for a while', async () => {
    const bench = await BenchEngine.open({ ...LOAD, idleAfter: 2_000 })
    bench.clock.hold()
    await bench.fillLevel0(5)
    await bench.turns()
    expect(bench.level(0)).toBe(5)
    bench.clock.release()
    await bench.clock.pass(10_000)
    await bench.turns()
    expect(bench.level(0)).toBe(0)
    await bench.close()
  })

  it.each(['settle', 'compactRange', 'close'] as const)('ends by %s()', async (end) => {
    const bench = await BenchEngine.open({ ...LOAD, idleAfter: 3_600_000 })
    bench.clock.hold()
    await bench.fillLevel0(5)
    if (end === 'settle') await bench.engine.settle()
    if (end === 'compactRange') await bench.engine.compactRange(undefined, undefined)
    if (end === 'close') await bench.engine.close()
    expect(bench.level(0)).toBe(0)
    bench.clock.release()
    await bench.close()
  })

  it('brings everything to disk at close', async () => {
    const bench = await BenchEngine.open({ ...LOAD, idleAfter: 3_600_000 })
    await bench.put(0, 3)
    expect(bench.engine.stats().walSyncs).toBe(0)
    await bench.close()
    expect(bench.engine.stats().walSyncs).toBe(1)
  })

  it('is not asked for where writers would wait for it', () => {
    const resolved = BenchEngine.resolve({ ...LOAD, l0StallTrigger: 9, idleAfter: 1 })
    expect(resolved.deferCompaction).toBe(false)
    expect(resolved.sources.deferCompaction).toBe('l0StallTrigger, idleAfter')
    expect(() => BenchEngine.resolve({ deferCompaction: true })).toThrow(/deferCompaction/)
  })
})

describe('scrubbing', () => {
  it('reads all files every interval, tells of damage, and of its end once it is restored', async () => {
    const said: object[] = []
    const say = (fields: object): void => void said.push(fields)
    const logger = { debug: say, info: say, warn: say, error: say }
    const bench = await BenchEngine.still({ logger, scrubInterval: 60_000, l0CompactTrigger: 100 })
    await bench.fillLevel0(1)
    const scrubs = (): Extract<EngineNotice, { event: 'maintenance'; phase: 'end' }>[] =>
      bench.notices.filter((notice) => notice.event === 'maintenance' && notice.phase === 'end')
    await bench.clock.passAndHold(130_000)
    await bench.turns()
    expect(scrubs().map(({ problems }) => problems)).toEqual([0, 0])
    expect(bench.engine.health()).toEqual({ status: 'ok', warnings: [] })
    const path = bench.fs.listSync('/db').find((name) => name.endsWith('.sst'))
    const file = bench.fs.openSync(`/db/${path}`, 'update')
    const byte = Buffer.alloc(1)
    file.readSync(byte, 100)
    file.writeSync(Buffer.from([byte[0]! ^ 1]), 100)
    await bench.clock.passAndHold(60_000)
    await bench.turns()
    expect(scrubs().at(-1)!.problems).toBeGreaterThan(0)
    expect(bench.engine.health().warnings.map(({ code }) => code)).toEqual(['damage-found'])
    expect(said).toContainEqual(expect.objectContaining({ file: `/db/${path}` }))
    file.writeSync(byte, 100)
    file.closeSync()
    bench.engine.tune({ scrubInterval: 1_000 })
    await bench.clock.passAndHold(2_500)
    await bench.turns()
    expect(bench.engine.health().status).toBe('ok')
    const warnings = bench.notices.filter((notice) => notice.event === 'warning')
    expect(warnings.map(({ warnings: list }) => list.length)).toEqual([1, 0])
    await bench.close()
  })

  it('counts the bytes of values in segments', async () => {
    const bench = await BenchEngine.still({ scrubInterval: 60_000, valueThreshold: 1024 })
    await bench.put(0, 20, 2048)
    await bench.engine.flush()
    const { bytes } = bench.engine.stats().segments
    expect(bytes).toBeGreaterThan(20 * 2048)
    await bench.clock.passAndHold(61_000)
    await bench.turns()
    const ends = bench.notices.filter(
      (notice) => notice.event === 'maintenance' && notice.phase === 'end',
    )
    const more = expect.toSatisfy((read: number) => read > bytes)
    expect(ends).toEqual([expect.objectContaining({ bytes: more })])
    await bench.close()
  })

  it('ends with the database', async () => {
    const bench = await BenchEngine.still({ scrubInterval: 1_000 })
    await bench.fillLevel0(1)
    await bench.close()
    await bench.clock.passAndHold(10_000)
    expect(bench.notices.filter(({ event }) => event === 'maintenance')).toHaveLength(0)
    expect(bench.clock.pending).toBe(0)
  })
})

const WELL: HealthFacts = {
  readOnly: false,
  poison: undefined,
  failing: undefined,
  compactionStopped: false,
  scrubProblems: 0,
  spoiledSegments: 0,
  garbageBytes: 0,
  triggers: TRIGGERS,
  deferred: false,
  level0: 4,
  bytes: 1e9,
  deepestBytes: 9e8,
  debtBytes: 1e8,
  garbageDebtBytes: 0,
  smallBytes: 1e6,
  volume: { freeBytes: 1e12, totalBytes: 2e12 },
  quota: { usedBytes: 9e8, maxDiskBytes: 2e12 },
  slowCall: { operation: 'sync', elapsedMs: 100 },
  oldestPinMs: 1_000,
  cache: { lookups: 100_000, hits: 90_000, full: true },
}

describe('health', () => {
  it.each<[Partial<HealthFacts>, WarningCode | undefined]>([
    [{}, undefined],
    [{ level0: 8 }, 'level0-deep'],
    [{ level0: 8, deferred: true }, undefined],
    [{ debtBytes: 6e8 }, 'compaction-debt'],
    [{ debtBytes: 6e8, smallBytes: 2e9 }, undefined],
    [{ garbageDebtBytes: 1.2e8 }, 'garbage-debt'],
    [{ garbageDebtBytes: 1e8 }, undefined],
    [{ deepestBytes: 3e8 }, 'space-amplification'],
    [{ volume: { freeBytes: 1e8, totalBytes: 2e12 } }, 'disk-nearly-full'],
    [{ volume: { freeBytes: 1e8, totalBytes: 1e9 } }, undefined],
    [{ volume: undefined }, undefined],
    [{ quota: undefined }, undefined],
    [{ quota: { usedBytes: 9.1e8, maxDiskBytes: 1e9 } }, undefined],
    [{ quota: { usedBytes: 9.3e8, maxDiskBytes: 1e9 } }, 'disk-nearly-full'],
    [{ quota: { usedBytes: 1.1e9, maxDiskBytes: 1e9 } }, 'disk-nearly-full'],
    [{ volume: { freeBytes: 0, totalBytes: 0 } }, undefined],
    [{ slowCall: { operation: 'sync', elapsedMs: 5_001 } }, 'disk-slow'],
    [{ oldestPinMs: 600_000 }, 'snapshot-held'],
    [{ failing: 'It failed.' }, 'background-failing'],
    [{ compactionStopped: true }, 'damage-found'],
    [{ scrubProblems: 2 }, 'damage-found'],
    [{ spoiledSegments: 1 }, 'damage-found'],
    [{ cache: { lookups: 100_000, hits: 40_000, full: true } }, 'cache-small'],
    [{ cache: { lookups: 100_000, hits: 40_000, full: false } }, undefined],
    [{ cache: { lookups: 100, hits: 40, full: true } }, undefined],
  ])('%j: %s', (facts, code) => {
    const { status, warnings } = checkHealth({ ...WELL, ...facts })
    expect(warnings.map((warning) => warning.code)).toEqual(code === undefined ? [] : [code])
    expect(status).toBe(code === undefined ? 'ok' : 'warning')
    for (const { message, nextStep } of warnings)
      expect(`${message} ${nextStep}`).toMatch(/\. \S.*\.$/)
  })

  it('is read-only for good after a poison, and says why', () => {
    expect(checkHealth({ ...WELL, readOnly: true })).toEqual({ status: 'readOnly', warnings: [] })
    const { status, warnings } = checkHealth({ ...WELL, poison: 'Syncing failed.' })
    expect([status, warnings[0]!.code]).toEqual(['readOnly', 'writes-refused'])
  })

  it('tells of a change once, by an event', async () => {
    const bench = await BenchEngine.open(
      { l0CompactTrigger: 2, l0StallTrigger: 4 },
      new Set(['compact']),
    )
    await bench.fillLevel0(3)
    for (let i = 0; i < 5; i++) bench.engine.health()
    await bench.turns(2)
    const warnings = bench.notices.filter((notice) => notice.event === 'warning')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ status: 'warning', warnings: [{ code: 'level0-deep' }] })
    expect(bench.engine.health().warnings).toHaveLength(1)
    await bench.close()
  })

  it('logs what comes and goes once a minute', async () => {
    const clock = new QuickClock()
    let level0 = 0
    const said: string[] = []
    const say = (_fields: object, message: string): void => void said.push(message)
    const told: string[] = []
    const { oldestPinMs: _, cache: __, ...facts } = WELL
    const monitor = new HealthMonitor({
      clock,
      logger: { debug: say, info: say, warn: say, error: say },
      facts: () => ({ ...facts, level0 }),
      oldestPin: () => undefined,
      cache: () => ({ hits: 0, misses: 0, bytes: 0 }),
      cacheBytes: 1,
      tell: ({ status }) => void told.push(status),
    })
    for (let i = 0; i < 6; i++) {
      level0 = i % 2 === 0 ? 10 : 0
      monitor.look()
      await clock.passAndHold(i === 3 ? 60_000 : 100)
    }
    expect(told).toEqual(['warning', 'ok', 'warning', 'ok', 'warning', 'ok'])
    expect(said).toHaveLength(2)
  })

  it('counts how long a snapshot is held from when it was first seen', async () => {
    const bench = await BenchEngine.open({})
    await bench.put(0, 1)
    const pin = bench.engine.pin()
    expect(bench.engine.health().status).toBe('ok')
    await bench.clock.pass(11 * 60_000)
    expect(bench.engine.health().warnings.map(({ code }) => code)).toEqual(['snapshot-held'])
    pin.release()
    expect(bench.engine.health().status).toBe('ok')
    await bench.close()
  })
})
