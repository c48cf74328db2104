// Which segments of the value log are to become free. Pure. Garbage of a segment is what no table points to; what a
// deeper table still points to, although something newer hides it, counts only once a merge has dropped its pointer.
import type { SegmentMeta } from '../../format/segments/segment-meta.ts'
import { SEGMENT_FRAME_BYTES } from '../../format/segments/segment-part.ts'
import type { TableMeta } from '../../format/table-meta.ts'
import type { Levels } from '../../manifest/levels.ts'

/** A segment, and how many of its bytes tables point to. */
export interface SegmentFill {
  readonly segment: SegmentMeta
  readonly used: number
}

/** Sums over all files. */
export interface Space {
  /** Of tables and segments. */
  readonly bytes: number
  /** Of these, bytes of segments that no table points to, and of what has expired for all who could see it. */
  readonly garbage: number
}

/** Whatever else is doomed: from this share of garbage on a segment is. */
export const GARBAGE_SHARE = 0.5
/** All files together, over what of them is not garbage (docs/DESIGN.md §6): beyond this segments are doomed until it
 * holds again, with so much to spare that it does for a while. */
export const SPACE_BOUND = 1.5
const SPACE_AIM = 1.3
/** Beyond this nothing but a deep level 0 is more urgent. */
const SPACE_FAR = 2
/** A segment with less garbage is left alone: to free a byte nine would be copied. */
const LEAST_SHARE = 0.1
/** Of what is live, about so much is copied before the first doomed segment goes: until then it is there twice. */
const ROUND_SHARE = 0.125
const ROOM_SHARE = 0.5

/** Bytes of a segment that no table points to; header and footer, which any segment has, are none. */
export function garbageOf({ segment, used }: SegmentFill): number {
  return Math.max(0, segment.size - SEGMENT_FRAME_BYTES - used)
}

export function garbageShare(fill: SegmentFill): number {
  return garbageOf(fill) / fill.segment.size
}

export function overBound({ bytes, garbage }: Space): boolean {
  return bytes > SPACE_BOUND * (bytes - garbage)
}

export function farOverBound({ bytes, garbage }: Space): boolean {
  return bytes > SPACE_FAR * (bytes - garbage)
}

/**
 * Of the segments that may be collected, those that should be next: the ones of which most is garbage first. `room`:
 * bytes the volume has to spare; what is copied takes half of it at most, for the rest goes on beside it.
 */
export function chooseDoomed(
  fills: Iterable<SegmentFill>,
  space: Space,
  room: number = Number.POSITIVE_INFINITY,
): readonly SegmentFill[] {
  const worth = [...fills].filter((fill) => garbageShare(fill) >= LEAST_SHARE)
  worth.sort((a, b) => garbageShare(b) - garbageShare(a) || a.segment.number - b.segment.number)
  const live = space.bytes - space.garbage
  const broken = overBound(space)
  const doomed: SegmentFill[] = []
  let bytes = space.bytes
  let copied = 0
  for (const fill of worth) {
    const wasted = garbageShare(fill) > GARBAGE_SHARE || (broken && bytes > SPACE_AIM * live)
    const fits = doomed.length === 0 || copied + fill.used <= ROUND_SHARE * live
    if (!wasted || !fits) break
    if (copied + fill.used > room * ROOM_SHARE) continue
    doomed.push(fill)
    bytes -= garbageOf(fill)
    copied += fill.used
  }
  return doomed
}

/** Segments that are to become free together: a table that is rewritten lets go of all of them at once. */
export class Doomed {
  readonly segments: ReadonlyMap<number, SegmentMeta>
  readonly #bytes = new WeakMap<TableMeta, number>()

  constructor(fills: readonly SegmentFill[]) {
    this.segments = new Map(fills.map(({ segment }) => [segment.number, segment]))
  }

  /** Bytes the table points to in them. */
  bytesOf(table: TableMeta): number {
    if (table.segments === undefined) return 0
    let bytes = this.#bytes.get(table)
    if (bytes === undefined) {
      bytes = 0
      for (const use of table.segments) if (this.segments.has(use.number)) bytes += use.bytes
      this.#bytes.set(table, bytes)
    }
    return bytes
  }

  /** Those the tables point to, by number. */
  of(tables: readonly TableMeta[]): readonly SegmentMeta[] {
    const found = new Map<number, SegmentMeta>()
    for (const { segments = [] } of tables) {
      for (const { number } of segments) {
        const segment = this.segments.get(number)
        if (segment !== undefined) found.set(number, segment)
      }
    }
    return [...found.values()].sort((a, b) => a.number - b.number)
  }

  /** No table points to any of them. */
  freedBy(levels: Levels): boolean {
    return levels.every((tables) => tables.every((table) => this.bytesOf(table) === 0))
  }
}
