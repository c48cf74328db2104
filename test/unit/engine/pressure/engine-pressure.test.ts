// Back-pressure in the engine: groups are held back while background work owes something, writers are told when they
// are stopped, and what waits is bounded.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/base/options.ts'
import { systemRandom } from '../../../../src/base/random.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { StallNotice } from '../../../../src/engine/pressure/stall-watch.ts'
import type { EngineNotice } from '../../../../src/engine/types.ts'
import { runJob } from '../../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import type { Executor } from '../../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, soon, turns } from '../../../support/small-engine.ts'

const MIB = 2 ** 20
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Opened {
  readonly engine: StorageEngine
  readonly fs: FaultFileSystem
  readonly stalls: StallNotice[]
}

async function opened(options: object = {}, jobMs = 0): Promise<Opened> {
  const fs = new FaultFileSystem()
  const executor = jobMs === 0 ? {} : { executor: slowly(fs, jobMs) }
  const stalls: StallNotice[] = []
  const notify = (notice: EngineNotice): void => {
    if (notice.event === 'stall') stalls.push(notice)
  }
  const small = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * MIB, durability: 'none' }
  const resolved = resolveOptions({ ...small, ...options })
  const engine = await openEngine('/db', resolved, { fs, notify, ...executor })
  return { engine, fs, stalls }
}

/** Something that lets no call of a kind through until it is opened. */
function gate(fs: FaultFileSystem, path: RegExp, on: 'write' | 'sync' | 'create'): () => void {
  let open = (): void => undefined
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  fs.inject({ on, path, until, forever: true })
  return () => {
    open()
    fs.heal()
  }
}

const value = 'v'.repeat(1000)

describe('a stop', () => {
  it('is told when it begins and when it ends, with its cause', async () => {
    const { engine, fs, stalls } = await opened({ memtableCount: 2 })
    await engine.put('a', value, {})
    const open = gate(fs, /MANIFEST/, 'sync')
    const puts = Array.from({ length: 100 }, (_, i) => engine.put(`k${i}`, value, {}))
    const begin = { event: 'stall', phase: 'begin', writers: 'stopped', cause: 'disk', ms: 0 }
    await soon(() => expect(stalls).toEqual([begin]))
    await pause(30)
    expect(stalls).toEqual([begin])
    open()
    await ends(Promise.all(puts))
    await engine.settle()
    await turns()
    const ended = stalls.filter(({ phase }) => phase === 'end')
    expect(ended[0]).toMatchObject({ event: 'stall', writers: 'stopped', cause: 'disk' })
    expect(ended[0]!.ms).toBeGreaterThanOrEqual(25)
    expect(stalls.filter(({ phase }) => phase === 'begin').length).toBe(ended.length)
    const told = ended.reduce((sum, { ms }) => sum + ms, 0)
    expect(engine.stats().stallMs).toBeCloseTo(told, 6)
    await engine.close()
  })

  it.each([
    ['memtables', { memtableCount: 2 }],
    ['level0', { memtableCount: 4, l0CompactTrigger: 1, l0StallTrigger: 2 }],
  ])('by %s says so', async (cause, options) => {
    const { engine, stalls } = await opened(options, 40)
    const puts = Array.from({ length: 300 }, (_, i) => engine.put(`k${i}`, value, {}))
    await ends(Promise.all(puts))
    await turns()
    const mine = stalls.filter((notice) => notice.cause === cause && notice.writers === 'stopped')
    expect(mine.length).toBeGreaterThan(1)
    expect(mine[0]!.phase).toBe('begin')
    expect(mine.at(-1)!.phase).toBe('end')
    await engine.close()
  })
})

