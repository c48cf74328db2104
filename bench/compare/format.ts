// A comparison as text.
import { describeMachine } from '../output/machine.ts'
import { table } from '../output/table.ts'
import type { ComparisonRecord, WorkloadComparison } from './comparison.ts'
import { CONFIDENCE, EFFECT_MIN, PAIRS_MIN } from './decision.ts'

const PERCENT = (CONFIDENCE * 100).toFixed(1)

export function formatComparison(record: ComparisonRecord): string {
  const { a, b, machine, pairs, tookSeconds, workloads } = record
  return [
    `a  ${a.label}`,
    `b  ${b.label}`,
    describeMachine(machine),
    `${pairs} pairs in ${Math.round(tookSeconds / 60)} min. µs of CPU per operation, all threads, medians.`,
    `Interval of the median of b / a: ${PERCENT} % for all rows together. Called from ${EFFECT_MIN * 100} % on.`,
    '',
    table([
      ['workload', 'a', 'b', 'b / a', 'interval', 'verdict'],
      ...workloads.map((each) => row(each)),
    ]),
    ...(pairs < PAIRS_MIN ? ['', `No verdict below ${PAIRS_MIN} pairs.`] : []),
  ].join('\n')
}

function row({ workload, a, b, ratio, low, high, verdict }: WorkloadComparison): string[] {
  const bounds = `${low.toFixed(3)} – ${high === Number.POSITIVE_INFINITY ? '∞' : high.toFixed(3)}`
  return [workload, a.toFixed(3), b.toFixed(3), ratio.toFixed(3), bounds, verdict]
}
