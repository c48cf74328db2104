// Entry of a measured process: `node session.js '<order as JSON>'`. The result is the last line of its output; after
// a step `unclean` it then waits to be killed.
import { engineNamed } from '../engines/all-engines.ts'
import { UNCLEAN } from '../workloads/space.ts'
import { CONTROL, runControl } from './control.ts'
import type { SessionOrder, SessionResult } from './protocol.ts'
import { runSteps } from './session-run.ts'

const HOUR_MS = 3_600_000

function run(order: SessionOrder): Promise<SessionResult> {
  if (order.engine === CONTROL.name) return runControl(order)
  const engine = engineNamed(order.engine)
  if ('load' in engine) return runSteps(engine, order)
  throw new Error(`${engine.name} is a program of its own; it runs by run-session.ts`)
}

const [, , text] = process.argv
if (text === undefined) throw new Error(`usage: session.js '<order as JSON>'`)
const order: SessionOrder = JSON.parse(text)
try {
  const line = `${JSON.stringify(await run(order))}\n`
  if (order.steps.at(-1)?.workload === UNCLEAN.name) {
    setInterval(() => undefined, HOUR_MS)
    process.stdout.write(line)
  } else {
    // The measuring is over: threads that an engine leaves behind are not waited for.
    process.stdout.write(line, () => process.exit(0))
  }
} catch (error) {
  // Its message comes first; the store, perhaps in the middle of something, is left as it is.
  console.error(error instanceof Error ? (error.stack ?? error.message) : error)
  process.exit(1)
}
