// What open.ts prepares before the engine is built. Types only.
import type { LiveOptions } from '../base/live-options.ts'
import type { ResolvedOptions } from '../base/options.ts'
import type { KernelHeap } from '../cursor/words.ts'
import type { OpenFile } from '../io/file-system.ts'
import type { ManifestState } from '../manifest/apply-edit.ts'
import type { Executor } from '../pool/executor.ts'
import type { WalOnDisk } from './memory-plan.ts'
import type { Environment } from './types.ts'

/** What is there before the engine: checked, locked, allocated. */
export interface Foundation {
  readonly directory: string
  readonly live: LiveOptions
  /** live.current */
  readonly options: ResolvedOptions
  readonly environment: Environment
  readonly machine: KernelHeap
  readonly executor: Executor
  readonly syncFile: (file: OpenFile) => Promise<void>
  /** Many syncs are to be expected: what makes them fast may be started. Cheap. */
  readonly syncsCome: () => void
  /** Throws SETT_POISONED once the directory's lock is lost. */
  readonly checkLock: () => void
  readonly manifest: ManifestState
  /** Number of the file that says so; 0: there was none. */
  readonly manifestNumber: number
  readonly wals: readonly WalOnDisk[]
  /** Scratch the heap has for each job. */
  readonly jobBytes: number
}

export interface UndoSteps {
  add(step: () => void | Promise<void>): void
  run(): Promise<void>
}
