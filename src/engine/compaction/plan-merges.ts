// Runs the merges of compaction plans on the executor, in one piece or in parts that idle workers share. Main thread.
// Invariant: a merge ends with all its outputs, or with none left on the disk.
import type { Clock } from '../../base/clock.ts'
import { insideBytesMax } from '../../compaction/pick-level0.ts'
import type { CompactionPlan } from '../../compaction/plan.ts'
import {
  boundsBetween,
  cutKeys,
  KEYS_PER_TABLE,
  type PartSizes,
  partCount,
  partSizes,
  type Splitting,
  sourcesWithin,
} from '../../compaction/split.ts'
import type { Bounds } from '../../cursor/bounds.ts'
import type { WeighedKey } from '../../format/sstable-index.ts'
import { plainBytes, storedBytes } from '../../format/table-meta.ts'
import type {
  CompactSpec,
  SampleResult,
  SampleSpec,
  TableShape,
  TablesResult,
} from '../../jobs/job.ts'
import { type JobInput, outputsAtMost } from '../../jobs/output-numbers.ts'
import {
  compactWorkspaceBytes,
  plannedWorkspaceBytes,
  sampleWorkspaceBytes,
} from '../../jobs/workspace.ts'
import type { TableMeta } from '../../manifest/levels.ts'
import type { Readers } from '../../mvcc/pins.ts'
import { type CancelFlag, type Executor, type Pacer, PRIORITY } from '../../pool/executor.ts'
import { valueBytesMax } from '../../sstable/writer-workspace.ts'
import type { JobRunner } from '../job-runner.ts'
import type { TreeState } from '../tree-state.ts'
import { joinParts, type MergeResult, type PartResult } from './join-parts.ts'

/** Two flushes in so many milliseconds: more will follow. */
const BUSY_MS = 2000
/** No job is worth its cost that looks into fewer tables. */
const TABLES_PER_SAMPLE = 8

export interface PlanMergesParts {
  readonly runner: JobRunner
  readonly executor: Executor
  readonly tree: TreeState
  readonly clock: Clock
  /** Limits what all compactions write. */
  readonly pace: Pacer
  /** A flush runs or waits for a worker. */
  readonly flushing: () => boolean
  /** undefined: by the size of tables and the idle workers. */
  readonly splitting?: Splitting | undefined
}

/** One merge, and what its parts share. */
interface Merge {
  readonly plan: CompactionPlan
  readonly cancel: CancelFlag
  readonly beganMs: number
  readonly readers: Readers
}

