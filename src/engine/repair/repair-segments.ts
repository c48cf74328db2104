// What a repair makes of the segments: which of them its jobs may read, which ones it wrote, what values are lost, and
// which segments the new manifest is to name. Main thread.
import { type SegmentMeta, segmentBytes } from '../../format/segments/segment-meta.ts'
import { segmentPath } from '../../io/file-names.ts'
import type { FoundSegment, SalvageResult } from '../../jobs/job.ts'
import { joined, type LostValues } from '../../jobs/salvage/lost-values.ts'
import type { Levels, TableMeta } from '../../manifest/levels.ts'
import type { SegmentsFound } from './found-segments.ts'
import type { RepairNotes } from './report.ts'

const NONE: SegmentsFound = { found: [], damage: new Map(), missing: new Map() }

export class RepairSegments {
  readonly #directory: string
  readonly #notes: RepairNotes
  readonly #written = new Map<number, SegmentMeta>()
  readonly #lost = new Map<number, LostValues[]>()
  /** Of which values were read for a copy. */
  readonly #read = new Set<number>()
  #all: SegmentsFound = NONE

  constructor(directory: string, notes: RepairNotes) {
    this.#directory = directory
    this.#notes = notes
  }

  found(all: SegmentsFound): void {
    this.#all = all
  }

  /** What a table or a log may point to: a table this repair wrote points to segments it wrote as well. */
  get places(): readonly FoundSegment[] {
    const written = [...this.#written.values()].map((meta): FoundSegment => {
      return { ...meta, file: meta.number, sound: true }
    })
    return [...this.#all.found, ...written]
  }

  /** Of all that a table may refer to. */
  get bytes(): number {
    return segmentBytes([...this.#all.found, ...this.#written.values()])
  }

  /** What a job wrote is sound. */
  add(segments: readonly SegmentMeta[]): void {
    for (const segment of segments) this.#written.set(segment.number, segment)
  }

  take({ segments, lostValues, readSegments }: SalvageResult): void {
    this.add(segments)
    this.lose(lostValues)
    for (const number of readSegments) this.#read.add(number)
  }

  lose(values: readonly LostValues[]): void {
    for (const run of values) {
      const { segment } = run
      this.#lost.set(segment, [...(this.#lost.get(segment) ?? []), run])
    }
  }

  /** A table may stay only if all its segments do. */
  allStay({ segments = [] }: TableMeta): boolean {
    const staying = this.#staying()
    return segments.every(({ number }) => staying.has(number))
  }

  /** Those that the tables refer to. */
  named(levels: Levels): SegmentMeta[] {
    const used = new Set(
      levels.flat().flatMap(({ segments = [] }) => segments.map(({ number }) => number)),
    )
    const named = [...this.#staying().values()].filter(({ number }) => used.has(number))
    return named.sort((a, b) => a.number - b.number)
  }

  /** At the end: counts what stays, tells what is lost, and what was wrong with nothing lost. */
  tell(named: readonly SegmentMeta[]): void {
    const { found, damage } = this.#all
    this.#notes.segments = named.filter(({ number }) => !this.#written.has(number)).length
    const unsound = found.filter(({ sound, number }) => !sound && this.#read.has(number))
    this.#notes.salvagedSegments = unsound.length
    for (const [number, runs] of this.#lost) this.#tellLost(number, runs)
    for (const [number, { file, offset, expected, found: seen }] of damage) {
      if (this.#lost.has(number)) continue
      const what = `${file} at offset ${offset}: expected ${expected}, found ${seen}`
      this.#notes.note(`${what}; every value of it that counts was saved`)
    }
  }

  #tellLost(number: number, runs: readonly LostValues[]): void {
    const whole = this.#all.missing.get(number)
    const gone = this.#all.found.every((segment) => segment.number !== number)
    if (number > 0 && gone) {
      const { values, keys } = runs.reduce(joined)
      const file = segmentPath(this.#directory, number)
      const { size: length = 0, why = 'the file is missing' } = whole ?? {}
      this.#notes.loss({ kind: 'segment', file, offset: 0, length, why, values, keys })
      return
    }
    for (const { file, from, length, expected, found, values, keys } of together(runs)) {
      const why = `expected ${expected}, found ${found}`
      this.#notes.loss({ kind: 'segment', file, offset: from, length, why, values, keys })
    }
  }

  #staying(): ReadonlyMap<number, SegmentMeta> {
    const sound = this.#all.found.filter(({ sound }) => sound)
    const metas = sound.map(({ number, size, salt }): [number, SegmentMeta] => [
      number,
      { number, size, salt },
    ])
    return new Map([...metas, ...this.#written])
  }
}

/** Runs of several tables that touch or overlap, as one. */
function together(runs: readonly LostValues[]): LostValues[] {
  const all: LostValues[] = []
  for (const run of [...runs].sort((a, b) => a.from - b.from)) {
    const last = all.at(-1)
    if (last !== undefined && run.from <= last.from + last.length)
      all[all.length - 1] = joined(last, run)
    else all.push(run)
  }
  return all
}
