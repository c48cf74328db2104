// `npm run test:crash -- [--states N] [--seed S] [--failures N] [--resume file]`, ending after so many failures; or
// `--replay seed:workload:cut:state`, as a failure prints it, to see that one again.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { beginExploration, explore, type Progress, replay } from './explorer.ts'

const { values } = parseArgs({
  options: {
    states: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    failures: { type: 'string', default: '10' },
    resume: { type: 'string' },
    replay: { type: 'string' },
  },
})

if (values.replay !== undefined) {
  await replay(values.replay)
  console.log(`${values.replay} does not fail`)
} else {
  await run()
}

async function run(): Promise<void> {
  const { resume } = values
  const progress = started()
  console.log(`test:crash ${progress.states} states, seed ${progress.seed}`)
  const began = performance.now()
  const before = progress.counts.states
  await explore(progress, () => {
    if (resume === undefined) return
    // Never half a file: the run may end at any time.
    writeFileSync(`${resume}.new`, JSON.stringify(progress))
    renameSync(`${resume}.new`, resume)
  })
  const { counts, failures, seed } = progress
  const rate = Math.round(((counts.states - before) * 1000) / (performance.now() - began))
  console.log(
    `states ${counts.states} (${counts.deeper} of crashes after a crash), distinct ${counts.distinct}, ` +
      `recovered ${counts.recovered}, workloads ${counts.workloads}, ${rate} states/s`,
  )
  for (const { replay: text, operations, after, message } of failures) {
    console.log(`FAILED after ${after} states [${operations}] ${message}\n  --replay '${text}'`)
  }
  console.log(`seed ${seed}: ${failures.length} failures`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

function started(): Progress {
  const { resume } = values
  if (resume !== undefined && existsSync(resume)) {
    return JSON.parse(readFileSync(resume, 'utf8')) as Progress
  }
  const { seed, states, failures } = values
  return beginExploration({
    seed: Number(seed),
    states: Number(states),
    failuresMost: Number(failures),
  })
}
