// `npm run test:faults -- [--faults N | --all] [--seed S] [--failures N]`, ending after so many failures; or
// `--seed S --replay 'label'`, as a failure prints it, to see that one again.
import { parseArgs } from 'node:util'
import { replayFault, runFaults } from './loop.ts'

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '2000' },
    all: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    failures: { type: 'string', default: '10' },
    replay: { type: 'string' },
  },
})
const seed = Number(values.seed)

if (values.replay === undefined) {
  await run()
} else {
  await replayFault(seed, values.replay)
  console.log(`${values.replay} does not fail`)
}

async function run(): Promise<void> {
  const faults = values.all ? undefined : Number(values.faults)
  console.log(`test:faults ${faults ?? 'every'} faults, seed ${seed}`)
  const began = performance.now()
  const counts = await runFaults({ seed, faults, failuresMost: Number(values.failures) })
  const { known, compound, refusals, failures } = counts
  const rate = Math.round((counts.faults * 1000) / (performance.now() - began))
  console.log(
    `faults ${counts.faults} of ${known} there are, ${compound} with a second one, ${rate}/s`,
  )
  const answers = [...refusals].map(([code, count]) => `${code} ${count}`)
  console.log(`first answers: ${answers.join(', ')}`)
  for (const { label, message } of failures) {
    console.log(`FAILED ${message}\n  --seed ${seed} --replay '${label}'`)
  }
  console.log(`${failures.length} failures, seed ${seed}`)
  process.exitCode = failures.length === 0 ? 0 : 1
}
