// What the code of a workload is given and hands back. The session (session/session-run.ts) opens, prepares, settles
// and closes; a workload does its work on the clock of measured.ts and checks every answer it is given.
import type { Dataset } from '../data/dataset.ts'
import type { NodeEngine, Store } from '../engines/engine.ts'
import type { Usage } from '../session/process-figures.ts'
import type { Cell, SessionOrder, Step } from '../session/protocol.ts'
import type { WorkloadInfo } from './workload-info.ts'

export interface WorkloadContext {
  readonly engine: NodeEngine
  readonly store: Store
  readonly dataset: Dataset
  readonly order: SessionOrder
  readonly step: Step
  readonly info: WorkloadInfo
  readonly opened: OpenFigures
  /**
   * Throws unless `found` is the value of key `index`, in the generation the step's parameter `generation` names: 0
   * (the default), 1 (after a whole `overwrite`) or `either` (after one that was cut). An engine without answers
   * passes.
   */
  check(index: number, found: Uint8Array | undefined): void
  /** All indexes in key order; sorted once per session. */
  ascending(): Uint32Array
  /** Closes the store, once; ms. */
  close(): Promise<number>
}

/** How this session's store came to be open. ms. */
export interface OpenFigures {
  readonly loadMs: number
  readonly openMs: number
  /** Of the process, just before the store was opened. */
  readonly before: Usage
  /** Bytes resident before and after. */
  readonly resident: { readonly before: number; readonly after: number }
}

export type WorkloadCode = (context: WorkloadContext) => Promise<Cell>

/** Thrown by a workload before its clock starts: this store cannot do it, so the cell stays empty. */
export class NotOffered extends Error {
  override readonly name = 'NotOffered'
}

/** Puts or deletes in one batch, where the step does not tell. */
export const BATCH = 1_000

/** One per sequence of random choices (data/random.ts), so that no workload follows the order of the fill. */
export const SEEDS = {
  overwrite: 104_729,
  delete: 1_299_709,
  read: 20_231,
  missing: 31_337,
  seek: 65_537,
  readBesideWrites: 7_001,
  writeBesideReads: 9_001,
} as const

/** A figure among the step's parameters; undefined: not given. Throws when it is not a number. */
export function parameter(step: Step, name: string): number | undefined {
  const given = step.parameters?.[name]
  if (given === undefined || typeof given === 'number') return given
  throw new Error(`${step.workload}: parameter ${name} is '${given}', it must be a number`)
}

/** As `dataset.check`, where a key may have its value of either generation. */
export function checkEither(dataset: Dataset, index: number, found: Uint8Array | undefined): void {
  if (found === undefined || !dataset.value(index, 1).equals(found)) dataset.check(index, found, 0)
}

const SPOTS = 32

/**
 * Off the clock, after writing: about 32 of `indexes`, evenly spread and the last one among them, have their value of
 * `expected`, a generation, or are gone.
 */
export async function spotCheck(
  { engine, store, dataset, step }: WorkloadContext,
  indexes: Uint32Array,
  expected: number | 'gone',
): Promise<void> {
  if (!engine.answers) return
  const stride = Math.max(1, Math.floor(indexes.length / SPOTS))
  for (let at = indexes.length - 1; at >= 0; at -= stride) {
    const index = indexes[at]!
    const found = await store.get(dataset.key(index))
    if (expected !== 'gone') dataset.check(index, found, expected)
    else if (found !== undefined) throw new Error(`${step.workload}: key ${index} is still there`)
  }
}
