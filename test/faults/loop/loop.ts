// Goes through faults, all of them or a sample, and counts what came of them.
import { prng } from '../../model/prng.ts'
import { casesOf, type FaultCase, labelOf, parseLabel, sample } from './cases.ts'
import { FAULT_OPERATIONS } from './operations.ts'
import { callsOf, makeWorld, runFault, type World } from './run.ts'

export interface FaultPlan {
  readonly seed: number
  /** So many, sampled; undefined: every single one. */
  readonly faults: number | undefined
  /** Ends after so many. */
  readonly failuresMost: number
}

export interface FaultCounts {
  /** All there are, without second faults. */
  readonly known: number
  faults: number
  /** With a second fault that struck while the first was dealt with. */
  compound: number
  /** How often each code was the answer. */
  readonly refusals: Map<string, number>
  readonly failures: { readonly label: string; readonly message: string }[]
}

/** One in so many sampled faults is followed by a second. */
const COMPOUND = 5

export async function runFaults(plan: FaultPlan): Promise<FaultCounts> {
  const world = await makeWorld(plan.seed)
  const all = await allCases(world)
  const every = [...all.values()].flat()
  const random = prng(plan.seed, 2)
  const cases =
    plan.faults === undefined
      ? every
      : sample(all, random, { count: plan.faults, compound: COMPOUND })
  const counts: FaultCounts = {
    known: every.length,
    faults: 0,
    compound: 0,
    refusals: new Map(),
    failures: [],
  }
  for (const fault of cases) {
    await count(world, fault, counts)
    if (counts.failures.length >= plan.failuresMost) break
  }
  return counts
}

/** Runs the one a label names; throws when it fails. */
export async function replayFault(seed: number, label: string): Promise<void> {
  await runFault(await makeWorld(seed), parseLabel(label))
}

async function allCases(world: World): Promise<Map<string, FaultCase[]>> {
  const all = new Map<string, FaultCase[]>()
  for (const operation of FAULT_OPERATIONS) {
    all.set(operation.name, casesOf(operation.name, await callsOf(world, operation)))
  }
  return all
}

async function count(world: World, fault: FaultCase, counts: FaultCounts): Promise<void> {
  counts.faults += 1
  try {
    const { struck, secondStruck, refusals } = await runFault(world, fault)
    if (!struck) throw new Error('the fault never struck')
    if (secondStruck) counts.compound += 1
    const code = refusals[0] ?? 'none'
    counts.refusals.set(code, (counts.refusals.get(code) ?? 0) + 1)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    counts.failures.push({ label: labelOf(fault), message })
  }
}
