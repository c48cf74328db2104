// What is run and then cut: every registered operation alone, under each durability; every sequence of two; then longer
// random ones, in which operations overlap. A workload of two is cut only in its second part: the first is a workload
// of its own.
import type { Durability } from '../../src/engine/types.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { prng } from '../model/prng.ts'
import type { Life } from './examine.ts'
import { History } from './history.ts'
import { type CrashOperation, OPERATIONS } from './operations.ts'
import { Session, type Settings, turns } from './session.ts'

export interface Workload {
  readonly number: number
  readonly operations: readonly CrashOperation[]
  readonly settings: Settings
  /** Operations go on while the next ones start. */
  readonly overlapping: boolean
}

const LONGEST = 9
const DURABILITIES: readonly Durability[] = ['none', 'sync', { interval: 1 }]
/** How many there are of one operation. */
export const ALONE: number = OPERATIONS.length * DURABILITIES.length

/** How many there are of one and two operations. */
export const BOUNDED: number = ALONE + OPERATIONS.length ** 2

export function workloadOf(seed: number, number: number): Workload {
  if (number < BOUNDED) return boundedWorkload(number)
  const random = prng(seed, number)
  const length = 3 + random.below(LONGEST - 2)
  const operations = Array.from({ length }, () => OPERATIONS[random.below(OPERATIONS.length)]!)
  const durability = DURABILITIES[random.below(DURABILITIES.length)]!
  const settings = settingsOf(operations, durability)
  return { number, operations, settings, overlapping: random.chance(0.5) }
}

function boundedWorkload(number: number): Workload {
  const count = OPERATIONS.length
  const single = number < ALONE
  const durability = DURABILITIES[single ? Math.floor(number / count) : 0]!
  const second = OPERATIONS[(number - ALONE) % count]
  const first = OPERATIONS[single ? number % count : Math.floor((number - ALONE) / count)]!
  const operations = single || second === undefined ? [first] : [first, second]
  return { number, operations, settings: settingsOf(operations, durability), overlapping: false }
}

function settingsOf(operations: readonly CrashOperation[], durability: Durability): Settings {
  const eager = operations.some((operation) => operation.eager === true)
  const separate = operations.some((operation) => operation.separate === true)
  const split = operations.some((operation) => operation.split === true)
  const trigger = eager ? 1 : 4
  return {
    durability,
    l0CompactTrigger: trigger,
    ...(split && { split }),
    ...(separate && { separate }),
  }
}

export interface Lived {
  readonly life: Life
  /** Where cuts begin: what came before is cut elsewhere. */
  readonly from: number
}

/** Runs a workload from an empty disk to its end. */
export async function liveThrough(seed: number, workload: Workload): Promise<Lived> {
  const { operations, settings, number } = workload
  // The bounded ones share their beginnings.
  const stream = number < BOUNDED ? seed : seed + number
  const fs = new FaultFileSystem()
  const history = new History()
  const session = new Session({ fs, history, seed: stream, name: 'first', settings })
  await session.open()
  let from = 0
  for (const [i, operation] of operations.entries()) {
    if (number < BOUNDED && i === 1) from = session.fs.steps.length
    if (operation.alone === true) await session.join()
    const work = operation.run(session)
    if (workload.overlapping && operation.alone !== true) session.leaveRunning(work)
    else await work
    if (workload.overlapping) await turns(session.random.below(12))
  }
  await session.join()
  await session.close()
  const steps = session.fs.steps.slice()
  return { life: { files: new Map(), steps, history: session.history, settings }, from }
}
