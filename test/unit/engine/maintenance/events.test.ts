import { describe, expect, it, onTestFinished } from 'vitest'
import { errorCode } from '../../../../src/engine/disk/failures.ts'
import type { EngineNotice, FlushNotice } from '../../../../src/index.ts'
import { open } from '../../../../src/index.ts'
import { turns } from '../../../support/small-engine.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'

type OfEvent<Event extends EngineNotice['event']> = Extract<EngineNotice, { event: Event }>

function ofEvent<Event extends EngineNotice['event']>(
  bench: BenchEngine,
  event: Event,
): OfEvent<Event>[] {
  return bench.notices.filter((notice): notice is OfEvent<Event> => notice.event === event)
}

describe('notices of background work', () => {
  it('tell of each flush when it begins and when it is installed', async () => {
    const bench = await BenchEngine.open({ l0CompactTrigger: 100 })
    await bench.fillLevel0(2)
    await bench.turns(2)
    const flushes = ofEvent(bench, 'flush')
    expect(flushes.map(({ job, phase }) => `${job} ${phase}`)).toEqual([
      '1 begin',
      '1 end',
      '2 begin',
      '2 end',
    ])
    expect(flushes[0]).toMatchObject({ entries: 20 })
    const { levels } = bench.engine.stats()
    const ends = flushes.filter((notice) => notice.phase === 'end')
    expect(ends.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(levels[0]!.bytes)
    expect(ends.every(({ tables }) => tables === 1)).toBe(true)
    await bench.close()
  })

  it('tell of each compaction its levels, and of one that only moves tables', async () => {
    const bench = await BenchEngine.open({ l0CompactTrigger: 1 })
    await bench.fillLevel0(1)
    await bench.engine.settle()
    await bench.fillLevel0(1)
    await bench.engine.settle()
    await bench.turns(2)
    const [moved, movedEnd, merged, mergedEnd] = ofEvent(bench, 'compaction')
    expect(moved).toMatchObject({ phase: 'begin', inputLevel: 0, outputLevel: 6, moves: true })
    expect(movedEnd).toMatchObject({
      phase: 'end',
      tables: 0,
      bytes: 0,
      parts: [],
      job: moved!.job,
    })
    expect(merged).toMatchObject({ phase: 'begin', tables: 2, moves: false })
    expect(mergedEnd).toMatchObject({ phase: 'end', tables: 1, job: merged!.job })
    if (mergedEnd?.phase !== 'end') return
    expect(mergedEnd.parts).toMatchObject([{ bytesWritten: mergedEnd.bytes }])
    await bench.close()
  })

  it('tell of work that failed, with its code', async () => {
    const bench = await BenchEngine.open({})
    bench.fs.inject({ on: 'create', path: /\.sst$/, errno: 'EIO' })
    await bench.put(0, 1)
    await bench.engine.flush().catch((error: unknown) => {
      expect(errorCode(error)).toBe('LEVEL_IO_ERROR')
    })
    await bench.engine.settle()
    await bench.turns(2)
    const phases = ofEvent(bench, 'flush').map(({ phase }) => phase)
    expect(phases).toEqual(['begin', 'failed', 'begin', 'end'])
    expect(ofEvent(bench, 'flush')[1]).toMatchObject({ code: 'EIO' })
    await bench.close()
  })

  it('hold no key and no value', async () => {
    const bench = await BenchEngine.open({ l0CompactTrigger: 1, scrubInterval: 1_000 })
    const secret = 'canary-4711'
    await bench.engine.put(secret, secret, {})
    await bench.engine.flush()
    await bench.engine.settle()
    await bench.clock.pass(3_000)
    await bench.turns()
    expect(new Set(bench.notices.map(({ event }) => event))).toEqual(
      new Set(['flush', 'compaction', 'maintenance']),
    )
    expect(JSON.stringify(bench.notices)).not.toContain('canary')
    await bench.close()
  })
})

describe('events of a database', () => {
  it('are typed, and a listener that throws harms nothing', async () => {
    const db = await open(temporaryDirectory(), { workers: 0 })
    const seen: FlushNotice['phase'][] = []
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error))
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    })
    db.on('flush', ({ phase }) => void seen.push(phase))
    db.on('flush', ({ job }) => {
      throw new RangeError(`listener of job ${job}`)
    })
    await db.put('a', '1')
    await db.flush()
    await turns()
    expect(seen).toEqual(['begin', 'end'])
    expect(uncaught.map(String)).toEqual([
      'RangeError: listener of job 1',
      'RangeError: listener of job 1',
    ])
    expect(await db.get('a')).toBe('1')
    await db.close()
  })
})
