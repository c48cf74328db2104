// A process whose system calls are watched: `<directory> first|second|read-only`.
import { openEngine } from '../../src/engine/open.ts'
import { firstLife, OPTIONS, readAll, STILL, secondLife } from './workload.ts'

const [, , directory = '', life] = process.argv

if (life === 'first') {
  await firstLife(() => openEngine(directory, OPTIONS, { clock: STILL }))
  process.exit(0)
} else if (life === 'second') {
  await secondLife(() => openEngine(directory, OPTIONS, { clock: STILL }))
} else {
  const engine = await openEngine(directory, { ...OPTIONS, readOnly: true, createIfMissing: false })
  console.log(readAll(engine))
  await engine.close()
}
