// Flushes immutable memtables to level 0, several at once on the executor, and installs their tables strictly oldest
// first: a newer memtable's tables wait, unnamed, until all older ones are in the manifest. So the logs that are left
// are always the newest ones, without a gap. Main thread.
// Install order: tables synced (by the job) → manifest edit synced → view published → WAL removed.
import type { Clock } from '../base/clock.ts'
import type { FlushSpec, TablesResult } from '../jobs/job.ts'
import { outputsAtMost } from '../jobs/output-numbers.ts'
import { flushWorkspaceBytes } from '../jobs/workspace.ts'
import { createCancelFlag } from '../pool/cancel-flag.ts'
import { PRIORITY } from '../pool/executor.ts'
import { BackOff } from './disk/back-off.ts'
import type { JobRunner } from './job-runner.ts'
import type { Notices } from './maintenance/notices.ts'
import type { FrozenMemtable } from './memtables.ts'
import type { TreeState } from './tree-state.ts'
import type { WrittenSizes } from './value-log/auto-threshold.ts'

export interface FlushParts {
  readonly runner: JobRunner
  readonly tree: TreeState
  readonly clock: Clock
  readonly notices: Notices
  /** False: read-only, nothing is ever flushed. */
  readonly enabled: boolean
  /** Most jobs at one time. */
  readonly parallel: number
  /** Scratch there is room for beside that of the oldest memtable's job; one that needs more waits to be the oldest. */
  readonly aheadBytes: number
  /** Flushes tell it the sizes of values, if it wants to know. */
  readonly writtenSizes: WrittenSizes
  /** Immutable memtables whose groups have all finished, oldest first, up to the first of which that is not true. */
  readonly due: () => readonly FrozenMemtable[]
  /** The flush failed; it is tried again, unless the database closes. */
  readonly failed: (error: unknown) => void
  /** True once no edit can be installed any more. */
  readonly halted: () => boolean
  /** A flush is installed. */
  readonly flushed: (memtable: FrozenMemtable) => void
}

/** What became of a memtable's job; undefined tables: it held nothing. */
interface Flushed {
  readonly tables: TablesResult | undefined
}

export class FlushScheduler {
  readonly #parts: FlushParts
  readonly #cancel = createCancelFlag()
  readonly #retry: BackOff
  /** Memtables whose job runs (undefined) or is done, until they are installed. */
  readonly #begun = new Map<FrozenMemtable, Flushed | undefined>()
  /** Jobs and installs under way; they never reject. */
  readonly #work = new Set<Promise<void>>()
  #installing = false
  #stopped: boolean
  flushes = 0
  bytesFlushed = 0

  constructor(parts: FlushParts) {
    this.#parts = parts
    this.#retry = new BackOff(parts.clock)
    this.#stopped = !parts.enabled
  }

  get busy(): boolean {
    return this.#begun.size > 0 || this.#retry.waiting
  }

  /** Starts the flushes that are due: no memtable gets further ahead of the oldest than there are jobs. Cheap when
   * there are none. */
  kick(): void {
    const due = this.#parts.due()
    const idle = due.slice(0, this.#parts.parallel).filter((frozen) => !this.#begun.has(frozen))
    if (idle.length === 0 || this.#stopped || this.#retry.waiting || this.#parts.halted()) return
    for (const frozen of idle) {
      if (frozen !== due[0] && !this.#fitsAhead(frozen)) return
      this.#start(frozen)
    }
  }

  /** Waits for the jobs that run, installs what may be, and starts no other. Tables that wait for an older flush which
   * failed go: their log stays. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#retry.cancel()
    while (this.#work.size > 0) await Promise.all(this.#work)
    for (const flushed of this.#begun.values()) {
      if (flushed?.tables !== undefined) this.#parts.tree.discard(flushed.tables)
    }
    this.#begun.clear()
  }

  #fitsAhead(frozen: FrozenMemtable): boolean {
    const { aheadBytes, runner, tree } = this.#parts
    const bytes = this.#workspaceBytes(frozen, tree.readers().snapshots)
    return bytes <= aheadBytes && runner.hasRoom(bytes)
  }

  #workspaceBytes({ memtable }: FrozenMemtable, snapshots: readonly number[]): number {
    return flushWorkspaceBytes(this.#parts.tree.shape, memtable.largestEntry, snapshots.length)
  }

  #start(frozen: FrozenMemtable): void {
    this.#begun.set(frozen, undefined)
    const work = this.#run(frozen).then(() => void this.#work.delete(work))
    this.#work.add(work)
  }

  async #run(frozen: FrozenMemtable): Promise<void> {
    try {
      const { notices } = this.#parts
      const tables = await notices.flush(frozen.memtable, () => this.#write(frozen))
      this.#begun.set(frozen, { tables })
    } catch (error) {
      this.#failed(frozen, error)
      return
    }
    await this.#installReady()
  }

  /** Installs, one after the other, the oldest memtables whose tables are ready. */
  async #installReady(): Promise<void> {
    if (this.#installing) return
    this.#installing = true
    for (;;) {
      const [oldest] = this.#parts.due()
      const ready = oldest === undefined ? undefined : this.#begun.get(oldest)
      if (oldest === undefined || ready === undefined) break
      try {
        await this.#parts.tree.installFlush(oldest, ready.tables)
      } catch (error) {
        this.#failed(oldest, error)
        break
      }
      this.#installed(oldest, ready)
    }
    this.#installing = false
  }

  #installed(frozen: FrozenMemtable, { tables }: Flushed): void {
    this.#begun.delete(frozen)
    if (tables !== undefined) {
      this.flushes += 1
      this.bytesFlushed += tables.bytesWritten
      if (tables.bytesBySize !== undefined) this.#parts.writtenSizes.add(tables.bytesBySize)
    }
    this.#retry.succeeded()
    this.#parts.flushed(frozen)
    this.kick()
  }

  /** Newer memtables that are ready stay so, and wait for the next try. */
  #failed(frozen: FrozenMemtable, error: unknown): void {
    this.#begun.delete(frozen)
    this.#parts.failed(error)
    if (!this.#stopped && !this.#parts.halted()) this.#retry.later(() => this.kick())
  }

  async #write(frozen: FrozenMemtable): Promise<TablesResult | undefined> {
    const { tree, runner } = this.#parts
    const { memtable, walNumber } = frozen
    if (memtable.entries === 0) return undefined
    const shape = tree.shape
    const { entries, arena } = memtable
    const outputs = outputsAtMost(shape, { bytes: arena.length, entries, tables: 0, referred: 0 })
    // What is pinned from now on sees the newest of these entries, which are kept in any case.
    const readers = tree.readers()
    return runner.run<TablesResult>({
      priority: PRIORITY.flush,
      workspaceBytes: this.#workspaceBytes(frozen, readers.snapshots),
      cancel: this.#cancel,
      spec: (workspace): FlushSpec => ({
        kind: 'flush',
        directory: tree.directory,
        arena: arena.address,
        shape,
        numbers: { first: tree.numbering.takeRange(outputs.count), ...outputs },
        workspace,
        newestWal: walNumber,
        measureValues: this.#parts.writtenSizes.wanted,
        ...readers,
      }),
    })
  }
}
