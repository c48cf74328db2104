// Runs seeds one after the other, adds up what they did, and cuts a failure down to its last operations.
import { type Plan, type SimCounts, SimFailure } from './plan.ts'
import { Simulation } from './simulation.ts'

export interface Batch {
  readonly seed: number
  readonly seeds: number
  readonly operations: number
  readonly failuresMost: number
  /** Operation before which each seed's mark is taken. */
  readonly markAt?: number
}

export interface BatchReport {
  readonly counts: SimCounts
  readonly failures: readonly SimFailure[]
  /** Digest of steps, answers and files of each seed, up to `markAt`. */
  readonly marks: readonly string[]
}

/** `done` is told each seed. */
export async function runSeeds(
  { seed, seeds, operations, failuresMost, markAt = -1 }: Batch,
  done: (seed: number, failure: SimFailure | undefined) => void,
): Promise<BatchReport> {
  const failures: SimFailure[] = []
  const marks: string[] = []
  let total: SimCounts | undefined
  for (let next = seed; next < seed + seeds && failures.length < failuresMost; next++) {
    const simulation = new Simulation({ seed: next, from: 0, to: operations, markAt })
    const failure = await failureOf(simulation)
    total = total === undefined ? simulation.counts : sum(total, simulation.counts)
    if (failure !== undefined) failures.push(failure)
    marks.push(simulation.mark)
    done(next, failure)
  }
  if (total === undefined) throw new Error('there are no seeds to run')
  return { counts: total, failures, marks }
}

export async function failureOf(simulation: Simulation): Promise<SimFailure | undefined> {
  try {
    await simulation.run()
    return undefined
  } catch (error) {
    if (error instanceof SimFailure) return error
    throw error
  }
}

/** Cuts operations off the front as long as what is left still fails. */
export async function shorten(failure: SimFailure): Promise<SimFailure & { from?: number }> {
  const { seed } = failure
  let best: { readonly plan: Plan; readonly failure: SimFailure } = {
    plan: { seed, from: 0, to: failure.operation + 1 },
    failure,
  }
  for (let length = 16; length < failure.operation; length *= 2) {
    const plan = { seed, from: failure.operation + 1 - length, to: failure.operation + 1 }
    const shorter = await failureOf(new Simulation(plan))
    if (shorter === undefined) continue
    best = { plan, failure: shorter }
    break
  }
  return Object.assign(best.failure, { from: best.plan.from })
}

function sum(a: SimCounts, b: SimCounts): SimCounts {
  const names = Object.keys(a) as (keyof SimCounts)[]
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as SimCounts
}
