// The registry of what a simulation may do next, and how often it does it. A feature adds its own here.
import { SettError } from '../../src/base/errors.ts'
import type { Prng } from '../model/prng.ts'
import type { Range, Sight, Write } from './model.ts'
import { THRESHOLDS } from './plan.ts'
import type { Held, Simulation } from './simulation.ts'

export interface SimOperation {
  readonly name: string
  readonly weight: number
  /** May still be asked for while the database closes. */
  readonly whileClosing: boolean
  run(sim: Simulation, random: Prng): void | Promise<void>
}

const HELD_MOST = 12
const PAGE_MOST = 24

export const OPERATIONS: readonly SimOperation[] = [
  usual('put', 30, (sim, random) =>
    sim.commits.hand([put(sim, random, 400)], 'put', durability(random)),
  ),
  usual('del', 8, (sim, random) => {
    sim.commits.hand([{ key: key(sim, random), value: undefined }], 'del', durability(random))
  }),
  usual('batch', 14, (sim, random) => {
    sim.commits.hand(batch(sim, random, 1 + random.below(7)), 'batch', durability(random))
  }),
  usual('burst', 5, (sim, random) => {
    for (let left = 2 + random.below(6); left > 0; left--) {
      sim.commits.hand(batch(sim, random, 1 + random.below(3)), 'batch', durability(random))
    }
  }),
  // Longer than a quarter of a memtable: it gets a log of its own.
  usual('large', 0.6, (sim, random) => {
    const value = `${sim.model.nextNumber} ${'L'.repeat(20_000)}`
    sim.commits.hand([{ key: key(sim, random), value }], 'put', durability(random))
  }),
  usual('clear', 1, clear),
  usual('get', 30, (sim, random) => {
    for (let left = 1 + random.below(3); left > 0; left--) getSync(sim, key(sim, random), undefined)
  }),
  usual('get at leisure', 8, get),
  usual('entry', 4, entry),
  usual('scan', 10, (sim, random) => {
    const range = rangeOf(sim, random)
    const { engine } = sim.life
    sim.read('scan', () => {
      const sight = sim.sight()
      const reader = engine.range({ ...FORM, ...range, version: engine.version, now: sight.now })
      const wanted = sim.model.range(range, sight)
      const limit = random.chance(0.1) ? wanted.length + 1 : random.below(PAGE_MOST)
      compare(sim, reader.next(limit), wanted.slice(0, limit))
    })
  }),
  usual('snapshot', 6, hold),
  usual('read at a snapshot', 12, (sim, random) => {
    const held = oneOf(sim.held, random)
    if (held !== undefined) getSync(sim, key(sim, random), held)
  }),
  usual('iterate', 12, iterate),
  usual('let go', 4, (sim, random) => {
    const [held] = sim.held.splice(random.below(sim.held.length), 1)
    held?.pin.release()
    if (random.chance(0.2)) held?.pin.release()
  }),
  usual('flush', 1.2, (sim) => allSafe(sim, 'flush', () => sim.life.engine.flush())),
  usual('compact', 0.6, (sim, random) => {
    const { gte, lt } = rangeOf(sim, random)
    allSafe(sim, 'compact', () => sim.life.engine.compactRange(gte, lt))
  }),
  usual('flatten', 0.2, (sim) => allSafe(sim, 'flatten', () => sim.life.engine.flatten())),
  usual('collect garbage', 0.5, collectGarbage),
  usual('verify', 0.2, verify),
  usual('stats', 1, (sim) => {
    sim.read('stats', () => sim.log(JSON.stringify(sim.life.engine.stats().levels)))
  }),
  usual('tune', 1, tune),
  usual('health', 0.5, (sim) => {
    sim.read('health', () => sim.log(sim.life.engine.health().status))
  }),
  usual('wait', 3, (sim, random) => sim.life.world.pass(10 ** random.below(7))),
  usual('clock', 1, (sim, random) => sim.shiftClock(random)),
  usual('weather', 1.2, (sim, random) => sim.bringWeather(random)),
  alone('settle', 0.3, (sim) => sim.settle()),
  alone('reopen', 0.3, (sim, random) => sim.reopen(random)),
  alone('kill', 0.25, (sim, random) => sim.crash(random, false)),
  alone('power cut', 0.25, (sim, random) => sim.crash(random, true)),
]

const TOTAL = OPERATIONS.reduce((sum, { weight }) => sum + weight, 0)

export function chooseOperation(random: Prng, closing: boolean): SimOperation {
  for (;;) {
    let left = (random.u32() / 2 ** 32) * TOTAL
    const chosen = OPERATIONS.find(({ weight }) => {
      left -= weight
      return left < 0
    })
    if (chosen !== undefined && (!closing || chosen.whileClosing)) return chosen
  }
}

