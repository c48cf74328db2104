import { describe, expect, it } from 'vitest'
import {
  datasetsAtOnce,
  type PlannedEngine,
  type PlannedSession,
  planSessions,
} from '../../../../bench/commands/plan.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'

const DATASET = { count: 1000, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 } as const
const DISK: PlannedEngine = {
  name: 'disk',
  persistent: true,
  durability: { os: 'kernel', sync: 'fdatasync' },
}
const MEMORY: PlannedEngine = { name: 'memory', persistent: false, durability: { os: 'none' } }

function plan(engine: PlannedEngine, names?: readonly string[], seconds = 3) {
  const workloads = VOCABULARY.filter(({ name }) => names?.includes(name) ?? true)
  return planSessions(engine, { workloads, dataset: DATASET, memtableBytes: null, seconds }, '/r')
}

/** `location: steps`, and what is special about it. */
function lines(sessions: readonly PlannedSession[]): string[] {
  return sessions.map(({ order, before, after, killAfter }) => {
    const steps = order.steps.map(({ workload }) => workload).join(' ')
    const marks = [before, after, killAfter === true ? 'killed' : undefined].filter(Boolean)
    return [`${order.location.slice(3)}: ${steps}`, ...marks].join(', ')
  })
}

describe('the plan of one engine', () => {
  it('measures every workload once, spoiling ones last, on a whole database each', () => {
    const sessions = plan(DISK)
    expect(lines(sessions)).toEqual([
      'fillseq: fillseq, empty, remove',
      'put1: put1, empty, remove',
      'put256: put256, empty, remove',
      'fillsync1: fillsync1, empty, remove',
      'fillsync64: fillsync64, empty, remove',
      'main: fillrandom, empty',
      'main: readrandom-sync readrandom-await1 readrandom-await64 getMany100 readmissing ' +
        'readmissing-await64 readseq readseq-keys readreverse seekrandom10 readwhilewriting',
      'main: overwrite',
      'main: compact',
      'main: reopen-close',
      'main: unclean, killed',
      'main: reopen-kill',
      'main: deleterange',
      'main: prepare',
      'main: deleterandom, remove',
    ])
    const planned = sessions.flatMap(({ order }) => order.steps.map(({ workload }) => workload))
    const measured = planned.filter((name) => name !== 'prepare' && name !== 'unclean')
    expect(measured.sort()).toEqual(VOCABULARY.map(({ name }) => name).sort())
  })

  it('allows both generations of values after what rewrites', () => {
    const either = plan(DISK).flatMap(({ order }) =>
      order.steps.filter(({ parameters }) => parameters?.['generation'] === 'either'),
    )
    expect(either.map(({ workload }) => workload)).toEqual([
      'overwrite',
      'compact',
      'reopen-close',
      'reopen-kill',
      'deleterange',
      'deleterandom',
    ])
    expect(plan(MEMORY).flatMap(({ order }) => order.steps.map((s) => s.parameters))).toEqual(
      expect.not.arrayContaining([expect.anything()]),
    )
  })

  it('fills off the clock what no fill leaves behind', () => {
    expect(lines(plan(DISK, ['readseq', 'compact']))).toEqual([
      'main: prepare, empty',
      'main: readseq',
      'main: compact, remove',
    ])
  })

  it('fills inside each process what is in memory only, and has no space rows there', () => {
    const names = ['fillrandom', 'readseq', 'overwrite', 'deleterandom', 'compact', 'fillsync1']
    expect(lines(plan(MEMORY, names))).toEqual([
      'main: fillrandom, empty',
      'main: prepare readseq',
      'main: prepare overwrite',
      'main: prepare deleterandom, remove',
    ])
  })

  it('plans what an engine offers, and nothing when that is nothing', () => {
    const raw = { ...DISK, durability: { sync: 'fdatasync' }, only: ['fillsync1'] }
    expect(lines(plan(raw))).toEqual(['fillsync1: fillsync1, empty, remove'])
    expect(plan(raw, ['fillrandom'])).toEqual([])
    const lazy = { ...DISK, durability: { os: 'kernel' } }
    expect(plan(lazy, ['fillsync1', 'fillsync64'])).toEqual([])
  })

  it('runs the sync group, and only it, in class sync', () => {
    const classes = new Map(
      plan(DISK).flatMap(({ order }) =>
        order.steps.map(({ workload }) => [workload, order.durability]),
      ),
    )
    expect([...classes].filter(([, name]) => name === 'sync').map(([name]) => name)).toEqual([
      'fillsync1',
      'fillsync64',
    ])
  })

  it('scales cells that end by time, not those that run to their count', () => {
    const steps = plan(DISK, undefined, 1.5).flatMap(({ order }) => order.steps)
    const seconds = (name: string) => steps.find(({ workload }) => workload === name)?.seconds
    expect(seconds('readrandom-sync')).toBe(1.5)
    expect(seconds('overwrite')).toBe(4)
    expect(seconds('fillrandom')).toBeNull()
  })

  it('puts back what deleterange removed, and looks for nothing else', () => {
    const refill = (only: string[]) =>
      plan(DISK, only)
        .flatMap(({ order }) => order.steps)
        .filter(({ workload }) => workload === 'prepare')
        .map(({ parameters }) => parameters?.['missing'])
    expect(refill(['fillrandom', 'deleterange', 'deleterandom'])).toEqual(['ranges'])
    expect(refill(['deleterandom'])).toEqual([undefined])
  })

  it('knows how many copies of the data lie on disk at once', () => {
    expect(datasetsAtOnce(plan(DISK))).toBe(1)
    const kept = plan(DISK, ['fillseq', 'put1']).map(
      (one): PlannedSession => ({ ...one, after: 'keep' }),
    )
    expect(datasetsAtOnce(kept)).toBe(2)
    expect(datasetsAtOnce([])).toBe(0)
  })
})
