// A process that uses the worker pool and the sync worker, closes nothing, and should end by itself once
// its jobs are done. Prints what it got.
import { openSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const folder = process.env.SETT_DIST
const dist = folder ? pathToFileURL(`${folder}/`) : new URL('../../dist/', import.meta.url)
const { workerExecutor } = await import(new URL('src/pool/worker-executor.js', dist))
const { syncWorker } = await import(new URL('src/pool/sync-worker.js', dist))
const { processHeaps } = await import(new URL('src/pool/process-heaps.js', dist))

const executor = workerExecutor({
  workers: 2,
  workerUrl: new URL('fake-worker.mjs', import.meta.url).href,
})
const syncer = syncWorker()
const heap = processHeaps.acquire(1 << 20)
const descriptor = openSync(process.argv[2], 'w')
const order = (directory) => ({ kind: 'verify', directory: JSON.stringify(directory), tables: [] })
executor
  .run(order({ do: 'sleep', ms: 50, value: 42 }), { heap, priority: 1 })
  .then(({ entries }) => syncer.dataSync(descriptor).then(() => console.log(`done ${entries}`)))
