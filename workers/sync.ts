// Thread entry: fdatasync on request, nothing else. Started by src/pool/sync-worker.ts.
import { workerData } from 'node:worker_threads'
import { dataSyncDescriptor } from '../src/io/node-file-system.ts'
import { runSyncLoop } from '../src/pool/sync-loop.ts'

runSyncLoop(new Int32Array(workerData as SharedArrayBuffer), dataSyncDescriptor)
