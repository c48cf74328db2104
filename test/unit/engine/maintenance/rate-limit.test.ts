import { describe, expect, it } from 'vitest'
import { RateLimiter } from '../../../../src/engine/maintenance/rate-limiter.ts'
import { createCancelFlag } from '../../../../src/pool/cancel-flag.ts'
import type { Valve } from '../../../../src/pool/executor.ts'
import { QuickClock } from '../../../support/fake/quick-clock.ts'
import { codeOf } from '../../../support/small-engine.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'

class CountingValve implements Valve {
  granted = 0
  isOpen = false
  grant(bytes: number): void {
    this.granted += bytes
    this.isOpen = false
  }
  open(): void {
    this.isOpen = true
  }
}

const LIMIT = 1_000_000

describe('the rate limit', () => {
  it('grants jobs together what the rate allows for the time that passed, in equal parts', async () => {
    const clock = new QuickClock()
    const limiter = new RateLimiter({ clock, rate: () => LIMIT })
    const [one, two] = [new CountingValve(), new CountingValve()]
    const detachOne = limiter.attach(one)
    await clock.pass(1_000)
    expect(one.granted).toBeGreaterThan(0.9 * LIMIT)
    expect(one.granted).toBeLessThanOrEqual(LIMIT)
    const detachTwo = limiter.attach(two)
    const before = one.granted
    await clock.pass(1_000)
    expect(one.granted - before).toBeCloseTo(two.granted, -5)
    expect(one.granted - before + two.granted).toBeLessThanOrEqual(1.05 * LIMIT)
    detachOne()
    detachTwo()
    const after = one.granted
    await clock.pass(1_000)
    expect(one.granted).toBe(after)
  })

  it('follows a rate that changes, to none and back', async () => {
    const clock = new QuickClock()
    let rate = Number.POSITIVE_INFINITY
    const limiter = new RateLimiter({ clock, rate: () => rate })
    const valve = new CountingValve()
    limiter.attach(valve)
    await clock.pass(1_000)
    expect(valve.granted).toBe(0)
    rate = LIMIT
    limiter.changed()
    await clock.pass(1_000)
    expect(valve.granted).toBeGreaterThan(0.9 * LIMIT)
    rate = Number.POSITIVE_INFINITY
    limiter.changed()
    expect(valve.isOpen).toBe(true)
    rate = LIMIT
    limiter.changed()
    expect(valve.isOpen).toBe(false)
    limiter.stop()
    expect(valve.isOpen).toBe(true)
  })

  it('has what is owed paid at the rate in force', async () => {
    const clock = new QuickClock()
    let rate = LIMIT
    const limiter = new RateLimiter({ clock, rate: () => rate })
    const waited = async (): Promise<number> => {
      const began = clock.now
      for (let paid = limiter.paid(); paid !== undefined; paid = limiter.paid()) await paid
      return clock.now - began
    }
    limiter.charge(100 * LIMIT)
    rate = 50 * LIMIT
    limiter.changed()
    expect(await waited()).toBe(2_000)
    limiter.charge(50 * LIMIT)
    rate = 10 * LIMIT
    limiter.changed()
    expect(await waited()).toBe(5_000)
  })

  it('makes the next job on this thread wait until the last is paid for, and no longer once it is lifted', async () => {
    const clock = new QuickClock()
    const limiter = new RateLimiter({ clock, rate: () => LIMIT })
    expect(limiter.paid()).toBe(undefined)
    limiter.charge(3 * LIMIT)
    const began = clock.now
    for (let paid = limiter.paid(); paid !== undefined; paid = limiter.paid()) await paid
    expect(clock.now - began).toBe(3_000)
    clock.hold()
    limiter.charge(LIMIT)
    const waiting = limiter.paid()
    limiter.stop()
    await waiting
    expect(limiter.paid()).toBe(undefined)
  })
})

describe('a job on this thread that is held up', () => {
  it('lets flushes pass, and is done in haste when the database closes', async () => {
    const bench = await BenchEngine.open({ compactionRateLimit: 65_536, l0CompactTrigger: 100 })
    bench.clock.hold()
    // The first only moves its table.
    for (let i = 0; i < 2; i++) {
      await bench.put(0, 60, 1024)
      await bench.engine.compactRange(undefined, undefined)
    }
    const held = bench.put(0, 60, 1024).then(() => {
      return codeOf(bench.engine.compactRange(undefined, undefined))
    })
    await bench.turns(100)
    expect(bench.engine.stats().compactions).toBe(1)
    await bench.fillLevel0(2)
    expect(bench.engine.stats().flushes).toBeGreaterThanOrEqual(5)
    expect(bench.engine.stats().compactions).toBe(1)
    expect((await Promise.all([held, bench.close()]))[0]).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect(bench.engine.stats().compactions).toBe(2)
  })

  it('rejects when it is cancelled before its turn', async () => {
    const clock = new QuickClock()
    clock.hold()
    const limiter = new RateLimiter({ clock, rate: () => LIMIT })
    limiter.charge(LIMIT)
    const { inlineExecutor } = await import('../../../../src/pool/inline-executor.ts')
    const executor = inlineExecutor({
      runJob: () => {
        throw new Error('was run')
      },
      fs: undefined as never,
      random: undefined as never,
      kernels: undefined as never,
    })
    const cancel = createCancelFlag()
    const spec = { kind: 'compact' } as never
    const ticket = { heap: undefined as never, priority: 1, pace: limiter }
    const cancelled = executor.run(spec, { ...ticket, cancel })
    const closed = executor.run(spec, ticket)
    cancel.cancel()
    await expect(cancelled).rejects.toThrow(/cancelled/)
    await executor.close()
    await expect(closed).rejects.toThrow(/closing/)
  })
})
