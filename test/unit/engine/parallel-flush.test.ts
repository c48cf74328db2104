// Several memtables flushed at once: whichever flush ends first, the oldest memtable is installed first, and whatever
// happens to one of them, nothing that was acked depends on the others.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { repairDirectory } from '../../../src/engine/repair/repair.ts'
import { parseFileName } from '../../../src/io/file-names.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import type { FlushSpec, JobResult, JobSpec } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import type { Executor, JobTicket, WorkerStats } from '../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { codeOf, ends, soon, turns } from '../../support/small-engine.ts'

const SMALL = {
  workers: 2,
  memtableSize: 65_536,
  memtableCount: 4,
  memoryBudget: 128 << 20,
  valueThreshold: 'off',
  durability: 'none',
  l0CompactTrigger: 100,
  l0StallTrigger: 101,
} as const

function onPurpose(): Error {
  return Object.assign(new Error('on purpose'), { code: 'EIO' })
}

/** A flush that was asked for and waits for the test's word. */
interface HeldFlush {
  readonly spec: FlushSpec
  readonly run: () => void
  readonly fail: (error: Error) => void
}

/** Does jobs on this thread, flushes when the test says so. */
class HoldingExecutor implements Executor {
  readonly workers: number
  readonly idle = 0
  readonly flushes: HeldFlush[] = []
  readonly #inner: Executor

