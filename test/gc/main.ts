// `npm run test:gc -- [--runs N] [--seed S]`: a failure prints the seed that makes it again, with `--runs 1`.
import { parseArgs } from 'node:util'
import { GcFailure, noCounts, runGc } from './gc-run.ts'

const FAILURES_MOST = 5

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
})

const first = Number(values.seed)
const runs = Number(values.runs)
const counts = noCounts()
const began = performance.now()
let failures = 0
console.log(`test:gc ${runs} runs, seed ${first}`)
for (let seed = first; seed < first + runs && failures < FAILURES_MOST; seed += 1) {
  try {
    await runGc(seed, counts)
  } catch (error) {
    if (!(error instanceof GcFailure)) throw error
    failures += 1
    console.log(`FAILED ${error.message}\n  npm run test:gc -- --runs 1 --seed ${seed}`)
  }
}
const seconds = ((performance.now() - began) / 1_000).toFixed(1)
console.log(
  `runs ${counts.runs}, steps ${counts.steps}, crashes ${counts.crashes}, collectGarbage() ${counts.calls} times, ` +
    `tables rewritten ${counts.collections}, segments freed ${counts.segmentsFreed}, answers compared ` +
    `${counts.answers}, ${seconds} s`,
)
console.log(`${failures} failures, seed ${first}`)
process.exitCode = failures === 0 ? 0 : 1
