// Entry of one measured process: one workload on one built engine, whose folder is part of the order, so that both
// sides run this same code. Does a slice whenever the parent asks for one, so that the parent can alternate two of
// them.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Build, MEASURES, type Places, prepare, type SampleWorkload } from './measures.ts'

/** Its one argument, as JSON. */
export interface SampleOrder extends Places {
  /** Folder that holds dist/ of the engine under test. */
  readonly root: string
  readonly workload: SampleWorkload | 'prepare'
}

/** Parent to sample: do one slice, or: there is no more to do. */
export type SliceOrder = 'slice' | 'close'

/** Sample to parent: that it has opened its workload, then µs of CPU per operation of each slice. */
export type SliceReport = number | 'open'

async function serve({ root, workload, ...places }: SampleOrder): Promise<void> {
  const build: Build = await import(pathToFileURL(join(root, 'dist/src/index.js')).href)
  if (workload === 'prepare') {
    await prepare(build, places.prepared)
    return process.disconnect()
  }
  const work = await MEASURES[workload].open(build, places)
  process.on('message', async (order: SliceOrder) => {
    if (order === 'close') {
      await work.close()
      return process.disconnect()
    }
    await work.leadIn()
    // User and system time of the whole process: what another thread does for the work counts as well.
    const before = process.cpuUsage()
    await work.run()
    const { user, system } = process.cpuUsage(before)
    report((user + system) / work.operations)
  })
  report('open')
}

function report(message: SliceReport): void {
  process.send?.(message)
}

// Also when the parent is gone.
process.once('disconnect', () => process.exit())
await serve(JSON.parse(process.argv[2]!))
