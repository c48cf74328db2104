// Decides which segments of the value log are to become free, and keeps to it until they are: a round. Main thread. The
// rewriting itself is compaction's (compaction-scheduler.ts). A segment in which damage was met is left alone until
// the database is reopened.
import { CorruptionError } from '../../base/errors.ts'
import type { InFlight } from '../../compaction/in-flight.ts'
import type { ValuesMoment } from '../../compaction/pick-options.ts'
import type { CompactionPlan } from '../../compaction/plan.ts'
import {
  chooseDoomed,
  Doomed,
  garbageShare,
  overBound,
  type SegmentFill,
  type Space,
} from '../../compaction/values/doom.ts'
import { planValues } from '../../compaction/values/pick-values.ts'
import { storedBytes } from '../../format/table-meta.ts'
import { parseFileName } from '../../io/file-names.ts'
import type { Levels } from '../../manifest/levels.ts'
import type { TreeState } from '../tree-state.ts'
import type { CollectedSegment, CollectReport, NotFreedReason } from './report.ts'
import type { Segments } from './segments.ts'

export interface CollectorParts {
  readonly tree: TreeState
  readonly segments: Segments
  /** Nothing is being written, or somebody waits for all that can be done. */
  readonly rest: () => boolean
  /** Whatever can wait waits for the end of a load. */
  readonly deferred: () => boolean
}

/** What runs the plans it is given, until there are none. */
export type Work = (
  next: (levels: Levels, inFlight: InFlight) => CompactionPlan | undefined,
) => Promise<void>

export class ValueCollector {
  readonly #parts: CollectorParts
  /** Of the round. */
  #doomed: Doomed | undefined
  /** Levels in which nothing is to be doomed. */
  #content: Levels | undefined
  /** Damage was met in them. */
  readonly #spoiled = new Set<number>()
  #asked = false
  collections = 0

  constructor(parts: CollectorParts) {
    this.#parts = parts
  }

  /** Segments in which damage was met. */
  get spoiled(): number {
    return this.#spoiled.size
  }

  /** Somebody waits for the end of collect(). */
  get busy(): boolean {
    return this.#asked
  }

  /** What the next pick is to know; undefined: of no value. */
  moment(): ValuesMoment | undefined {
    const { tree, rest, deferred } = this.#parts
    if (deferred()) return undefined
    const { levels, segmentSums: sums } = tree
    if (sums.count === 0) return undefined
    const tables = levels.reduce((sum, each) => sum + storedBytes(each), 0)
    const space = { bytes: tables + sums.bytes, garbage: sums.garbage }
    if (this.#doomed?.freedBy(levels) === true) this.#doomed = undefined
    if (this.#doomed === undefined && (sums.some || overBound(space))) this.#choose(levels, space)
    return { doomed: this.#doomed, space, rest: rest() }
  }

  /** A plan failed. True: for damage in a segment that it was to copy from, which is left alone from now on. */
  spoil({ relocate = [] }: CompactionPlan, error: unknown): boolean {
    if (!(error instanceof CorruptionError)) return false
    const file = parseFileName(error.file.slice(error.file.lastIndexOf('/') + 1))
    if (file?.kind !== 'vlog' || !relocate.some(({ number }) => number === file.number)) {
      return false
    }
    this.#spoiled.add(file.number)
    this.#doomed = undefined
    this.#content = undefined
    return true
  }

  /** Frees every segment of which more than `ratio` is garbage, as far as it can be. */
  async collect(ratio: number, work: Work): Promise<CollectReport> {
    this.#asked = true
    try {
      const before = this.#parts.tree.segmentFills
      const wanted = before.filter((fill) => garbageShare(fill) > ratio && this.#mayGo(fill))
      await this.#free(wanted, work)
      await this.#parts.tree.dropUnused()
      return this.#report(before, wanted)
    } finally {
      this.#asked = false
    }
  }

  async #free(wanted: readonly SegmentFill[], work: Work): Promise<void> {
    for (;;) {
      const doomed = new Doomed(wanted.filter((fill) => this.#mayGo(fill)))
      const { size: spoiled } = this.#spoiled
      try {
        await work((levels, inFlight) => planValues(levels, doomed, inFlight))
        return
      } catch (error) {
        // Without the damaged one.
        if (this.#spoiled.size === spoiled) throw error
      }
    }
  }

  #mayGo({ segment }: SegmentFill): boolean {
    return !this.#spoiled.has(segment.number) && !this.#parts.segments.isHeld(segment.number)
  }

  #choose(levels: Levels, space: Space): void {
    if (this.#content === levels) return
    const fills = this.#parts.tree.segmentFills.filter((fill) => this.#mayGo(fill))
    const chosen = chooseDoomed(fills, space).filter(({ used }) => used > 0)
    if (chosen.length === 0) this.#content = levels
    else this.#doomed = new Doomed(chosen)
  }

  #report(before: readonly SegmentFill[], wanted: readonly SegmentFill[]): CollectReport {
    const { tree, segments } = this.#parts
    const there = new Set(tree.segmentFills.map(({ segment }) => segment.number))
    const asked = new Set(wanted.map(({ segment }) => segment.number))
    const rows = before.map(({ segment, used }): CollectedSegment => {
      const { number, size } = segment
      const row = { number, size, liveBytes: used }
      if (!there.has(number)) {
        const freed = size - used
        return segments.isLeaving(number) ? { ...row, freed, reason: 'pinned' } : { ...row, freed }
      }
      return { ...row, freed: 0, reason: this.#reason(number, asked.has(number)) }
    })
    return { bytesFreed: rows.reduce((sum, { freed }) => sum + freed, 0), segments: rows }
  }

  #reason(number: number, asked: boolean): NotFreedReason {
    if (this.#spoiled.has(number)) return 'damaged'
    if (this.#parts.segments.isHeld(number)) return 'held'
    return asked ? 'in-use' : 'below-ratio'
  }
}
