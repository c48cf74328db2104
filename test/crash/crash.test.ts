// Power cuts and kills between any two writes, of every sequence of two operations and of longer ones, also while
// recovering from one: what was promised is there, and what is there is a beginning of the history.
import { describe, expect, it } from 'vitest'
import { Disk, type Step } from '../faults/disk.ts'
import { CrashFailure, type Examiner, examineState, noCounts } from './examine.ts'
import { beginExploration, explore } from './explorer.ts'
import { crashStates } from './survivals.ts'
import { liveThrough, workloadOf } from './workloads.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)
const STATES = 2_000
/** A quarter of a minute where nothing else runs. */
const PATIENCE_MS = 600_000

describe(`crash states (SETT_CRASH_SEED=${SEED})`, () => {
  it(
    `all ${STATES} are recovered`,
    async () => {
      const progress = beginExploration({ seed: SEED, states: STATES, failuresMost: 3 })
      await explore(progress, () => undefined)
      expect(progress.failures).toEqual([])
      const { states, distinct, recovered } = progress.counts
      expect(states).toBeGreaterThanOrEqual(STATES)
      expect(recovered).toBe(distinct)
      expect(distinct).toBeGreaterThan(STATES / 2)
    },
    PATIENCE_MS,
  )
})

describe('the explorer', () => {
  const none: Step['kind'][] = []
  it.each([
    ['nothing', none, 0],
    ['syncs of files', ['sync'], 1],
    ['syncs of directories', ['syncDirectory'], 1],
  ] as const)('tells a disk that drops %s', async (_, dropped, failures) => {
    const { life } = await liveThrough(SEED, workloadOf(SEED, 1))
    const kinds: readonly Step['kind'][] = dropped
    const steps = life.steps.map((step) =>
      'before' in step && kinds.includes(step.kind) ? { ...step, before: 0 } : step,
    )
    const disk = new Disk(life.files)
    for (const step of steps) disk.apply(step)
    const cut = steps.length
    const state = crashStates(disk, SEED).find(({ label }) => label === 'strict.synced')!
    const examiner: Examiner = { seed: SEED, counts: noCounts(), seen: new Set() }
    const place = { disk, cut, state }
    const examined = examineState(examiner, { ...life, steps }, place, { path: '', depth: 1 })
    const failed = await examined.then(
      () => 0,
      (error: unknown) => (error instanceof CrashFailure ? 1 : 2),
    )
    expect(failed).toBe(failures)
  })
})
