// Garbage slows writers in the engine: values are overwritten while jobs take long. Time is simulated: a put takes as
// long as its bytes, a job as long as what it writes.
import { expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/base/options.ts'
import { systemRandom } from '../../../../src/base/random.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { StallNotice } from '../../../../src/engine/pressure/stall-watch.ts'
import type { EngineNotice } from '../../../../src/engine/types.ts'
import type { JobResult } from '../../../../src/jobs/job.ts'
import { runJob } from '../../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import type { Executor } from '../../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { prng } from '../../../model/prng.ts'
import { QuickClock } from '../../../support/fake/quick-clock.ts'

const KIB = 1024
const VALUE = 4 * KIB
const KEYS = 1024
/** Puts of one commit. */
const BATCH = 8
/** Of the program. */
const BYTES_PER_MS = 5_000

class Overwritten {
  readonly clock = new QuickClock()
  readonly fs = new FaultFileSystem()
  readonly stalls: StallNotice[] = []
  readonly #random = prng(11)
  readonly #speed: number
  engine!: StorageEngine
  /** Bytes of all files over those of live values. */
  most = 0

  /** Jobs write so many bytes while the program writes one. */
  constructor(speed: number) {
    this.#speed = speed
  }

  async open(options: object = {}): Promise<this> {
    const small = {
      workers: 0,
      memtableSize: 256 * KIB,
      tableSize: 256 * KIB,
      memoryBudget: 8 * KIB * KIB,
    }
    const resolved = resolveOptions({
      ...small,
      durability: 'none',
      l0CompactTrigger: 4,
      ...options,
    })
    const notify = (notice: EngineNotice): void => {
      if (notice.event === 'stall') this.stalls.push(notice)
    }
    const { fs, clock } = this
    this.engine = await openEngine('/db', resolved, { fs, clock, notify, executor: this.#slowly() })
    return this
  }

  /** So many keys, one after another. */
  async load(keys: number = KEYS): Promise<void> {
    for (let key = 0; key < keys; key += BATCH) await this.#put((i) => key + i)
  }

  async overwrite(times: number, keys: number = KEYS): Promise<void> {
    const { fs } = this
    this.most = 0
    for (let i = 0; i < times * keys; i += BATCH) {
      await this.#put(() => this.#random.below(keys))
      const sizes = fs.listSync('/db').map((name) => fs.statSync(`/db/${name}`)?.size ?? 0)
      const bytes = sizes.reduce((sum, size) => sum + size, 0)
      this.most = Math.max(this.most, bytes / (keys * VALUE))
    }
  }

  async #put(key: (i: number) => number): Promise<void> {
    const operations = Array.from({ length: BATCH }, (_, i) => {
      const value = new Uint8Array(VALUE)
      systemRandom.fill(value)
      return { type: 'put', key: String(key(i) * 7_919).padStart(8, '0'), value } as const
    })
    await this.engine.batch(operations, {})
    await this.clock.pass((BATCH * VALUE) / BYTES_PER_MS)
  }

  #slowly(): Executor {
    const { fs, clock } = this
    const inner = inlineExecutor({
      runJob,
      fs,
      random: systemRandom,
      kernels: (heap) => wasmKernels(heap.memory),
    })
    const run = async <T extends JobResult>(
      ...[spec, ticket]: Parameters<Executor['run']>
    ): Promise<T> => {
      const result = await inner.run<T>(spec, ticket)
      // Flushes are another's work.
      if (spec.kind === 'compact' && result.kind === 'tables') {
        await clock.pass(result.bytesWritten / (this.#speed * BYTES_PER_MS))
      }
      return result
    }
    const { stats, close } = inner
    return {
      ...{ workers: 0, idle: 0, run, warmUp: () => undefined },
      stats: () => stats.call(inner),
      close: () => close.call(inner),
    }
  }
}

async function overwritten(speed: number, options: object = {}): Promise<Overwritten> {
  const base = await new Overwritten(speed).open(options)
  await base.load()
  // What is only loaded is no garbage, however slow the jobs are.
  expect(base.engine.stats().delays.garbage).toBe(0)
  await base.overwrite(4)
  return base
}

it('jobs that keep up slow nobody', async () => {
  const base = await overwritten(1)
  expect(base.most).toBeLessThan(2.5)
  expect(base.engine.stats().delayMs).toBe(0)
  expect(base.stalls).toEqual([])
  await base.engine.close()
})

it('jobs at a quarter of the speed of writes slow them: the files stay at 2.5 × what is live', async () => {
  const base = await overwritten(0.25)
  const { engine, clock, stalls } = base
  expect(base.most).toBeLessThan(2.5)
  // Writers still get most of what a quarter is enough for.
  const atFullSpeed = (5 * KEYS * VALUE) / BYTES_PER_MS
  expect(clock.now - 1_000).toBeLessThan(2 * atFullSpeed)
  const { delays, delayMs } = engine.stats()
  expect(delays.garbage).toBeGreaterThan(200)
  expect(delayMs).toBeCloseTo(Object.values(delays).reduce((sum, ms) => sum + ms, 0))
  await engine.settle()
  await clock.pass(10)
  const slowed = { event: 'stall', writers: 'slowed', cause: 'garbage' }
  expect(stalls).toContainEqual(expect.objectContaining({ ...slowed, phase: 'begin' }))
  expect(stalls.at(-1)).toMatchObject({ ...slowed, phase: 'end' })
  expect(engine.stats().garbageDebtBytes).toBe(0)
  await engine.close()
})

it('what a snapshot keeps is no debt: nobody waits for it', async () => {
  const base = await new Overwritten(0.25).open()
  const { engine } = base
  await base.load()
  const pin = engine.pin()
  await base.overwrite(2)
  expect(engine.stats().delays.garbage).toBe(0)
  pin.release()
  await engine.close()
})

it('a snapshot opened while writers are slowed does not hold them up', async () => {
  const base = await overwritten(0.25)
  const { engine, clock } = base
  expect(engine.stats().delays.garbage).toBeGreaterThan(200)
  const pin = engine.pin()
  await base.overwrite(2)
  const began = clock.now
  await base.overwrite(2)
  expect(clock.now - began).toBeLessThan((3 * 2 * KEYS * VALUE) / BYTES_PER_MS)
  pin.release()
  await engine.close()
})

it('a small database is not slowed', async () => {
  const base = await new Overwritten(0.1).open()
  await base.load(64)
  await base.overwrite(40, 64)
  expect(base.engine.stats().delays.garbage).toBe(0)
  await base.engine.close()
})

it('writers that never wait for compaction do not wait for collection', async () => {
  const base = await overwritten(0.25, { l0StallTrigger: 'off' })
  expect(base.engine.stats().delayMs).toBe(0)
  await base.engine.close()
})
