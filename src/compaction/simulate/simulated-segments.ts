// The value log of a simulated database: how large its segments are, and how much of them tables point to. State of one
// simulation. A segment goes with the last table that points to it.
import { assert } from '../../base/assert.ts'
import type { SegmentMeta, SegmentUse } from '../../format/segments/segment-meta.ts'
import { SEGMENT_FRAME_BYTES } from '../../format/segments/segment-part.ts'
import type { Levels, TableMeta } from '../../manifest/levels.ts'
import type { ValuesMoment } from '../pick-options.ts'
import { chooseDoomed, Doomed, GARBAGE_SHARE, garbageOf, overBound } from '../values/doom.ts'

export interface SegmentShape {
  /** A segment is closed after so many bytes, or values. */
  readonly segmentSize: number
  readonly segmentMaxEntries: number
  /** One that stands for several takes more values until it has so many bytes. */
  readonly least: { readonly [kind in Kind]: number }
}

/** Values written by a flush, or copied out of other segments. */
export type Kind = 'flushed' | 'copied'

interface Fill {
  segment: SegmentMeta
  used: number
  garbage: number
  /** Strata of tables that point to it. */
  references: number
  /** Real ones it stands for. */
  files: number
}

export class SimulatedSegments {
  readonly #shape: SegmentShape
  readonly #valueBytes: number
  readonly #fills = new Map<number, Fill>()
  /** Of which more than half is garbage. */
  readonly #wasted = new Set<Fill>()
  /** Those that take more; nothing in them counts as garbage yet. */
  readonly #open = new Map<Kind, Fill>()
  /** No table points to these. */
  readonly #loose = new Set<Fill>()
  #doomed: Doomed | undefined
  #garbage = 0
  bytes = 0
  files = 0
  freedBytes = 0

  /** `valueBytes`: what a value takes in a segment. */
  constructor(shape: SegmentShape, valueBytes: number) {
    this.#shape = shape
    this.#valueBytes = valueBytes
  }

  /** Values of one kind were written. Returns the number of their segment: `fresh`, unless an older one takes more. */
  write(kind: Kind, bytes: number, fresh: number): number {
    const fill = this.#open.get(kind) ?? this.#begin(fresh)
    const { number, size } = fill.segment
    const { segmentSize, segmentMaxEntries, least } = this.#shape
    const full = Math.max(bytes / segmentSize, bytes / this.#valueBytes / segmentMaxEntries)
    const files = Math.ceil(full)
    this.#open.set(kind, fill)
    this.#change(fill, () => {
      fill.segment = { ...fill.segment, size: size + bytes }
      fill.files += files
    })
    this.bytes += bytes
    this.files += files
    if (fill.segment.size >= least[kind]) this.#close(kind, fill)
    return number
  }

  /** Nothing more goes to the segments that would take more. */
  closeAll(): void {
    for (const [kind, fill] of this.#open) this.#close(kind, fill)
    this.#dropLoose()
  }

  #close(kind: Kind, fill: Fill): void {
    this.#open.delete(kind)
    this.#change(fill, () => undefined)
  }

  /** Tables are there: what they point to was written before. */
  refer(tables: readonly TableMeta[]): void {
    for (const { segments = [] } of tables) for (const use of segments) this.#count(use, 1)
  }

  /** Tables are gone, and with them the segments that no other points to. */
  release(tables: readonly TableMeta[]): void {
    for (const { segments = [] } of tables) for (const use of segments) this.#count(use, -1)
    this.#dropLoose()
  }

  /** What the next pick is to know, as the engine's collector has it. `tableBytes`: of all tables. */
  moment(levels: Levels, tableBytes: number, rest: boolean): ValuesMoment | undefined {
    if (this.#fills.size === 0) return undefined
    const space = { bytes: tableBytes + this.bytes, garbage: this.#garbage }
    if (this.#doomed?.freedBy(levels) === true) this.#doomed = undefined
    if (this.#doomed === undefined && (this.#wasted.size > 0 || overBound(space))) {
      const closed = [...this.#fills.values()].filter((fill) => !this.#isOpen(fill))
      const chosen = chooseDoomed(closed, space)
      if (chosen.length > 0) this.#doomed = new Doomed(chosen)
    }
    return { doomed: this.#doomed, space, rest }
  }

  #begin(number: number): Fill {
    const segment = { number, size: SEGMENT_FRAME_BYTES, salt: '' }
    const fill = { segment, used: 0, garbage: 0, references: 0, files: 0 }
    this.#fills.set(number, fill)
    this.bytes += segment.size
    return fill
  }

  #count({ number, bytes }: SegmentUse, sign: number): void {
    const fill = this.#fills.get(number)
    assert(fill !== undefined, 'a segment stays while tables point to it')
    this.#change(fill, () => {
      fill.references += sign
      // What is left over is what adding and subtracting lost.
      fill.used = fill.references === 0 ? 0 : Math.max(0, fill.used + sign * bytes)
    })
  }

  #isOpen(fill: Fill): boolean {
    return this.#open.get('flushed') === fill || this.#open.get('copied') === fill
  }

  /** The only way a segment changes, so that the sums follow. */
  #change(fill: Fill, change: () => void): void {
    this.#garbage -= fill.garbage
    change()
    fill.garbage = this.#isOpen(fill) ? 0 : garbageOf(fill)
    this.#garbage += fill.garbage
    if (fill.garbage > GARBAGE_SHARE * fill.segment.size) this.#wasted.add(fill)
    else this.#wasted.delete(fill)
    if (fill.references === 0 && !this.#isOpen(fill)) this.#loose.add(fill)
    else this.#loose.delete(fill)
  }

  #dropLoose(): void {
    for (const fill of this.#loose) {
      const { size, number } = fill.segment
      this.#garbage -= fill.garbage
      this.#fills.delete(number)
      this.#wasted.delete(fill)
      this.bytes -= size
      this.files -= fill.files
      this.freedBytes += size
    }
    this.#loose.clear()
  }
}
