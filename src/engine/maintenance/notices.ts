// Tells the application of background work: when it begins, and how it ended. Main thread. Told in a turn of their
// own: whatever a listener throws is its own affair, and nothing it does happens inside the engine.

import type { Clock } from '../../base/clock.ts'
import type { CompactionPlan } from '../../compaction/plan.ts'
import { relocatedBytes } from '../../compaction/values/pick-values.ts'
import { segmentBytes } from '../../format/segments/segment-meta.ts'
import { storedBytes } from '../../format/table-meta.ts'
import type { TablesResult } from '../../jobs/job.ts'
import type { MergeResult } from '../compaction/join-parts.ts'
import { errorCode } from '../disk/failures.ts'
import type {
  CollectionNotice,
  CompactionNotice,
  CompactionPart,
  EngineNotice,
  FlushNotice,
  WorkEnd,
} from '../types.ts'

export interface NoticesParts {
  readonly clock: Clock
  readonly notify: (notice: EngineNotice) => void
}

type Work<T extends TablesResult = TablesResult> = () => Promise<T | undefined>

export class Notices {
  readonly #parts: NoticesParts
  #job = 0

  constructor(parts: NoticesParts) {
    this.#parts = parts
  }

  tell(notice: EngineNotice): void {
    const { clock, notify } = this.#parts
    clock.nextTurn(() => notify(notice))
  }

  /** Runs the work of a flush until its tables are there. */
  flush(
    memtable: { readonly entries: number; readonly usedBytes: number },
    work: Work,
  ): Promise<TablesResult | undefined> {
    const about = { event: 'flush', job: ++this.#job } as const
    const { entries, usedBytes: bytes } = memtable
    this.tell({ ...about, phase: 'begin', entries, bytes })
    return this.#during(work, (end): FlushNotice => ({ ...about, ...end }))
  }

  /** Runs the work of a compaction, install included. */
  compaction(plan: CompactionPlan, work: Work<MergeResult>): Promise<TablesResult | undefined> {
    const { inputLevel, outputLevel, trivialMove: moves } = plan
    const about = { event: 'compaction', job: ++this.#job, inputLevel, outputLevel } as const
    const inputs = plan.sources.flat()
    const bytes = storedBytes(inputs)
    this.tell({ ...about, phase: 'begin', tables: inputs.length, bytes, moves })
    let parts: readonly CompactionPart[] = []
    const merge = async (): Promise<TablesResult | undefined> => {
      const result = await work()
      parts = result?.parts ?? []
      return result
    }
    const ended = (end: WorkEnd): CompactionNotice =>
      end.phase === 'end' ? { ...about, ...end, parts } : { ...about, ...end }
    return this.#during(merge, ended)
  }

  /** Runs the rewriting of a table for the sake of the segments it points to, install included. */
  collection(plan: CompactionPlan, work: Work): Promise<TablesResult | undefined> {
    const { inputLevel: level, relocate = [] } = plan
    const about = { event: 'collection', job: ++this.#job, level } as const
    const segments = relocate.length
    this.tell({ ...about, phase: 'begin', segments, bytes: relocatedBytes(plan) })
    return this.#during(work, (end): CollectionNotice => ({ ...about, ...end }))
  }

  async #during(
    work: Work,
    ended: (end: WorkEnd) => EngineNotice,
  ): Promise<TablesResult | undefined> {
    const { clock } = this.#parts
    const began = clock.monotonicMs()
    const ms = (): number => clock.monotonicMs() - began
    try {
      const result = await work()
      const bytes =
        result === undefined ? 0 : storedBytes(result.tables) + segmentBytes(result.segments)
      this.tell(ended({ phase: 'end', tables: result?.tables.length ?? 0, bytes, ms: ms() }))
      return result
    } catch (error) {
      this.tell(ended({ phase: 'failed', code: errorCode(error) ?? 'unknown', ms: ms() }))
      throw error
    }
  }
}
