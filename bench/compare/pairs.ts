// One pair: two fresh processes, one of each side, that do their slices by turns, a few dozen ms each. What slows the
// machine for longer than that slows both alike and leaves their ratio; that no two processes are compiled and laid
// out in memory alike is left to the number of pairs.
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { removeTree } from '../commands/scratch.ts'
import { median } from '../data/statistics.ts'
import { MEASURES, type SampleWorkload } from './measures.ts'
import { SampleProcess } from './sample-process.ts'

/** One build and the database that was made with it. */
export interface Side {
  /** Folder that holds dist/. */
  readonly root: string
  readonly prepared: string
}

export interface PairPlan {
  readonly sides: readonly [a: Side, b: Side]
  readonly workload: SampleWorkload
  /** Even: a does the first slice; odd: b. */
  readonly number: number
  /** Existing directory for scratch data. */
  readonly directory: string
  readonly signal: AbortSignal
}

export interface Pair {
  /** µs of CPU per operation; median over the slices. */
  readonly a: number
  readonly b: number
  /** b / a of slices that are neighbours in time; median over them. */
  readonly ratio: number
}

/** Slices that let compiler and caches come to rest, per slice that counts. */
const WARM_UP_SHARE = 1 / 3

/** Makes the database that this side's read workloads open. */
export async function prepareSide(side: Side, signal: AbortSignal): Promise<void> {
  const process = new SampleProcess({ ...side, workload: 'prepare', scratch: '' }, signal)
  await process.end()
}

export async function runPair(plan: PairPlan): Promise<Pair> {
  const { sides, workload, number, directory, signal } = plan
  const scratch = mkdtempSync(join(directory, 'pair-'))
  const samples = ([0, 1] as const).map((which) => {
    const own = join(scratch, String(which))
    mkdirSync(own)
    return new SampleProcess({ ...sides[which], workload, scratch: own }, signal)
  })
  try {
    await Promise.all(samples.map((sample) => sample.opened()))
    const odd = number % 2 === 1
    const [first, second] = odd ? [samples[1]!, samples[0]!] : [samples[0]!, samples[1]!]
    const costs = await takeTurns(first, second, MEASURES[workload].slices)
    await Promise.all(samples.map((sample) => sample.end()))
    return odd ? pairOf(costs.second, costs.first) : pairOf(costs.first, costs.second)
  } finally {
    await Promise.all(samples.map((sample) => sample.kill()))
    await removeTree(scratch)
  }
}

interface Costs {
  readonly first: number[]
  readonly second: number[]
}

/** Forth and back, so that neither always follows the other. */
async function takeTurns(
  first: SampleProcess,
  second: SampleProcess,
  slices: number,
): Promise<Costs> {
  const costs: Costs = { first: [], second: [] }
  const warmUp = Math.ceil(slices * WARM_UP_SHARE)
  for (let slice = 0; slice < warmUp + slices; slice++) {
    const ahead = slice % 2 === 0 ? await first.slice() : undefined
    const other = await second.slice()
    const own = ahead ?? (await first.slice())
    if (slice < warmUp) continue
    costs.first.push(own)
    costs.second.push(other)
  }
  return costs
}

function pairOf(a: readonly number[], b: readonly number[]): Pair {
  const ratios = a.map((cost, slice) => b[slice]! / cost)
  return { a: median(a), b: median(b), ratio: median(ratios) }
}