type Run = (sim: Simulation, random: Prng) => void | Promise<void>

function usual(name: string, weight: number, run: Run): SimOperation {
  return { name, weight, whileClosing: true, run }
}

function alone(name: string, weight: number, run: Run): SimOperation {
  return { name, weight, whileClosing: false, run }
}

const FORM = { keys: true, values: true, keyForm: 'utf8', valueForm: 'utf8' } as const

function key({ model }: Simulation, random: Prng): string {
  // Some keys are written again and again.
  const bound = random.chance(0.5) ? 40 : model.keys.length
  return model.keys[random.below(bound)]!
}

function put(sim: Simulation, random: Prng, longest: number): Write {
  const mark = `${sim.model.nextNumber}.${random.below(1_000)} `
  const filler = String.fromCharCode(97 + random.below(26)).repeat(random.below(longest))
  const written = { key: key(sim, random), value: mark + filler }
  return random.chance(0.25) ? { ...written, ttl: timeToLive(random) } : written
}

/** From a millisecond to ten years. */
function timeToLive(random: Prng): number {
  return 10 ** random.below(11) * (1 + random.below(30))
}

function batch(sim: Simulation, random: Prng, count: number): Write[] {
  return Array.from({ length: count }, () =>
    random.chance(0.25) ? { key: key(sim, random), value: undefined } : put(sim, random, 400),
  )
}

function durability(random: Prng): 'sync' | 'none' | undefined {
  return ([undefined, undefined, 'sync', 'none'] as const)[random.below(4)]
}

function rangeOf({ model: { keys } }: Simulation, random: Prng): Range {
  const [a, b] = [keys[random.below(keys.length)]!, keys[random.below(keys.length)]!].sort()
  const reverse = random.chance(0.4)
  return {
    reverse,
    ...(random.chance(0.8) ? { gte: a! } : {}),
    ...(random.chance(0.8) ? { lt: b! } : {}),
  }
}

/** Everything live but the durability, by which the model judges what a power cut may take. */
function tune(sim: Simulation, random: Prng): void {
  const l0CompactTrigger = 1 + random.below(5)
  const changes = {
    memtableSize: 65_536 << random.below(2),
    memtableCount: 2 + random.below(3),
    l0CompactTrigger,
    l0StallTrigger: random.chance(0.2) ? 'off' : l0CompactTrigger + 1 + random.below(6),
    blockSize: 512,
    tableSize: 16_384 << random.below(3),
    bloomFalsePositiveRate: random.chance(0.5) ? 0.3 : 0.01,
    scanPageSize: 1 + random.below(50),
    levelSizeMultiplier: 2 + random.below(9),
    maxLevels: 2 + random.below(6),
    valueThreshold: THRESHOLDS[random.below(THRESHOLDS.length)]!,
    segmentSize: 65_536 << random.below(2),
    segmentMaxEntries: 1 + random.below(40),
    compactionRateLimit: random.chance(0.5) ? 'off' : 65_536 << random.below(4),
    idleAfter: random.chance(0.3) ? 'off' : 10 ** (1 + random.below(4)),
    scrubInterval: random.chance(0.7) ? 'off' : 10 ** (3 + random.below(3)),
  }
  const chosen = Object.entries(changes).filter(() => random.chance(0.3))
  sim.read('tune', () => {
    try {
      sim.life.engine.tune(Object.fromEntries(chosen))
    } catch (error) {
      if (!(error instanceof SettError) || error.code !== 'SETT_INVALID_OPTION') throw error
      sim.log('refused')
    }
  })
}

function oneOf(held: readonly Held[], random: Prng): Held | undefined {
  return held[random.below(Math.max(1, held.length))]
}

function getSync(sim: Simulation, wanted: string, held: Held | undefined): void {
  const { engine } = sim.life
  sim.read('get', () => {
    const found = engine.getSync(wanted, held?.pin, 'utf8')
    // Without a snapshot the time is that of the answer.
    sim.expect(`value of ${wanted}`, found, sim.model.get(wanted, held?.sight ?? sim.sight()))
    sim.log(String(found).slice(0, 12))
  })
}

function get(sim: Simulation, random: Prng): void {
  const wanted = key(sim, random)
  const { engine } = sim.life
  sim.read('get', () => {
    const sight = sim.sight()
    const value = sim.model.get(wanted, sight)
    const check = (found: unknown): void => sim.expect(`value of ${wanted}`, found, value)
    const answer = engine.get(wanted, { version: engine.version, now: sight.now }, 'utf8')
    if (answer instanceof Promise) sim.begin('get', () => answer, check)
    else check(answer)
  })
}

