// Thread entry of a writer that dies at a named point: the jobs of workers/background.ts on a file system that kills.
import { systemRandom } from '../../src/base/random.ts'
import { runJob } from '../../src/jobs/run-job.ts'
import { wasmKernels } from '../../src/kernel/wasm-kernels.ts'
import type { WorkerReply, WorkerTask } from '../../src/pool/protocol.ts'
import { createTaskRunner } from '../../src/pool/worker-loop.ts'
import { KillSwitch, killingFileSystem } from './killing-file-system.ts'

const kill = KillSwitch.inherited()

export const runTask: (task: WorkerTask) => WorkerReply = createTaskRunner({
  runJob(spec, context) {
    const { kind } = spec
    kill.job = kind === 'verify' || kind === 'salvage' || kind === 'sample' ? 'other' : kind
    return runJob(spec, context)
  },
  fs: killingFileSystem(kill),
  kernels: (heap) => wasmKernels(heap.memory),
  random: systemRandom,
})
