// YCSB's workloads as cells. All of a session work on the records that its `ycsb-load` inserted; a store that is opened
// anew knows no records, as what a read may find is known to the process that wrote it alone.
import { words } from '../../data/random.ts'
import type { Store } from '../../engines/engine.ts'
import type { Cell } from '../../session/protocol.ts'
import { awaited } from '../cell-clock.ts'
import { measured, withFigures } from '../measured.ts'
import type { WorkloadCode, WorkloadContext } from '../workload-code.ts'
import { YcsbClients } from './clients.ts'
import { YCSB_LOAD, YCSB_MIXES, YcsbDraws, type YcsbMix } from './mixes.ts'
import { YcsbRecords } from './records.ts'
import { ycsbName } from './vocabulary.ts'

/** Clients where the step does not tell. */
export const CLIENTS = 16
const SEED = 50_021

const loaded = new WeakMap<Store, YcsbRecords>()

/** Settles afterwards, off the clock: how much a load leaves to be compacted differs from engine to engine. */
const load: WorkloadCode = async (context) => {
  const records = new YcsbRecords(context.dataset)
  loaded.set(context.store, records)
  const cell = await runMix(context, YCSB_LOAD, records)
  return { ...cell, settled: await context.store.settle() }
}

function onLoaded(mix: YcsbMix): WorkloadCode {
  return async (context) => {
    const records = loaded.get(context.store)
    if (records !== undefined) return runMix(context, mix, records)
    throw new Error(`${ycsbName(mix)} needs ${ycsbName(YCSB_LOAD)} before it in the same process`)
  }
}

async function runMix(context: WorkloadContext, mix: YcsbMix, records: YcsbRecords): Promise<Cell> {
  const { store, engine, step } = context
  if (mix.shares.scan !== undefined) records.prepareScans()
  const draws = new YcsbDraws(mix, Math.max(1, records.acknowledged), words(SEED))
  const clients = new YcsbClients({ store, records, draws, checked: engine.answers })
  const lanes = step.lanes ?? CLIENTS
  const cell = await measured(
    context,
    (clock) => awaited(clock, () => clients.perform(), { lanes }),
    { windows: true, loopDelay: true, alive: () => records.acknowledged },
  )
  const figures: { [name: string]: number } = { clients: lanes, records: records.acknowledged }
  for (const [operation, histogram] of clients.latencies) {
    const { count, p50, p99 } = histogram.summary()
    figures[`${operation}Count`] = count
    figures[`${operation}P50`] = p50
    figures[`${operation}P99`] = p99
  }
  return withFigures(cell, figures)
}

export const YCSB_WORKLOADS: readonly (readonly [name: string, code: WorkloadCode])[] = [
  [ycsbName(YCSB_LOAD), load],
  ...YCSB_MIXES.map((mix) => [ycsbName(mix), onLoaded(mix)] as const),
]
