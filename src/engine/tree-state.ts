// The LSM tree as the engine holds it: levels, memtables, and the published view of both. Main thread. Every
// change of the levels is an edit made durable first, then published; what the change made obsolete goes
// when no reader can see it any more.
import { assert } from '../base/assert.ts'
import type { Logger } from '../base/logger.ts'
import { checkVersionOrder } from '../compaction/invariant.ts'
import type { CompactionPlan } from '../compaction/plan.ts'
import type { SegmentFill } from '../compaction/values/doom.ts'
import type { ManifestEdit } from '../format/manifest-edit.ts'
import type { TableShape, TablesResult } from '../jobs/job.ts'
import { applyEdit, type ManifestState } from '../manifest/apply-edit.ts'
import type { Levels } from '../manifest/levels.ts'
import type { ManifestLog } from '../manifest/manifest-log.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Readers } from '../mvcc/pins.ts'
import type { OpenTables } from '../sstable/open-tables.ts'
import type { OpenSegments } from '../value-log/open-segments.ts'
import type { FileNumbering } from './file-numbering.ts'
import type { LevelFences } from './level-fences.ts'
import type { FrozenMemtable, Memtables } from './memtables.ts'
import type { ObsoleteFiles } from './obsolete-files.ts'
import type { ReadView } from './read-view.ts'
import { ReadViews } from './read-view.ts'
import type { SegmentSums, Segments } from './value-log/segments.ts'
import type { WalSyncer } from './wal-syncer.ts'

export interface TreeParts {
  readonly directory: string
  readonly shape: TableShape
  readonly manifest: ManifestLog
  readonly numbering: FileNumbering
  readonly allocator: HeapAllocator
  readonly fences: LevelFences
  readonly tables: OpenTables
  readonly obsolete: ObsoleteFiles
  readonly syncer: WalSyncer
  readonly segments: Segments
  readonly logger: Logger
  readonly openSegments: OpenSegments
  readonly memtables: Memtables
  /** Who reads, and who may begin to: what a job planned now must keep. */
  readonly readers: () => Readers
  /** Of versions at or below it, readers need only the newest of each key. */
  readonly oldestSnapshot: () => number
  readonly lastVersion: () => number
  /** A new view is about to replace the current one. */
  readonly viewChanges: () => void
}

export class TreeState {
  readonly views: ReadViews
  readonly #parts: TreeParts
  #levels: Levels
  /** One drop at a time; never rejects. */
  #dropping: Promise<void> | undefined

  constructor(parts: TreeParts, levels: Levels) {
    this.#parts = parts
    this.#levels = levels
    this.views = new ReadViews(this.#view())
  }

  get levels(): Levels {
    return this.#levels
  }

  get directory(): string {
    return this.#parts.directory
  }

  get shape(): TableShape {
    return this.#parts.shape
  }

  get numbering(): FileNumbering {
    return this.#parts.numbering
  }

  get oldestSnapshot(): number {
    return this.#parts.oldestSnapshot()
  }

  readers(): Readers {
    return this.#parts.readers()
  }

  /** The set of memtables changed. */
  publishMemtables(): void {
    this.#parts.viewChanges()
    this.views.install(this.#view())
  }

  /** Puts the tables of a flush in place of its memtable; undefined: it held nothing. */
  async installFlush(frozen: FrozenMemtable, result: TablesResult | undefined): Promise<void> {
    const { memtables, syncer, obsolete, allocator } = this.#parts
    assert(memtables.immutables[0] === frozen, 'the oldest memtable is installed first')
    const edit = {
      tablesAdded: (result?.tables ?? []).map((table) => ({ level: 0, table })),
      walsDropped: [frozen.walNumber],
      ...this.#marks(result),
    }
    const { levels, dropped } = await this.#append(edit, result)
    const removed = memtables.removeOldest()
    assert(removed === frozen, 'memtables are flushed in order')
    this.#publish(levels, () => {
      allocator.free(frozen.memtable.arena)
      this.#removeSegments(dropped)
    })
    if (frozen.wal !== undefined) syncer.close(frozen.wal)
    obsolete.removeWal(frozen.walNumber)
    for (const release of frozen.keeps) release()
    await this.dropUnused()
  }

  /** Drops segments that no table refers to and nobody holds, if there are any. Never rejects: what stays goes with
   * the next edit that finds it. */
  dropUnused(): Promise<void> {
    this.#dropping ??= this.#drop()
    return this.#dropping
  }

