// One finished run of a command: what its tables, its report and its line in bench/history/ are made from.
import type { DatasetSpec } from '../data/dataset.ts'
import type { DurabilityClass, EngineKind } from '../engines/engine.ts'
import type { Cell } from '../session/protocol.ts'
import type { SoakCourse } from '../soak/protocol.ts'

export const RECORD_VERSION = 1

export type RecordKind = 'db' | 'badger' | 'ycsb' | 'presets' | 'scaling' | 'growth' | 'soak'

export interface MachineFacts {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly platform: string
  readonly node: string
  readonly fileSystem: string
  /** One-minute load at the start and at the end. */
  readonly load: readonly [number, number]
}

export interface EngineNote {
  readonly name: string
  /** Undefined: a peer. */
  readonly kind?: EngineKind
  readonly version: string
  /** In words; empty where the class is not offered. */
  readonly durability: string
  /** Why it was left out; undefined: it ran. */
  readonly leftOut?: string
}

/** One cell of one engine in one run, with the process it came from. */
export interface Sample extends Cell {
  readonly engine: string
  readonly run: number
  /** The table it belongs to, when a command prints several: `100 B values, random keys`. */
  readonly section: string
  readonly durability: DurabilityClass
  readonly peakMiB: number
  readonly sessionCpuSeconds: number
}

/** A workload that gave no cell. */
export interface Gap {
  readonly engine: string
  readonly run: number
  readonly section: string
  readonly durability: DurabilityClass
  readonly workload: string
  readonly cause: string
  /** False: the engine does not offer it. */
  readonly failed: boolean
}

export interface Section {
  readonly title: string
  readonly dataset: DatasetSpec
  readonly note?: string
}

export interface RunRecord {
  readonly recordVersion: typeof RECORD_VERSION
  readonly kind: RecordKind
  /** ISO 8601. */
  readonly date: string
  /** Short hash of the measured source, `+` after it when the tree had changes; empty outside a checkout. */
  readonly commit: string
  readonly settVersion: string
  readonly command: string
  readonly machine: MachineFacts
  readonly runs: number
  readonly tookSeconds: number
  readonly engines: readonly EngineNote[]
  readonly sections: readonly Section[]
  readonly samples: readonly Sample[]
  /** Event-loop delay of an idle main thread beside equally busy threads, per run; see commands/control. */
  readonly controls: readonly Sample[]
  /** Undefined: none. */
  readonly gaps?: readonly Gap[]
  /** Of the kind `soak` only: second by second. */
  readonly soak?: SoakCourse
}
