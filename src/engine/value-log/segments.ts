// What the segments of the value log still hold for somebody. Main thread. A segment lives while a table refers to it,
// or somebody holds it: a value that is being written to it, or a memtable with a pointer into it. Sums follow the
// manifest from one state to the next: only tables that came or went are looked at.
import {
  GARBAGE_SHARE,
  garbageOf,
  garbageShare,
  type SegmentFill,
} from '../../compaction/values/doom.ts'
import type { SegmentMeta } from '../../format/segments/segment-meta.ts'
import { referredBytes } from '../../format/table-meta.ts'
import type { Levels, TableMeta } from '../../manifest/levels.ts'

/** Sums over all segments the manifest names. */
export interface SegmentSums {
  readonly count: number
  /** Of the files. */
  readonly bytes: number
  /** Of these, bytes that tables point to. */
  readonly liveBytes: number
  /** Bytes that no table points to; of segments that somebody holds, none. */
  readonly garbage: number
  /** A segment that nobody holds is mostly garbage. */
  readonly some: boolean
}

interface Fill extends SegmentFill {
  used: number
}

export class Segments {
  readonly #holds = new Map<number, number>()
  /** Of the state seen last. */
  #levels: Levels = []
  #segments: readonly SegmentMeta[] = []
  readonly #fills = new Map<number, Fill>()
  /** Tables refer to these segments; a table may be seen before its segments are. */
  readonly #used = new Map<number, number>()
  /** No table refers to these. */
  readonly #loose = new Set<number>()
  /** Of which more than half is garbage. */
  readonly #wasted = new Set<number>()
  /** Written to segments that no manifest names yet. */
  unnamedBytes = 0
  /** Dropped, or about to be, while views may still show values in them. */
  readonly #leaving = new Map<number, SegmentMeta>()
  #bytes = 0
  #removedBytes = 0
  #liveBytes = 0
  #garbage = 0

  /** Keeps a segment that no table need refer to; returns the idempotent release. */
  hold(number: number): () => void {
    this.#holds.set(number, (this.#holds.get(number) ?? 0) + 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      const left = this.#holds.get(number)! - 1
      if (left === 0) this.#holds.delete(number)
      else this.#holds.set(number, left)
    }
  }

  isHeld(number: number): boolean {
    return this.#holds.has(number)
  }

  /** What is known of a segment that a view shows; `named`: by the manifest. */
  metaOf(number: number, named: readonly SegmentMeta[]): SegmentMeta | undefined {
    if (named !== this.#segments) this.#followSegments(named)
    return this.#fills.get(number)?.segment ?? this.#leaving.get(number)
  }

  /** An edit that drops them is about to be written. */
  leaving(segments: readonly SegmentMeta[]): void {
    for (const segment of segments) this.#leaving.set(segment.number, segment)
  }

  /** It is given up, but a reader may still be in its file. */
  isLeaving(number: number): boolean {
    return this.#leaving.has(number)
  }

  /** No view shows it any more. */
  gone(number: number): void {
    this.#removedBytes += this.#leaving.get(number)?.size ?? 0
    this.#leaving.delete(number)
  }

  /** Of all files that went since the open. */
  get removedBytes(): number {
    return this.#removedBytes
  }

  /** Those of `segments` that neither the levels nor anybody else needs. */
  unused(segments: readonly SegmentMeta[], levels: Levels): readonly SegmentMeta[] {
    this.follow(segments, levels)
    return [...this.#loose]
      .filter((number) => !this.#holds.has(number))
      .map((number) => this.#fills.get(number)!.segment)
  }

  sums(segments: readonly SegmentMeta[], levels: Levels): SegmentSums {
    this.follow(segments, levels)
    let garbage = this.#garbage
    for (const number of this.#holds.keys()) {
      const fill = this.#fills.get(number)
      if (fill !== undefined) garbage -= garbageOf(fill)
    }
    let some = false
    for (const number of this.#wasted) {
      some = !this.#holds.has(number)
      if (some) break
    }
    const { size: count } = this.#fills
    return { count, bytes: this.#bytes, liveBytes: this.#liveBytes, garbage, some }
  }

  fills(segments: readonly SegmentMeta[], levels: Levels): readonly SegmentFill[] {
    this.follow(segments, levels)
    return segments.map(({ number }) => ({ ...this.#fills.get(number)! }))
  }

  /** Counts what came or went since the state seen before. */
  follow(segments: readonly SegmentMeta[], levels: Levels): void {
    if (segments !== this.#segments) this.#followSegments(segments)
    if (levels === this.#levels) return
    const most = Math.max(levels.length, this.#levels.length)
    for (let level = 0; level < most; level += 1) {
      const before = this.#levels[level] ?? []
      const after = levels[level] ?? []
      if (before !== after) this.#followLevel(before, after)
    }
    this.#levels = levels
  }

  /** Both by number. */
  #followSegments(after: readonly SegmentMeta[]): void {
    const before = this.#segments
    this.#segments = after
    let i = 0
    let j = 0
    while (i < before.length || j < after.length) {
      const gone = before[i]?.number ?? Number.POSITIVE_INFINITY
      const come = after[j]?.number ?? Number.POSITIVE_INFINITY
      if (gone < come) this.#drop(gone)
      else if (come < gone) this.#add(after[j]!)
      if (gone <= come) i += 1
      if (come <= gone) j += 1
    }
  }

  #followLevel(before: readonly TableMeta[], after: readonly TableMeta[]): void {
    const stay = new Set(after)
    for (const table of before) if (!stay.delete(table)) this.#count(table, -1)
    for (const table of stay) this.#count(table, 1)
  }

  #count(table: TableMeta, sign: number): void {
    this.#liveBytes += sign * referredBytes(table)
    for (const { number, bytes } of table.segments ?? []) {
      const used = (this.#used.get(number) ?? 0) + sign * bytes
      if (used === 0) this.#used.delete(number)
      else this.#used.set(number, used)
      const fill = this.#fills.get(number)
      if (fill === undefined) continue
      this.#garbage -= garbageOf(fill)
      fill.used = used
      this.#garbage += garbageOf(fill)
      this.#judge(fill)
    }
  }

  #add(segment: SegmentMeta): void {
    const fill = { segment, used: this.#used.get(segment.number) ?? 0 }
    this.#fills.set(segment.number, fill)
    this.#bytes += segment.size
    this.#garbage += garbageOf(fill)
    this.#judge(fill)
  }

  #drop(number: number): void {
    const fill = this.#fills.get(number)!
    this.#fills.delete(number)
    this.#loose.delete(number)
    this.#wasted.delete(number)
    this.#bytes -= fill.segment.size
    this.#garbage -= garbageOf(fill)
  }

  #judge(fill: Fill): void {
    const { number } = fill.segment
    if (fill.used === 0) this.#loose.add(number)
    else this.#loose.delete(number)
    if (garbageShare(fill) > GARBAGE_SHARE) this.#wasted.add(number)
    else this.#wasted.delete(number)
  }
}
