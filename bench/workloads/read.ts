// Random reads of keys that are there and of keys that are not. Every answer is checked.
import { words } from '../data/random.ts'
import { awaited, sampled } from './cell-clock.ts'
import { measured } from './measured.ts'
import { NotOffered, SEEDS, type WorkloadCode, type WorkloadContext } from './workload-code.ts'

const MANY = 100
const WARM = { warmUp: true } as const

/** One random index below `below` per call. */
export function randomIndex(below: number, seed: number): () => number {
  const next = words(seed)
  return () => next() % below
}

type GetSync = (key: Buffer) => Uint8Array | undefined

function getSyncOf({ store }: WorkloadContext): GetSync {
  const getSync = store.getSync?.bind(store)
  if (getSync === undefined) throw new NotOffered('it has no synchronous get')
  return getSync
}

/** Throws when a key that was never written has a value. */
function missingCheck({ engine }: WorkloadContext): (index: number, found: unknown) => void {
  return (index, found) => {
    if (found === undefined || !engine.answers) return
    throw new Error(`a key after key ${index} that was never written has a value`)
  }
}

const readSync: WorkloadCode = async (context) => {
  const { dataset } = context
  const getSync = getSyncOf(context)
  const random = randomIndex(dataset.count, SEEDS.read)
  const read = (): void => {
    const index = random()
    context.check(index, getSync(dataset.key(index)))
  }
  return measured(context, (clock) => sampled(clock, read), WARM)
}

function readAwaited(lanes: number): WorkloadCode {
  return (context) => {
    const { store, dataset } = context
    const random = randomIndex(dataset.count, SEEDS.read)
    const read = async (): Promise<void> => {
      const index = random()
      context.check(index, await store.get(dataset.key(index)))
    }
    return measured(context, (clock) => awaited(clock, read, { lanes }), WARM)
  }
}

const readMany: WorkloadCode = (context) => {
  const { store, dataset } = context
  const random = randomIndex(dataset.count, SEEDS.read)
  const read = async (_: number, count: number): Promise<void> => {
    const indexes = Array.from({ length: count }, random)
    const found = await store.getMany(indexes.map((index) => dataset.key(index)))
    for (let at = 0; at < count; at++) context.check(indexes[at]!, found[at])
  }
  return measured(context, (clock) => awaited(clock, read, { size: MANY }), WARM)
}

const missingSync: WorkloadCode = async (context) => {
  const { dataset } = context
  const getSync = getSyncOf(context)
  const checkMissing = missingCheck(context)
  const random = randomIndex(dataset.count, SEEDS.missing)
  const read = (): void => {
    const index = random()
    checkMissing(index, getSync(dataset.missingKey(index)))
  }
  return measured(context, (clock) => sampled(clock, read), WARM)
}

const missingAwaited: WorkloadCode = (context) => {
  const { store, dataset } = context
  const checkMissing = missingCheck(context)
  const random = randomIndex(dataset.count, SEEDS.missing)
  const read = async (): Promise<void> => {
    const index = random()
    checkMissing(index, await store.get(dataset.missingKey(index)))
  }
  return measured(context, (clock) => awaited(clock, read, { lanes: 64 }), WARM)
}

export const READ_WORKLOADS: readonly (readonly [name: string, code: WorkloadCode])[] = [
  ['readrandom-sync', readSync],
  ['readrandom-await1', readAwaited(1)],
  ['readrandom-await64', readAwaited(64)],
  ['getMany100', readMany],
  ['readmissing', missingSync],
  ['readmissing-await64', missingAwaited],
]
