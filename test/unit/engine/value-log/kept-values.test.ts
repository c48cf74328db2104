// Large values that were overwritten become free although the memtable that points to them never gets full; what holds
// them until then holds nothing else.
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { valueSource } from '../../../../src/api/streams/put-stream.ts'
import { open } from '../../../../src/index.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'

const MIB = 2 ** 20
const KIB = 2 ** 10

function value(mark: number, length = 32 * KIB): Buffer {
  return Buffer.alloc(length, mark)
}

function segments(fs: FaultFileSystem): number {
  return fs.listSync('/db').filter((name) => name.endsWith('.vlog')).length
}

describe('large values of one key, put again and again', () => {
  it('become free as the load goes on, and all but the last with settle()', async () => {
    const engine = await start(new FaultFileSystem())
    let most = 0
    for (let i = 0; i < 500; i++) {
      await engine.put('k', value(i), {})
      most = Math.max(most, engine.stats().diskBytes)
    }
    expect(most).toBeLessThan(3 * MIB)
    await engine.settle()
    expect(engine.stats().diskBytes).toBeLessThan(256 * KIB)
    expect(engine.getSync('k', undefined, 'buffer')).toEqual(value(499))
    await engine.close()
  })

  it('go on within a quota that a fraction of them would fill', async () => {
    // One memtable would keep them all.
    const engine = await start(new FaultFileSystem(), {
      maxDiskBytes: 3.5 * MIB,
      memtableSize: MIB,
      l0CompactTrigger: 1,
      memoryBudget: 32 * MIB,
    })
    let refused = 0
    let since = 0
    for (let i = 0; i < 60; i++) {
      const code = await codeOf((async () => engine.put('k', value(i, 300 * KIB), {}))())
      since = code === 'no error' ? 0 : since + 1
      if (code === 'no error') continue
      expect(code).toBe('SETT_DISK_FULL')
      refused += 1
      expect(since).toBeLessThan(4)
      // Whoever is refused waits before the next try.
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(refused).toBeGreaterThan(0)
    await engine.close()
  })

  it('become free when the database rests', async () => {
    const bench = await BenchEngine.open({ idleAfter: 1_000, valueThreshold: 'auto' })
    for (let i = 0; i < 6; i++) await bench.engine.put('k', value(i, 32 * KIB), {})
    expect(bench.engine.stats().segments.count).toBe(6)
    for (let i = 0; i < 10; i++) {
      await bench.clock.pass(1_000)
      await bench.turns()
    }
    expect(bench.engine.stats().segments.count).toBe(1)
    await bench.close()
  })

  it('go with a log of which not one frame could be written', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('small', 'x', {})
    await engine.flush()
    fs.inject({ on: 'write', path: /\.wal$/, errno: 'ENOSPC' })
    expect(await codeOf(engine.put('k', value(1), {}))).toBe('SETT_DISK_FULL')
    expect(segments(fs)).toBe(1)
    await engine.settle()
    await ends(engine.flush())
    expect(engine.stats().segments.count).toBe(0)
    await engine.put('k', value(2), {})
    await engine.close()
    const again = await start(fs)
    expect(again.getSync('k', undefined, 'buffer')).toEqual(value(2))
    await again.close()
  })

  it('go together: their flush takes a few manifest edits', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { memtableSize: MIB, memoryBudget: 32 * MIB })
    for (let i = 0; i < 10; i++) await engine.put('k', value(i, 270 * KIB), {})
    let edits = 0
    fs.watch(({ kind, path }) => {
      if (kind === 'write' && path.includes('MANIFEST')) edits += 1
    })
    await engine.flush()
    await engine.settle()
    expect(engine.stats().segments.count).toBe(1)
    expect(edits).toBeLessThan(6)
    await engine.close()
  })
})

describe('streams', () => {
  function source(): AsyncIterable<Buffer> | Buffer[] {
    const chunk = Buffer.alloc(280 * KIB, 7)
    return [chunk, chunk, chunk, chunk]
  }

  it('leave no memory behind that waits for a flush', async () => {
    const options = { workers: 0, memtableSize: 64 * MIB } as const
    const database = await open(join(temporaryDirectory(), 'db'), options)
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    // What was collected is given back a little later.
    const settled = async (): Promise<number> => {
      for (let i = 0; i < 5; i++) {
        gc()
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return process.memoryUsage().arrayBuffers
    }
    await database.putStream('first', source())
    const before = await settled()
    for (let i = 0; i < 40; i++) await database.putStream(`k${i}`, source())
    expect(database.stats().flushes).toBe(0)
    expect((await settled()) - before).toBeLessThan(10 * MIB)
    await database.close()
  })

  it('that have ended still count among those that write, until they are durable', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { memoryBudget: 96 * MIB })
    let go = (): void => undefined
    const until = new Promise<void>((resolve) => {
      go = resolve
    })
    fs.inject({ on: 'sync', path: /\.vlog$/, forever: true, until })
    const streams = Array.from({ length: 20 }, (_, i) =>
      engine.putStream(`k${i}`, valueSource(source()), {}),
    )
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(segments(fs)).toBe(3)
    go()
    await ends(Promise.all(streams))
    expect(segments(fs)).toBe(20)
    await engine.close()
  })
})
