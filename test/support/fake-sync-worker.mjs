// A sync worker whose "descriptors" say what should happen: below 1000 all is well, 1000 ends the thread,
// 2000 + n sleeps n ms, 3000 fails without an error number, the rest are real.
import { pathToFileURL } from 'node:url'
import { workerData } from 'node:worker_threads'

const folder = process.env.SETT_DIST
const dist = folder ? pathToFileURL(`${folder}/`) : new URL('../../dist/', import.meta.url)
const { runSyncLoop } = await import(new URL('src/pool/sync-loop.js', dist))

runSyncLoop(new Int32Array(workerData), (descriptor) => {
  if (descriptor === 1000) process.exit(4)
  if (descriptor === 3000) throw new Error('no number')
  if (descriptor >= 2000) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, descriptor - 2000)
  }
})
