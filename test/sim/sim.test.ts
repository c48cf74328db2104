// A database in a world where everything follows from a seed: threads, time, disk, its faults and crashes. It never
// loses, invents or misreads anything, never hangs, and a seed always gives the same run.
import { describe, expect, it } from 'vitest'
import type { Plan } from './plan.ts'
import { failureOf, runSeeds } from './run-seeds.ts'
import { Simulation } from './simulation.ts'

const SEED = Number(process.env['SETT_SIM_SEED'] ?? Date.now() % 1_000_000)
const SEEDS = 8
const OPERATIONS = 5_000
/** Of each seed, run twice. */
const REPEATED = 200
const PATIENCE_MS = 600_000

describe(`simulation (SETT_SIM_SEED=${SEED})`, () => {
  it(
    `${SEEDS} seeds of ${OPERATIONS} operations, and again the same seeds give the same`,
    async () => {
      const batch = { seed: SEED, seeds: SEEDS, operations: OPERATIONS, failuresMost: 1 }
      const { counts, failures, marks } = await runSeeds(
        { ...batch, markAt: REPEATED },
        () => undefined,
      )
      const told = failures.map(({ message, seed }) => `--seed ${seed}: ${message}`)
      expect(told).toEqual([])
      expect(counts.operations).toBe(SEEDS * OPERATIONS)
      for (const [name, count] of Object.entries(counts)) {
        expect(count, name).toBeGreaterThan(SEEDS)
      }
      // Steps, answers and files, byte for byte.
      const again = await runSeeds(
        { ...batch, operations: REPEATED + 1, markAt: REPEATED },
        () => undefined,
      )
      expect(again.marks).toEqual(marks)
      expect(new Set(marks).size).toBe(SEEDS)
    },
    PATIENCE_MS,
  )
})

describe('the simulation tells', () => {
  const planted: readonly (readonly [string, Partial<Plan>, RegExp])[] = [
    ['a disk that drops syncs', { lie: 'drops syncs' }, /only in the cache|promised|open failed/],
    ['a disk call that never ends', { lie: 'never answers a sync' }, /hangs|no end/],
    ['a byte read wrongly', { lie: 'flips a byte it reads' }, /damaged|depends on changed/],
    ['what a dead worker left, taken for a result', { believesTheDead: true }, /failed|sst/],
  ]
  it.each(planted)(
    '%s',
    async (_, lie, message) => {
      const plan = { seed: SEED, from: 0, to: OPERATIONS, ...lie }
      const failure = await failureOf(new Simulation(plan))
      expect(failure?.message).toMatch(message)
    },
    PATIENCE_MS,
  )
})
