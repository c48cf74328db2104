// `npm run test:model -- [--seeds N] [--steps N] [--seed S] [--workers W] [--from F --to T]`
// Without --workers every seed runs on both executors; with --from/--to one cut-down run is replayed.
import { parseArgs } from 'node:util'
import { Database } from 'sett'
import { attempt, runSeed, type SeedPlan } from './seeds.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    steps: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
  },
})
const first = Number(values.seed)
const executors = values.workers === undefined ? [0, 2] : [Number(values.workers)]
const common = { steps: Number(values.steps), database: Database, log: console.log }

if (values.to !== undefined) {
  const plan: SeedPlan = { ...common, seed: first, workers: executors[0]!, shrinkMs: 0 }
  await attempt(plan, Number(values.from ?? 0), Number(values.to))
  console.log('no difference')
} else {
  let failed = 0
  let passed = 0
  for (let seed = first; seed < first + Number(values.seeds); seed++) {
    for (const workers of executors) {
      const plan: SeedPlan = { ...common, seed, workers, shrinkMs: 60_000 }
      try {
        const report = await runSeed(plan)
        passed++
        console.log(
          `seed ${seed} workers ${workers}: ${plan.steps} steps equal, ${report.entries} entries, ` +
            `${report.flushes} flushes, ${report.compactions} compactions, ` +
            `${(report.elapsedMs / 1000).toFixed(1)} s`,
        )
      } catch (error) {
        failed++
        console.error(`seed ${seed} workers ${workers} failed`, error)
      }
    }
  }
  console.log(`${passed} runs equal, ${failed} runs failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