function entry(sim: Simulation, random: Prng): void {
  const wanted = key(sim, random)
  const { engine } = sim.life
  sim.read('entry', () => {
    const sight = sim.sight()
    const at = { version: engine.version, now: sight.now }
    const found = engine.getEntry(wanted, at, 'utf8', 'utf8')
    sim.expect(`entry of ${wanted}`, found?.value, sim.model.get(wanted, sight))
    sim.expect(`whether ${wanted} is there`, engine.hasSync(wanted, at), found !== undefined)
    if (found !== undefined && found.version > engine.version) sim.fail('a version to come')
  })
}

function compare(
  sim: Simulation,
  found: readonly (readonly unknown[])[],
  wanted: readonly (readonly [string, string])[],
): void {
  sim.expect('entries of a page', found.length, wanted.length)
  for (const [i, [wantedKey, value]] of wanted.entries()) {
    sim.expect('key of a page', found[i]?.[0], wantedKey)
    sim.expect(`value of ${wantedKey} in a page`, found[i]?.[1], value)
  }
  sim.log(`${found.length} ${String(found[0]?.[0])}`)
}

function hold(sim: Simulation): void {
  const { life, model, held } = sim
  if (held.length >= HELD_MOST) held.shift()?.pin.release()
  sim.read('snapshot', () => {
    const pin = life.engine.pin()
    held.push({ pin, sight: { moment: model.moment, now: pin.now }, reader: undefined })
  })
}

/** Some more of an iterator that was begun whenever. */
function iterate(sim: Simulation, random: Prng): void {
  const held = oneOf(sim.held, random)
  if (held === undefined) return
  sim.read('iterate', () => {
    if (held.reader === undefined || held.reader.at > held.reader.expected.length) {
      const range = rangeOf(sim, random)
      const { version, now } = held.pin
      const source = sim.life.engine.range({ ...FORM, ...range, version, now })
      held.reader = { source, expected: sim.model.range(range, held.sight), at: 0 }
    }
    const { reader } = held
    if (random.chance(0.1) && reader.expected.length > 0) {
      const place = random.below(reader.expected.length)
      reader.source.seek(reader.expected[place]![0])
      reader.at = place
    }
    const count = 1 + random.below(PAGE_MOST)
    const page = reader.source.next(count)
    compare(sim, page, reader.expected.slice(reader.at, reader.at + count))
    reader.at += count
  })
}

function clear(sim: Simulation, random: Prng): void {
  const range = rangeOf(sim, random)
  const limit = random.chance(0.5) ? random.below(30) : -1
  sim.read('clear', () => clearRange(sim, range, limit, sim.sight()))
}

function clearRange(sim: Simulation, range: Range, limit: number, sight: Sight): void {
  const { model, life } = sim
  const { engine } = life
  const gone = model.range(range, sight)
  const writes = (limit < 0 ? gone : gone.slice(0, limit)).map(([cleared]) => {
    return { key: cleared, value: undefined }
  })
  const options = { ...FORM, ...range, version: engine.version, now: sight.now, limit }
  const commit = writes.length === 0 ? undefined : model.hand(writes, true, sight.now)
  const safety = life.options.durability === 'sync' ? 2 : 1
  sim.begin(
    `clear of ${writes.length}`,
    () => engine.clear(options),
    () => {
      if (commit === undefined) return
      model.show(commit)
      model.promise(commit, safety)
    },
    (code) => {
      if (commit !== undefined && code !== 'SETT_POISONED') model.refuse(commit)
    },
  )
}

/** What was handed over before is durable once it has ended. */
function allSafe(sim: Simulation, what: string, work: () => Promise<void>): void {
  const last = sim.model.nextNumber - 1
  sim.begin(what, work, () => sim.model.promiseUpTo(last, 2))
}

/** One at a time. */
function collectGarbage(sim: Simulation, random: Prng): void {
  const { life } = sim
  if (life.collecting) return
  life.collecting = true
  const ended = (): void => {
    life.collecting = false
  }
  const ratio = random.chance(0.7) ? 0 : 0.5
  sim.begin('collect garbage', () => life.engine.collectGarbage(ratio), ended, ended)
}

function verify(sim: Simulation): void {
  const { life } = sim
  sim.begin(
    'verify',
    () => life.engine.verify({}),
    ({ ok, problems }) => {
      if (!ok) sim.fail(`verify found ${JSON.stringify(problems[0])}`)
    },
  )
}
