// An open on the calling thread leaves the event loop its turns, and finds the same as a job would.
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { resolveOptions } from '../../../src/base/options.ts'
import { PRESETS } from '../../../src/base/presets.ts'
import { tableShape } from '../../../src/engine/memory-plan.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { filterShape } from '../../../src/format/sstable-filter.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { inlineExecutor } from '../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'

const options = resolveOptions({ workers: 0, memtableSize: 4 << 20, memoryBudget: 64 << 20 })
const KEYS = 2_000

async function killed(): Promise<FaultFileSystem> {
  const fs = new FaultFileSystem()
  const engine = await openEngine('/db', options, { fs })
  for (let i = 0; i < KEYS; i++) {
    const put = engine.put(`key ${i}`, `${i} `.repeat(200), {})
    if (i % 50 === 0) await put
  }
  await engine.put('last', 'there', {})
  const left = fs.afterKill()
  await engine.close()
  return left
}

it('a log is replayed in steps, between which other things happen', async () => {
  const fs = await killed()
  const { length } = fs.listSync('/db').filter((name) => name.endsWith('.wal'))
  expect(length).toBeGreaterThan(0)
  let turns = 0
  let others = 0
  let open = false
  const count = (): void => {
    others += 1
    if (!open) setImmediate(count)
  }
  const nextTurn = (run: () => void): void => {
    turns += 1
    systemClock.nextTurn(run)
  }
  setImmediate(count)
  const engine = await openEngine('/db', options, { fs, clock: { ...systemClock, nextTurn } })
  open = true
  // More than a megabyte, read and linked.
  expect(turns).toBeGreaterThan(8)
  expect(others).toBeGreaterThanOrEqual(turns - 1)
  for (let i = 0; i < KEYS; i++) {
    expect(engine.getSync(`key ${i}`, undefined, 'utf8')).toBe(`${i} `.repeat(200))
  }
  expect(engine.getSync('last', undefined, 'utf8')).toBe('there')
  await engine.close()
})

it('an executor that was handed in replays every log', async () => {
  const fs = await killed()
  const random = { fill: (target: Uint8Array): void => void target.fill(1) }
  const jobs: string[] = []
  const executor = inlineExecutor({
    runJob: (spec, context) => {
      jobs.push(spec.kind)
      return runJob(spec, context)
    },
    fs,
    random,
    kernels: (heap) => wasmKernels(heap.memory),
  })
  const engine = await openEngine('/db', options, { fs, executor })
  expect(jobs).toContain('replay')
  expect(engine.getSync('last', undefined, 'utf8')).toBe('there')
  await engine.close()
})

it('filters whose shape is known have the shape that would be found', () => {
  for (const preset of Object.values(PRESETS)) {
    const { bloomFalsePositiveRate } = preset
    const { filter } = tableShape({ ...options, bloomFalsePositiveRate })
    expect(filter).toEqual(filterShape(bloomFalsePositiveRate))
  }
})
