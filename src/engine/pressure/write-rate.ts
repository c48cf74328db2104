// How fast commits may go out, from how full the stores between the log and the tree are. Pure. Each store is a
// reservoir: writers fill it, background work drains it, a piece at a time. Writers get what was drained lately, times
// how the room that is left compares with the work left until the next piece of room comes back: so they neither run
// into the wall nor stand still before it. RocksDB slows its writers between the same two marks (column_family.cc,
// SetupDelay), in steps of 0.8 and 1.25; a continuous rule needs no memory and does not swing.

export type DelayCause = 'level0' | 'levels' | 'memtables' | 'garbage'

/** Bytes are bytes of commits as the log has them. */
export interface Reservoir {
  readonly cause: DelayCause
  /** 0 or less: nothing is owed; 1: full, and writers must wait. */
  readonly fill: number
  /** Bytes that still fit. */
  readonly room: number
  /** Bytes that must be drained before room comes back. */
  readonly owed: number
  /** Bytes drained per ms lately; Infinity: not known yet. */
  readonly drained: number
}

export interface WriteLimit {
  /** Infinity: no limit. */
  readonly bytesPerMs: number
  readonly cause: DelayCause | undefined
}

/** The delay sets in over this share of a reservoir, instead of at once. */
const SOFT_SHARE = 0.1
/** Of what is drained, writers get at least so much while there is room at all. */
const SLOWEST = 0.1
/** However badly a disk does: a commit of 1 KiB waits 4 ms then. Bytes per ms. */
const RATE_MIN = 256

export const UNLIMITED: WriteLimit = Object.freeze({
  bytesPerMs: Number.POSITIVE_INFINITY,
  cause: undefined,
})

/** Bytes per ms; Infinity while nothing is owed. Falls with `fill` and `owed`, rises with `room` and `drained`. */
export function allowedRate({ fill, room, owed, drained }: Reservoir): number {
  if (fill <= 0) return Number.POSITIVE_INFINITY
  const share = Math.max(0, room) / Math.max(1, owed)
  // Room for less than comes before relief is spread evenly; of more, not everything is used up at once.
  const pace = Math.max(SLOWEST, share < 1 ? share : Math.sqrt(share))
  return Math.max(RATE_MIN, (drained * pace) / Math.min(1, fill / SOFT_SHARE))
}

/** The strictest of all. */
export function writeLimit(reservoirs: readonly Reservoir[]): WriteLimit {
  let limit = UNLIMITED
  for (const reservoir of reservoirs) {
    const bytesPerMs = allowedRate(reservoir)
    if (bytesPerMs < limit.bytesPerMs) limit = { bytesPerMs, cause: reservoir.cause }
  }
  return limit
}

/** Memory as it fills and drains. */
export interface MemoryFill {
  /** Immutable memtables that are in no table yet. */
  readonly frozen: number
  /** Used share of the memtable that takes commits, 0 to 1. */
  readonly active: number
}

export interface Drain {
  /** Bytes per ms; Infinity: not known yet. */
  readonly bytesPerMs: number
  /** Share of the piece under way that is still to be done, 0 to 1. */
  readonly left: number
}

export interface MemtableRules {
  readonly memtableSize: number
  /** Active and immutable ones together. */
  readonly memtableCount: number
}

/** Half of the memtables are there to be filled while one is flushed. */
export function memtableReservoir(
  { frozen, active }: MemoryFill,
  { memtableSize, memtableCount }: MemtableRules,
  drain: Drain,
): Reservoir {
  const used = frozen + active
  const from = Math.max(1, memtableCount / 2)
  return {
    cause: 'memtables',
    fill: (used - from) / (memtableCount - from),
    room: (memtableCount - used) * memtableSize,
    owed: drain.left * memtableSize,
    drained: drain.bytesPerMs,
  }
}

export interface Level0Fill extends MemoryFill {
  readonly tables: number
  /** Of those, so many were there when the compaction under way became due; 0: none is. */
  readonly merging: number
}

export interface Level0Rules {
  readonly memtableSize: number
  /** Tables that one memtable makes. */
  readonly tablesPerMemtable: number
  readonly l0CompactTrigger: number
  /** Infinity: writers never wait for level 0. */
  readonly l0StallTrigger: number
}

/** What is in memory counts with the tables it will make. */
export function level0Reservoir(
  { tables, merging, frozen, active }: Level0Fill,
  rules: Level0Rules,
  drain: Drain,
): Reservoir {
  const { memtableSize, tablesPerMemtable, l0CompactTrigger, l0StallTrigger } = rules
  const coming = tables + (frozen + active) * tablesPerMemtable
  const from = l0CompactTrigger + tablesPerMemtable
  const full = l0StallTrigger + tablesPerMemtable
  const bytesPerTable = memtableSize / tablesPerMemtable
  const owed = merging === 0 ? coming : merging * drain.left
  return {
    cause: 'level0',
    fill: full === Number.POSITIVE_INFINITY ? 0 : (coming - from) / (full - from),
    room: (full - coming) * bytesPerTable,
    owed: owed * bytesPerTable,
    drained: drain.bytesPerMs,
  }
}

/** Deeper levels over their targets by so many base levels: from here on writers are slowed … */
const EXCESS_FROM = 4
/** … and this would be the wall. There is none: what lies too high costs room and reads, not memory. */
const EXCESS_FULL = 16
const LEVELS_FILL_MAX = 0.75

export function levelsReservoir(
  excessBytes: number,
  baseLevelSize: number,
  drain: Drain,
): Reservoir {
  const from = EXCESS_FROM * baseLevelSize
  const full = EXCESS_FULL * baseLevelSize
  const fill = Math.min(LEVELS_FILL_MAX, (excessBytes - from) / (full - from))
  const span = full - from
  return {
    cause: 'levels',
    fill,
    room: (1 - fill) * span,
    owed: fill * span,
    drained: drain.bytesPerMs,
  }
}
