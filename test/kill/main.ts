// `npm run test:kill -- --cycles N [--points] [--durability sync|interval|none] [--seed S] [--workers W]
// [--directory D]`; with --points every kill is at a named point, without it half of them are.
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { bad, runKillCycles } from './kill-cycles.ts'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    points: { type: 'boolean', default: false },
    durability: { type: 'string', default: 'sync' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    directory: { type: 'string', default: tmpdir() },
    workers: { type: 'string', default: '2' },
  },
})
const { durability, points } = values
if (durability !== 'sync' && durability !== 'interval' && durability !== 'none') {
  throw new Error(`--durability is sync, interval or none, not ${durability}`)
}
const endings = points ? 'points' : 'mixed'
console.log(
  `test:kill durability ${durability}, endings ${endings}, seed ${values.seed}, workers ${values.workers}`,
)
const totals = await runKillCycles({
  cycles: Number(values.cycles),
  endings,
  durability,
  seed: Number(values.seed),
  workers: Number(values.workers),
  programs: {
    writer: new URL('./writer.js', import.meta.url),
    verifier: new URL('./verifier.js', import.meta.url),
  },
  root: values.directory,
  log: console.log,
})
for (const [name, count] of [...totals.struck].sort()) {
  console.log(`${String(count).padStart(6)}  ${name}`)
}
const ends = [...totals.ends].map(([kind, count]) => `${kind} ${count}`).join(', ')
const perCycle = Math.round(totals.elapsedMs / Math.max(1, totals.cycles))
console.log(
  `cycles ${totals.cycles} (${perCycle} ms each; ${ends}), kills ${totals.kills}, commits announced ` +
    `${totals.announced}, acked ${totals.acked}, survived ${totals.survived}, explicit flushes ${totals.flushes}`,
)
console.log(
  `acked lost ${totals.lost}, invented ${totals.invented}, torn batches ${totals.torn}, ` +
    `${totals.failed} failures`,
)
process.exitCode = bad(totals) === 0 ? 0 : 1
