// How urgent each level's compaction is. Pure. Due from 1 on; among due levels the adjusted score
// decides: pushing data into a level that is itself over its size only makes the next job larger.
import { storedBytes } from '../format/table-meta.ts'
import type { Levels } from '../manifest/levels.ts'
import type { InFlight } from './in-flight.ts'
import { bytesOf, type LevelTargets, levelBytes } from './level-targets.ts'

/** An almost empty next level does not make this one infinitely urgent. */
const NEXT_SCORE_MIN = 0.01

export interface LevelScore {
  readonly level: number
  /**
   * Level 0: tables over the trigger, or bytes of values they point to over the size of the base level; deeper: bytes
   * over the target. Tables already in a job do not count.
   */
  readonly score: number
  /** The score over that of the level it goes into, as Badger and Pebble do. */
  readonly adjusted: number
}

/** Levels 0 and base to the one before the last, in that order. */
export function levelScores(
  levels: Levels,
  targets: LevelTargets,
  l0CompactTrigger: number,
  inFlight: InFlight,
): LevelScore[] {
  const numbers = [0]
  for (let level = targets.base; level < levels.length - 1; level += 1) numbers.push(level)
  const raw = numbers.map((level) => {
    if (level > 0) {
      return (
        (levelBytes(levels, level, targets.weigh) - inFlight.heldBytes(level)) /
        targets.bytes[level]!
      )
    }
    const free = levels[0]!.filter((table) => !inFlight.holds(table))
    const count = free.length / l0CompactTrigger
    // It waits for the end of a load.
    if (l0CompactTrigger === Number.POSITIVE_INFINITY) return count
    return Math.max(count, (bytesOf(free, targets.weigh) - storedBytes(free)) / targets.values)
  })
  return numbers.map((level, i) => {
    const score = raw[i]!
    const next = raw[i + 1]
    const adjusted = next === undefined ? score : score / Math.max(NEXT_SCORE_MIN, next)
    return { level, score, adjusted }
  })
}
