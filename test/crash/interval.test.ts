// Power cuts under relaxed durability: what is lost is a suffix, and under an interval none of it is older than the
// interval.
import { describe, expect, it } from 'vitest'
import type { Clock, TimerHandle } from '../../src/base/clock.ts'
import { resolveOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import type { Durability } from '../../src/engine/types.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { type Prng, prng } from '../model/prng.ts'
import { DIRECTORY } from './check.ts'
import { turns } from './session.ts'
import { type CrashState, crashStates } from './survivals.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)
const COMMITS = 150
const INTERVAL_MS = 10
/** A sync takes that many turns at most, in which no time passes. */
const SYNC_TURNS = 8

/** Time passes only when the test says so. */
class ManualClock implements Clock {
  now = 0
  readonly #timers = new Map<object, { readonly at: number; readonly run: () => void }>()

  wallMs(): number {
    return this.now
  }

  monotonicMs(): number {
    return this.now
  }

  after(delayMs: number, run: () => void): TimerHandle {
    const id = {}
    this.#timers.set(id, { at: this.now + delayMs, run })
    return { unref: () => undefined, cancel: () => void this.#timers.delete(id) }
  }

  nextTurn(run: () => void): void {
    setImmediate(run)
  }

  /** Runs what falls due, each at its time. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until)
      const next = due.sort(([, a], [, b]) => a.at - b.at)[0]
      if (next === undefined) break
      const [id, { at, run }] = next
      this.#timers.delete(id)
      this.now = Math.max(this.now, at)
      run()
      await turns(SYNC_TURNS)
    }
    this.now = until
    await turns(SYNC_TURNS)
  }
}

interface Cut {
  readonly at: number
  readonly files: ReadonlyMap<string, Buffer>
}

function open(fs: FaultFileSystem, clock: Clock, durability: Durability): Promise<StorageEngine> {
  const options = resolveOptions({ workers: 0, memtableSize: 65_536, memoryBudget: 8 * 2 ** 20 })
  return openEngine(DIRECTORY, { ...options, durability }, { fs, clock })
}

/** Commits one key each, at random moments; the moment each was acked, and what power cuts leave now and then. */
async function live(
  random: Prng,
  durability: Durability,
): Promise<{ acked: number[]; cuts: Cut[] }> {
  const fs = new FaultFileSystem()
  const clock = new ManualClock()
  const engine = await open(fs, clock, durability)
  const acked: number[] = []
  const cuts: Cut[] = []
  for (let n = 0; n < COMMITS; n++) {
    await engine.put(`key ${String(n).padStart(4, '0')}`, 'v'.repeat(random.below(1_500)), {})
    acked.push(clock.now)
    await clock.pass(random.below(40) / 10)
    if (n % 3 > 0) continue
    const state = random.chance(0.5) ? 'strict.synced' : undefined
    cuts.push({ at: clock.now, files: fs.image(drawn(fs, random, state)) })
  }
  await engine.close()
  return { acked, cuts }
}

function drawn(
  fs: FaultFileSystem,
  random: Prng,
  label?: string,
): Exclude<CrashState['survival'], 'killed'> {
  const states = crashStates(fs.disk, random.u32())
  const named = states.filter((state) => label === undefined || state.label === label)
  const { survival } = named[random.below(named.length)]!
  return survival === 'killed' ? { rule: 'strict', survives: () => 'all' } : survival
}

/** How many commits there are; throws if one is missing before another. */
async function found(files: ReadonlyMap<string, Buffer>, durability: Durability): Promise<number> {
  const engine = await open(new FaultFileSystem({ files }), new ManualClock(), durability)
  const reader = engine.range({
    keys: true,
    values: false,
    keyForm: 'utf8',
    valueForm: 'utf8',
    version: engine.version,
  })
  const keys = reader.next(COMMITS + 1).map(([key]) => key as string)
  await engine.close()
  for (const [n, key] of keys.entries())
    expect(key, 'a hole').toBe(`key ${String(n).padStart(4, '0')}`)
  return keys.length
}

describe(`a power cut (SETT_CRASH_SEED=${SEED})`, () => {
  it('takes no more than an interval', async () => {
    const durability = { interval: INTERVAL_MS }
    const { acked, cuts } = await live(prng(SEED), durability)
    let lost = 0
    for (const { at, files } of cuts) {
      const count = await found(files, durability)
      const old = acked.filter((when) => when <= at - INTERVAL_MS).length
      expect(count, `after ${at} ms`).toBeGreaterThanOrEqual(old)
      lost += acked.filter((when) => when <= at).length - count
    }
    expect(lost, 'some cut takes something').toBeGreaterThan(0)
  })

  it('takes a suffix where nothing is synced', async () => {
    const { acked, cuts } = await live(prng(SEED, 1), 'none')
    let lost = 0
    for (const { at, files } of cuts) {
      lost += acked.filter((when) => when <= at).length - (await found(files, 'none'))
    }
    expect(lost, 'some cut takes something').toBeGreaterThan(0)
  })
})
