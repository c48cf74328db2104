// What a simulation is asked for, what it counts, what it throws, and the options its databases are opened with.
import { type ResolvedOptions, resolveOptions } from '../../src/base/options.ts'
import type { Prng } from '../model/prng.ts'
import type { DiskLie } from './process-files.ts'
import type { JobCounts } from './stepping-executor.ts'

export interface Plan {
  readonly seed: number
  /** Operations [from, to) of the seed. */
  readonly from: number
  readonly to: number
  /** Before this operation `mark` is taken. */
  readonly markAt?: number
  /** What a test plants. */
  readonly lie?: DiskLie
  readonly believesTheDead?: boolean
}

export interface SimCounts extends JobCounts {
  operations: number
  kills: number
  powerCuts: number
  recoveries: number
  faults: number
  events: number
  virtualMs: number
  answers: number
}

export function noCounts(): SimCounts {
  return {
    operations: 0,
    kills: 0,
    powerCuts: 0,
    recoveries: 0,
    faults: 0,
    events: 0,
    virtualMs: 0,
    answers: 0,
    jobs: 0,
    jobCalls: 0,
    deaths: 0,
    silent: 0,
    lateWrites: 0,
  }
}

export class SimFailure extends Error {
  readonly seed: number
  /** The operation after which it showed. */
  readonly operation: number
  /** What was done last. */
  readonly trail: readonly string[]

  constructor(plan: Plan, operation: number, what: { message: string; trail: readonly string[] }) {
    super(`seed ${plan.seed}, operation ${operation}: ${what.message}`)
    this.seed = plan.seed
    this.operation = operation
    this.trail = what.trail
  }
}

/** Of values as long as they are here, none, some or most lie in segments. */
export const THRESHOLDS: readonly (number | 'auto' | 'off')[] = [64, 100, 200, 380, 'auto', 'off']

/** Sizes so small that logs are rotated, flushed and merged all the time. */
export function optionsOf(random: Prng): ResolvedOptions {
  const durabilities = ['sync', 'none', { interval: 5 }, { interval: 100 }]
  const l0CompactTrigger = 2 + random.below(3)
  return resolveOptions(
    {
      workers: random.below(4),
      memtableSize: 65_536,
      memtableCount: 2 + random.below(3),
      memoryBudget: 8 * 1024 * 1024,
      durability: durabilities[random.below(4)],
      blockSize: 512 << (random.below(2) * 3),
      tableSize: 16_384 << random.below(3),
      l0CompactTrigger,
      l0StallTrigger: l0CompactTrigger + 1 + random.below(6),
      levelSizeMultiplier: random.chance(0.5) ? 4 : 10,
      scanPageSize: [1, 7, 100][random.below(3)]!,
      blockCacheSize: (256 << random.below(2)) * 1024,
      indexCacheSize: (256 << random.below(2)) * 1024,
      valueThreshold: THRESHOLDS[random.below(THRESHOLDS.length)]!,
      segmentSize: 65_536 << random.below(2),
      segmentMaxEntries: [1, 4, 30, 1_000_000][random.below(4)]!,
    },
    {},
  )
}
