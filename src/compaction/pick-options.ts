// What decides a pick beside the levels. Plain data.
import type { Readers } from '../mvcc/pins.ts'
import type { TargetOptions } from './level-targets.ts'
import type { Doomed, Space } from './values/doom.ts'

export interface PickOptions extends TargetOptions {
  /** Level-0 tables at which they are compacted. */
  readonly l0CompactTrigger: number
  /** Level-0 tables at which writers wait; Infinity: never. */
  readonly l0StallTrigger: number
  /** Stored bytes of one output table. */
  readonly tableSize: number
}

/** What may differ from one pick to the next. */
export interface PickMoment {
  /** Of versions at or below this one, readers need only the newest of each key. */
  readonly oldestSnapshot: number
  /** Who reads, and since when; undefined: nothing there is expires. */
  readonly readers?: Readers
  /** undefined: all values lie in tables, and nothing has expired. */
  readonly values?: ValuesMoment
}

export interface ValuesMoment {
  /** undefined: none is worth it. */
  readonly doomed: Doomed | undefined
  readonly space: Space
  /** Nothing is being written, or somebody waits for all that can be done. */
  readonly rest: boolean
}

/**
 * This many times over the trigger, level 0 goes before everything else and is merged in itself when
 * it cannot go down; and no later than halfway from the trigger to the stall.
 */
const DEEP = 2

/** Level-0 tables from which on writers are about to wait. */
export function deepLevel0({ l0CompactTrigger, l0StallTrigger }: PickOptions): number {
  return Math.min(DEEP * l0CompactTrigger, Math.ceil((l0CompactTrigger + l0StallTrigger) / 2))
}
