// What open.ts prepares before the engine is built. Types only.
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
  readonly options: ResolvedOptions
  readonly environment: Environment
  readonly machine: KernelHeap
  readonly executor: Executor
  readonly syncFile: (file: OpenFile) => Promise<void>
  readonly manifest: ManifestState
  readonly wals: readonly WalOnDisk[]
}

export interface UndoSteps {
  add(step: () => void | Promise<void>): void
  run(): Promise<void>
}
