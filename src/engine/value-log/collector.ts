// Decides which segments of the value log are to become free, and keeps to it until they are: a round. Main thread. The
// rewriting itself is compaction's (compaction-scheduler.ts). A segment in which damage was met is left alone until
// the database is reopened. What the volume has no room for waits: nothing else waits for it.
import type { Clock } from '../../base/clock.ts'
import { CorruptionError } from '../../base/errors.ts'
import { expiredBytes } from '../../compaction/expiry.ts'
import type { InFlight } from '../../compaction/in-flight.ts'
import type { ValuesMoment } from '../../compaction/pick-options.ts'
import type { CompactionPlan } from '../../compaction/plan.ts'
import {
  chooseDoomed,
  Doomed,
  garbageOf,
  garbageShare,
  overBound,
  type SegmentFill,
  type Space,
} from '../../compaction/values/doom.ts'
import { storedBytes } from '../../format/table-meta.ts'
import { parseFileName } from '../../io/file-names.ts'
import type { Levels } from '../../manifest/levels.ts'
import type { Readers } from '../../mvcc/pins.ts'
import { BackOff, type BackOffShape } from '../disk/back-off.ts'
import type { DiskReserve } from '../disk/disk-reserve.ts'
import { isDiskFull } from '../disk/failures.ts'
import type { ObsoleteFiles } from '../obsolete-files.ts'
import type { TreeState } from '../tree-state.ts'
import { AskedCollection } from './asked-collection.ts'
import type { CollectedSegment, CollectReport, NotFreedReason } from './report.ts'
import type { Segments } from './segments.ts'

/** A volume that was full is given so long to have room again; longer each time. */
const FULL: BackOffShape = { firstMs: 5_000, longestMs: 80_000, keepsAlive: false }

export interface CollectorParts {
  readonly tree: Pick<TreeState, 'levels' | 'segmentSums' | 'segmentFills' | 'dropUnused'>
  readonly segments: Pick<Segments, 'isHeld' | 'isLeaving'>
  readonly clock: Clock
  readonly reserve: Pick<DiskReserve, 'room' | 'roomToFree'>
  readonly obsolete: Pick<ObsoleteFiles, 'settled'>
  /** Something may be due again. */
  readonly kick: () => void
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
  /** Room there was, in the reserve too, when nothing was found to be doomed in them. */
  #contentRoom = 0
  /** Damage was met in them. */
  readonly #spoiled = new Set<number>()
  /** The volume was full: nothing is collected until it may have room again. */
  readonly #full: BackOff
  /** Somebody waits for their end. */
  readonly #asked = new Set<AskedCollection>()
  /** Bytes of what had expired when the next pick was asked for. */
  #expired = 0
  collections = 0

  constructor(parts: CollectorParts) {
    this.#parts = parts
    this.#full = new BackOff(parts.clock, FULL)
  }

  /** Segments in which damage was met. */
  get spoiled(): number {
    return this.#spoiled.size
  }

  /** Somebody waits for the end of collect(). */
  get busy(): boolean {
    return this.#asked.size > 0
  }

