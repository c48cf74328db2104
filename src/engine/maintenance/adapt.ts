// How much background work the present load allows. Pure. A busy event loop is an application that wants its
// processor: compaction then takes half of what it may, unless level 0 is so deep that writers would soon wait. An
// idle database does more than is due, as long as that is cheap.
import { MIB } from '../../base/limits.ts'
import { SPACE_BOUND } from '../../compaction/values/doom.ts'

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

export interface Files {
  /** Bytes of all files. */
  readonly bytes: number
  /** Of these, of logs. */
  readonly logs: number
  /** Of these, of values that no table points to, nor any memtable, and of what has expired. */
  readonly garbage: number
  /** Bytes of values that the active memtable keeps from becoming garbage. */
  readonly kept: number
  /** Of what tables have, the share that the active memtable hides if each of its entries hides one. */
  readonly hidden: number
}

/** Of all files: no more is kept while idle. */
const KEPT_SHARE = 1 / 8
/** A log that takes and hides less stays as it is: a small database is not flushed for each commit after which it
 * rests. */
const LOG_LEAST = 4 * MIB

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

/** Whether an idle database should flush: for what values its memtable keeps, or because the files pass the space bound
 * (compaction/values/doom.ts) with the log beside tables and segments, of which it may hide so much: only what is in a
 * table can be known to. */
export function flushPays({ bytes, logs, garbage, kept, hidden }: Files): boolean {
  if (kept > bytes * KEPT_SHARE) return true
  const shown = bytes - logs - garbage
  const covered = shown * Math.min(1, hidden)
  return logs + covered >= LOG_LEAST && bytes > SPACE_BOUND * (shown - covered)
}

export function parallelJobs(most: number, share: number): number {
  return Math.max(1, Math.round(most * share))
}