  constructor(fs: FileSystem, workers: number) {
    this.workers = workers
    const random = { fill: (target: Uint8Array): void => void target.fill(7) }
    this.#inner = inlineExecutor({
      runJob,
      fs,
      random,
      kernels: (heap) => wasmKernels(heap.memory),
    })
  }

  run<T extends JobResult>(spec: JobSpec, ticket: JobTicket): Promise<T> {
    if (spec.kind !== 'flush') return this.#inner.run<T>(spec, ticket)
    return new Promise<T>((resolve, reject) => {
      const run = (): void => void this.#inner.run<T>(spec, ticket).then(resolve, reject)
      this.flushes.push({ spec, run, fail: reject })
    })
  }

  warmUp(): void {
    // There are no threads.
  }

  stats(): readonly WorkerStats[] {
    return []
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

interface Rig {
  readonly fs: FaultFileSystem
  readonly executor: HoldingExecutor
  readonly engine: StorageEngine
}

async function rig(workers = 2): Promise<Rig> {
  const fs = new FaultFileSystem()
  const executor = new HoldingExecutor(fs, workers)
  const engine = await openEngine('/db', resolveOptions(SMALL), { fs, executor })
  return { fs, executor, engine }
}

function reopen(fs: FileSystem): Promise<StorageEngine> {
  return openEngine('/db', resolveOptions({ ...SMALL, workers: 0 }), { fs })
}

async function until(what: () => boolean): Promise<void> {
  await soon(() => expect(what()).toBe(true))
}

/** Writes and freezes the memtable; `done`: what flush() says of it. */
async function freeze(
  { engine, executor }: Rig,
  value: string,
): Promise<{ done: Promise<string> }> {
  const before = engine.stats().wals
  await engine.put('key', value, {})
  await engine.put(`only ${value}`, value, {})
  const done = codeOf(engine.flush())
  await until(() => engine.stats().wals > before)
  await turns(1)
  expect(executor.flushes.length).toBeGreaterThan(0)
  return { done }
}

function levelZero(fs: FileSystem): readonly { readonly largestVersion: number }[] {
  return readManifest(fs, '/db')!.state.levels[0]!
}

function requireAllNamed(fs: FileSystem): void {
  const { levels } = readManifest(fs, '/db')!.state
  const named = new Set(levels.flat().map(({ number }) => number))
  for (const name of fs.listSync('/db')) {
    const file = parseFileName(name)
    if (file?.kind === 'sst') expect(named, name).toContain(file.number)
  }
}

async function requireContent(fs: FileSystem, values: readonly string[]): Promise<void> {
  const engine = await reopen(fs)
  expect(engine.getSync('key', undefined, 'utf8')).toBe(values.at(-1))
  for (const value of values) {
    expect(engine.getSync(`only ${value}`, undefined, 'utf8')).toBe(value)
  }
  await engine.close()
  requireAllNamed(fs)
}

describe('two flushes at once', () => {
  it('are installed oldest first, though the second one ends first', async () => {
    const all = await rig()
    const { fs, executor, engine } = all
    const first = await freeze(all, 'old')
    const second = await freeze(all, 'new')
    expect(executor.flushes).toHaveLength(2)
    const [older, newer] = executor.flushes
    expect(older!.spec.newestWal).toBeLessThan(newer!.spec.newestWal)
    const before = readManifest(fs, '/db')!.state
    newer!.run()
    await turns(50)
    // Its tables are there, and nothing names them; no log was dropped.
    expect(fs.listSync('/db').filter((name) => name.endsWith('.sst'))).not.toEqual([])
    expect(readManifest(fs, '/db')!.state).toEqual(before)
    expect(engine.getSync('key', undefined, 'utf8')).toBe('new')
    await requireContent(fs.afterKill(), ['old', 'new'])
    older!.run()
    expect(await ends(Promise.all([first.done, second.done]))).toEqual(['no error', 'no error'])
    const after = readManifest(fs, '/db')!.state
    expect(levelZero(fs)).toHaveLength(2)
    expect(levelZero(fs)[0]!.largestVersion).toBeGreaterThan(levelZero(fs)[1]!.largestVersion)
    const logs = after.wals.map(({ number }) => number)
    expect(logs).not.toContain(older!.spec.newestWal)
    expect(logs).not.toContain(newer!.spec.newestWal)
    expect(executor.flushes).toHaveLength(2)
    await engine.close()
    await requireContent(fs, ['old', 'new'])
  })

  it('of which the first one fails: the second one waits, and is not done again', async () => {
    const all = await rig()
    const { fs, executor, engine } = all
    const first = await freeze(all, 'old')
    const second = await freeze(all, 'new')
    executor.flushes[1]!.run()
    await turns(50)
    executor.flushes[0]!.fail(onPurpose())
    expect(await ends(Promise.all([first.done, second.done]))).toEqual([
      'LEVEL_IO_ERROR',
      'LEVEL_IO_ERROR',
    ])
    expect(levelZero(fs)).toHaveLength(0)
    await until(() => executor.flushes.length === 3)
    expect(executor.flushes[2]!.spec.arena).toBe(executor.flushes[0]!.spec.arena)
    executor.flushes[2]!.run()
    await ends(engine.settle())
    expect(levelZero(fs)).toHaveLength(2)
    expect(executor.flushes).toHaveLength(3)
    await engine.close()
    await requireContent(fs, ['old', 'new'])
  })

  it('of which the second one fails: the first one is installed, the second one done again', async () => {
    const all = await rig()
    const { fs, executor, engine } = all
    const first = await freeze(all, 'old')
    const second = await freeze(all, 'new')
    executor.flushes[1]!.fail(onPurpose())
    executor.flushes[0]!.run()
    await ends(Promise.all([first.done, second.done]))
    await until(() => levelZero(fs).length === 1)
    await until(() => executor.flushes.length === 3)
    expect(executor.flushes[2]!.spec.arena).toBe(executor.flushes[1]!.spec.arena)
    executor.flushes[2]!.run()
    await ends(engine.settle())
    expect(levelZero(fs)).toHaveLength(2)
    await engine.close()
    await requireContent(fs, ['old', 'new'])
  })

  it('a third one waits until the first is installed', async () => {
    const all = await rig()
    const { executor, engine } = all
    const flushed = [await freeze(all, 'one'), await freeze(all, 'two'), await freeze(all, 'three')]
    executor.flushes[1]!.run()
    await turns(50)
    expect(executor.flushes).toHaveLength(2)
    executor.flushes[0]!.run()
    await until(() => executor.flushes.length === 3)
    executor.flushes[2]!.run()
    expect(await ends(Promise.all(flushed.map(({ done }) => done)))).toEqual([
      'no error',
      'no error',
      'no error',
    ])
    await engine.close()
    await requireContent(all.fs, ['one', 'two', 'three'])
  })

  it('do not happen with one worker', async () => {
    const all = await rig(1)
    const { executor, engine } = all
    const flushed = [await freeze(all, 'one'), await freeze(all, 'two')]
    await turns(50)
    expect(executor.flushes).toHaveLength(1)
    executor.flushes[0]!.run()
    await until(() => executor.flushes.length === 2)
    executor.flushes[1]!.run()
    await ends(Promise.all(flushed.map(({ done }) => done)))
    await engine.close()
  })

  it('do not happen where an entry needs more scratch than there is for a job', async () => {
    const all = await rig()
    const { executor, engine } = all
    const first = await freeze(all, 'old')
    await engine.put('large', 'L'.repeat(31 << 20), {})
    const second = await freeze(all, 'new')
    await turns(50)
    expect(executor.flushes).toHaveLength(1)
    executor.flushes[0]!.run()
    await until(() => executor.flushes.length > 1)
    for (let next = 1; next < 4; next++) {
      executor.flushes[next]?.run()
      await turns(20)
    }
    await ends(Promise.all([first.done, second.done]))
    await engine.close()
    await requireContent(all.fs, ['old', 'new'])
  })
})

describe('close() during two flushes', () => {
  it('waits for both, and installs both', async () => {
    const all = await rig()
    const { fs, executor, engine } = all
    const flushed = [await freeze(all, 'old'), await freeze(all, 'new')]
    let closed = false
    const closing = engine.close().then(() => {
      closed = true
    })
    executor.flushes[1]!.run()
    await turns(50)
    expect(closed).toBe(false)
    executor.flushes[0]!.run()
    await ends(closing)
    await ends(Promise.all(flushed.map(({ done }) => done)))
    expect(levelZero(fs)).toHaveLength(2)
    expect(executor.flushes).toHaveLength(2)
    await requireContent(fs, ['old', 'new'])
  })

  it('keeps both logs and no table when the first one fails', async () => {
    const all = await rig()
    const { fs, executor, engine } = all
    const flushed = [await freeze(all, 'old'), await freeze(all, 'new')]
    const closing = engine.close()
    executor.flushes[1]!.run()
    await turns(50)
    executor.flushes[0]!.fail(onPurpose())
    await ends(closing)
    await ends(Promise.all(flushed.map(({ done }) => done)))
    const logs = readManifest(fs, '/db')!.state.wals.map(({ number }) => number)
    for (const { spec } of executor.flushes) expect(logs).toContain(spec.newestWal)
    expect(fs.listSync('/db').filter((name) => name.endsWith('.sst'))).toEqual([])
    await requireContent(fs, ['old', 'new'])
  })
})

describe('without its manifest', () => {
  it('a log whose flush had not ended is not taken for flushed, though a newer one was', async () => {
    const all = await rig()
    const { fs, executor, engine } = all
    const flushed = [await freeze(all, 'old'), await freeze(all, 'new')]
    executor.flushes[1]!.run()
    await turns(50)
    const killed = fs.afterKill()
    for (const name of killed.listSync('/db')) {
      const kind = parseFileName(name)?.kind
      if (kind === 'current' || kind === 'manifest') killed.removeSync(`/db/${name}`)
    }
    const options = resolveOptions({ ...SMALL, workers: 0 })
    const report = await repairDirectory('/db', options, { fs: killed })
    expect(report.lost).toEqual([])
    await requireContent(killed, ['old', 'new'])
    executor.flushes[0]!.run()
    await ends(Promise.all(flushed.map(({ done }) => done)))
    await engine.close()
  })
})
