// Whole compactions on a model whose tables have contents: whatever plans run beside each other,
// and in whatever order they end, every lookup that takes the first hit finds the newest entry a reader may see.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { checkVersionOrder } from '../../../src/compaction/invariant.ts'
import { levelTargets } from '../../../src/compaction/level-targets.ts'
import { type PickMoment, type PickOptions, pickCompaction } from '../../../src/compaction/pick.ts'
import { garbageHeldBack } from '../../../src/compaction/pick-garbage.ts'
import {
  type CompactionPlan,
  hullOf,
  overlapSpan,
  rangesOverlap,
} from '../../../src/compaction/plan.ts'
import { planRange } from '../../../src/compaction/plan-range.ts'
import { levelScores } from '../../../src/compaction/score.ts'
import { applyEdit, EMPTY_STATE, type ManifestState } from '../../../src/manifest/apply-edit.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import { makeTable } from './levels-text.ts'

const KEYS = 'abcdefghijklmnopqrstuvwxyz'
const ENTRY_BYTES = 10
const OPTIONS: PickOptions = {
  l0CompactTrigger: 3,
  l0StallTrigger: 7,
  baseLevelSize: 60,
  levelSizeMultiplier: 3,
  tableSize: 40,
}

interface Entry {
  readonly key: string
  readonly version: number
  readonly deleted: boolean
}

class Model {
  state: ManifestState = EMPTY_STATE
  readonly inFlight = new InFlight()
  readonly running: { readonly plan: CompactionPlan; readonly release: () => void }[] = []
  insideLevel0 = 0
  readonly #contents = new Map<number, readonly Entry[]>()
  /** Of the newest version, and of the pinned one. */
  #newest = new Map<string, Entry>()
  #pinned: { readonly version: number; readonly newest: ReadonlyMap<string, Entry> } | undefined
  #version = 0
  #number = 0

