// How large each level should be. Pure. The deepest level sets the scale, so most data lies in it
// and space overhead stays near 1 / multiplier; levels that are not needed stay empty, and level 0
// compacts straight into the base level.
import { storedBytes } from '../format/table-meta.ts'
import type { Levels } from '../manifest/levels.ts'

export interface TargetOptions {
  /** Bytes at which the base level counts as full. */
  readonly baseLevelSize: number
  readonly levelSizeMultiplier: number
}

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
  /** Bytes by level; Infinity for level 0 and the deepest, which have no size limit. */
  readonly bytes: readonly number[]
}

export function levelBytes(levels: Levels, level: number): number {
  return storedBytes(levels[level]!)
}

export function levelTargets(levels: Levels, options: TargetOptions): LevelTargets {
  const { baseLevelSize, levelSizeMultiplier } = options
  const last = levels.length - 1
  let firstFilled = last
  let largest = 0
  for (let level = last; level >= 1; level -= 1) {
    const bytes = levelBytes(levels, level)
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
  return { base, bytes }
}

/** Bytes by which levels 1 and deeper exceed their targets. */
export function excessBytes(levels: Levels, targets: readonly number[]): number {
  let excess = 0
  for (let level = 1; level < levels.length; level += 1) {
    const bytes = levelBytes(levels, level)
    excess += Math.max(0, bytes - targets[level]!)
  }
  return excess
}
