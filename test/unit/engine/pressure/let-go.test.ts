// close() and flush() do not wait until a large value is paid for, nor flush() for commits made after it: by a clock of
// the test's own, and syncs that end when they are told to.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/base/options.ts'
import { systemRandom } from '../../../../src/base/random.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import { runJob } from '../../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import type { Executor } from '../../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { ends, small, start, turns } from '../../../support/small-engine.ts'
import { HandClock } from '../expiry/hand-clock.ts'

class StoppedClock extends HandClock {
  override monotonicMs(): number {
    return this.wall
  }
}

interface Gate {
  readonly opened: Promise<void>
  readonly open: () => void
}

function gate(): Gate {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Jobs begin when `until` says so. */
function gated(fs: FaultFileSystem, until: () => Promise<void>): Executor {
  const inner = inlineExecutor({
    runJob,
    fs,
    random: systemRandom,
    kernels: (heap) => wasmKernels(heap.memory),
  })
  return {
    workers: 0,
    idle: 0,
    run: async (spec, ticket) => {
      await until()
      return inner.run(spec, ticket)
    },
    warmUp: () => undefined,
    stats: () => inner.stats(),
    close: () => inner.close(),
  }
}

/** Has a memtable of its own, and is paid for over more than half a second: the first takes a second to flush. */
const LARGE = Buffer.alloc(300_000, 1)

interface HeldBack {
  readonly engine: StorageEngine
  readonly clock: StoppedClock
  /** Commits that were held back and are made by now. */
  readonly made: string[]
  /** Lets the flushes begin. */
  readonly release: () => void
}

/** Memtables wait for their flush, a large value went out just now, and the next commits are held back. */
async function heldBack(): Promise<HeldBack> {
  const clock = new StoppedClock(1_000)
  const fs = new FaultFileSystem()
  let jobs = gate()
  const executor = gated(fs, () => jobs.opened)
  const options = { memtableCount: 5, l0StallTrigger: 'off', valueThreshold: 'off' }
  const resolved = resolveOptions({ ...small, ...options, durability: 'none' })
  const engine = await openEngine('/db', resolved, { fs, clock, executor })
  const put = async (key: string): Promise<void> => {
    await ends(engine.put(key, LARGE, {}))
    // The next log is born.
    await turns()
  }
  await put('a')
  await put('b')
  clock.pass(1_000)
  jobs.open()
  await turns()
  expect(engine.stats().flushes).toBe(1)
  jobs = gate()
  await put('c')
  await put('d')
  const made: string[] = []
  for (const key of ['x', 'y', 'z']) {
    void engine.put(key, 'small', {}).then(() => void made.push(key))
  }
  await pass(clock, 50)
  expect(made).toEqual([])
  return { engine, clock, made, release: () => jobs.open() }
}

async function pass(clock: StoppedClock, ms: number): Promise<void> {
  for (let i = 0; i < ms; i++) {
    await turns(5)
    clock.pass(1)
  }
  await turns(5)
}

describe('commits that are held back for a large value', () => {
  it.each(['close', 'flush'] as const)('are let go by %s()', async (call) => {
    const { engine, clock, made, release } = await heldBack()
    let ended = false
    const ending = engine[call]().then(() => {
      ended = true
    })
    await pass(clock, 10)
    expect(made).toEqual(['x', 'y', 'z'])
    expect(ended).toBe(false)
    release()
    await pass(clock, 10)
    await ends(ending)
    if (call === 'flush') await engine.close()
  })

  it('are paid for when nobody closes', async () => {
    const { engine, clock, made, release } = await heldBack()
    await pass(clock, 200)
    expect(made).toEqual([])
    await pass(clock, 1_000)
    expect(made).toEqual(['x', 'y', 'z'])
    release()
    await engine.close()
  })
})

describe('flush()', () => {
  it('ends while durable commits are made without a pause', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    const log = fs.listSync('/db').find((name) => name.endsWith('.wal'))!
    const slowSync = (): Gate => {
      const slow = gate()
      fs.inject({ on: 'sync', path: new RegExp(log), until: slow.opened })
      return slow
    }
    let sync = slowSync()
    const puts = [engine.put('first', 'v', {})]
    await turns(5)
    let ended = false
    const flushing = engine.flush().then(() => {
      ended = true
    })
    for (let i = 0; i < 20; i++) {
      const next = slowSync()
      // While one is synced, the next is made.
      puts.push(engine.put(`k${i}`, 'v', {}))
      await turns(10)
      sync.open()
      await turns(20)
      sync = next
    }
    expect(ended).toBe(true)
    sync.open()
    fs.heal()
    await ends(Promise.all([...puts, flushing]))
    await engine.close()
  })

  it('ends while others, who wait for room, freeze what it was to freeze', async () => {
    const fs = new FaultFileSystem()
    let jobs = gate()
    const executor = gated(fs, () => jobs.opened)
    const options = { memtableCount: 2, valueThreshold: 'off', durability: 'none' }
    const engine = await openEngine('/db', resolveOptions({ ...small, ...options }), {
      fs,
      executor,
    })
    for (const key of ['a', 'b']) {
      await ends(engine.put(key, LARGE, {}))
      await turns()
    }
    let ended = false
    const flushing = engine.flush().then(() => {
      ended = true
    })
    await turns()
    const puts: Promise<void>[] = []
    for (let i = 0; i < 2; i++) puts.push(engine.put(`w${i}`, LARGE, {}))
    for (let i = 0; i < 6; i++) {
      puts.push(engine.put(`x${i}`, LARGE, {}))
      const next = gate()
      jobs.open()
      jobs = next
      await turns()
    }
    expect(engine.stats().flushes).toBeGreaterThan(3)
    expect(engine.stats().flushes).toBeLessThan(8)
    expect(ended).toBe(true)
    jobs.open()
    await ends(Promise.all([...puts, flushing]))
    await engine.close()
  })

  it('waits for a commit made before it whose value is still being written', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none' })
    await engine.put('before', 'v', {})
    const slow = gate()
    fs.inject({ on: 'sync', path: /\.vlog$/, until: slow.opened, forever: true })
    const put = engine.put('large', LARGE, {})
    await turns()
    let ended = false
    const flushing = engine.flush().then(() => {
      ended = true
    })
    await turns()
    expect(ended).toBe(false)
    slow.open()
    fs.heal()
    await ends(flushing)
    const files = fs.image({ rule: 'strict', survives: () => 'none' })
    await put
    await engine.close()
    const again = await start(new FaultFileSystem({ files }))
    expect(again.getSync('large', undefined, 'buffer')).toEqual(LARGE)
    await again.close()
  })
})
