// Entry of the process that bench:soak measures: `node soak-process.js '<order as JSON>'`. Lines of JSON as protocol.ts
// has them; the course is the last one.
import type { SoakOrder } from './protocol.ts'
import { runSoak } from './run-soak.ts'

const [, , text] = process.argv
if (text === undefined) throw new Error(`usage: soak-process.js '<order as JSON>'`)
const order: SoakOrder = JSON.parse(text)
const course = await runSoak(order, (progress) => {
  process.stdout.write(`${JSON.stringify({ progress })}\n`)
})
process.stdout.write(`${JSON.stringify({ course })}\n`)
