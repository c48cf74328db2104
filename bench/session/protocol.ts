// What crosses between the bench and one measured process: an order as JSON in its first argument, a result as the last
// line of its output. A process opens one store in one directory, runs steps on it, closes it.

import type { DatasetSpec } from '../data/dataset.ts'
import type { LatencySummary } from '../data/histogram.ts'
import type { DurabilityClass, LevelFigures, SettleReport, SettOptions } from '../engines/engine.ts'

export interface SessionOrder {
  readonly engine: string
  readonly location: string
  readonly dataset: DatasetSpec
  readonly durability: DurabilityClass
  readonly memtableBytes: number | null
  readonly workers: number | null
  /** True: acked as the engine's preset says, not by `durability`; see StoreSettings. */
  readonly ownDurability?: boolean
  /** As StoreSettings has it: `{ l0CompactTrigger: 1000 }`. */
  readonly settOptions?: SettOptions
  readonly steps: readonly Step[]
}

export interface Step {
  /** A name of workloads/, or `prepare` (fills what is missing, off the clock; no cell). */
  readonly workload: string
  /** At most so many operations; the workload's own count when null. */
  readonly operations: number | null
  /** A cell ends at the first operation after this; null: it runs to its count. */
  readonly seconds: number | null
  /** Awaited calls in flight, where the workload's name does not fix it. */
  readonly lanes?: number
  /** Puts in one batch, where the workload writes batches; default 1,000. */
  readonly batch?: number
  /** Writes per second kept up beside reads (`readwhilewriting`). */
  readonly writesPerSecond?: number
  /**
   * Further figures a workload asks for: `from` (`prepare`: keys from this index on are missing), `missing`
   * (`prepare`: `ranges`, only keys that `deleterange` removes can be missing), `generation` (0, 1 or `either`: which
   * values reads find; default 0), `acked` (`reopen-kill`: puts that `unclean` made).
   */
  readonly parameters?: { readonly [name: string]: number | string }
}

export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** One measured workload of one engine in one run. */
export interface Cell {
  readonly workload: string
  readonly operations: number
  readonly elapsedMs: number
  /** True: ended by time before its count. */
  readonly cut?: boolean
  /** User and system time of all threads of the process, within the cell. */
  readonly cpuMs: number
  /** µs per operation, or per batch where the title says so. */
  readonly latency?: LatencySummary
  /** ms; resolution 1 ms, so about 1.1 is idle. */
  readonly loopDelay?: LoopDelay
  readonly busyMs?: number
  /** Operations done in each window of `ms`. */
  readonly windows?: { readonly ms: number; readonly operations: readonly number[] }
  readonly settled?: SettleReport
  readonly levels?: readonly LevelFigures[]
  /**
   * Further named figures. Used names: `diskBytes` after close (max of allocated and apparent), `logicalBytes` of
   * live keys and values, `closeMs`, `writtenBytes` and `readBytes` of the process's system calls within the cell,
   * `engineBytes` the engine says it wrote within it, `acked` and `lost`, `writesPerSecond`, `loadMs`, `openMs`,
   * `firstGetMs`, `scannedBytes`, `baseMiB` resident without the store (fills), `busiestMs` of the background thread
   * that was busy longest. What is known at the end alone, `diskBytes` and `closeMs`, stands at the last cell of its
   * session.
   */
  readonly figures?: { readonly [name: string]: number }
}

export interface SessionResult {
  readonly engine: string
  readonly version: string
  readonly cells: readonly Cell[]
  readonly skipped: readonly { readonly workload: string; readonly why: string }[]
  /** Of the whole process; MiB. */
  readonly peakMiB: number
  readonly cpuSeconds: number
}
