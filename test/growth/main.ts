// `npm run test:growth -- [--databases N] [--cycles N] [--megabytes N]`
import { parseArgs } from 'node:util'
import {
  type Finding,
  measureCycles,
  measureFill,
  measureIdleExit,
  measureMany,
} from './measure.ts'

const { values } = parseArgs({
  options: {
    databases: { type: 'string', default: '200' },
    cycles: { type: 'string', default: '1000' },
    megabytes: { type: 'string', default: '200' },
  },
})
const program = new URL('./scenarios.js', import.meta.url)
let broken = 0

async function section(title: string, findings: Promise<Finding[]>): Promise<void> {
  console.log(`\n${title}`)
  for (const { what, measured, bound, holds } of await findings) {
    if (!holds) broken++
    const mark = bound === '' ? '    ' : holds ? 'ok  ' : 'OVER'
    console.log(`  ${mark} ${what.padEnd(28)} ${measured}${bound === '' ? '' : `   (${bound})`}`)
  }
}

const databases = Number(values.databases)
const cycles = Number(values.cycles)
await section(`${databases} databases at once, twice`, measureMany(program, databases))
await section(`${cycles} times open, write, flush, close`, measureCycles(program, cycles))
await section(`a fill of ${values.megabytes} MB`, measureFill(program, Number(values.megabytes)))
await section('an idle open database', measureIdleExit(program))
console.log(broken === 0 ? '\nall within bounds' : `\n${broken} over their bounds`)
process.exitCode = broken === 0 ? 0 : 1
