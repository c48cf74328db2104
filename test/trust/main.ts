// `npm run test:trust`, and with `--long` `npm run test:long`: every part as a process of its own, two at a time, then
// one table. `--resume directory` keeps what passed, and where the crash explorer is, so that a long run can go on
// later. Exit code 1 if any part failed.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { longParts, type Part, TRUST } from './parts.ts'
import { type Outcome, runParts, summaryOf } from './run-parts.ts'

const TRUST_MINUTES = 20

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    resume: { type: 'string' },
    /** Parts at a time. */
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    /** Only the parts of these scripts, separated by commas. */
    only: { type: 'string' },
  },
})

const resume = values.resume ?? 'long-run'
if (values.long) mkdirSync(resume, { recursive: true })
const notes = join(resume, 'passed.json')
const passed: string[] =
  values.long && existsSync(notes) ? JSON.parse(readFileSync(notes, 'utf8')) : []
const only = values.only?.split(',')
const all = values.long ? longParts(resume) : TRUST
const chosen = all.filter(({ script }) => only === undefined || only.includes(script))
const due = chosen.filter((part) => !passed.includes(nameOf(part)))
for (const part of chosen) if (!due.includes(part)) console.log(`passed before: ${nameOf(part)}`)

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
const began = performance.now()
const outcomes = await runParts(due, {
  scripts,
  jobs: Number(values.jobs),
  limitMs: values.long ? Number.POSITIVE_INFINITY : TRUST_MINUTES * 60_000,
  log: console.log,
  ended: keep,
})
console.log(`\n${Math.round((performance.now() - began) / 1000)} s in all`)
console.log(summaryOf(outcomes))
process.exitCode = outcomes.every((outcome) => outcome.passed) ? 0 : 1

function keep(outcome: Outcome): void {
  if (!values.long || !outcome.passed) return
  passed.push(nameOf(outcome.part))
  writeFileSync(notes, JSON.stringify(passed))
}

function nameOf({ script, args }: Part): string {
  return [script, ...args].join(' ')
}