  /** One flush; `tables` of it, each of keys of its own. */
  flush(writes: readonly { readonly key: string; readonly deleted: boolean }[], tables = 1): void {
    const entries = new Map<string, Entry>()
    for (const { key, deleted } of writes) {
      this.#version += 1
      const entry = { key, deleted, version: this.#version }
      entries.set(key, entry)
      this.#newest.set(key, entry)
    }
    const sorted = [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    const each = Math.ceil(sorted.length / tables)
    const tablesAdded = []
    for (let at = 0; at < sorted.length; at += each) {
      tablesAdded.push({ level: 0, table: this.#table(sorted.slice(at, at + each)) })
    }
    this.#apply({ tablesAdded })
  }

  /** A reader comes, or goes. */
  togglePin(): void {
    this.#pinned =
      this.#pinned === undefined
        ? { version: this.#version, newest: new Map(this.#newest) }
        : undefined
  }

  unpin(): void {
    this.#pinned = undefined
  }

  get moment(): PickMoment {
    return { oldestSnapshot: this.#pinned?.version ?? this.#version }
  }

  start(): boolean {
    const plan = pickCompaction(this.state.levels, OPTIONS, this.inFlight, this.moment)
    if (plan !== undefined) this.begin(plan)
    return plan !== undefined
  }

  begin(plan: CompactionPlan): void {
    for (const other of this.running) expect(meet(plan, other.plan)).toBe(false)
    if (plan.inputLevel + plan.outputLevel === 0) this.insideLevel0 += 1
    this.running.push({ plan, release: this.inFlight.reserve(plan) })
  }

  /** Ends one of the running compactions; returns the tables it wrote or moved. */
  finish(which: number, keysPerTable: number): readonly number[] {
    const { plan, release } = this.running.splice(which % this.running.length, 1)[0]!
    const perTable = plan.outputLevel === 0 ? KEYS.length : keysPerTable
    const outputs = plan.trivialMove ? plan.sources.flat() : this.#merge(plan, perTable)
    this.#apply({
      tablesRemoved: plan.inputs,
      tablesAdded: outputs.map((table) => ({ level: plan.outputLevel, table })),
    })
    release()
    return outputs.map(({ number }) => number)
  }

  settle(keysPerTable: number): number {
    let steps = 0
    while (this.running.length > 0 || this.start()) {
      this.finish(0, keysPerTable)
      steps += 1
      expect(steps).toBeLessThan(1_000)
    }
    return steps
  }

  /** The first hit from the newest level down, for every key and reader. */
  check(): void {
    checkVersionOrder(this.state.levels)
    this.#checkAt(this.#version, this.#newest)
    if (this.#pinned !== undefined) this.#checkAt(this.#pinned.version, this.#pinned.newest)
  }

  get liveKeys(): number {
    return [...this.#newest.values()].filter(({ deleted }) => !deleted).length
  }

  get entries(): number {
    return this.state.levels.flat().reduce((sum, { entries }) => sum + entries, 0)
  }

  #checkAt(version: number, expected: ReadonlyMap<string, Entry>): void {
    for (const key of KEYS) {
      const newest = expected.get(key)
      const hit = this.#lookup(key, version)
      const found = hit === undefined || hit.deleted ? undefined : hit.version
      expect(found, key).toBe(newest === undefined || newest.deleted ? undefined : newest.version)
    }
  }

  #lookup(key: string, version: number): Entry | undefined {
    const bytes = Buffer.from(key)
    for (const [level, tables] of this.state.levels.entries()) {
      const { from, to } =
        level === 0
          ? { from: 0, to: tables.length }
          : overlapSpan(tables, { smallest: bytes, largest: bytes })
      for (const { number } of tables.slice(from, to)) {
        const hit = this.#contents
          .get(number)!
          .find((entry) => entry.key === key && entry.version <= version)
        if (hit !== undefined) return hit
      }
    }
    return undefined
  }

  /** As the merge kernel does: of each key the newest entry and what the pinned reader sees; the first source wins. */
  #merge(plan: CompactionPlan, keysPerTable: number): TableMeta[] {
    const byKey = new Map<string, Entry[]>()
    for (const { number } of plan.sources.flat()) {
      for (const entry of this.#contents.get(number)!) {
        const versions = byKey.get(entry.key)
        if (versions === undefined) byKey.set(entry.key, [entry])
        else versions.push(entry)
      }
    }
    const oldest = this.moment.oldestSnapshot
    const keys = [...byKey.keys()].sort()
    const kept = keys.map((key) => {
      const versions = byKey.get(key)!
      const seen = versions.find(({ version }) => version <= oldest)
      return versions.filter((entry, i) => {
        if (i > 0 && entry !== seen) return false
        return !(entry.deleted && entry === seen && plan.dropTombstones)
      })
    })
    const outputs: TableMeta[] = []
    const filled = kept.filter(({ length }) => length > 0)
    for (let at = 0; at < filled.length; at += keysPerTable) {
      outputs.push(this.#table(filled.slice(at, at + keysPerTable).flat()))
    }
    return outputs
  }

  #table(entries: readonly Entry[]): TableMeta {
    this.#number += 1
    const keys = entries.map(({ key }) => key).sort()
    const versions = entries.map(({ version }) => version)
    this.#contents.set(this.#number, entries)
    return {
      ...makeTable(this.#number, keys[0]!, keys.at(-1)!, entries.length * ENTRY_BYTES),
      entries: entries.length,
      tombstones: entries.filter(({ deleted }) => deleted).length,
      smallestVersion: Math.min(...versions),
      largestVersion: Math.max(...versions),
    }
  }

  #apply(edit: Parameters<typeof applyEdit>[1]): void {
    this.state = applyEdit(this.state, edit)
  }
}

/** They have a table in common, or could write the same keys into one level, or overtake each other in level 0. */
function meet(a: CompactionPlan, b: CompactionPlan): boolean {
  const numbers = new Set(a.inputs.map(({ number }) => number))
  if (b.inputs.some(({ number }) => numbers.has(number))) return true
  if (!rangesOverlap(hullOf(a.sources.flat()), hullOf(b.sources.flat()))) return false
  const from = Math.max(1, a.inputLevel, b.inputLevel)
  if (from <= Math.min(a.outputLevel, b.outputLevel)) return true
  if (a.inputLevel > 0 || b.inputLevel > 0) return false
  const [stays, other] = a.outputLevel === 0 ? [a, b] : [b, a]
  const newer = stays.sources.flat().every((upper) =>
    other.sources
      .slice(0, other.inputs.filter(({ level }) => level === 0).length)
      .flat()
      .every((lower) => upper.smallestVersion > lower.largestVersion),
  )
  return !newer && other.outputLevel > 0
}

/** Of all keys, or of a few neighbours, so that levels have gaps. */
const keys = fc.oneof(
  { weight: 2, arbitrary: fc.constant([...KEYS]) },
  { weight: 1, arbitrary: fc.constantFrom([...'abcd'], [...'wxyz']) },
)
const writes = keys.chain((some) =>
  fc.array(fc.record({ key: fc.constantFrom(...some), deleted: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  }),
)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('flush' as const),
      writes,
      tables: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pin' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(9) }) },
)
const history = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 80 }),
  keysPerTable: fc.integer({ min: 1, max: 6 }),
})

function play(
  model: Model,
  { steps, keysPerTable }: typeof history extends fc.Arbitrary<infer T> ? T : never,
): void {
  for (const each of steps) {
    if (each.do === 'flush') model.flush(each.writes, each.tables)
    else if (each.do === 'pin') model.togglePin()
    else if (each.do === 'start') model.start()
    else if (model.running.length > 0) model.finish(each.which, keysPerTable)
    model.check()
  }
}

