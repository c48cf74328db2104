// Thread entry: runs jobs on real files. Started by piscina in src/pool/thread-group.ts, which calls the one
// export for each task.
import { systemRandom } from '../src/base/random.ts'
import { nodeFileSystem } from '../src/io/node-file-system.ts'
import { runJob } from '../src/jobs/run-job.ts'
import { wasmKernels } from '../src/kernel/wasm-kernels.ts'
import type { WorkerReply, WorkerTask } from '../src/pool/protocol.ts'
import { createTaskRunner } from '../src/pool/worker-loop.ts'

export const runTask: (task: WorkerTask) => WorkerReply = createTaskRunner({
  runJob,
  fs: nodeFileSystem,
  kernels: (heap) => wasmKernels(heap.memory),
  random: systemRandom,
})
