// Over how many workers a compaction is split: those that idle, but for one that a flush will need.
import { expect, it } from 'vitest'
import { type Clock, systemClock } from '../../../../src/base/clock.ts'
import { resolveOptions } from '../../../../src/base/options.ts'
import { systemRandom } from '../../../../src/base/random.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { JobResult, JobSpec } from '../../../../src/jobs/job.ts'
import { runJob } from '../../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import type { Executor, JobTicket } from '../../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { turns } from '../../../support/small-engine.ts'

const VALUE = 'x'.repeat(8000)
const VALUES = 1600
/** Longer than flushes count as a sign of more. */
const QUIET_MS = 5000

class Rig {
  readonly fs = new FaultFileSystem()
  /** Threads that other databases use. */
  taken = 0
  /** Most compaction jobs at one time, and at which most there were threads for all jobs. */
  most = 0
  crowded = false
  later = 0
  /** Numbers of the tables that each job looked into for keys. */
  readonly sampled: (readonly number[])[] = []
  /** Told when a compaction job begins. */
  begins: () => void = () => undefined
  #running = 0
  #compacting = 0
  readonly #workers: number
  #engine: StorageEngine | undefined

  constructor(workers: number) {
    this.#workers = workers
  }

  get engine(): StorageEngine {
    return this.#engine!
  }

  async open(): Promise<void> {
    const options = resolveOptions({
      compression: 'none',
      valueThreshold: 'off',
      workers: this.#workers,
      memtableSize: 2 ** 20,
      memoryBudget: 64 * 2 ** 20,
      durability: 'none',
      tableSize: 4 * 2 ** 20,
      l0CompactTrigger: 100,
      l0StallTrigger: 'off',
    })
    const clock: Clock = {
      ...systemClock,
      monotonicMs: () => systemClock.monotonicMs() + this.later,
    }
    const given = { fs: this.fs, clock, executor: this.#executor() }
    this.#engine = await openEngine('/db', options, given)
  }

  /** More than three parts' worth, in tables that overlap. */
  async fill(): Promise<void> {
    for (let i = 0; i < VALUES; i++) {
      await this.engine.put(`key ${String((i * 7919) % VALUES).padStart(5, '0')}`, VALUE, {})
    }
    await this.engine.flush()
    this.later += QUIET_MS
  }

  /** Most jobs at one time while all is compacted. */
  async lanes(): Promise<number> {
    this.most = 0
    await this.engine.compactRange(undefined, undefined)
    expect(this.crowded).toBe(false)
    return this.most
  }

  #executor(): Executor {
    const inline = inlineExecutor({
      runJob,
      fs: this.fs,
      random: systemRandom,
      clock: systemClock,
      kernels: (heap) => wasmKernels(heap.memory),
    })
    const idle = (): number => Math.max(0, this.#workers - this.taken - this.#running)
    return {
      workers: this.#workers,
      get idle() {
        return idle()
      },
      warmUp: () => undefined,
      stats: () => [],
      close: () => inline.close(),
      run: <T extends JobResult>(spec: JobSpec, ticket: JobTicket) =>
        this.#count(spec, () => inline.run<T>(spec, ticket)),
    }
  }

  async #count<T>(spec: JobSpec, run: () => Promise<T>): Promise<T> {
    this.#running += 1
    // Flushes go first, and wait for threads that others use.
    const crowded = this.#running > this.#workers - this.taken
    this.crowded ||= crowded && spec.kind !== 'flush'
    if (spec.kind === 'sample') this.sampled.push(spec.tables.map(({ number }) => number))
    if (spec.kind === 'compact') {
      this.#compacting += 1
      this.begins()
    }
    this.most = Math.max(this.most, this.#compacting)
    try {
      // So that what starts at the same time is seen at the same time.
      await turns(50)
      return await run()
    } finally {
      this.#running -= 1
      if (spec.kind === 'compact') this.#compacting -= 1
    }
  }
}

it('a compaction is split over the workers that idle', async () => {
  for (const [workers, taken, lanes] of [
    [1, 0, 1],
    [2, 0, 2],
    [3, 0, 3],
    [3, 1, 2],
    [3, 2, 1],
  ] as const) {
    const rig = new Rig(workers)
    rig.taken = taken
    await rig.open()
    await rig.fill()
    expect(await rig.lanes(), `${workers} workers, ${taken} taken`).toBe(lanes)
    const { compactions, compactionParts } = rig.engine.stats()
    if (workers === 1) expect(compactionParts).toBe(compactions)
    else expect(compactionParts).toBeGreaterThan(compactions)
    await rig.engine.close()
  }
})

it('those that will share a compaction look for its cuts together, each in tables of its own', async () => {
  const rig = new Rig(2)
  await rig.open()
  await rig.fill()
  expect(await rig.lanes()).toBe(2)
  const [first = [], second = [], ...others] = rig.sampled
  expect(others).toEqual([])
  expect(Math.abs(first.length - second.length)).toBeLessThan(2)
  const all = [...first, ...second].sort((a, b) => a - b)
  expect(all.length).toBeGreaterThan(8)
  expect([...new Set(all)]).toEqual(all)
  await rig.engine.close()
})

it('a worker that was busy when a compaction began joins in', async () => {
  const rig = new Rig(2)
  await rig.open()
  for (let round = 0; round < 2; round++) await rig.fill()
  rig.taken = 1
  rig.begins = () => {
    rig.taken = 0
  }
  expect(await rig.lanes()).toBe(2)
  const { compactions, compactionParts } = rig.engine.stats()
  expect(compactions).toBe(1)
  expect(compactionParts).toBeGreaterThan(2)
  await rig.engine.close()
})

it('one worker stays free while there are flushes', async () => {
  const rig = new Rig(3)
  await rig.open()
  await rig.fill()
  rig.later -= QUIET_MS
  expect(await rig.lanes()).toBe(2)
  await rig.fill()
  // It is flushed first; a single flush after a pause is no sign of more.
  await rig.engine.put('one more', VALUE, {})
  expect(await rig.lanes()).toBe(3)
  await rig.engine.close()
})

it('parts are of the size that tables are to have by now', async () => {
  const rig = new Rig(2)
  rig.taken = 1
  await rig.open()
  rig.engine.tune({ tableSize: 16 * 2 ** 20 })
  await rig.fill()
  expect(await rig.lanes()).toBe(1)
  const { levels, compactionParts, compactions } = rig.engine.stats()
  expect(compactionParts).toBe(compactions)
  expect(levels.reduce((sum, { tables }) => sum + tables, 0)).toBe(1)
  await rig.engine.close()
})
