// verify() meets a log that is flushed and removed while its job is under way: nothing is wrong.
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { resolveOptions } from '../../../src/base/options.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { walPath } from '../../../src/io/file-names.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import type { Executor } from '../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'

it('a log that goes between two calls of the job is no damage and no failure', async () => {
  const fs = new FaultFileSystem()
  const inline = inlineExecutor({
    runJob,
    fs,
    random: systemRandom,
    clock: systemClock,
    kernels: (heap) => wasmKernels(heap.memory),
  })
  let engine: StorageEngine | undefined
  let logs = 0
  const executor: Executor = {
    workers: 0,
    idle: 0,
    warmUp: () => inline.warmUp(1),
    stats: () => inline.stats(),
    close: () => inline.close(),
    async run(spec, ticket) {
      if (spec.kind === 'verify' && spec.wals?.length === 1) {
        logs += 1
        await engine!.flush()
        const path = walPath('/db', spec.wals[0]!.number)
        while (fs.statSync(path) !== undefined) await new Promise((turn) => setImmediate(turn))
        // It looked at the file before, and opens it now.
        fs.openSync(path, 'read')
      }
      return inline.run(spec, ticket)
    },
  }
  const options = resolveOptions({ workers: 0, memtableSize: 65_536, memoryBudget: 8 << 20 })
  engine = await openEngine('/db', options, { fs, executor })
  await engine.put('a', '1', {})
  const { ok, problems } = await engine.verify({})
  expect(problems).toEqual([])
  expect(ok).toBe(true)
  expect(logs).toBe(1)
  await engine.close()
})