export class PlanMerges {
  readonly #parts: PlanMergesParts
  /** Jobs that run or are about to, of all merges. */
  #jobs = 0
  /** A merge failed: until one succeeds, they are tried in one piece, which needs less and finds damage by itself. */
  #failed = false
  /** When the last two flushes ended. */
  #flushedAt: readonly [before: number, last: number] = [
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]
  /** Parts of the merges that succeeded, one for each that was not split. */
  parts = 0

  constructor(parts: PlanMergesParts) {
    this.#parts = parts
  }

  /** tune() may have changed how large tables are to be. */
  get #sizes(): PartSizes {
    const { splitting, tree } = this.#parts
    return splitting ?? partSizes(tree.shape.tableSize)
  }

  /** A flush has ended. */
  flushed(): void {
    this.#flushedAt = [this.#flushedAt[1], this.#parts.clock.monotonicMs()]
  }

  /** Resolves once all outputs are there; `cancel` is raised when one of several jobs fails. */
  async run(plan: CompactionPlan, cancel: CancelFlag): Promise<MergeResult> {
    this.#jobs += 1
    try {
      const result = await this.#merge(plan, cancel)
      this.#failed = false
      return result
    } catch (error) {
      this.#failed = true
      throw error
    } finally {
      this.#jobs -= 1
    }
  }

  async #merge(plan: CompactionPlan, cancel: CancelFlag): Promise<MergeResult> {
    const beganMs = this.#parts.clock.monotonicMs()
    // Whatever else is due starts first: shared out is only what is idle then.
    await Promise.resolve()
    const { tree } = this.#parts
    const parts = await this.#split(plan, cancel)
    // What is pinned from now on sees the newest of these entries, which are kept in any case.
    const merge: Merge = { plan, cancel, beganMs, readers: tree.readers() }
    const done = await this.#runParts(merge, parts)
    try {
      const entries = plan.sources.flat().reduce((sum, table) => sum + table.entries, 0)
      const result = joinParts(done, entries)
      this.parts += parts.length
      return result
    } catch (error) {
      this.#discard(done)
      throw error
    }
  }

  /** The parts by key; a single one without bounds: it stays in one piece. */
  async #split(plan: CompactionPlan, cancel: CancelFlag): Promise<readonly Bounds[]> {
    const { executor, splitting } = this.#parts
    if ((splitting?.lanes ?? executor.workers) < 2) return [{}]
    const tables = plan.sources.flat()
    // Its own job is not known to the executor yet. Who is busy now may be free by the second part.
    const lanes = 1 + this.#idle(1)
    const bytes = storedBytes(tables)
    const count = partCount(bytes, lanes, this.#sizes)
    if (count < 2 || !this.#mayBeSplit(plan)) return [{}]
    executor.warmUp(lanes)
    return boundsBetween(cutKeys(await this.#sample(plan, lanes, cancel), count))
  }

  /** Keys of all tables of the plan. Whoever is to merge them would wait meanwhile, and takes some of the tables. */
  async #sample(
    plan: CompactionPlan,
    lanes: number,
    cancel: CancelFlag,
  ): Promise<readonly WeighedKey[]> {
    const tables = plan.sources.flat()
    const jobs = Math.min(lanes, Math.ceil(tables.length / TABLES_PER_SAMPLE))
    const failures: unknown[] = []
    this.#jobs += jobs - 1
    try {
      // None may read on while its tables go: the first failure ends the others, and waits for them.
      const samples = Array.from({ length: jobs }, async (_, job) => {
        const own = tables.filter((_table, at) => at % jobs === job)
        try {
          return (await this.#sampleTables(own, priorityOf(plan), cancel)).keys
        } catch (error) {
          failures.push(error)
          cancel.cancel()
          return []
        }
      })
      const keys = await Promise.all(samples)
      if (failures.length > 0) throw failures[0]
      return keys.flat()
    } finally {
      this.#jobs -= jobs - 1
    }
  }

  #sampleTables(
    tables: readonly TableMeta[],
    priority: number,
    cancel: CancelFlag,
  ): Promise<SampleResult> {
    const { directory } = this.#parts.tree
    return this.#parts.runner.run<SampleResult>({
      priority,
      workspaceBytes: sampleWorkspaceBytes(),
      cancel,
      spec: (workspace): SampleSpec => ({
        kind: 'sample',
        directory,
        tables,
        keysPerTable: KEYS_PER_TABLE,
        workspace,
      }),
    })
  }

  #mayBeSplit(plan: CompactionPlan): boolean {
    // More tables in level 0 are what its compactions are to prevent; and what is rewritten where it is, again and
    // again, would be in pieces one day.
    if (this.#failed || plan.outputLevel === 0 || plan.collects === true) return false
    const { shape } = this.#parts.tree
    const bytes = compactWorkspaceBytes(shape, plan.sources.length, largestBlock(plan.sources))
    // The heap has room for one of these per worker.
    return bytes <= plannedWorkspaceBytes(shape)
  }

  /** Threads for further jobs, `unknown` of ours not yet handed to the executor. While there are writes, one stays free
   * for the next flush. */
  #idle(unknown: number): number {
    const { executor, splitting, clock, flushing } = this.#parts
    if (splitting !== undefined) return Math.max(0, splitting.lanes - this.#jobs)
    const writing = flushing() || clock.monotonicMs() - this.#flushedAt[0] < BUSY_MS
    const free = Math.min(executor.workers - this.#jobs, executor.idle - unknown)
    return Math.max(0, free - (writing ? 1 : 0))
  }

  /** As many at one time as there are idle threads, and always one. The first failure ends them all. */
  async #runParts(merge: Merge, parts: readonly Bounds[]): Promise<readonly PartResult[]> {
    const done: PartResult[] = []
    const failures: unknown[] = []
    const running = new Set<Promise<void>>()
    const start = (bounds: Bounds, at: number): void => {
      const { sources } = merge.plan
      const part = {
        bounds,
        sources: parts.length === 1 ? sources : sourcesWithin(sources, bounds),
      }
      if (running.size > 0) this.#jobs += 1
      const fromMs = this.#since(merge)
      const work = this.#runPart(merge, part)
        .then((result) => {
          done[at] = { bounds, result, fromMs, toMs: this.#since(merge) }
        })
        .catch((error: unknown) => {
          failures.push(error)
          if (parts.length > 1) merge.cancel.cancel()
        })
        .finally(() => {
          running.delete(work)
          if (running.size > 0) this.#jobs -= 1
        })
      running.add(work)
    }
    for (const [at, bounds] of parts.entries()) {
      while (running.size > 0 && this.#idle(0) === 0) await Promise.race(running)
      if (failures.length > 0) break
      start(bounds, at)
    }
    await Promise.all(running)
    if (failures.length === 0) return done
    this.#discard(done.filter((part) => part !== undefined))
    throw failures[0]
  }

  #runPart(
    { plan, cancel, readers }: Merge,
    { bounds, sources }: { readonly bounds: Bounds; readonly sources: CompactSpec['sources'] },
  ): Promise<TablesResult> {
    const { tree, runner, pace } = this.#parts
    const { directory, numbering } = tree
    const tables = sources.flat()
    const shape = shapeOf(plan, tree.shape)
    const outputs = outputsAtMost(shape, inputOf(tables))
    const block = largestBlock(sources)
    return runner.run<TablesResult>({
      priority: priorityOf(plan),
      workspaceBytes: compactWorkspaceBytes(shape, sources.length, block, readers.snapshots.length),
      cancel,
      pace,
      spec: (workspace): CompactSpec => ({
        kind: 'compact',
        directory,
        sources,
        bounds,
        outputLevel: plan.outputLevel,
        shape,
        numbers: { first: numbering.takeRange(outputs.count), ...outputs },
        workspace,
        ...readers,
        dropTombstones: plan.dropTombstones,
        ...(plan.relocate !== undefined && { relocate: plan.relocate }),
      }),
    })
  }

  #since({ beganMs }: Merge): number {
    return this.#parts.clock.monotonicMs() - beganMs
  }

  /** Outputs that nobody will name. */
  #discard(parts: readonly PartResult[]): void {
    for (const { result } of parts) this.#parts.tree.discard(result)
  }
}

