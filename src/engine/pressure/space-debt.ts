// Garbage as a debt: space beyond what live data may take, which collections and compactions still have to free. Pure.
// What is live nobody knows exactly: values that something newer hides look alive until a merge meets them. So what
// lies above the settled data is taken to hide as much as what went down lately did.
import type { Space } from '../../compaction/values/doom.ts'
import type { Reservoir } from './write-rate.ts'

/** All files over what is live: from here on writers are slowed … */
const SPACE_FROM = 2
/** … so that it stays below this. The bound is 2.5 (docs/DESIGN.md §6): a tenth for what is learned late. */
const SPACE_FULL = 2.4
/** Relief comes when a round of collections ends; what it copies is there twice until then (compaction/values/doom.ts).
 * Of what is live. */
const ROUND_SHARE = 0.125

export interface SpaceFacts {
  /** Of tables and segments. */
  readonly space: Space
  /** Bytes of the level that holds most, values included: it has each key once. */
  readonly settled: number
  /** Bytes of commits that are in no table yet. */
  readonly memory: number
  /** Bytes of values that jobs under way are to copy: until they end, what they replace is there, too. Not what merges
   * have twice meanwhile of tables: of a small tree that is most of it, and slowing writers would not spare it. */
  readonly copying: number
  /** Of what arrives among the settled, so much makes as much there obsolete, 0 to 1. */
  readonly turnover: number
}

/** Live bytes, as far as can be told. */
export function liveBytes({ space, settled, memory, turnover }: SpaceFacts): number {
  const known = space.bytes - space.garbage + memory
  const sure = Math.min(settled, known)
  return sure + (1 - turnover) * (known - sure)
}

/**
 * `least`: of so many live bytes or less, the share that is garbage says nothing. `written`: bytes that jobs wrote per
 * ms lately; to copy a byte out of segments that are mostly garbage frees another one at least.
 */
export function garbageReservoir(facts: SpaceFacts, least: number, written: number): Reservoir {
  const live = Math.max(least, liveBytes(facts))
  const bytes = facts.space.bytes + facts.memory + facts.copying
  const cost = costOf(facts)
  return {
    cause: 'garbage',
    fill: cost === 0 ? 0 : (bytes / live - SPACE_FROM) / (SPACE_FULL - SPACE_FROM),
    room: SPACE_FULL * live - bytes,
    owed: ROUND_SHARE * live,
    drained: written / cost,
  }
}

/** A byte that is new in part makes room for others, in part; 0: writing makes the ratio no worse. */
function costOf({ turnover }: SpaceFacts): number {
  return Math.max(0, 1 - SPACE_FULL * (1 - turnover))
}

/** Bytes beyond those from which on writers are slowed; 0 where they are not, whatever there is. */
export function debtOf(facts: SpaceFacts, least: number): number {
  if (costOf(facts) === 0) return 0
  const live = Math.max(least, liveBytes(facts))
  return Math.max(0, facts.space.bytes + facts.memory + facts.copying - SPACE_FROM * live)
}
