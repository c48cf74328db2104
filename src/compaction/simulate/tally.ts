// What is counted of a simulation, and the figures that come of it. State of one simulation.
import type { CompactionPlan } from '../plan.ts'

export interface SimulationFigures {
  readonly dataBytes: number
  /** Bytes of keys and values the program wrote. */
  readonly givenBytes: number
  /** Bytes of tables and segments that flushes wrote. */
  readonly flushedBytes: number
  /** In the end, bytes of entries a reader can see. */
  readonly liveBytes: number
  /** Bytes written for each byte given, until what was due at the end of the load was done. */
  readonly writeAmplification: {
    /** Records; a commit adds a frame header. */
    readonly log: number
    readonly tables: number
    readonly segments: number
    readonly together: number
    /** More, once nothing is written any more. */
    readonly idle: number
  }
  /** Tables a lookup may have to look into: mean over the run, and most; and segments it then reads a value from. */
  readonly readAmplification: {
    readonly mean: number
    readonly most: number
    readonly segments: number
  }
  /** Bytes of tables and segments for each byte of entries a reader can see: most (outputs beside inputs), at the end
   * of the load, and when there is nothing more to do. undefined, and so not in JSON: readers see nothing then. */
  readonly spaceAmplification: {
    /** Of the moments at which they see something. */
    readonly most: number
    readonly end: number | undefined
    readonly idle: number | undefined
  }
  readonly flushes: number
  readonly compactions: number
  /** Of these, merges inside level 0. */
  readonly insideLevel0: number
  /** Tables rewritten for the sake of segments alone. */
  readonly collections: number
  readonly moves: number
  /** Bytes read by the largest compaction or collection. */
  readonly largestJobBytes: number
  /** Share of the time the program waits for level 0. */
  readonly stalledShare: number
  /** Values copied out of segments that are to become free. */
  readonly relocatedBytes: number
  /** Bytes of the segments that became free. */
  readonly freedBytes: number
  /** When there is nothing more to do. */
  readonly segments: { readonly files: number; readonly bytes: number }
  /** Then, by level. */
  readonly levels: readonly { readonly tables: number; readonly bytes: number }[]
  readonly tableSize: number
}

/** What the files take at one moment. */
export interface Space {
  /** Of tables and segments. */
  readonly bytes: number
  /** Of these, of entries a reader can see. */
  readonly liveBytes: number
}

/** What one step wrote. */
export interface Written {
  readonly tables: number
  readonly segments: number
}

/** The part of the figures that is counted here. */
export type Counted = Omit<
  SimulationFigures,
  'dataBytes' | 'freedBytes' | 'segments' | 'levels' | 'tableSize'
>

export class Tally {
  givenBytes = 0
  flushes = 0
  stalled = 0
  #logged = 0
  #flushed = 0
  #tables = 0
  #segments = 0
  #idle = 0
  #compactions = 0
  #insideLevel0 = 0
  #collections = 0
  #moves = 0
  #largestJob = 0
  #relocated = 0
  #readSum = 0
  #readMost = 0
  #spaceMost = 1
  #spaceEnd: number | undefined
  #resting = false
  #stalledShare = 0

  /** Into a log. */
  given(bytes: number, logged: number): void {
    this.givenBytes += bytes
    this.#logged += logged
  }

  flushed({ tables, segments }: Written): void {
    this.flushes += 1
    this.#flushed += tables + segments
    this.#tables += tables
    this.#segments += segments
  }

  moved(): void {
    this.#moves += 1
  }

  compacted(plan: CompactionPlan, read: number, { tables, segments }: Written): void {
    if (this.#resting) this.#idle += tables + segments
    else {
      this.#tables += tables
      this.#segments += segments
    }
    if (plan.collects === true) this.#collections += 1
    else this.#compactions += 1
    if (plan.outputLevel === 0 && plan.collects !== true) this.#insideLevel0 += 1
    this.#relocated += segments
    this.#largestJob = Math.max(this.#largestJob, read)
  }

  /** Tables a lookup may have to look into, at this moment. */
  reads(tables: number): void {
    this.#readSum += tables
    this.#readMost = Math.max(this.#readMost, tables)
  }

  space(space: Space): void {
    this.#spaceMost = Math.max(this.#spaceMost, amplification(space) ?? 1)
  }

  /** The load has ended, and what was due is done. */
  rest(clock: number, space: Space): void {
    this.#resting = true
    this.#stalledShare = this.stalled / clock
    this.#spaceEnd = amplification(space)
  }

  counted(separates: boolean, space: Space): Counted {
    const per = (written: number): number => written / this.givenBytes
    return {
      givenBytes: this.givenBytes,
      flushedBytes: this.#flushed,
      liveBytes: space.liveBytes,
      writeAmplification: {
        log: per(this.#logged),
        tables: per(this.#tables),
        segments: per(this.#segments),
        together: per(this.#logged + this.#tables + this.#segments),
        idle: per(this.#idle),
      },
      readAmplification: {
        mean: this.#readSum / this.flushes,
        most: this.#readMost,
        segments: separates ? 1 : 0,
      },
      spaceAmplification: {
        most: this.#spaceMost,
        end: this.#spaceEnd,
        idle: amplification(space),
      },
      flushes: this.flushes,
      compactions: this.#compactions,
      insideLevel0: this.#insideLevel0,
      collections: this.#collections,
      moves: this.#moves,
      largestJobBytes: this.#largestJob,
      relocatedBytes: this.#relocated,
      stalledShare: this.#stalledShare,
    }
  }
}

/** Less than a byte is expected to be there: nothing is. */
function amplification({ bytes, liveBytes }: Space): number | undefined {
  return liveBytes < 1 ? undefined : bytes / liveBytes
}
