// How large each level should be. Pure. The deepest level sets the scale, so most data lies in it
// and space overhead stays near 1 / multiplier; levels that are not needed stay empty, and level 0
// compacts straight into the base level. A table weighs what it points to as well: a level above shadows values, not
// only entries, and as much of them as if they lay in the tables.
import { weightOf } from '../format/table-meta.ts'
import type { Levels, TableMeta } from '../manifest/levels.ts'

export interface TargetOptions {
  /** Bytes at which the base level counts as full. */
  readonly baseLevelSize: number
  readonly levelSizeMultiplier: number
  /** weightOf(), for one who asks again and again: a table may point into many segments. */
  readonly weigh?: Weigh
}

/** Bytes of a table, and of the values it points to. */
export type Weigh = (table: TableMeta) => number

/** Level 0 and a base level of equal size cost the least to merge. */
export function baseLevelSize(options: {
  readonly memtableSize: number
  readonly l0CompactTrigger: number
}): number {
  return options.memtableSize * options.l0CompactTrigger
}

export interface LevelTargets {
  /**
   * Where level 0 goes. Never below the first level with tables: what is newer would pass what is
   * older.
   */
  readonly base: number
  /** Bytes, values included, by level; Infinity for level 0 and the deepest, which have no size limit. */
  readonly bytes: readonly number[]
  /** Bytes of values that level 0 may point to. */
  readonly values: number
  readonly weigh: Weigh
}

/** Of its tables, and of the values they point to. */
export function levelBytes(levels: Levels, level: number, weigh: Weigh = weightOf): number {
  return bytesOf(levels[level]!, weigh)
}

export function bytesOf(tables: readonly TableMeta[], weigh: Weigh = weightOf): number {
  return tables.reduce((sum, table) => sum + weigh(table), 0)
}

export function levelTargets(levels: Levels, options: TargetOptions): LevelTargets {
  const { baseLevelSize, levelSizeMultiplier, weigh = weightOf } = options
  const last = levels.length - 1
  let firstFilled = last
  let largest = 0
  for (let level = last; level >= 1; level -= 1) {
    const bytes = levelBytes(levels, level, weigh)
    if (bytes > 0) firstFilled = level
    largest = Math.max(largest, bytes)
  }
  let base = firstFilled
  let baseBytes = largest / levelSizeMultiplier ** (last - base)
  while (base > 1 && baseBytes > baseLevelSize) {
    base -= 1
    baseBytes /= levelSizeMultiplier
  }
  baseBytes = Math.min(Math.max(baseBytes, baseLevelSize / levelSizeMultiplier), baseLevelSize)
  const bytes = levels.map((_, level) => {
    if (level === 0 || level === last || level < base) return Number.POSITIVE_INFINITY
    return Math.max(baseLevelSize, baseBytes * levelSizeMultiplier ** (level - base))
  })
  return { base, bytes, values: baseLevelSize, weigh }
}

/** Bytes by which levels 1 and deeper exceed their targets. */
export function excessBytes(levels: Levels, targets: LevelTargets): number {
  let excess = 0
  for (let level = 1; level < levels.length; level += 1) {
    const bytes = levelBytes(levels, level, targets.weigh)
    excess += Math.max(0, bytes - targets.bytes[level]!)
  }
  return excess
}

export interface DebtOptions extends Pick<TargetOptions, 'weigh'> {
  readonly memtableSize: number
  readonly l0CompactTrigger: number
  readonly levelSizeMultiplier: number
}

/** Bytes of tables that are due to be merged downwards: level 0 at its trigger, deeper levels above their targets. */
export function debtBytes(levels: Levels, options: DebtOptions): number {
  const { l0CompactTrigger } = options
  const targets = levelTargets(levels, { ...options, baseLevelSize: baseLevelSize(options) })
  const due = levels[0]!.length >= l0CompactTrigger ? levelBytes(levels, 0, targets.weigh) : 0
  return due + excessBytes(levels, targets)
}
