// flatten(), garbage that goes by itself, and level 0 merged in itself while the base level is busy.
import { expect, it } from 'vitest'
import { systemClock } from '../../../../src/base/clock.ts'
import { resolveOptions } from '../../../../src/base/options.ts'
import { systemRandom } from '../../../../src/base/random.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import type { JobResult, JobSpec } from '../../../../src/jobs/job.ts'
import { runJob } from '../../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import type { Executor } from '../../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../../src/pool/inline-executor.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'

const KEYS = 600
const keyOf = (i: number): string => `key ${String(i).padStart(5, '0')}`

function tables(engine: StorageEngine): number[] {
  return engine.stats().levels.map((level) => level.tables)
}

function entries(engine: StorageEngine): number {
  return engine.stats().levels.reduce((sum, level) => sum + level.entries, 0)
}

it('flatten takes everything into the last level, for what writes go on beside it, too', async () => {
  const shape = { tableSize: 16_384, compression: 'none', maxLevels: 5, l0CompactTrigger: 2 }
  const options = { ...shape, durability: 'none' }
  const engine = await start(memoryFileSystem(), options)
  const put = (i: number, value: string): Promise<void> => engine.put(keyOf(i), value, {})
  for (let i = 0; i < 4 * KEYS; i++) await put((i * 7) % KEYS, `${i} ${'x'.repeat(300)}`)
  for (let i = 0; i < KEYS; i += 3) await engine.del(keyOf(i), {})
  let writing = true
  const beside = (async () => {
    for (let i = 0; writing; i++) await put(KEYS + (i % 50), 'y'.repeat(200))
  })()
  await ends(engine.flatten())
  writing = false
  await beside
  await ends(engine.flatten())
  const { length, 4: last } = tables(engine).filter((count, level) => count > 0 || level === 4)
  expect([length, last]).toEqual([1, undefined])
  expect(tables(engine)[4]).toBeGreaterThan(1)
  for (let i = 0; i < KEYS; i++) {
    const value = engine.getSync(keyOf(i), undefined, 'utf8')
    expect(value === undefined).toBe(i % 3 === 0)
  }
  await engine.close()
})

it('flatten of a read-only database is refused', async () => {
  const fs = memoryFileSystem()
  await (await start(fs)).close()
  const engine = await start(fs, { readOnly: true })
  expect(await codeOf(engine.flatten())).toBe('LEVEL_READONLY')
  await engine.close()
})

it('what a reader kept goes by itself once it is released', async () => {
  const engine = await start(memoryFileSystem(), { durability: 'none' })
  for (let i = 0; i < KEYS; i++) await engine.put(keyOf(i), 'x'.repeat(50), {})
  await engine.flush()
  const pin = engine.pin()
  for (let i = 0; i < KEYS; i += 2) await engine.del(keyOf(i), {})
  await engine.compactRange(undefined, undefined)
  expect(entries(engine)).toBe(KEYS + KEYS / 2)
  expect(engine.getSync(keyOf(0), pin, 'utf8')).toBe('x'.repeat(50))
  pin.release()
  await ends(engine.settle())
  expect(entries(engine)).toBe(KEYS / 2)
  expect(engine.getSync(keyOf(1), undefined, 'utf8')).toBe('x'.repeat(50))
  await engine.close()
})

/** Jobs run here; those for which `holds` is true wait until `open` is called. */
function heldExecutor(
  inner: Executor,
  holds: (spec: JobSpec) => boolean,
): { readonly executor: Executor; readonly open: () => void } {
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const executor: Executor = {
    workers: inner.workers,
    get idle() {
      return inner.idle
    },
    async run<T extends JobResult>(...[spec, ticket]: Parameters<Executor['run']>): Promise<T> {
      if (holds(spec)) await gate
      return inner.run<T>(spec, ticket)
    },
    warmUp: (threads) => inner.warmUp(threads),
    stats: () => inner.stats(),
    close: () => inner.close(),
  }
  return { executor, open }
}

it('a deep level 0 is merged in itself while the base level is busy, and keeps its order', async () => {
  const fs = memoryFileSystem()
  let merged = 0
  const { executor, open } = heldExecutor(
    inlineExecutor({
      runJob,
      fs,
      random: systemRandom,
      clock: systemClock,
      kernels: (heap) => wasmKernels(heap.memory),
    }),
    (spec) => {
      if (spec.kind !== 'compact') return false
      if (spec.outputLevel === 0) merged += 1
      return spec.outputLevel > 0
    },
  )
  const small = { memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024, workers: 3 }
  const options = { ...small, durability: 'none', l0CompactTrigger: 3, l0StallTrigger: 20 }
  const engine = await openEngine('/db', resolveOptions(options), { fs, executor })
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < KEYS; i += 2) await engine.put(keyOf((i + round) % KEYS), `${round}`, {})
    await engine.del(keyOf(round), {})
    await engine.flush()
  }
  const check = (): void => {
    for (let i = 10; i < KEYS; i++) {
      expect(engine.getSync(keyOf(i), undefined, 'utf8')).toBe(i % 2 === 0 ? '8' : '9')
    }
    expect(engine.getSync(keyOf(9), undefined, 'utf8')).toBeUndefined()
  }
  while (merged === 0 || tables(engine)[0]! > 8) await new Promise((done) => setTimeout(done, 5))
  check()
  open()
  await ends(engine.settle())
  check()
  await ends(engine.flatten())
  check()
  await engine.close()
})

it('flatten ends when tune() lowers the number of levels meanwhile', async () => {
  const engine = await start(memoryFileSystem(), { maxLevels: 2, durability: 'none' })
  const fill = async (): Promise<void> => {
    for (let i = 0; i < KEYS; i++) await engine.put(keyOf(i), 'x'.repeat(100), {})
    await engine.flush()
  }
  await fill()
  await engine.compactRange(undefined, undefined)
  await fill()
  engine.tune({ maxLevels: 5 })
  const flattened = engine.flatten()
  // Level 0 goes first, into what lies in level 1 already.
  for (let turn = 0; turn < 3; turn++) await Promise.resolve()
  engine.tune({ maxLevels: 2 })
  await ends(flattened)
  expect(entries(engine)).toBe(KEYS)
  await engine.close()
})
