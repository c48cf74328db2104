// `npm run test:syscalls -- [--lives N] [--kills N] [--seed S]`: real faults, lived through N times each, and kills at
// system calls. Needs strace.
import { parseArgs } from 'node:util'
import { runFaults } from './run-faults.ts'
import { whyNoStrace } from './strace.ts'

const { values } = parseArgs({
  options: {
    lives: { type: 'string', default: '40' },
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})

const why = whyNoStrace()
if (why !== undefined) throw new Error(`${why}, so no system call can be made to fail`)
const { lives, kills, seed } = values
console.log(`test:syscalls ${lives} lives with each fault, ${kills} kills, seed ${seed}`)
const counts = await runFaults({
  program: new URL('./faulty-lives.js', import.meta.url),
  seed: Number(seed),
  lives: Number(lives),
  kills: Number(kills),
})
const list = (map: ReadonlyMap<string, number>): string =>
  [...map].map(([name, count]) => `${name} ${count}`).join(', ')
const sum = (map: ReadonlyMap<string, number>): number =>
  [...map.values()].reduce((total, count) => total + count, 0)
console.log(`faults ${sum(counts.injected)} (${list(counts.injected)})`)
console.log(`kills ${sum(counts.kills)} (${list(counts.kills)})`)
console.log(`commits ${counts.commits}, acked ${counts.acked}; answers: ${list(counts.codes)}`)
for (const failure of counts.failures) console.log(`FAILED ${failure}`)
console.log(`${counts.failures.length} failures, seed ${seed}`)
process.exitCode = counts.failures.length === 0 ? 0 : 1
