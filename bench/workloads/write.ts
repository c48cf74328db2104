// Fills, overwrites, single puts and deletes, those of the durable class among them. Afterwards, off the clock, some of
// what was written is read back.
import type { Dataset } from '../data/dataset.ts'
import { shuffled } from '../data/random.ts'
import type { Pair } from '../engines/engine.ts'
import { awaited } from './cell-clock.ts'
import { measured } from './measured.ts'
import {
  BATCH,
  NotOffered,
  SEEDS,
  spotCheck,
  type WorkloadCode,
  type WorkloadContext,
} from './workload-code.ts'

const WRITING = { windows: true, loopDelay: true } as const
const RANGES = 100
/** One range holds this share of the keys. */
const RANGE_SHARE = 1_000
const RANGE_KEYS_MIN = 2 * RANGES

export function pairsOf(dataset: Dataset, indexes: Uint32Array, generation = 0): Pair[] {
  const pairs: Pair[] = []
  for (const index of indexes) pairs.push([dataset.key(index), dataset.value(index, generation)])
  return pairs
}

/** Batches in the order of `indexesOf`; generation 0 fills, generation 1 overwrites. */
function inBatches(
  indexesOf: (context: WorkloadContext) => Uint32Array,
  generation: 0 | 1,
): WorkloadCode {
  return (context) => {
    const { store, dataset, step } = context
    const indexes = indexesOf(context)
    return measured(
      context,
      (clock) =>
        awaited(
          clock,
          (at, count) =>
            store.writeBatch(pairsOf(dataset, indexes.subarray(at, at + count), generation)),
          { size: step.batch ?? BATCH, lanes: step.lanes ?? 1 },
        ),
      {
        ...WRITING,
        most: indexes.length,
        alive: (operations) => (generation === 0 ? operations : dataset.count),
        verify: (operations) => spotCheck(context, indexes.subarray(0, operations), generation),
      },
    )
  }
}

/** Single puts in random order, `lanes` in flight. */
function inPuts(lanes: number): WorkloadCode {
  return (context) => {
    const { store, dataset } = context
    const indexes = dataset.shuffled()
    return measured(
      context,
      (clock) =>
        awaited(
          clock,
          (at) => {
            const index = indexes[at]!
            return store.put(dataset.key(index), dataset.value(index))
          },
          { lanes },
        ),
      {
        ...WRITING,
        most: indexes.length,
        alive: (operations) => operations,
        verify: (operations) => spotCheck(context, indexes.subarray(0, operations), 0),
      },
    )
  }
}

/** Puts acked on the disk; refuses an order of another class, whose figures would lie. */
function durable(code: WorkloadCode): WorkloadCode {
  return async (context) => {
    const { durability } = context.order
    if (durability === 'sync') return code(context)
    throw new Error(`${context.step.workload} needs durability sync, the order says ${durability}`)
  }
}

const deleteRandom: WorkloadCode = (context) => {
  const { store, dataset, step } = context
  const indexes = shuffled(dataset.count, SEEDS.delete)
  return measured(
    context,
    (clock) =>
      awaited(
        clock,
        (at, count) => {
          const keys: Buffer[] = []
          for (const index of indexes.subarray(at, at + count)) keys.push(dataset.key(index))
          return store.deleteBatch(keys)
        },
        { size: step.batch ?? BATCH, lanes: step.lanes ?? 1 },
      ),
    {
      ...WRITING,
      most: indexes.length,
      alive: (operations) => dataset.count - operations,
      async verify(operations) {
        await spotCheck(context, indexes.subarray(0, operations), 'gone')
        await checkKept(context, indexes.subarray(operations))
      },
    },
  )
}

interface Places {
  readonly from: number
  readonly to: number
}

/** 100 ranges of a thousandth of the keys each, evenly spread: places in the key order. */
export function rangesOf(keys: number): readonly Places[] {
  const size = Math.max(1, Math.floor(keys / RANGE_SHARE))
  return Array.from({ length: RANGES }, (_, range) => {
    const from = Math.floor((range * keys) / RANGES)
    return { from, to: from + size }
  })
}

const deleteRange: WorkloadCode = async (context) => {
  const { store, dataset } = context
  const remove = store.deleteRange?.bind(store)
  if (remove === undefined) throw new NotOffered('it deletes no ranges')
  if (dataset.count < RANGE_KEYS_MIN) {
    throw new Error(`deleterange needs ${RANGE_KEYS_MIN} keys, the dataset has ${dataset.count}`)
  }
  const order = context.ascending()
  const ranges = rangesOf(dataset.count)
  const size = ranges[0]!.to
  const keyAt = (place: number): Buffer => dataset.key(order[place]!)
  return measured(
    context,
    (clock) => awaited(clock, (at) => remove(keyAt(ranges[at]!.from), keyAt(ranges[at]!.to))),
    {
      ...WRITING,
      most: RANGES,
      alive: (done) => dataset.count - done * size,
      async verify(done) {
        for (const [range, { from, to }] of ranges.entries()) {
          const inside = order.subarray(from, to)
          if (range < done) await spotCheck(context, inside, 'gone')
          else await checkKept(context, inside)
          await checkKept(context, order.subarray(to, to + 1))
        }
      },
    },
  )
}

/** Of the keys that no delete touched, the first is there; its generation is the step's matter. */
async function checkKept(context: WorkloadContext, indexes: Uint32Array): Promise<void> {
  const index = indexes[0]
  if (index === undefined) return
  context.check(index, await context.store.get(context.dataset.key(index)))
}

export const WRITE_WORKLOADS: readonly (readonly [name: string, code: WorkloadCode])[] = [
  ['fillseq', inBatches((context) => context.ascending(), 0)],
  ['fillrandom', inBatches(({ dataset }) => dataset.shuffled(), 0)],
  ['overwrite', inBatches(({ dataset }) => shuffled(dataset.count, SEEDS.overwrite), 1)],
  ['put1', inPuts(1)],
  ['put256', inPuts(256)],
  ['deleterandom', deleteRandom],
  ['deleterange', deleteRange],
  ['fillsync1', durable(inPuts(1))],
  ['fillsync64', durable(inPuts(64))],
]
