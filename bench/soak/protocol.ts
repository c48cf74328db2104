// What crosses between bench:soak and the process it measures: an order as JSON in its first argument, then lines of
// JSON on its output: `{ progress }` while it runs, `{ course }` at the end.
import type { PresetName } from 'sett'
import type { SettOptions } from '../engines/engine.ts'
import type { KeySpec } from './key-model.ts'

export type SoakLoad =
  /** Overwrites, deletes, puts that expire, reads and snapshots, as fast as they are let. */
  | { readonly kind: 'mixed'; readonly seconds: number }
  /** Every key is written anew so many times, each time in another order. */
  | { readonly kind: 'overwrite'; readonly passes: number }

export interface SoakOrder extends KeySpec {
  /** An empty directory. */
  readonly location: string
  readonly preset: PresetName
  /** Win over the preset's. */
  readonly options: SettOptions
  readonly load: SoakLoad
  /** The idle phase takes at least so long, and until the files' bytes stay the same. */
  readonly idleSeconds: number
}

export type SoakPhase = 'fill' | 'load' | 'idle'

/** About one second. */
export interface SoakPoint {
  readonly phase: SoakPhase
  /** Its end, since the fill began. */
  readonly seconds: number
  readonly ms: number
  /** Within it: puts, deletes and reads. */
  readonly operations: number
  /** Within it: ms for which writers were held back, or waited for room. */
  readonly waitedMs: number
  /** Within it: the longest delay of the event loop. */
  readonly loopMs: number
  /** Within it: of all threads. */
  readonly cpuMs: number
  /** At its end. */
  readonly debtBytes: number
  readonly level0: number
  readonly rssBytes: number
  /** Keys and values that a reader would find. */
  readonly liveBytes: number
  readonly files: FileBytes
}

/** Bytes the files take, the larger of allocated and apparent. */
export interface FileBytes {
  readonly all: number
  readonly tables: number
  readonly segments: number
  readonly logs: number
}

export interface SoakCourse {
  /** Bytes. */
  readonly memoryBudget: number
  /** Resident with the load's own memory in place, before the database was opened. */
  readonly baseBytes: number
  /** Resident at most, from the start of the process to the end of the idle phase. */
  readonly peakBytes: number
  readonly points: readonly SoakPoint[]
  /** Keys and values of all puts, keys of all deletes, until the end of the idle phase. */
  readonly userBytes: number
  /** Bytes the engine wrote for them: log, flushes, compactions and collection of garbage. */
  readonly writtenBytes: number
  readonly puts: number
  readonly deletes: number
  /** Answers that were compared with what must be there, those of the last scans included. */
  readonly checked: number
  readonly snapshots: number
  /** Answers that were not what must be there. */
  readonly wrong: number
  /** What was wrong, the first few. */
  readonly mistakes: readonly string[]
  /** True: the files still changed when the idle phase had taken as long as it may. */
  readonly restless: boolean
  /** Bytes of the files after settle(), which nobody called before the last point. */
  readonly settledBytes: number
}

export interface SoakProgress {
  /** Of the whole run, 0 to 1. */
  readonly share: number
  readonly what: string
}
