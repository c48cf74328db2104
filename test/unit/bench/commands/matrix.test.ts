import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Interrupted } from '../../../../bench/commands/errors.ts'
import {
  exitCodeOf,
  type MatrixOptions,
  runMatrix,
  type Surroundings,
} from '../../../../bench/commands/matrix.ts'
import { planSessions } from '../../../../bench/commands/plan.ts'
import type { Engine } from '../../../../bench/engines/engine.ts'
import type { SessionOrder, SessionResult } from '../../../../bench/session/protocol.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'

const DATASET = { count: 1000, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 } as const
const GIB = 2 ** 30

function engine(name: string, load?: () => Promise<never>): Engine {
  const open = () => Promise.reject(new Error('is never opened here'))
  return {
    name,
    kind: 'peer',
    durability: { os: `${name} in words` },
    persistent: true,
    answers: true,
    load: load ?? (async () => ({ version: '1.2.3', open })),
  }
}

function options(names: readonly string[], rest: Partial<MatrixOptions> = {}): MatrixOptions {
  const workloads = VOCABULARY.filter(({ name }) => names.includes(name))
  return {
    kind: 'db',
    engines: [engine('a'), engine('b'), engine('c')],
    runs: 1,
    directory: temporaryDirectory(),
    command: 'test',
    sections: [
      {
        section: { title: 'only', dataset: DATASET },
        sessions: (one, root) =>
          planSessions(one, { workloads, dataset: DATASET, memtableBytes: null, seconds: 1 }, root),
      },
    ],
    ...rest,
  }
}

type Run = (order: SessionOrder) => Promise<SessionResult>

function surroundings(run: Run, free = 100 * GIB): Surroundings & { text(): string } {
  const parts: string[] = []
  const progress = new Writable({ write: (part, _, done) => done(void parts.push(String(part))) })
  const runSession: Surroundings['runSession'] = (_, order) => run(order)
  return { runSession, freeBytes: async () => free, progress, text: () => parts.join('') }
}

const measure: Run = async ({ engine, location, steps }) => {
  mkdirSync(location, { recursive: true })
  writeFileSync(join(location, 'data'), 'x')
  const cells = steps
    .filter(({ workload }) => workload !== 'prepare')
    .map(({ workload }) => ({ workload, operations: 10, elapsedMs: 1, cpuMs: 1 }))
  return { engine, version: '1.2.3', cells, skipped: [], peakMiB: 5, cpuSeconds: 1 }
}