  /** What the next pick is to know; undefined: of no value. `readers`: undefined if nothing there is expires. */
  moment(readers?: Readers): ValuesMoment | undefined {
    const { tree, rest, deferred } = this.#parts
    if (deferred()) return undefined
    const { levels, segmentSums: sums } = tree
    this.#expired = expiredBytes(levels, readers)
    if (sums.count === 0 && this.#expired === 0) return undefined
    const space = this.#space
    if (this.#doomed?.freedBy(levels) === true) this.#doomed = undefined
    const may = this.#doomed === undefined && !this.#full.waiting
    if (may && (sums.some || overBound(space))) this.#choose(levels, space)
    return { doomed: this.#doomed, space, rest: rest() }
  }

  /** What is there, without the garbage that nothing is going to free by now; undefined: whatever there is waits. */
  get freeable(): Space | undefined {
    if (this.#parts.deferred() || this.#full.waiting) return undefined
    const { bytes, garbage } = this.#space
    return this.#doomed === undefined ? { bytes: bytes - garbage, garbage: 0 } : { bytes, garbage }
  }

  get #space(): Space {
    const { levels, segmentSums: sums } = this.#parts.tree
    const tables = levels.reduce((sum, each) => sum + storedBytes(each), 0)
    const stuck = this.#spoiledGarbage()
    const garbage = sums.garbage - stuck + this.#expired
    return { bytes: tables + sums.bytes - stuck, garbage }
  }

  /** A plan failed. True: because of what it was to copy, which is left alone from now on, or for a while. */
  failed(plan: CompactionPlan, error: unknown): boolean {
    if (plan.relocate !== undefined && isDiskFull(error)) {
      for (const asked of this.#asked) asked.refused(plan.relocate)
      this.#doomed = undefined
      this.#full.later(this.#parts.kick)
      return plan.collects === true
    }
    return this.#spoil(plan, error)
  }

  /** A table is rewritten. */
  collected(): void {
    this.collections += 1
    this.#full.succeeded()
  }

  /** Nothing is chosen any more. */
  stop(): void {
    this.#full.cancel()
  }

  /** True: for damage in a segment that it was to copy from. */
  #spoil({ relocate = [] }: CompactionPlan, error: unknown): boolean {
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
    const { tree, reserve } = this.#parts
    const before = tree.segmentFills
    const mayGo = (fill: SegmentFill): boolean => this.#mayGo(fill)
    const wanted = before.filter((fill) => garbageShare(fill) > ratio && mayGo(fill))
    const asked = new AskedCollection({ wanted, mayGo, room: () => reserve.roomToFree })
    this.#asked.add(asked)
    try {
      do await this.#free(asked, work)
      while (asked.mayGoOn())
      await tree.dropUnused()
      return this.#report(before, asked)
    } finally {
      this.#asked.delete(asked)
    }
  }

  async #free(asked: AskedCollection, work: Work): Promise<void> {
    for (;;) {
      // What was given up takes its room until it is gone.
      await this.#parts.obsolete.settled()
      asked.again()
      const { size: spoiled } = this.#spoiled
      const { refusals } = asked
      try {
        await work((levels, inFlight) => asked.next(levels, inFlight))
        return
      } catch (error) {
        // Without the damaged one, or the one there was no room for.
        if (this.#spoiled.size === spoiled && asked.refusals === refusals) throw error
      }
    }
  }

  #mayGo({ segment }: SegmentFill): boolean {
    return !this.#spoiled.has(segment.number) && !this.#parts.segments.isHeld(segment.number)
  }

  /** Garbage that stays: it asks for no more than that of held segments does. */
  #spoiledGarbage(): number {
    if (this.#spoiled.size === 0) return 0
    const { tree, segments } = this.#parts
    const stuck = tree.segmentFills.filter(({ segment: { number } }) => {
      // What is held was not counted to begin with.
      return this.#spoiled.has(number) && !segments.isHeld(number)
    })
    return stuck.reduce((sum, fill) => sum + garbageOf(fill), 0)
  }

  #choose(levels: Levels, space: Space): void {
    const { reserve, tree } = this.#parts
    const { roomToFree } = reserve
    if (this.#content === levels && roomToFree <= this.#contentRoom) return
    const fills = tree.segmentFills.filter((fill) => this.#mayGo(fill))
    const within = (room: number): readonly SegmentFill[] =>
      chooseDoomed(fills, space, room).filter(({ used }) => used > 0)
    const spared = within(reserve.room)
    // Where nothing is to spare, such as when puts are refused, only this brings room back: one at a time.
    const chosen = spared.length > 0 ? spared : within(roomToFree).slice(0, 1)
    if (chosen.length > 0) this.#doomed = new Doomed(chosen)
    else {
      this.#content = levels
      this.#contentRoom = roomToFree
    }
  }

  #report(before: readonly SegmentFill[], asked: AskedCollection): CollectReport {
    const { tree, segments } = this.#parts
    const there = new Set(tree.segmentFills.map(({ segment }) => segment.number))
    const rows = before.map(({ segment, used }): CollectedSegment => {
      const { number, size } = segment
      const row = { number, size, liveBytes: used }
      if (!there.has(number)) {
        const freed = size - used
        return segments.isLeaving(number) ? { ...row, freed, reason: 'pinned' } : { ...row, freed }
      }
      return { ...row, freed: 0, reason: this.#reason(number, asked) }
    })
    return { bytesFreed: rows.reduce((sum, { freed }) => sum + freed, 0), segments: rows }
  }

  #reason(number: number, asked: AskedCollection): NotFreedReason {
    if (this.#spoiled.has(number)) return 'damaged'
    if (this.#parts.segments.isHeld(number)) return 'held'
    if (asked.hasNoRoom(number)) return 'no-room'
    return asked.wants(number) ? 'in-use' : 'below-ratio'
  }
}