  async #drop(): Promise<void> {
    const { manifest, segments, logger } = this.#parts
    // What is let go in the same turn goes with the same edit.
    await undefined
    try {
      for (;;) {
        const { state, usable } = manifest
        if (!usable || segments.unused(state.segments, state.levels).length === 0) break
        const { dropped } = await this.#append({})
        this.#publish(this.#levels, () => this.#removeSegments(dropped))
      }
    } catch (error) {
      logger.warn({ err: error }, 'Segments that nobody needs could not be dropped yet')
    }
    this.#dropping = undefined
  }

  async installCompaction(plan: CompactionPlan, result: TablesResult): Promise<void> {
    const edit = {
      tablesRemoved: plan.inputs,
      tablesAdded: result.tables.map((table) => ({ level: plan.outputLevel, table })),
      ...this.#marks(result),
    }
    const { levels, dropped } = await this.#append(edit, result)
    const { tables, obsolete } = this.#parts
    this.#publish(levels, () => {
      this.#removeSegments(dropped)
      for (const { number } of plan.inputs) {
        tables.close(number)
        obsolete.removeTable(number)
      }
    })
  }

  /** The tables go to the output level as they are. */
  async installMove(plan: CompactionPlan): Promise<void> {
    const moved = plan.sources.flat()
    const { levels, dropped } = await this.#append({
      tablesRemoved: plan.inputs,
      tablesAdded: moved.map((table) => ({ level: plan.outputLevel, table })),
      ...this.#marks(undefined),
    })
    this.#publish(levels, () => this.#removeSegments(dropped))
  }

  /** What the segments hold, as far as the manifest knows. */
  get segmentSums(): SegmentSums {
    const { state } = this.#parts.manifest
    return this.#parts.segments.sums(state.segments, state.levels)
  }

  /** All segments, by number. */
  get segmentFills(): readonly SegmentFill[] {
    const { state } = this.#parts.manifest
    return this.#parts.segments.fills(state.segments, state.levels)
  }

  /** Segments that the edit leaves nobody to refer to go with it. Outputs that the manifest surely does not name go:
   * the next try has others. */
  async #append(
    edit: ManifestEdit,
    outputs?: TablesResult,
  ): Promise<{ readonly levels: Levels; readonly dropped: readonly number[] }> {
    const { manifest } = this.#parts
    const segmentsAdded = outputs?.segments ?? []
    let dropped: readonly number[] = []
    try {
      const { levels } = await manifest.append((state) => {
        const after = applyEdit(state, { ...edit, segmentsAdded })
        dropped = this.#leaving(after)
        return { ...edit, segmentsAdded, segmentsDropped: dropped }
      })
      return { levels, dropped }
    } catch (error) {
      if (manifest.usable && outputs !== undefined) this.discard(outputs)
      throw error
    }
  }

  /** Numbers of the segments that nobody needs in this state. */
  #leaving({
    segments: named,
    levels,
  }: Pick<ManifestState, 'segments' | 'levels'>): readonly number[] {
    const { segments } = this.#parts
    const unused = segments.unused(named, levels)
    segments.leaving(unused)
    return unused.map(({ number }) => number)
  }

  /** Nobody can read them any more. */
  #removeSegments(numbers: readonly number[]): void {
    const { openSegments, segments, obsolete } = this.#parts
    for (const number of numbers) {
      // Whoever reads a value of it piece by piece outlives the views.
      openSegments.retire(number, () => {
        segments.gone(number)
        obsolete.removeSegment(number)
      })
    }
  }

  /** Removes outputs that no edit names or will name. */
  discard({ tables, segments }: Pick<TablesResult, 'tables' | 'segments'>): void {
    for (const { number } of tables) this.#parts.obsolete.removeTable(number)
    this.#removeSegments(segments.map(({ number }) => number))
  }

  #marks(result: TablesResult | undefined): ManifestEdit {
    const { numbering, lastVersion } = this.#parts
    const marks = { nextFileNumber: numbering.next, lastVersion: lastVersion() }
    const dropped = result?.droppedVersion ?? 0
    return dropped === 0 ? marks : { ...marks, historyFloor: dropped }
  }

  #publish(levels: Levels, retire?: () => void): void {
    checkVersionOrder(levels)
    this.#levels = levels
    this.#parts.segments.follow(this.#parts.manifest.state.segments, levels)
    const { fences, viewChanges } = this.#parts
    viewChanges()
    this.views.install(this.#view(), () => {
      retire?.()
      fences.sweep(this.views.live.flatMap((view) => view.fences))
    })
  }

  #view(): ReadView {
    const { memtables, fences } = this.#parts
    const immutables = memtables.immutables.map(({ memtable }) => memtable)
    return {
      memtables: [memtables.active.memtable, ...immutables.reverse()],
      levels: this.#levels,
      fences: fences.of(this.#levels),
    }
  }
}
