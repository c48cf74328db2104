// Compaction, and opening what a process left behind: closed, or killed in the middle (`unclean` leaves it so).
import { Dataset } from '../data/dataset.ts'
import type { Cell } from '../session/protocol.ts'
import { awaited } from './cell-clock.ts'
import { measured, withFigures } from './measured.ts'
import {
  BATCH,
  NotOffered,
  parameter,
  type WorkloadCode,
  type WorkloadContext,
} from './workload-code.ts'
import type { WorkloadInfo } from './workload-info.ts'

const SPOTS = 100
const UNCLEAN_LANES = 256
const UNCLEAN_PUTS = 100_000
/** Both sides count alike: what `unclean` put, and what `reopen-kill` looks for. */
const uncleanPuts = (keys: number): number => Math.min(UNCLEAN_PUTS, keys)

/**
 * A step of the plan, not a workload of a table: puts so many new keys, default min(100,000, keys of the dataset),
 * and leaves the store open. The process stays alive until it is killed (`killAfter` of run-session.ts).
 */
export const UNCLEAN: WorkloadInfo = {
  name: 'unclean',
  group: 'space',
  title: 'puts before SIGKILL',
  begins: 'filled',
  spoils: true,
  closes: false,
  operations: uncleanPuts,
  seconds: undefined,
}

const compact: WorkloadCode = async (context) => {
  const { store, dataset } = context
  const run = store.compact?.bind(store)
  if (run === undefined) throw new NotOffered('it has no compaction to ask for')
  return measured(
    context,
    async (clock) => {
      await run()
      clock.count(dataset.count)
    },
    {
      loopDelay: true,
      async verify() {
        const stride = Math.max(1, Math.floor(dataset.count / SPOTS))
        for (let index = 0; index < dataset.count; index += stride) {
          context.check(index, await store.get(dataset.key(index)))
        }
      },
    },
  )
}

/** The session opened the store just now, in a process that had opened none before. */
async function reopened(context: WorkloadContext): Promise<Cell> {
  const { engine, store, dataset, order, step, opened } = context
  if (!engine.persistent) throw new NotOffered('it keeps nothing on disk')
  if (order.steps[0] !== step) {
    throw new Error(`${step.workload} measures how its process opened: it must be the first step`)
  }
  const index = dataset.count >>> 1
  const key = dataset.key(index)
  const from = performance.now()
  const found = await store.get(key)
  const firstGetMs = performance.now() - from
  const { cpuMs, figures } = opened.before.since()
  context.check(index, found)
  const { loadMs, openMs } = opened
  return {
    workload: step.workload,
    operations: 1,
    elapsedMs: openMs + firstGetMs,
    cpuMs,
    figures: { ...figures, loadMs, openMs, firstGetMs },
  }
}

/** The keys that `unclean` puts: those that follow the dataset's, and its own with them. */
function withNewKeys({ spec }: Dataset, news: number): Dataset {
  return new Dataset({ ...spec, count: spec.count + news })
}

const unclean: WorkloadCode = async (context) => {
  const { store, dataset, step } = context
  const puts = step.operations ?? uncleanPuts(dataset.count)
  const all = withNewKeys(dataset, puts)
  const put = (at: number): Promise<void> => {
    const index = dataset.count + at
    return store.put(all.key(index), all.value(index))
  }
  const cell = await measured(context, (clock) => awaited(clock, put, { lanes: UNCLEAN_LANES }), {
    alive: (operations) => dataset.count + operations,
  })
  return withFigures(cell, { acked: cell.operations })
}

/**
 * As `reopen-close`; figure `lost`: acked puts of the killed process that are gone. Parameter `acked`: how many it
 * made.
 */
const reopenKill: WorkloadCode = async (context) => {
  const { store, dataset, step } = context
  const cell = await reopened(context)
  const acked = parameter(step, 'acked') ?? uncleanPuts(dataset.count)
  const all = withNewKeys(dataset, acked)
  let lost = 0
  for (let from = dataset.count; from < all.count; from += BATCH) {
    const count = Math.min(BATCH, all.count - from)
    const found = await store.getMany(Array.from({ length: count }, (_, at) => all.key(from + at)))
    for (let at = 0; at < count; at++) {
      if (found[at] === undefined) lost++
      else all.check(from + at, found[at])
    }
  }
  return withFigures(cell, { acked, lost })
}

export const SPACE_WORKLOADS: readonly (readonly [name: string, code: WorkloadCode])[] = [
  ['compact', compact],
  ['reopen-close', reopened],
  ['reopen-kill', reopenKill],
  ['unclean', unclean],
]
