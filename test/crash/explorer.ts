// Goes through workloads, cuts and states until it has built as many states as asked for. What it visits depends on the
// seed and the number of states alone.
import { Disk } from '../faults/disk.ts'
import { type Prng, prng } from '../model/prng.ts'
import {
  type Chain,
  type Counts,
  CrashFailure,
  type Examiner,
  examineState,
  noCounts,
  replayCrash,
} from './examine.ts'
import { crashStates } from './survivals.ts'
import { ALONE, BOUNDED, liveThrough, workloadOf } from './workloads.ts'

export interface Exploration {
  readonly seed: number
  readonly states: number
  /** Ends after so many. */
  readonly failuresMost: number
}

/** Where an exploration is; enough to go on later. */
export interface Progress extends Exploration {
  /** Next workload. */
  workload: number
  readonly counts: Counts
  readonly failures: Failure[]
}

export interface Failure {
  /** For `--replay`. */
  readonly replay: string
  readonly operations: string
  /** How many states had been built when it was found. */
  readonly after: number
  readonly message: string
}

/** Of the states, this share belongs to workloads of one and two operations, unless these have fewer. */
const BOUNDED_SHARE = 0.8
/** Longer workloads get so many states each. */
const STATES_EACH = 120
/** A workload of two operations is worth running for so many. */
const STATES_LEAST = 18
/** A state is followed by about so many others, of crashes after it. */
const FOLLOWERS = 2.4
const TOP: Chain = { path: '', depth: 1 }

export function beginExploration(exploration: Exploration): Progress {
  return { ...exploration, workload: 0, counts: noCounts(), failures: [] }
}

/** `saved` is called after each workload. */
export async function explore(progress: Progress, saved: () => void): Promise<void> {
  while (
    progress.counts.states < progress.states &&
    progress.failures.length < progress.failuresMost
  ) {
    await exploreWorkload(progress)
    progress.counts.workloads += 1
    progress.workload = following(progress)
    saved()
  }
}

/** Short explorations leave out some sequences of two, others for each seed: to run one takes as long as examining
 * some states. */
function following({ workload, states, seed }: Progress): number {
  const next = workload + 1
  if (next <= ALONE || next >= BOUNDED) return next
  const stride = strideOf(states)
  const skipped = (((seed - next) % stride) + stride) % stride
  return Math.min(BOUNDED, next + skipped)
}

function strideOf(states: number): number {
  return Math.max(1, Math.round((BOUNDED * STATES_LEAST) / (states * BOUNDED_SHARE)))
}

async function exploreWorkload(progress: Progress): Promise<void> {
  const { seed, counts, workload: number } = progress
  const workload = workloadOf(seed, number)
  const names = workload.operations.map(({ name }) => name).join(', ')
  const fail = (path: string, message: string): void => {
    const replay = `${seed}:${number}:${path}`
    progress.failures.push({ replay, operations: names, after: counts.states, message })
  }
  const { life, from } = await liveThrough(seed, workload)
  const random = prng(seed, number + 1)
  const perCut = quotaOf(progress) / (life.steps.length + 1 - from)
  const examiner: Examiner = { seed, counts, seen: new Set() }
  const disk = new Disk(life.files)
  let due = random.below(1000) / 1000
  for (let cut = 0; cut <= life.steps.length; cut++) {
    if (cut > 0) disk.apply(life.steps[cut - 1]!)
    if (cut < from) continue
    due += perCut
    const states = due < 1 ? [] : spread(crashStates(disk, seed + cut), Math.floor(due), random)
    due -= Math.floor(due)
    for (const state of states) {
      try {
        await examineState(examiner, life, { disk, cut, state }, TOP)
      } catch (error) {
        if (!(error instanceof CrashFailure)) throw error
        fail(error.path, error.message)
        if (progress.failures.length >= progress.failuresMost) return
      }
    }
  }
}

/** So many of a list, evenly spread from a random start; all of it if it is no longer. */
function spread<T>(list: readonly T[], count: number, random: Prng): readonly T[] {
  if (list.length <= count) return list
  const start = random.below(list.length)
  return Array.from({ length: count }, (_, i) => {
    return list[(start + Math.floor((i * list.length) / count)) % list.length]!
  })
}

/** States to begin with in this workload. */
function quotaOf({ states, counts, workload }: Progress): number {
  if (workload >= BOUNDED) return Math.ceil(STATES_EACH / (1 + FOLLOWERS))
  const left = Math.max(1, states * BOUNDED_SHARE - counts.states)
  const alone = Math.max(0, ALONE - workload)
  const pairs = (BOUNDED - Math.max(ALONE, workload)) / strideOf(states)
  return Math.ceil(left / (alone + pairs) / (1 + FOLLOWERS))
}

/** `seed:workload:cut:state>cut:state…`, as a failure prints it. */
export async function replay(text: string): Promise<void> {
  const [seedText, numberText, ...rest] = text.split(':')
  const seed = Number(seedText)
  const { life } = await liveThrough(seed, workloadOf(seed, Number(numberText)))
  const chain = { path: '', depth: 0, rest: rest.join(':').split('>') }
  await replayCrash({ seed, counts: noCounts(), seen: new Set() }, life, chain)
}
