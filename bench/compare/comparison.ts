// A whole comparison: both sides built, their databases made, the pairs of all workloads run by turns, and judged.
import { join } from 'node:path'
import { median } from '../data/statistics.ts'
import type { Progress } from '../output/progress.ts'
import type { MachineFacts } from '../output/record.ts'
import { buildSource } from './build.ts'
import { type Decision, decide } from './decision.ts'
import type { SampleWorkload } from './measures.ts'
import { type Pair, prepareSide, runPair, type Side } from './pairs.ts'
import type { Source } from './source.ts'

/** One line of bench/history/compare.ndjson, and what `--json` writes. */
export interface ComparisonRecord {
  readonly recordVersion: 1
  readonly kind: 'compare'
  /** ISO 8601. */
  readonly date: string
  readonly command: string
  readonly machine: MachineFacts
  readonly a: Source
  readonly b: Source
  readonly pairs: number
  readonly tookSeconds: number
  readonly workloads: readonly WorkloadComparison[]
}

export interface WorkloadComparison extends Decision {
  readonly workload: SampleWorkload
  /** µs of CPU per operation; medians over the pairs. */
  readonly a: number
  readonly b: number
  readonly ratios: readonly number[]
}

export interface ComparisonPlan {
  readonly sources: readonly [a: Source, b: Source]
  readonly workloads: readonly SampleWorkload[]
  readonly pairs: number
  readonly checkout: string
  /** Empty folders; the caller removes them. */
  readonly builds: string
  readonly databases: string
  readonly signal: AbortSignal
  readonly progress: Progress
}

export async function compareSources(plan: ComparisonPlan): Promise<WorkloadComparison[]> {
  const sides = [await makeSide(plan, 0), await makeSide(plan, 1)] as const
  const { workloads, pairs, databases: directory, signal, progress } = plan
  const found = workloads.map((workload): [SampleWorkload, Pair[]] => [workload, []])
  for (let number = 0; number < pairs; number++) {
    for (const [at, [workload, done]] of found.entries()) {
      progress.show(number * workloads.length + at, `${workload}, pair ${number + 1} of ${pairs}`)
      done.push(await runPair({ sides, workload, number, directory, signal }))
    }
  }
  return found.map(([workload, done]) => {
    const ratios = done.map(({ ratio }) => ratio)
    const [a, b] = [median(done.map((pair) => pair.a)), median(done.map((pair) => pair.b))]
    return { workload, a, b, ...decide(ratios, workloads.length), ratios }
  })
}

async function makeSide(plan: ComparisonPlan, which: 0 | 1): Promise<Side> {
  const { sources, checkout, builds, databases, signal, progress } = plan
  const name = which === 0 ? 'a' : 'b'
  progress.show(0, `building ${sources[which].label}`)
  const side = { root: join(builds, name), prepared: join(databases, name) }
  await buildSource({ source: sources[which], checkout, folder: side.root, signal })
  await prepareSide(side, signal)
  return side
}
