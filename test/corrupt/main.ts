// `npm run test:corrupt -- [--flips N] [--harms N] [--repairs N] [--fuzz N] [--seed S] [--every-bit]`;
// `--only 'decoder:number'` runs one execution of the fuzzer again. Prints counts per kind of file
// and kind of answer, executions per decoder, and ends with the wrong answers.
import { parseArgs } from 'node:util'
import { repairHarmed } from './damage/repairs.ts'
import { makeSpecimens, runDamage } from './damage/suite.ts'
import { runFuzz } from './fuzz/fuzz.ts'
import { flipMemory } from './jobs/memory-flips.ts'

const MEMORY_FLIPS = 2_000

const { values } = parseArgs({
  options: {
    flips: { type: 'string', default: '10000' },
    harms: { type: 'string', default: '2000' },
    repairs: { type: 'string', default: '500' },
    fuzz: { type: 'string', default: '200000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    'every-bit': { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed)
const { flips, harms, fuzz, 'every-bit': everyBit } = values
console.log(
  `test:corrupt seed ${seed}, flips ${everyBit ? 'all' : flips}, harms ${harms}, fuzz ${fuzz}`,
)

if (values.only !== undefined) {
  const report = await runFuzz({ seed, executions: Number(fuzz), only: values.only })
  for (const line of [...report.lines(), ...report.failures]) console.log(line)
  process.exit(report.failures.length === 0 ? 0 : 1)
}

const run = { seed, flips: Number(flips), harms: Number(harms), everyBit }
const specimens = await makeSpecimens(seed)
const tally = await runDamage(run, specimens)
for (const line of tally.lines()) console.log(line)
for (const wrong of tally.wrong) console.log(`WRONG ${wrong}`)

const repaired = await repairHarmed({ seed, repairs: Number(values.repairs) }, specimens)
console.log(
  `${repaired.repaired} repairs, ${repaired.whole} without a loss, ${repaired.wrong.length} wrong`,
)
for (const wrong of repaired.wrong) console.log(`WRONG ${wrong}`)

for (const where of ['what is written', 'what a block is built from'] as const) {
  const { caught, 'no effect': none, silent } = flipMemory(seed, MEMORY_FLIPS, where)
  console.log(
    `bits of ${where}, in a job's memory: ${caught} caught, ${none} no effect, ${silent} unseen`,
  )
}

const fuzzed = await runFuzz({ seed, executions: Number(fuzz) })
for (const line of fuzzed.lines()) console.log(line)
for (const failure of fuzzed.failures) console.log(`FAILED ${failure}`)

const wrong = tally.wrong.length + repaired.wrong.length
const failures = wrong + fuzzed.failures.length
console.log(`${wrong} wrong answers, ${failures} failures, seed ${seed}`)
process.exitCode = failures === 0 ? 0 : 1
