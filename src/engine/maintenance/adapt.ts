// How much background work the present load allows. Pure. A busy event loop is an application that wants its
// processor: compaction then takes half of what it may, unless level 0 is so deep that writers would soon wait. An
// idle database does more than is due, as long as that is cheap.
import { storedBytes } from '../../format/table-meta.ts'
import type { Levels } from '../../manifest/levels.ts'

export interface Load {
  /** Share of the last second or so in which the event loop worked, 0 to 1. */
  readonly loopBusy: number
  /** Bytes of commits per second. */
  readonly writeRate: number
}

export interface Triggers {
  readonly l0CompactTrigger: number
  /** Infinity: writers never wait for level 0. */
  readonly l0StallTrigger: number
}

/** Up to here the loop has room for whatever the system takes from it. */
const BUSY_FROM = 0.6
/** From here on it has none. */
const BUSY_FULL = 0.95
const LEAST_SHARE = 0.5

/** Level-0 tables from which on compaction must not be held back: halfway to where writers wait. */
export function urgentDepth({ l0CompactTrigger, l0StallTrigger }: Triggers): number {
  if (l0StallTrigger === Number.POSITIVE_INFINITY) return 2 * l0CompactTrigger
  return (l0CompactTrigger + l0StallTrigger) / 2
}

/** Of the parallel jobs and of the rate that the options allow, 0.5 to 1. */
export function backgroundShare(load: Load, level0: number, triggers: Triggers): number {
  // Without writes there is no debt to come, and what there is should go.
  if (load.writeRate === 0 || level0 >= urgentDepth(triggers)) return 1
  const busy = (load.loopBusy - BUSY_FROM) / (BUSY_FULL - BUSY_FROM)
  return 1 - (1 - LEAST_SHARE) * Math.min(1, Math.max(0, busy))
}

export function parallelJobs(most: number, share: number): number {
  return Math.max(1, Math.round(most * share))
}

/**
 * Level-0 tables at which an idle database compacts: two, if a byte of them costs no more than a byte that moves down
 * a level does anyway, `levelSizeMultiplier` bytes of the level below.
 */
export function idleTrigger(
  levels: Levels,
  options: { readonly l0CompactTrigger: number; readonly levelSizeMultiplier: number },
): number {
  const [above = 0, ...deeper] = levels.map((tables) => storedBytes(tables))
  const below = deeper.find((bytes) => bytes > 0) ?? 0
  const { l0CompactTrigger, levelSizeMultiplier } = options
  return above * levelSizeMultiplier >= below ? Math.min(2, l0CompactTrigger) : l0CompactTrigger
}
