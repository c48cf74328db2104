// Chooses the next compaction: levels → plan, or nothing. Pure: the same levels and reservations
// give the same plan.
import type { Levels } from '../manifest/levels.ts'
import { planExpired, planExpiring } from './expiry.ts'
import type { InFlight } from './in-flight.ts'
import { levelTargets } from './level-targets.ts'
import { planDeeper } from './pick-deeper.ts'
import { planGarbage } from './pick-garbage.ts'
import { planInsideLevel0, planLevel0 } from './pick-level0.ts'
import { deepLevel0, type PickMoment, type PickOptions, type ValuesMoment } from './pick-options.ts'
import type { CompactionPlan } from './plan.ts'
import { type LevelScore, levelScores } from './score.ts'
import { farOverBound, overBound } from './values/doom.ts'
import { planLapsed } from './values/pick-lapsed.ts'
import { planShadows } from './values/pick-shadows.ts'
import { planValues, withRelocation } from './values/pick-values.ts'

export type { PickMoment, PickOptions, ValuesMoment } from './pick-options.ts'

export function pickCompaction(
  levels: Levels,
  options: PickOptions,
  inFlight: InFlight,
  moment: PickMoment,
): CompactionPlan | undefined {
  const plan = pickWithoutValues(levels, options, inFlight, moment)
  const doomed = moment.values?.doomed
  return plan === undefined || doomed === undefined ? plan : withRelocation(plan, doomed)
}

function pickWithoutValues(
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
  const early = collectsFirst(moment.values, scores[0]!.score, options)
    ? pickValues(levels, { base: targets.base, ...options }, inFlight, moment)
    : undefined
  if (early !== undefined) return early
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
  const rewrite = garbage ?? planExpiring(levels, moment.readers, inFlight)
  return rewrite ?? pickValues(levels, { base: targets.base, ...options }, inFlight, moment)
}

/** First what shows how much is garbage, then what frees it. */
function pickValues(
  levels: Levels,
  options: PickOptions & { readonly base: number },
  inFlight: InFlight,
  moment: PickMoment,
): CompactionPlan | undefined {
  const doomed = moment.values?.doomed
  const collection = (): CompactionPlan | undefined =>
    doomed === undefined ? undefined : planValues(levels, doomed, inFlight)
  const shown = planShadows(levels, options, inFlight, moment)
  return shown ?? planLapsed(levels, inFlight, moment) ?? collection()
}

/** Whether values go before what is due: the files take more than they may. Level 0 goes before them, unless they take
 * far more. */
function collectsFirst(
  values: ValuesMoment | undefined,
  level0: number,
  options: PickOptions,
): boolean {
  if (values === undefined || !overBound(values.space)) return false
  if (level0 < 1) return true
  return level0 * options.l0CompactTrigger < deepLevel0(options) && farOverBound(values.space)
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
