// Faster, slower or noise: a judgement of paired costs. It stands on two legs, a size that matters and an interval that
// chance alone rarely leaves, and takes no view of how the noise is distributed.
import { median } from '../data/statistics.ts'

/** Fewer pairs give figures, no verdict. */
export const PAIRS_MIN = 40
/** Ratios closer to 1 than this (1.05, or 1 / 1.05) are never called. */
export const EFFECT_MIN = 0.05
/** Chance that the intervals of one run, all together, hold their true ratios. */
export const CONFIDENCE = 0.995

export type Verdict = 'faster' | 'slower' | 'noise' | 'too few pairs'

export interface Decision {
  /** Median over the pairs of cost(b) / cost(a); above 1: b costs more. */
  readonly ratio: number
  /** Bounds of the interval of that median. */
  readonly low: number
  readonly high: number
  readonly verdict: Verdict
}

/**
 * `ratios`: cost(b) / cost(a) of each pair; `comparisons`: how many workloads the run judges.
 *
 * The interval is the sign test turned round (Conover, Practical Nonparametric Statistics, §3.2): each ratio lies
 * above the true median with chance ½, so the count of those that do is binomial, and the k-th smallest and k-th
 * largest ratio enclose the median with a chance that is exact for every distribution. The error allowed to a run is
 * shared out evenly among its workloads (Bonferroni), so that judging more of them makes no verdict easier to reach.
 */
export function decide(ratios: readonly number[], comparisons = 1): Decision {
  const sorted = [...ratios].sort((a, b) => a - b)
  const rank = enclosingRank(sorted.length, (1 - CONFIDENCE) / comparisons / 2)
  const ratio = median(sorted)
  const low = rank === 0 ? 0 : sorted[rank - 1]!
  const high = rank === 0 ? Number.POSITIVE_INFINITY : sorted[sorted.length - rank]!
  return { ratio, low, high, verdict: verdictOf(sorted.length, { ratio, low, high }) }
}

function verdictOf(pairs: number, { ratio, low, high }: Omit<Decision, 'verdict'>): Verdict {
  if (pairs < PAIRS_MIN) return 'too few pairs'
  if (low > 1 && ratio >= 1 + EFFECT_MIN) return 'slower'
  if (high < 1 && ratio <= 1 / (1 + EFFECT_MIN)) return 'faster'
  return 'noise'
}

/** The largest k for which fewer than k of `count` fair coins show heads with a chance of at most `tail`; 0: none. */
function enclosingRank(count: number, tail: number): number {
  let logChance = -count * Math.LN2
  let below = 0
  for (let heads = 0; heads <= count; heads++) {
    below += Math.exp(logChance)
    if (below > tail) return heads
    logChance += Math.log((count - heads) / (heads + 1))
  }
  return 0
}
