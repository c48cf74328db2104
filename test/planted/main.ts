// `npm run test:planted -- [--only name,folder/] [--seed S] [--lanes N]`: plants every bug of test/planted/bugs in a
// copy of the working tree and expects the tests it names to fail.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { scratchDirectory } from '../model/scratch-directory.ts'
import { readBugs } from './bugs.ts'
import { checkControl, copies, type Finding, type Hunt, tryAll } from './hunt.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    lanes: { type: 'string', default: '2' },
  },
})
const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => interrupted.abort(new Error('interrupted')))
}
const checkout = process.cwd()
const wanted = values.only?.split(',') ?? ['']
const bugs = readBugs(checkout).filter(({ name }) => wanted.some((part) => name.startsWith(part)))
const seed = Number(values.seed)
const scratch = scratchDirectory('planted')

try {
  await hunt()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = interrupted.signal.aborted ? 130 : 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function hunt(): Promise<void> {
  console.log(`test:planted ${bugs.length} bugs, seed ${seed}`)
  const lanes = Math.max(1, Math.min(Number(values.lanes), bugs.length))
  const { signal } = interrupted
  const packages = join(checkout, 'node_modules')
  const order: Hunt = { checkout, packages, scratch, bugs, seed, lanes, signal, found: show }
  const places = copies(order)
  const began = performance.now()
  const files = await checkControl(order, places[0]!)
  console.log(`without a bug all ${files} files pass, ${secondsSince(began)} s`)
  const findings = await tryAll(order, places)
  const missed = findings.filter(({ caught }) => !caught).map(({ bug }) => bug.name)
  const caught = findings.length - missed.length
  const failures = `${missed.length} failures${missed.length === 0 ? '' : `: ${missed.join(', ')}`}`
  console.log(`${secondsSince(began)} s, seed ${seed}`)
  console.log(`${caught}/${findings.length} caught, ${failures}`)
  process.exitCode = missed.length === 0 && findings.length > 0 ? 0 : 1
}

function show({ bug, caught, by, seconds }: Finding): void {
  const verdict = caught ? 'caught by' : 'NOT CAUGHT'
  console.log(`${bug.name.padEnd(44)} ${seconds.toFixed(1).padStart(6)} s  ${verdict} ${by}`)
}

function secondsSince(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(0)
}
