// Flushes immutable memtables to level 0, one at a time, oldest first, on the executor. Main thread.
// Install order: tables synced (by the job) → manifest edit synced → view published → WAL removed.
import type { Clock } from '../base/clock.ts'
import type { FlushSpec, TablesResult } from '../jobs/job.ts'
import { flushWorkspaceBytes } from '../jobs/workspace.ts'
import { createCancelFlag } from '../pool/cancel-flag.ts'
import { PRIORITY } from '../pool/executor.ts'
import { BackOff } from './disk/back-off.ts'
import type { JobRunner } from './job-runner.ts'
import type { FrozenMemtable } from './memtables.ts'
import type { TreeState } from './tree-state.ts'

export interface FlushParts {
  readonly runner: JobRunner
  readonly tree: TreeState
  readonly clock: Clock
  /** False: read-only, nothing is ever flushed. */
  readonly enabled: boolean
  /** The oldest immutable memtable whose groups have all finished. */
  readonly oldest: () => FrozenMemtable | undefined
  /** The flush failed; it is tried again, unless the database closes. */
  readonly failed: (error: unknown) => void
  /** True once no edit can be installed any more. */
  readonly halted: () => boolean
  /** A flush is installed. */
  readonly flushed: (memtable: FrozenMemtable) => void
}

export class FlushScheduler {
  readonly #parts: FlushParts
  readonly #cancel = createCancelFlag()
  readonly #retry: BackOff
  #running: Promise<void> | undefined
  #stopped: boolean
  flushes = 0
  bytesFlushed = 0

  constructor(parts: FlushParts) {
    this.#parts = parts
    this.#retry = new BackOff(parts.clock)
    this.#stopped = !parts.enabled
  }

  get busy(): boolean {
    return this.#running !== undefined || this.#retry.waiting
  }

  /** Starts the next flush, if one is due and none is running. */
  kick(): void {
    if (this.busy || this.#stopped) return
    if (this.#parts.halted()) return
    const memtable = this.#parts.oldest()
    if (memtable === undefined) return
    this.#running = this.#flush(memtable).then(
      () => {
        this.#running = undefined
        this.#retry.succeeded()
        this.#parts.flushed(memtable)
        this.kick()
      },
      (error: unknown) => {
        this.#running = undefined
        this.#parts.failed(error)
        if (!this.#stopped && !this.#parts.halted()) this.#retry.later(() => this.kick())
      },
    )
  }

  /** Waits for the running flush; starts no other. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#retry.cancel()
    await this.#running
  }

  async #flush(frozen: FrozenMemtable): Promise<void> {
    const { tree, runner } = this.#parts
    const { memtable, walNumber } = frozen
    if (memtable.entries === 0) {
      await tree.installFlush(frozen, undefined)
      return
    }
    const shape = tree.shape
    const outputs = 16 + 8 * Math.ceil(memtable.arena.length / shape.tableSize)
    // What is pinned from now on sees the newest of these entries, which are kept in any case.
    const readers = tree.readers()
    const result = await runner.run<TablesResult>({
      priority: PRIORITY.flush,
      workspaceBytes: flushWorkspaceBytes(shape, memtable.largestEntry, readers.snapshots.length),
      cancel: this.#cancel,
      spec: (workspace): FlushSpec => ({
        kind: 'flush',
        directory: tree.directory,
        arena: memtable.arena.address,
        shape,
        numbers: { first: tree.numbering.takeRange(outputs), count: outputs },
        workspace,
        newestWal: walNumber,
        ...readers,
      }),
    })
    await tree.installFlush(frozen, result)
    this.flushes += 1
    this.bytesFlushed += result.bytesWritten
  }
}
