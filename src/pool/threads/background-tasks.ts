// What a background thread does with its tasks: jobs on real files, after one run over made-up data. Loaded by
// workers/background.ts, once the thread's priority is lowered.
import { systemRandom } from '../../base/random.ts'
import { nodeFileSystem } from '../../io/node-file-system.ts'
import { runJob } from '../../jobs/run-job.ts'
import { warmUp } from '../../jobs/warm-up.ts'
import type { Kernels } from '../../kernel/kernels.ts'
import { wasmKernels } from '../../kernel/wasm-kernels.ts'
import type { SharedHeap } from '../../memory/shared-heap.ts'
import type { WorkerReply, WorkerTask } from '../protocol.ts'
import { createTaskRunner } from '../worker-loop.ts'

const kernels = (heap: SharedHeap): Kernels => wasmKernels(heap.memory)

warmUp(kernels, systemRandom)

export const runTask: (task: WorkerTask) => WorkerReply = createTaskRunner({
  runJob,
  fs: nodeFileSystem,
  kernels,
  random: systemRandom,
})
