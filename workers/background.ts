// Thread entry: runs jobs on real files. Started by piscina in src/pool/thread-group.ts, which calls the one
// export for each task.
import { systemRandom } from '../src/base/random.ts'
import { nodeFileSystem } from '../src/io/node-file-system.ts'
import { runJob } from '../src/jobs/run-job.ts'
import { warmUp } from '../src/jobs/warm-up.ts'
import type { Kernels } from '../src/kernel/kernels.ts'
import { wasmKernels } from '../src/kernel/wasm-kernels.ts'
import type { SharedHeap } from '../src/memory/shared-heap.ts'
import type { WorkerReply, WorkerTask } from '../src/pool/protocol.ts'
import { lowerOwnPriority } from '../src/pool/threads/lower-priority.ts'
import { createTaskRunner } from '../src/pool/worker-loop.ts'

const kernels = (heap: SharedHeap): Kernels => wasmKernels(heap.memory)

lowerOwnPriority()
warmUp(kernels, systemRandom)

export const runTask: (task: WorkerTask) => WorkerReply = createTaskRunner({
  runJob,
  fs: nodeFileSystem,
  kernels,
  random: systemRandom,
})
