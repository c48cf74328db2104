// `npm run test:kill -- --cycles N [--durability sync|interval|none] [--seed S] [--workers W]
// [--directory D]`
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { bad, runKillCycles } from './kill-cycles.ts'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '200' },
    durability: { type: 'string', default: 'sync' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    directory: { type: 'string', default: tmpdir() },
    workers: { type: 'string', default: '2' },
  },
})
const { durability } = values
if (durability !== 'sync' && durability !== 'interval' && durability !== 'none') {
  throw new Error(`--durability is sync, interval or none, not ${durability}`)
}
console.log(`test:kill durability ${durability}, seed ${values.seed}, workers ${values.workers}`)
const totals = await runKillCycles({
  cycles: Number(values.cycles),
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
const perCycle = Math.round(totals.elapsedMs / Math.max(1, totals.cycles))
console.log(
  `cycles ${totals.cycles} (${perCycle} ms each), commits announced ${totals.announced}, ` +
    `acked ${totals.acked}, survived ${totals.survived}, explicit flushes ${totals.flushes}`,
)
console.log(
  `acked lost ${totals.lost}, invented ${totals.invented}, torn batches ${totals.torn}, ` +
    `failures ${totals.failed}`,
)
process.exitCode = bad(totals) === 0 ? 0 : 1
