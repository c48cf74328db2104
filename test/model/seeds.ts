// One seed of the model test: its options, its run in a fresh directory, and the cutting down of a failure.
import { rmSync } from 'node:fs'
import { ModelMismatch, runModel } from './model-run.ts'
import { prng } from './prng.ts'
import { scratchDirectory } from './scratch-directory.ts'
import { openStore, type StoreOptions, type StoreStats } from './store.ts'

export interface SeedPlan {
  readonly seed: number
  readonly steps: number
  readonly workers: number
  /** Sett's `Database` class. */
  readonly database: unknown
  readonly log: (line: string) => void
  /** Time spent on cutting a failure down; 0: report it as it is. */
  readonly shrinkMs: number
}

export interface SeedReport {
  readonly entries: number
  readonly elapsedMs: number
  /** Summed over the reopenings of the run. */
  readonly flushes: number
  readonly compactions: number
}

const KIB = 1024

/** Sizes so small that rotation, flush and compaction never stop. */
export function modelOptions(seed: number, workers: number): StoreOptions {
  const random = prng(seed, 1e9)
  const durabilities = ['none', 'none', { interval: 100 }, { interval: 5 }, 'sync']
  return {
    workers,
    memtableSize: 64 * KIB,
    memoryBudget: (8 << random.below(2)) * KIB * KIB,
    blockSize: 512,
    tableSize: (16 << random.below(3)) * KIB,
    l0CompactTrigger: 2 + random.below(4),
    levelSizeMultiplier: random.chance(0.5) ? 4 : 10,
    scanPageSize: [1, 7, 100, 1_000][random.below(4)],
    blockCacheSize: (256 << random.below(3)) * KIB,
    durability: durabilities[random.below(durabilities.length)],
  }
}

export async function runSeed(plan: SeedPlan): Promise<SeedReport> {
  try {
    return await attempt(plan, 0, plan.steps)
  } catch (error) {
    if (!(error instanceof ModelMismatch)) throw error
    const options = JSON.stringify(modelOptions(plan.seed, plan.workers))
    plan.log(`seed ${plan.seed} failed. ${error.message}\noptions ${options}`)
    const range = plan.shrinkMs > 0 ? await shrink(plan, error.step + 1) : undefined
    if (range !== undefined) plan.log(`shortest failing run: steps ${range.from} to ${range.to}`)
    throw error
  }
}

/** Runs the steps [from, to) of a seed in a fresh directory. */
export async function attempt(plan: SeedPlan, from: number, to: number): Promise<SeedReport> {
  const directory = scratchDirectory('model')
  const options = modelOptions(plan.seed, plan.workers)
  const started = performance.now()
  const done = { flushes: 0, compactions: 0 }
  let stats: (() => StoreStats) | undefined
  const count = (): void => {
    if (stats === undefined) return
    const { flushes, compactions } = stats()
    done.flushes += flushes
    done.compactions += compactions
  }
  const open = async () => {
    const store = await openStore(plan.database, directory, options)
    stats = () => store.stats()
    return store
  }
  try {
    const { entries } = await runModel({ seed: plan.seed, from, to, open, beforeClose: count })
    return { entries, elapsedMs: performance.now() - started, ...done }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

interface StepRange {
  readonly from: number
  readonly to: number
}

/** Cuts steps off the front, in halves, as long as the rest still fails. */
async function shrink(plan: SeedPlan, failedAt: number): Promise<StepRange | undefined> {
  const until = performance.now() + plan.shrinkMs
  let best = await failing(plan, { from: 0, to: failedAt })
  if (best === undefined) {
    plan.log('it did not fail again: timing between threads takes part')
    return undefined
  }
  let cut = Math.floor((best.to - best.from) / 2)
  while (cut > 0 && performance.now() < until) {
    const shorter = await failing(plan, { from: best.from + cut, to: best.to })
    if (shorter !== undefined) best = shorter
    cut = Math.min(shorter === undefined ? Math.floor(cut / 2) : cut, best.to - best.from - 1)
  }
  return best
}

async function failing(plan: SeedPlan, { from, to }: StepRange): Promise<StepRange | undefined> {
  try {
    await attempt(plan, from, to)
    return undefined
  } catch (error) {
    return { from, to: error instanceof ModelMismatch ? error.step + 1 : to }
  }
}
