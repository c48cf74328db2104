// A compaction in parts, seen from the engine: it equals one in one piece, or nothing of it is left.
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/base/clock.ts'
import { SettError } from '../../../../src/base/errors.ts'
import { resolveOptions } from '../../../../src/base/options.ts'
import { systemRandom } from '../../../../src/base/random.ts'
import type { Splitting } from '../../../../src/compaction/split.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { EngineNotice } from '../../../../src/engine/types.ts'
import type { CompactSpec, JobResult, JobSpec, TablesResult } from '../../../../src/jobs/job.ts'
import { runJob } from '../../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import type { Executor, JobTicket } from '../../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, turns } from '../../../support/small-engine.ts'

const KEYS = 400
const SPLITTING: Splitting = { least: 8192, most: 65_536, lanes: 3 }

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What is done to jobs on their way to an inline executor. */
type Between = (
  spec: JobSpec,
  run: () => Promise<JobResult>,
  ticket: JobTicket,
) => Promise<JobResult>

function executorOf(fs: FaultFileSystem, between: Between): Executor {
  const inline = inlineExecutor({
    runJob,
    fs,
    random: systemRandom,
    clock: systemClock,
    kernels: (heap) => wasmKernels(heap.memory),
  })
  return {
    workers: 0,
    idle: 0,
    warmUp: () => undefined,
    stats: () => inline.stats(),
    close: () => inline.close(),
    run: <T extends JobResult>(spec: JobSpec, ticket: JobTicket) =>
      between(spec, () => inline.run(spec, ticket), ticket) as Promise<T>,
  }
}

interface Opened {
  readonly fs: FaultFileSystem
  readonly engine: StorageEngine
  readonly told: readonly EngineNotice[]
}

async function opened(
  between?: Between,
  splitting: Splitting = SPLITTING,
  sizes = { memtableSize: 65_536, tableSize: 16_384 },
): Promise<Opened> {
  const fs = new FaultFileSystem()
  const options = resolveOptions({
    compression: 'none',
    valueThreshold: 'off',
    workers: 0,
    ...sizes,
    memoryBudget: 8 * 1024 * 1024,
    durability: 'none',
    blockSize: 512,
    l0CompactTrigger: 50,
    l0StallTrigger: 'off',
  })
  const executor = between === undefined ? {} : { executor: executorOf(fs, between) }
  const told: EngineNotice[] = []
  const engine = await openEngine('/db', options, {
    fs,
    ...executor,
    splitting,
    notify: (notice) => void told.push(notice),
  })
  return { fs, engine, told }
}

/** The same each time: three tables in level 0 that overlap, with deletes. */
async function fill(engine: StorageEngine): Promise<void> {
  for (let round = 0; round < 3; round++) {
    for (let i = round; i < KEYS; i += 1 + round) {
      const key = `key ${String((i * 7919) % KEYS).padStart(4, '0')}`
      if ((i + round) % 5 === 4) await engine.del(key, {})
      else await engine.put(key, `${round}.${i} ${'x'.repeat(100 + (i % 90))}`, {})
    }
    await engine.flush()
  }
}

function content(engine: StorageEngine): unknown[] {
  const { version } = engine
  const form = { keyForm: 'utf8', valueForm: 'utf8', version } as const
  return engine.range({ keys: true, values: true, ...form }).next(10 * KEYS)
}

function tablesOf({ fs }: Opened): string[] {
  return fs.listSync('/db').filter((name) => name.endsWith('.sst'))
}

function tablesNamed({ engine }: Opened): number {
  return engine.stats().levels.reduce((sum, { tables }) => sum + tables, 0)
}

const compact = (engine: StorageEngine): Promise<void> =>
  ends(engine.compactRange(undefined, undefined))

const isPart = (spec: JobSpec): spec is CompactSpec =>
  spec.kind === 'compact' && (spec.bounds?.lower ?? spec.bounds?.upper) !== undefined

/** Nothing is left of what failed, everything is there, and the next try succeeds, in one piece. */
async function recovers(given: Opened, before: readonly unknown[]): Promise<void> {
  const { engine } = given
  await turns()
  expect(tablesOf(given).length).toBe(tablesNamed(given))
  expect(content(engine)).toEqual(before)
  const { compactionParts, compactions } = engine.stats()
  await compact(engine)
  const after = engine.stats()
  expect(after.compactions).toBeGreaterThan(compactions)
  expect(after.compactionParts - compactionParts).toBe(after.compactions - compactions)
  expect(content(engine)).toEqual(before)
  await engine.close()
  expect(tablesOf(given).length).toBe(tablesNamed(given))
}