/** A merge inside level 0 is there to make one table of many; what is rewritten where it is stays one, a little more
 * than full though it may be. */
function shapeOf(plan: CompactionPlan, shape: TableShape): TableShape {
  const bytes = plainBytesOf(plan.sources.flat())
  if (plan.outputLevel === 0) {
    return { ...shape, tableSize: bytes, valueBytesMax: Number.POSITIVE_INFINITY }
  }
  if (plan.collects !== true) return shape
  const tableSize = Math.min(Math.max(shape.tableSize, bytes), insideBytesMax(shape.tableSize))
  // One that points to far more than a table should is cut.
  const most = 2 * valueBytesMax(shape)
  return { ...shape, tableSize, valueBytesMax: most }
}

function inputOf(tables: readonly TableMeta[]): JobInput {
  const uses = tables.flatMap(({ segments = [] }) => segments)
  return {
    bytes: plainBytesOf(tables),
    entries: tables.reduce((sum, { entries }) => sum + entries, 0),
    tables: tables.length,
    referred: uses.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

function priorityOf(plan: CompactionPlan): number {
  if (plan.collects === true) return PRIORITY.collect
  return plan.inputLevel === 0 ? PRIORITY.l0 : PRIORITY.deeper
}

/** As the outputs count them: before compression. */
function plainBytesOf(tables: readonly TableMeta[]): number {
  return tables.reduce((sum, table) => sum + plainBytes(table), 0)
}

function largestBlock(sources: readonly (readonly TableMeta[])[]): number {
  return sources.flat().reduce((most, table) => Math.max(most, table.largestBlock), 0)
}
