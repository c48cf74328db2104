// What the steps of a repair work with: the directory, fresh file numbers, and jobs, one at a time, each in a
// heap of its own size. Main thread.
import { assert } from '../../base/assert.ts'
import type { ResolvedOptions } from '../../base/options.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { FileNumbers, JobResult, JobSpec, TableShape } from '../../jobs/job.ts'
import { outputsAtMost } from '../../jobs/output-numbers.ts'
import type { Kernels } from '../../kernel/kernels.ts'
import { HeapAllocator } from '../../memory/heap-allocator.ts'
import { HEAP_CONTROL_BYTES } from '../../memory/heap-control.ts'
import type { Region, SharedHeap } from '../../memory/shared-heap.ts'
import { createCancelFlag } from '../../pool/cancel-flag.ts'
import { type Executor, PRIORITY } from '../../pool/executor.ts'
import { processHeaps } from '../../pool/process-heaps.ts'
import type { FileNumbering } from '../file-numbering.ts'
import { JobRunner } from '../job-runner.ts'
import { tableShape } from '../memory-plan.ts'
import { ObsoleteFiles } from '../obsolete-files.ts'
import type { Environment } from '../types.ts'
import { RepairSegments } from './repair-segments.ts'
import { RepairNotes } from './report.ts'

export interface WorkshopParts {
  readonly directory: string
  readonly options: ResolvedOptions
  readonly environment: Environment
  readonly executor: Executor
  readonly numbering: FileNumbering
  /** Throws SETT_POISONED once the directory's lock is lost. */
  readonly checkLock: () => void
}

/** A heap for one job, and what goes into it before. */
export interface Bench {
  readonly heap: SharedHeap
  readonly kernels: Kernels
  take(bytes: number): Region
  run<T extends JobResult>(spec: (workspace: Region) => JobSpec): Promise<T>
}

export class Workshop {
  readonly directory: string
  readonly fs: FileSystem
  readonly shape: TableShape
  readonly numbering: FileNumbering
  readonly notes: RepairNotes = new RepairNotes()
  readonly segments: RepairSegments
  readonly environment: Environment
  readonly checkLock: () => void
  readonly #executor: Executor
  readonly #obsolete: ObsoleteFiles

  constructor(parts: WorkshopParts) {
    const { directory, options, environment, executor, numbering, checkLock } = parts
    this.checkLock = checkLock
    this.directory = directory
    this.fs = environment.fs
    this.shape = tableShape(options)
    this.numbering = numbering
    this.environment = environment
    this.segments = new RepairSegments(directory, this.notes)
    this.#executor = executor
    const { fs, logger } = environment
    this.#obsolete = new ObsoleteFiles(fs, directory, logger, () => this.owned)
  }

  /** Whether the directory is still ours. */
  get owned(): boolean {
    try {
      this.checkLock()
      return true
    } catch {
      // Whoever writes next is told; here it matters only that nothing may be removed.
      return false
    }
  }

  /** Numbers for the outputs of a job that writes about so many bytes from so many tables. */
  outputs(bytes: number, tables: number): FileNumbers {
    // No entry takes less than eight bytes.
    const entries = Math.ceil(bytes / 8)
    const input = { bytes, entries, tables, referred: this.segments.bytes }
    const numbers = outputsAtMost(this.shape, input)
    return { first: this.numbering.takeRange(numbers.count), ...numbers }
  }

  run<T extends JobResult>(
    workspaceBytes: number,
    spec: (workspace: Region) => JobSpec,
  ): Promise<T> {
    return this.with({ workspaceBytes, otherBytes: 0 }, (bench) => bench.run<T>(spec))
  }

  async with<T>(
    need: { readonly workspaceBytes: number; readonly otherBytes: number },
    work: (bench: Bench) => Promise<T>,
  ): Promise<T> {
    const { workspaceBytes, otherBytes } = need
    const heap = processHeaps.acquire(HEAP_CONTROL_BYTES + workspaceBytes + otherBytes + 4096)
    try {
      const allocator = new HeapAllocator(heap)
      const executor = this.#executor
      const runner = new JobRunner({ executor, heap, allocator, obsolete: this.#obsolete })
      return await work({
        heap,
        kernels: this.environment.kernels(heap.memory),
        take(bytes) {
          const region = allocator.allocate(bytes, 64)
          assert(region !== undefined, 'the heap was sized for what goes into it')
          return region
        },
        run: (spec) =>
          runner.run({
            priority: PRIORITY.replay,
            workspaceBytes,
            cancel: createCancelFlag(),
            spec,
          }),
      })
    } finally {
      processHeaps.release(heap)
    }
  }

  /** Resolves once files of jobs that failed are gone. */
  settled(): Promise<void> {
    return this.#obsolete.settled()
  }
}