describe('a compaction in parts', () => {
  it('leaves what one in one piece leaves, counts as one, and installs by one edit', async () => {
    const split = await opened()
    const whole = await opened(undefined, { ...SPLITTING, lanes: 1 })
    for (const { engine } of [split, whole]) await fill(engine)
    const before = content(split.engine)
    expect(before).toEqual(content(whole.engine))
    for (const { engine } of [split, whole]) await compact(engine)
    expect(content(split.engine)).toEqual(before)
    expect(content(whole.engine)).toEqual(before)
    const [parts, one] = [split.engine.stats(), whole.engine.stats()]
    expect(parts.compactions).toBe(one.compactions)
    expect(one.compactionParts).toBe(one.compactions)
    expect(parts.compactionParts).toBeGreaterThanOrEqual(parts.compactions + 2)
    const entries = (stats: typeof one): number =>
      stats.levels.reduce((sum, level) => sum + level.entries, 0)
    expect(entries(parts)).toBe(entries(one))
    for (const given of [split, whole]) {
      expect((await given.engine.verify({})).problems).toEqual([])
      await given.engine.close()
      expect(tablesOf(given).length).toBe(tablesNamed(given))
    }
  })

  it('tells what each part did, and when', async () => {
    let lastEnded = false
    const { engine, told } = await opened(async (spec, run) => {
      const result = await run()
      if (!isPart(spec)) return result
      if (spec.bounds?.upper === undefined) lastEnded = true
      while (!lastEnded) await pause(1)
      if (spec.bounds?.upper !== undefined) await pause(5)
      return result
    })
    await fill(engine)
    await compact(engine)
    await turns()
    const ended = told.flatMap((one) =>
      one.event === 'compaction' && one.phase === 'end' ? [one] : [],
    )
    const [end] = ended.filter(({ parts }) => parts.length > 1)
    expect(end!.parts).toHaveLength(SPLITTING.lanes)
    for (const { fromMs, toMs, bytesRead, bytesWritten } of end!.parts) {
      expect(fromMs).toBeGreaterThanOrEqual(0)
      expect(toMs).toBeGreaterThan(fromMs)
      expect(toMs).toBeLessThanOrEqual(end!.ms + 1)
      expect(Math.min(bytesRead, bytesWritten)).toBeGreaterThan(0)
    }
    expect(end!.parts.reduce((sum, part) => sum + part.bytesWritten, 0)).toBe(end!.bytes)
    const [first, last] = [end!.parts[0]!, end!.parts.at(-1)!]
    expect(last.toMs).toBeLessThan(first.toMs)
    await engine.close()
  })

  it('keeps what a snapshot shows, in every part', async () => {
    const { engine } = await opened()
    await fill(engine)
    const pin = engine.pin()
    const before = content(engine)
    for (let i = 0; i < KEYS; i++) await engine.del(`key ${String(i).padStart(4, '0')}`, {})
    await compact(engine)
    const form = { keyForm: 'utf8', valueForm: 'utf8', version: pin.version } as const
    expect(engine.range({ keys: true, values: true, ...form }).next(10 * KEYS)).toEqual(before)
    expect(content(engine)).toEqual([])
    pin.release()
    await engine.close()
  })

  it('has no more parts under way than lanes, also beside other jobs', async () => {
    let running = 0
    let most = 0
    const given = await opened(async (spec, run) => {
      if (spec.kind !== 'compact') return run()
      running += 1
      most = Math.max(most, running)
      await turns(20)
      return run().finally(() => {
        running -= 1
      })
    })
    await fill(given.engine)
    await Promise.all([compact(given.engine), compact(given.engine)])
    expect(most).toBe(SPLITTING.lanes)
    await given.engine.close()
  })
})