describe('what waits for room', () => {
  it('large commits have large memtables, which share the budget with the caches', async () => {
    const { engine, stalls } = await opened({ valueThreshold: 'off' }, 30)
    const before = engine.stats().memtables.length
    expect(before).toBe(1)
    const large = 'l'.repeat(1.9 * MIB)
    const puts = Array.from({ length: 5 }, (_, i) => engine.put(`k${i}`, large, {}))
    let most = 0
    const look = (): void => {
      const { memtables } = engine.stats()
      most = Math.max(
        most,
        memtables.reduce((sum, { bytes }) => sum + bytes, 0),
      )
    }
    for (const put of puts) void put.then(look)
    await ends(Promise.all(puts))
    // The active one and one that is flushed; there may be three otherwise.
    expect(most).toBeLessThan(4.5 * MIB)
    expect(stalls.map(({ cause }) => cause)).toContain('memory')
    await engine.close()
  })

  it('is bounded: a flood that nobody awaits is refused, and nothing of it is lost silently', async () => {
    const { engine, fs } = await opened()
    const big = Buffer.alloc(10_000, 1)
    // What waited once does not count the second time.
    for (const round of [1, 2]) {
      const open = gate(fs, /MANIFEST/, 'sync')
      const codes: Promise<string>[] = []
      const name = (i: number): string => `k${round} ${i}`
      // 8 MiB / 4 may wait; three memtables take what else there is.
      for (let i = 0; i < 600; i++) codes.push(codeOf((async () => engine.put(name(i), big, {}))()))
      await turns()
      open()
      const outcomes = await ends(Promise.all(codes))
      const refused = outcomes.filter((code) => code === 'SETT_BUSY').length
      expect(refused).toBeGreaterThan(300)
      expect(refused).toBeLessThan(450)
      outcomes.forEach((code, i) => {
        const found = engine.getSync(name(i), undefined, 'buffer')
        expect(found === undefined ? 'SETT_BUSY' : 'no error').toBe(code)
      })
    }
    await engine.put('after', 'x', {})
    await engine.close()
  })

  it('does not count strings, which are not copied', async () => {
    const { engine, fs } = await opened({ memtableCount: 2 })
    await engine.put('first', 'x', {})
    const open = gate(fs, /MANIFEST/, 'sync')
    const text = 's'.repeat(15_000)
    const puts = Array.from({ length: 300 }, (_, i) => engine.put(`k${i}`, text, {}))
    await turns()
    open()
    await ends(Promise.all(puts))
    await engine.close()
  })

  it('takes one commit however large, and forgets those that were rejected', async () => {
    const { engine, fs } = await opened({ memtableCount: 2 })
    await engine.put('first', 'x', {})
    const open = gate(fs, /MANIFEST/, 'sync')
    const large = engine.put('large', Buffer.alloc(1.9 * MIB), {})
    expect(await codeOf((async () => engine.put('more', Buffer.alloc(MIB), {}))())).toBe(
      'SETT_BUSY',
    )
    open()
    await ends(large)
    await ends(engine.put('more', Buffer.alloc(MIB), {}))
    await engine.close()
  })
})

/** Jobs that take so long: what flush and compaction achieve is known, whatever else the machine does. */
function slowly(fs: FaultFileSystem, jobMs: number): Executor {
  const inner = inlineExecutor({
    runJob,
    fs,
    random: systemRandom,
    kernels: (heap) => wasmKernels(heap.memory),
  })
  return {
    workers: 0,
    idle: 0,
    run: async (spec, ticket) => {
      await pause(jobMs)
      return inner.run(spec, ticket)
    },
    warmUp: () => undefined,
    stats: () => inner.stats(),
    close: () => inner.close(),
  }
}

describe('a debt', () => {
  const long = (i: number): string => `${String(i).padStart(6, '0')}${'k'.repeat(20_000)}`
  const options = { memtableCount: 2, memtableSize: MIB, l0StallTrigger: 'off' }

  it.each<[string, (engine: StorageEngine, i: number) => Promise<void>]>([
    ['puts', (engine, i) => engine.put(`k${i}`, long(i), {})],
    ['deletes', (engine, i) => engine.del(long(i), {})],
    [
      'batches of deletes, as clear() makes them',
      (engine, i) => engine.batch([{ type: 'del', key: long(i) }], {}),
    ],
  ])('holds %s back, tells of it, and lets go', async (_, write) => {
    const { engine, stalls } = await opened(options, 250)
    for (let i = 0; i < 200; i++) await write(engine, i)
    expect(engine.stats().delayMs).toBeGreaterThan(60)
    const slowed = { event: 'stall', writers: 'slowed', cause: 'memtables' }
    expect(stalls).toContainEqual(expect.objectContaining({ ...slowed, phase: 'begin' }))
    await ends(engine.settle())
    await turns()
    const phases = stalls.filter(({ writers }) => writers === 'slowed').map(({ phase }) => phase)
    expect(phases.at(-1)).toBe('end')
    const before = engine.stats().delayMs
    await engine.put('small', 'x', {})
    expect(engine.stats().delayMs).toBe(before)
    await engine.close()
  })

  it('does not keep a flood that nobody awaits, flush() or close() from ending', async () => {
    const { engine } = await opened({ ...options, memoryBudget: 32 * MIB }, 30)
    for (let i = 0; i < 100; i++) await engine.put(`k${i}`, long(i), {})
    const puts = Array.from({ length: 120 }, (_, i) => engine.put(`f${i}`, long(i), {}))
    await ends(engine.flush())
    await ends(Promise.all(puts))
    void engine.put('last', long(0), {})
    await ends(engine.close())
  })

  it('of level 0 slows writers before they would have to stop', async () => {
    const level0 = { ...options, valueThreshold: 'off', memtableSize: 65_536, memtableCount: 4 }
    const { engine, stalls } = await opened(
      { ...level0, l0CompactTrigger: 2, l0StallTrigger: 8, tableSize: MIB },
      20,
    )
    for (let i = 0; i < 120; i++) await engine.put(`k${i}`, long(i), {})
    const causes = stalls.filter(({ writers }) => writers === 'slowed').map(({ cause }) => cause)
    expect(engine.stats().delayMs).toBeGreaterThan(100)
    expect(causes.length).toBeGreaterThan(0)
    await engine.close()
  })
})
