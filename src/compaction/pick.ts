// Chooses the next compaction: levels → plan, or nothing. Pure: the same levels and reservations
// give the same plan.
import type { Levels } from '../manifest/levels.ts'
import { planExpired, planExpiring } from './expiry.ts'
import type { InFlight } from './in-flight.ts'
import { levelTargets } from './level-targets.ts'
import { planDeeper } from './pick-deeper.ts'
import { planGarbage } from './pick-garbage.ts'
import { planInsideLevel0, planLevel0 } from './pick-level0.ts'
import { deepLevel0, type PickMoment, type PickOptions } from './pick-options.ts'
import type { CompactionPlan } from './plan.ts'
import { type LevelScore, levelScores } from './score.ts'

export type { PickMoment, PickOptions } from './pick-options.ts'

export function pickCompaction(
  levels: Levels,
  options: PickOptions,
  inFlight: InFlight,
  moment: PickMoment,
): CompactionPlan | undefined {
  const expired = planExpired(levels, moment.readers, inFlight)
  if (expired !== undefined) return expired
  const targets = levelTargets(levels, options)
  const scores = levelScores(levels, targets, options.l0CompactTrigger, inFlight)
  const due = scores.filter(({ score }) => score >= 1).sort(mostUrgentFirst(options))
  let l0Blocked = false
  for (const { level } of due) {
    // A level 0 that waits for its range must get it: nothing new may start where it will write.
    if (l0Blocked && level === targets.base) continue
    const plan =
      level === 0
        ? (planLevel0(levels, targets.base, inFlight, options.tableSize) ??
          planInsideLevel0(levels, options, inFlight))
        : planDeeper(levels, level, options, inFlight)
    if (plan !== undefined) return plan
    if (level === 0) l0Blocked = true
  }
  if (l0Blocked) return undefined
  const garbage = planGarbage(levels, targets.base, inFlight, moment)
  return garbage ?? planExpiring(levels, moment.readers, inFlight)
}

function mostUrgentFirst(options: PickOptions): (a: LevelScore, b: LevelScore) => number {
  const deep = deepLevel0(options) / options.l0CompactTrigger
  const urgency = ({ level, score, adjusted }: LevelScore): number =>
    level === 0 && score >= deep ? Number.POSITIVE_INFINITY : adjusted
  return (a, b) => {
    const difference = urgency(b) - urgency(a)
    return difference === 0 || Number.isNaN(difference) ? a.level - b.level : difference
  }
}
