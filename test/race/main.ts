// `npm run test:race -- [--rounds N] [--processes P]`
import { parseArgs } from 'node:util'
import { quantile, race } from './race.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '500' },
    processes: { type: 'string', default: '8' },
  },
})
const totals = await race({
  rounds: Number(values.rounds),
  processes: Number(values.processes),
  program: new URL('./racer.js', import.meta.url),
  log: console.log,
})
const { rounds, won, told, readers, kills, stops, acked, freedMs, failures } = totals
console.log(
  `test:race ${rounds} rounds of ${values.processes} processes: ${won} won by one writer, ${readers} readers ` +
    `let in together, ${told} turned away by name, ${stops} stopped, ${kills} killed, ${acked} commits`,
)
console.log(
  `open again after a kill: median ${quantile(freedMs, 0.5).toFixed(1)} ms, ` +
    `slowest ${quantile(freedMs, 1).toFixed(1)} ms`,
)
console.log(`${failures} failures`)
process.exitCode = failures === 0 ? 0 : 1