describe('a part that fails', () => {
  it.each([0, 1, 2])('takes the others along: number %i of three', async (which) => {
    let parts = 0
    let fails = true
    const given = await opened(async (spec, run) => {
      if (!isPart(spec)) return run()
      const mine = parts++
      if (mine !== which || !fails) return run()
      fails = false
      throw Object.assign(new Error('on purpose'), { code: 'EIO' })
    })
    await fill(given.engine)
    const before = content(given.engine)
    expect(await codeOf(compact(given.engine))).not.toBe('no error')
    expect(parts).toBeGreaterThanOrEqual(3)
    await recovers(given, before)
  })

  it.each(['sample', 'compact'] as const)(
    'ends the others at once, and is the failure that is told: %s',
    async (kind) => {
      let begun = 0
      let ended = 0
      let fails = true
      const given = await opened(async (spec, run, { cancel }) => {
        if (spec.kind !== kind || !fails) return run()
        // The last to begin fails, so that the others come first wherever they are looked through.
        if (++begun < SPLITTING.lanes) {
          while (!cancel!.cancelled) await pause(1)
          ended += 1
          throw new SettError('SETT_BUSY', 'cancelled')
        }
        fails = false
        throw Object.assign(new Error('on purpose'), { code: 'EIO' })
      })
      for (let times = 0; times < 6; times++) await fill(given.engine)
      const before = content(given.engine)
      expect(await codeOf(compact(given.engine))).toBe('LEVEL_IO_ERROR')
      expect(ended).toBe(SPLITTING.lanes - 1)
      await turns()
      expect(tablesOf(given).length).toBe(tablesNamed(given))
      await compact(given.engine)
      expect(content(given.engine)).toEqual(before)
      await given.engine.close()
    },
  )

  it('ends no compaction while another job still looks for its cuts', async () => {
    let looking = 0
    let looked = 0
    let failed = false
    const given = await opened(async (spec, run) => {
      if (spec.kind !== 'sample') return run()
      if (!failed) {
        failed = true
        throw Object.assign(new Error('on purpose'), { code: 'EIO' })
      }
      looking += 1
      await pause(30)
      return run().finally(() => {
        looking -= 1
        looked += 1
      })
    })
    for (let times = 0; times < 3; times++) await fill(given.engine)
    const before = content(given.engine)
    expect(await codeOf(compact(given.engine))).not.toBe('no error')
    expect(looking).toBe(0)
    expect(looked).toBeGreaterThan(0)
    await recovers(given, before)
  })

  it('is not missed when the others are done already', async () => {
    let ended = 0
    const given = await opened(async (spec, run) => {
      if (!isPart(spec) || spec.bounds?.upper !== undefined) {
        return run().finally(() => {
          if (isPart(spec)) ended += 1
        })
      }
      while (ended < 2) await pause(1)
      throw Object.assign(new Error('on purpose'), { code: 'EIO' })
    })
    await fill(given.engine)
    const before = content(given.engine)
    expect(await codeOf(compact(given.engine))).not.toBe('no error')
    expect(ended).toBeGreaterThanOrEqual(2)
    await recovers(given, before)
  })

  it('fails the compaction when its disk is full, and nothing is left', async () => {
    const given = await opened()
    await fill(given.engine)
    const before = content(given.engine)
    let creates = 0
    given.fs.watch(({ kind, path }) => {
      if (kind === 'create' && path.endsWith('.sst')) creates += 1
      if (creates !== 4) return
      creates += 1
      given.fs.inject({ on: 'write', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    })
    expect(await codeOf(compact(given.engine))).not.toBe('no error')
    expect(creates).toBeGreaterThan(4)
    given.fs.heal()
    await recovers(given, before)
  })

  it('because a file has the name of an output leaves that file, and nothing of its own', async () => {
    const given = await opened()
    const { fs, engine } = given
    await fill(engine)
    const before = content(engine)
    const refused = fs.inject({ on: 'create', path: /\.sst$/, nth: 4, errno: 'EEXIST' })
    expect(await codeOf(compact(engine))).toBe('LEVEL_IO_ERROR')
    expect(refused.matches).toBeGreaterThanOrEqual(4)
    await recovers(given, before)
  })

  it('is found by the sums, when it takes an entry twice or leaves one out', async () => {
    for (const more of [1, -1]) {
      let lies = true
      const given = await opened(async (spec, run) => {
        const result = (await run()) as TablesResult
        if (!isPart(spec) || !lies || result.entriesDropped === 0) return result
        lies = false
        const { entriesIn, entriesDropped } = result
        return { ...result, entriesIn: entriesIn + more, entriesDropped: entriesDropped + more }
      })
      await fill(given.engine)
      const before = content(given.engine)
      expect(await codeOf(compact(given.engine))).toBe('SETT_INTERNAL')
      await recovers(given, before)
    }
  })
})

describe('closing', () => {
  it('cancels all parts of a large compaction, and leaves none of their tables', async () => {
    let begun = 0
    let written = 0
    const given = await opened(
      async (spec, run, { cancel }) => {
        if (!isPart(spec)) return run()
        begun += 1
        // One is done by then, the others are in the middle of it.
        if (begun === 1) {
          return run().finally(() => {
            written = tablesOf(given).length
          })
        }
        while (!cancel!.cancelled) await pause(1)
        return run()
      },
      { least: 2 ** 19, most: 2 ** 20, lanes: 3 },
      { memtableSize: 2 ** 20, tableSize: 2 ** 20 },
    )
    const { engine } = given
    // More than is finished for its smallness.
    for (let i = 0; i < 700; i++) {
      await engine.put(`key ${String((i * 7919) % 700).padStart(4, '0')}`, 'x'.repeat(8000), {})
    }
    await engine.flush()
    const compaction = codeOf(engine.compactRange(undefined, undefined))
    const named = tablesNamed(given)
    while (written === 0) await pause(1)
    expect(written).toBeGreaterThan(named)
    await ends(engine.close())
    await compaction
    expect(begun).toBeGreaterThan(2)
    expect(engine.stats().compactionParts).toBe(0)
    expect(tablesOf(given).length).toBe(tablesNamed(given))
  })
})
