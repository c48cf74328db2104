import { describe, expect, it } from 'vitest'
import { PageSource } from '../../src/api/page-source.ts'
import { readMany } from '../../src/api/read-many.ts'
import type { Clock } from '../../src/base/clock.ts'
import { TurnBudget } from '../../src/base/turn-budget.ts'
import { FakeEngine } from '../support/fake/fake-engine.ts'

const RANGE = { reverse: false, limit: -1, keyEncoding: 'utf8', valueEncoding: 'utf8' } as const
const BOTH = { keys: true, values: true }

/** Time and turns pass only when told. */
function handClock(): Clock & { nowMs: number; turns: (() => void)[] } {
  const clock = {
    nowMs: 0,
    turns: [] as (() => void)[],
    wallMs: () => 0,
    monotonicMs: () => clock.nowMs,
    after: () => ({ unref: () => undefined, cancel: () => undefined }),
    nextTurn: (run: () => void) => void clock.turns.push(run),
  }
  return clock
}

async function filled(entries: number, valueBytes = 1): Promise<[FakeEngine, number[]]> {
  const engine = new FakeEngine()
  const operations = Array.from({ length: entries }, (_, i) => ({
    type: 'put' as const,
    key: String(i).padStart(6, '0'),
    value: 'v'.repeat(valueBytes),
  }))
  await engine.batch(operations, {})
  const pages: number[] = []
  const range = engine.range.bind(engine)
  engine.range = (options) => {
    const reader = range(options)
    return {
      seek: reader.seek,
      next: (limit) => {
        pages.push(limit)
        return reader.next(limit)
      },
    }
  }
  return [engine, pages]
}

describe('pages', () => {
  it('grow while they are consumed, and start small again after a seek', async () => {
    const [engine, pages] = await filled(3000)
    const source = new PageSource(engine, RANGE, BOTH, 1000)
    for (let i = 0; i < 2000; i++) source.next(Number.POSITIVE_INFINITY)
    expect(pages).toEqual([16, 64, 256, 1000, 1000])
    source.seek('000005')
    expect(source.next(10)?.[0]).toBe('000005')
    expect(pages.at(-1)).toBe(10)
    source.release()
  })

  it('stay small when values are large', async () => {
    const [engine, pages] = await filled(40, 200_000)
    const source = new PageSource(engine, RANGE, BOTH, 1000)
    while (source.next(Number.POSITIVE_INFINITY) !== undefined);
    expect(Math.max(...pages)).toBe(16)
    expect(pages[1]).toBe(5)
  })

  it('are not asked for again after the end', async () => {
    const [engine, pages] = await filled(3)
    const source = new PageSource(engine, RANGE, BOTH, 1000)
    expect(source.take(10)).toHaveLength(3)
    expect(source.take(10)).toEqual([])
    expect(source.take(10)).toEqual([])
    expect(source.next(10)).toBeUndefined()
    expect(pages).toEqual([10, 10])
  })

  it('hold one pin, released once, and none when the range cannot be made', async () => {
    const [engine] = await filled(3)
    const source = new PageSource(engine, RANGE, BOTH, 1000)
    expect(engine.pins).toBe(1)
    source.release()
    source.release()
    expect(engine.pins).toBe(0)
    engine.range = () => {
      throw new Error('no range')
    }
    expect(() => new PageSource(engine, RANGE, BOTH, 1000)).toThrow('no range')
    expect(engine.pins).toBe(0)
  })
})

describe('the turn budget', () => {
  it('is spent after 2 ms without a turn, and renewed by one', () => {
    const clock = handClock()
    const budget = new TurnBudget(clock)
    const spend = (): boolean[] => Array.from({ length: 40 }, () => budget.spend(1))
    expect(spend()).not.toContain(true)
    clock.nowMs = 1.9
    expect(spend()).not.toContain(true)
    clock.nowMs = 2
    expect(spend().at(-1)).toBe(true)
    for (const turn of clock.turns.splice(0)) turn()
    expect(spend()).not.toContain(true)
    expect(clock.turns).toHaveLength(1)
  })

  it('reads the clock rarely for small costs, at once for large ones', () => {
    const clock = handClock()
    const budget = new TurnBudget(clock)
    budget.spend(1)
    clock.nowMs = 5
    expect(budget.spend(1)).toBe(false)
    expect(budget.spend(16)).toBe(true)
  })
})

describe('reading many', () => {
  it('waits for all, throws the first failure, and lets go of its version', async () => {
    const engine = new FakeEngine()
    const budget = new TurnBudget(handClock())
    const late = readMany(['a', 'b', 'c'], {
      engine,
      at: undefined,
      budget,
      read: (key) => (key === 'b' ? Promise.resolve('late') : 'now'),
    })
    expect(engine.pins).toBe(1)
    expect(await late).toEqual(['now', 'late', 'now'])
    const failing = readMany(['a', 'b'], {
      engine,
      at: { version: 7, now: 0 },
      budget,
      read: (key) => Promise.reject(new Error(String(key))),
    })
    await expect(failing).rejects.toThrow('a')
    expect(engine.pins).toBe(0)
  })
})