describe('compaction of random histories', () => {
  test('the first hit is always the newest; it comes to rest with nothing due', () => {
    let insideLevel0 = 0
    fc.assert(
      fc.property(history, (given) => {
        const model = new Model()
        play(model, given)
        insideLevel0 += model.insideLevel0
        model.settle(given.keysPerTable)
        model.check()
        model.unpin()
        model.settle(given.keysPerTable)
        model.check()
        expectRest(model)
      }),
      { seed: 20_261_121, numRuns: 300 },
    )
    expect(insideLevel0).toBeGreaterThan(9)
  })

  test('a compacted range lies in one level and holds live entries only; flattened, in the last', () => {
    fc.assert(
      fc.property(history, fc.boolean(), (given, flatten) => {
        const model = new Model()
        // What a reader made a merge keep, other than tombstones, no table tells of.
        play(model, { ...given, steps: given.steps.filter((each) => each.do !== 'pin') })
        while (model.running.length > 0) model.finish(0, given.keysPerTable)
        const { levels } = model.state
        const done = new Set<number>()
        const request = { start: undefined, end: undefined, done, ...(flatten && { bottom: 6 }) }
        for (let steps = 0; ; steps += 1) {
          expect(steps).toBeLessThan(1_000)
          const plan = planRange(model.state.levels, request, OPTIONS, model.inFlight)
          if (plan === undefined) break
          model.begin(plan)
          for (const number of model.finish(0, given.keysPerTable)) done.add(number)
          model.check()
        }
        const filled = model.state.levels.filter((tables) => tables.length > 0)
        expect(filled.length).toBeLessThanOrEqual(1)
        expect(model.entries).toBe(model.liveKeys)
        if (flatten && levels.some((tables) => tables.length > 0)) {
          expect(model.state.levels[6]).toEqual(filled[0] ?? [])
        }
      }),
      { seed: 7, numRuns: 200 },
    )
  })
})

/** No level is over its size, none is filled above the base, and no garbage is left that a rewrite would free. */
function expectRest(model: Model): void {
  const { levels } = model.state
  const targets = levelTargets(levels, OPTIONS)
  const scores = levelScores(levels, targets, OPTIONS.l0CompactTrigger, new InFlight())
  for (const { score } of scores) expect(score).toBeLessThan(1)
  for (const tables of levels.slice(1, targets.base)) expect(tables).toEqual([])
  expect(garbageHeldBack(levels, { oldestSnapshot: 0 })).toBeUndefined()
}

describe('the version order check', () => {
  const levels = (change: (lists: TableMeta[][]) => void): readonly (readonly TableMeta[])[] => {
    const lists: TableMeta[][] = Array.from({ length: 7 }, () => [])
    lists[0] = [makeTable(5, 'a', 'm', 10), makeTable(4, 'c', 'z', 10)]
    lists[2] = [makeTable(2, 'a', 'f', 10), makeTable(3, 'g', 'z', 10)]
    change(lists)
    return lists
  }

  test('passes sound levels and names what breaks others', () => {
    checkVersionOrder(levels(() => undefined))
    const broken: [(lists: TableMeta[][]) => void, RegExp][] = [
      [(lists) => lists[0]!.reverse(), /newest first/],
      [(lists) => lists[2]!.reverse(), /sorted and disjoint/],
      [(lists) => lists[2]!.push(makeTable(9, 'z', 'z', 10)), /sorted and disjoint/],
      [(lists) => lists[3]!.push(makeTable(4, 'a', 'b', 10)), /once/],
      [(lists) => lists[3]!.push(makeTable(8, 'b', 'a', 10)), /ascend/],
    ]
    for (const [change, reason] of broken) {
      expect(() => checkVersionOrder(levels(change))).toThrow(reason)
    }
  })
})

describe('reservations', () => {
  test('share no key on a level, and end once', () => {
    const model = new Model()
    for (let i = 0; i < 3; i += 1) model.flush([{ key: 'a', deleted: false }])
    const plan = pickCompaction(model.state.levels, OPTIONS, model.inFlight, model.moment)!
    const release = model.inFlight.reserve(plan)
    expect(model.inFlight.conflicts(plan)).toBe(true)
    expect(model.inFlight.holds(plan.sources[0]![0]!)).toBe(true)
    expect(() => model.inFlight.reserve(plan)).toThrow(/where none runs/)
    expect(
      pickCompaction(model.state.levels, OPTIONS, model.inFlight, model.moment),
    ).toBeUndefined()
    release()
    release()
    expect([model.inFlight.count, model.inFlight.conflicts(plan)]).toEqual([0, false])
  })
})