describe('a matrix', () => {
  it('runs a bound of the harness once, a bound of the disk each time', async () => {
    const turns: string[] = []
    const nothing: Engine = { ...engine('null'), kind: 'bound' }
    const disk: Engine = { ...engine('raw'), kind: 'bound', only: ['fillseq'] }
    const given = options(['fillseq'], { runs: 3, engines: [engine('a'), nothing, disk] })
    await runMatrix(
      given,
      surroundings((order) => {
        turns.push(order.engine)
        return measure(order)
      }),
    )
    expect(turns.sort()).toEqual(['a', 'a', 'a', 'null', 'raw', 'raw', 'raw'])
  })

  it('rotates the engines from run to run and leaves no folder behind', async () => {
    const turns: string[] = []
    const given = options(['fillseq'], { runs: 3 })
    const record = await runMatrix(
      given,
      surroundings((order) => {
        turns.push(order.engine)
        expect(existsSync(order.location)).toBe(false)
        return measure(order)
      }),
    )
    expect(turns.join('')).toBe('abcbcacab')
    expect(record.samples).toHaveLength(9)
    expect(record.samples[4]).toMatchObject({ engine: 'c', run: 1, section: 'only', peakMiB: 5 })
    expect(record.engines[0]).toEqual({
      name: 'a',
      kind: 'peer',
      version: '1.2.3',
      durability: 'a in words',
    })
    expect(readdirSync(given.directory)).toEqual([])
    expect(exitCodeOf(record)).toBe(0)
  })

  it('names an engine that does not load and goes on without it', async () => {
    const broken = engine('broken', () => Promise.reject(new Error('no binary for this machine')))
    const given = surroundings(measure)
    const record = await runMatrix(options(['fillseq'], { engines: [broken, engine('a')] }), given)
    expect(record.engines[0]).toMatchObject({ leftOut: 'no binary for this machine' })
    expect(record.samples.map(({ engine }) => engine)).toEqual(['a'])
    expect(given.text()).toContain('broken is left out: no binary for this machine')
    await expect(runMatrix(options(['fillseq'], { engines: [broken] }), given)).rejects.toThrow(
      'every engine is left out',
    )
  })

  it('leaves out an engine that offers nothing of what is asked, without loading it', async () => {
    const loaded = engine('a', () => Promise.reject(new Error('was loaded')))
    const record = await runMatrix(
      options(['fillsync1', 'fillseq'], {
        engines: [{ ...loaded, only: ['fillsync1'] }, engine('b')],
      }),
      surroundings(measure),
    )
    expect(record.engines[0]?.leftOut).toBe('it offers none of the chosen workloads')
  })

  it('reports a failed session, what was to follow it there, and goes on with the rest', async () => {
    const given = surroundings((order) => {
      const fails = order.engine === 'b' && order.steps[0]?.workload === 'readseq'
      return fails ? Promise.reject(new Error('a wrong value')) : measure(order)
    })
    const record = await runMatrix(options(['fillseq', 'readseq', 'compact']), given)
    expect(record.gaps?.map(({ engine, workload, cause }) => [engine, workload, cause])).toEqual([
      ['b', 'readseq', 'a wrong value'],
      ['b', 'compact', 'the session before it failed'],
    ])
    expect(record.samples.filter(({ engine }) => engine === 'b')).toHaveLength(1)
    expect(record.samples.filter(({ engine }) => engine === 'c')).toHaveLength(3)
    expect(given.text()).toContain('FAILED: a wrong value')
    expect(exitCodeOf(record)).toBe(1)
  })

  it('keeps what an engine does not offer apart from failures', async () => {
    const record = await runMatrix(
      options(['compact']),
      surroundings(async (order) => ({
        ...(await measure(order)),
        cells: [],
        skipped: order.steps.map(({ workload }) => ({ workload, why: 'has no such call' })),
      })),
    )
    expect(record.gaps).toContainEqual(
      expect.objectContaining({ workload: 'compact', cause: 'has no such call', failed: false }),
    )
    expect(exitCodeOf(record)).toBe(0)
  })

  it('refuses a disk that is too small before anything runs, with the figures', async () => {
    const big = { ...DATASET, count: 100_000_000 }
    const { sections, ...rest } = options(['fillseq'])
    const run = runMatrix(
      {
        ...rest,
        sections: sections.map((one) => ({ ...one, section: { title: 'big', dataset: big } })),
      },
      surroundings(() => Promise.reject(new Error('was started')), 2 * GIB),
    )
    await expect(run).rejects.toThrow(
      /needs about 37\.9 GiB in .*, 2\.0 GiB free; use --directory or fewer keys/,
    )
  })

  it('refuses a directory that is none', async () => {
    await expect(
      runMatrix(options(['fillseq'], { directory: '/nowhere/at/all' }), surroundings(measure)),
    ).rejects.toThrow(/--directory \/nowhere\/at\/all cannot be used: .*ENOENT/)
    await expect(
      runMatrix(options(['fillseq'], { directory: process.execPath }), surroundings(measure)),
    ).rejects.toThrow(/is no directory/)
  })

  it('ends on a signal, removes its folders, and is no failed session then', async () => {
    const given = options(['fillseq'])
    const listeners = process.listenerCount('SIGTERM')
    const stopped = runMatrix(given, {
      ...surroundings(measure),
      runSession: async (_, order, { signal } = {}) => {
        await measure(order)
        process.emit('SIGTERM', 'SIGTERM')
        return signal?.aborted ? Promise.reject(new Error('killed')) : measure(order)
      },
    })
    await expect(stopped).rejects.toBeInstanceOf(Interrupted)
    expect(readdirSync(given.directory)).toEqual([])
    expect(process.listenerCount('SIGTERM')).toBe(listeners)
  })

  it('gives a section its own number of runs', async () => {
    const given = options(['fillseq'], { runs: 2, engines: [engine('a')] })
    const [one] = given.sections
    const more = { ...one!, section: { title: 'once', dataset: DATASET }, runs: 1 }
    const record = await runMatrix({ ...given, sections: [one!, more] }, surroundings(measure))
    expect(record.samples.map(({ section, run }) => `${section} ${run}`)).toEqual([
      'only 0',
      'once 0',
      'only 1',
    ])
  })
})
