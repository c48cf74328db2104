// `npm run test:sim -- [--seeds N] [--ops M] [--seed S] [--failures N] [--whole]`, where --whole
// leaves failures as long as they are; or, as a failure prints it, `--seed S --from F
// --to T` to see that one again.
import { parseArgs } from 'node:util'
import type { SimFailure } from './plan.ts'
import { failureOf, runSeeds, shorten } from './run-seeds.ts'
import { Simulation } from './simulation.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    ops: { type: 'string', default: '5000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    failures: { type: 'string', default: '3' },
    from: { type: 'string' },
    to: { type: 'string' },
    whole: { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed)
if (values.to !== undefined) {
  const plan = { seed, from: Number(values.from ?? 0), to: Number(values.to) }
  const failure = await failureOf(new Simulation(plan))
  if (failure !== undefined) print(failure)
  console.log(failure === undefined ? '0 failures' : '1 failure')
  process.exitCode = failure === undefined ? 0 : 1
} else {
  await run()
}

async function run(): Promise<void> {
  const seeds = Number(values.seeds)
  const operations = Number(values.ops)
  console.log(`test:sim ${seeds} seeds from ${seed}, ${operations} operations each`)
  const began = performance.now()
  const batch = { seed, seeds, operations, failuresMost: Number(values.failures) }
  const { counts, failures } = await runSeeds(batch, (done, failure) => {
    if (failure !== undefined) console.log(`FAILED ${failure.message.split('\n')[0]}`)
    else if (seeds <= 100) console.log(`seed ${done} ok`)
  })
  const seconds = (performance.now() - began) / 1_000
  const { kills, powerCuts, recoveries, faults, jobs, jobCalls, deaths, silent } = counts
  console.log(
    `operations ${counts.operations}, answers compared ${counts.answers}, events ${counts.events}, ` +
      `virtual time ${Math.round(counts.virtualMs / 60_000)} min in ${seconds.toFixed(1)} s\n` +
      `crashes ${kills + powerCuts} (${kills} kills, ${powerCuts} power cuts), recoveries ${recoveries}, ` +
      `faults ${faults}\njobs ${jobs} in ${jobCalls} steps, worker deaths ${deaths} (${silent} after ` +
      `silence), late writes ${counts.lateWrites}`,
  )
  for (const failure of failures) print(values.whole ? failure : await shorten(failure))
  console.log(`${failures.length} failures, seed ${seed}`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

function print(failure: SimFailure & { from?: number }): void {
  const { message, trail, operation } = failure
  console.log(`${trail.join('\n')}\n${message}`)
  console.log(
    `  npm run test:sim -- --seed ${failure.seed} --from ${failure.from ?? 0} --to ${operation + 1}`,
  )
}
