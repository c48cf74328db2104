// One call of collectGarbage(): what of the segments it wants it may free, table by table, and what there is no room to
// copy. Main thread. Nothing is begun that could take more than the volume has left.
import type { InFlight } from '../../compaction/in-flight.ts'
import type { CompactionPlan } from '../../compaction/plan.ts'
import { Doomed, garbageShare, type SegmentFill } from '../../compaction/values/doom.ts'
import { planValues, relocatedBytes } from '../../compaction/values/pick-values.ts'
import type { SegmentMeta } from '../../format/segments/segment-meta.ts'
import { storedBytes } from '../../format/table-meta.ts'
import type { Levels } from '../../manifest/levels.ts'

export interface AskedParts {
  readonly wanted: readonly SegmentFill[]
  /** Whether it may still be collected. */
  readonly mayGo: (fill: SegmentFill) => boolean
  /** Bytes that may be written. */
  readonly room: () => number
}

export class AskedCollection {
  readonly #parts: AskedParts
  /** There was no room for what of them is in use; there may be some once others are free. */
  readonly #crowded = new Set<number>()
  /** The volume got full over them. */
  readonly #full = new Set<number>()
  #doomed: Doomed
  /** Under way. */
  #begun: readonly CompactionPlan[] = []
  #freed = false

  constructor(parts: AskedParts) {
    this.#parts = parts
    this.#doomed = this.#choose()
  }

  wants(number: number): boolean {
    return this.#parts.wanted.some(({ segment }) => segment.number === number)
  }

  hasNoRoom(number: number): boolean {
    return this.#crowded.has(number) || this.#full.has(number)
  }

  /** The volume got full by a plan that was to copy out of these. */
  refused(segments: readonly SegmentMeta[]): void {
    for (const { number } of segments) if (this.wants(number)) this.#full.add(number)
  }

  /** How many may not go any more because the volume got full. */
  get refusals(): number {
    return this.#full.size
  }

  /** undefined: there is nothing to do, or not before what is under way has ended. */
  next(levels: Levels, inFlight: InFlight): CompactionPlan | undefined {
    this.#begun = this.#begun.filter(({ sources }) => sources.flat().some((t) => inFlight.holds(t)))
    const spokenFor = this.#begun.reduce((sum, plan) => sum + mostBytes(plan), 0)
    for (;;) {
      const plan = planValues(levels, this.#doomed, inFlight)
      if (plan === undefined) return undefined
      if (spokenFor + mostBytes(plan) <= this.#parts.room()) {
        this.#begun = [...this.#begun, plan]
        this.#freed = true
        return plan
      }
      if (this.#begun.length > 0) return undefined
      this.#giveUp(plan.relocate ?? [])
    }
  }

  /** Begins anew, without what may not go any more. */
  again(): void {
    this.#doomed = this.#choose()
  }

  /** True: others are free now, so that there may be room for what was given up. */
  mayGoOn(): boolean {
    const may = this.#freed && this.#crowded.size > 0
    this.#freed = false
    if (may) this.#crowded.clear()
    return may
  }

  #choose(): Doomed {
    const { wanted, mayGo } = this.#parts
    return new Doomed(wanted.filter((fill) => mayGo(fill) && !this.hasNoRoom(fill.segment.number)))
  }

  /** The one that has least garbage: the others may fit without it. */
  #giveUp(segments: readonly SegmentMeta[]): void {
    const numbers = new Set(segments.map(({ number }) => number))
    const fills = this.#parts.wanted.filter(({ segment }) => numbers.has(segment.number))
    fills.sort((a, b) => garbageShare(a) - garbageShare(b))
    this.#crowded.add(fills[0]!.segment.number)
    this.#doomed = this.#choose()
  }
}

/** What a plan writes, at most: nothing it replaces is gone before its end. */
function mostBytes(plan: CompactionPlan): number {
  return storedBytes(plan.sources.flat()) + relocatedBytes(plan)
}
