// Whole compactions on a model whose tables have contents: whatever plans run beside each other,
// and in whatever order they end, every lookup that takes the first hit finds the newest entry.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { checkVersionOrder } from '../../../src/compaction/invariant.ts'
import { levelTargets } from '../../../src/compaction/level-targets.ts'
import { type PickOptions, pickCompaction } from '../../../src/compaction/pick.ts'
import { type CompactionPlan, overlapSpan } from '../../../src/compaction/plan.ts'
import { planRange } from '../../../src/compaction/plan-range.ts'
import { levelScores } from '../../../src/compaction/score.ts'
import { applyEdit, EMPTY_STATE, type ManifestState } from '../../../src/manifest/apply-edit.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import { makeTable } from './levels-text.ts'

const KEYS = 'abcdefghijklmnopqrstuvwxyz'
const ENTRY_BYTES = 10
const OPTIONS: PickOptions = {
  l0CompactTrigger: 3,
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
  readonly #contents = new Map<number, readonly Entry[]>()
  readonly #newest = new Map<string, Entry>()
  #version = 0
  #number = 0

  flush(writes: readonly { readonly key: string; readonly deleted: boolean }[]): void {
    const entries = new Map<string, Entry>()
    for (const { key, deleted } of writes) {
      this.#version += 1
      const entry = { key, deleted, version: this.#version }
      entries.set(key, entry)
      this.#newest.set(key, entry)
    }
    const table = this.#table([...entries.values()])
    this.#apply({ tablesAdded: [{ level: 0, table }] })
  }

  start(): boolean {
    const plan = pickCompaction(this.state.levels, OPTIONS, this.inFlight)
    if (plan !== undefined) this.begin(plan)
    return plan !== undefined
  }

  begin(plan: CompactionPlan): void {
    this.running.push({ plan, release: this.inFlight.reserve(plan) })
  }

  /** Ends one of the running compactions; returns the tables it wrote or moved. */
  finish(which: number, keysPerTable: number): readonly number[] {
    const { plan, release } = this.running.splice(which % this.running.length, 1)[0]!
    const outputs = plan.trivialMove ? plan.sources.flat() : this.#merge(plan, keysPerTable)
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

  /** The first hit from the newest level down, for every key. */
  check(): void {
    checkVersionOrder(this.state.levels)
    for (const key of KEYS) {
      const newest = this.#newest.get(key)
      const hit = this.#lookup(key)
      const found = hit === undefined || hit.deleted ? undefined : hit.version
      expect(found, key).toBe(newest === undefined || newest.deleted ? undefined : newest.version)
    }
  }

  get liveKeys(): number {
    return [...this.#newest.values()].filter(({ deleted }) => !deleted).length
  }

  get entries(): number {
    return this.state.levels.flat().reduce((sum, { entries }) => sum + entries, 0)
  }

  #lookup(key: string): Entry | undefined {
    const bytes = Buffer.from(key)
    for (const [level, tables] of this.state.levels.entries()) {
      const { from, to } =
        level === 0
          ? { from: 0, to: tables.length }
          : overlapSpan(tables, { smallest: bytes, largest: bytes })
      for (const { number } of tables.slice(from, to)) {
        const hit = this.#contents.get(number)!.find((entry) => entry.key === key)
        if (hit !== undefined) return hit
      }
    }
    return undefined
  }

  /** As the merge kernel does without snapshots: the first source that has a key wins. */
  #merge(plan: CompactionPlan, keysPerTable: number): TableMeta[] {
    const kept = new Map<string, Entry>()
    for (const { number } of plan.sources.flat()) {
      for (const entry of this.#contents.get(number)!) {
        if (!kept.has(entry.key)) kept.set(entry.key, entry)
      }
    }
    const entries = [...kept.values()]
      .filter(({ deleted }) => !(deleted && plan.dropTombstones))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    const outputs: TableMeta[] = []
    for (let at = 0; at < entries.length; at += keysPerTable) {
      outputs.push(this.#table(entries.slice(at, at + keysPerTable)))
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

const writes = fc.array(fc.record({ key: fc.constantFrom(...KEYS), deleted: fc.boolean() }), {
  minLength: 1,
  maxLength: 12,
})
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('flush' as const), writes }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(9) }) },
)
const history = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 60 }),
  keysPerTable: fc.integer({ min: 1, max: 6 }),
})

function play(
  model: Model,
  { steps, keysPerTable }: typeof history extends fc.Arbitrary<infer T> ? T : never,
): void {
  for (const each of steps) {
    if (each.do === 'flush') model.flush(each.writes)
    else if (each.do === 'start') model.start()
    else if (model.running.length > 0) model.finish(each.which, keysPerTable)
    model.check()
  }
}

describe('compaction of random histories', () => {
  test('the first hit is always the newest; it comes to rest with nothing due', () => {
    fc.assert(
      fc.property(history, (given) => {
        const model = new Model()
        play(model, given)
        model.settle(given.keysPerTable)
        model.check()
        const { levels } = model.state
        const targets = levelTargets(levels, OPTIONS)
        const scores = levelScores(levels, targets, OPTIONS.l0CompactTrigger, new InFlight())
        for (const { score } of scores) expect(score).toBeLessThan(1)
        for (const tables of levels.slice(1, targets.base)) expect(tables).toEqual([])
      }),
      { seed: 20_261_121, numRuns: 200 },
    )
  })

  test('a compacted range lies in one level and holds live entries only', () => {
    fc.assert(
      fc.property(history, (given) => {
        const model = new Model()
        play(model, given)
        while (model.running.length > 0) model.finish(0, given.keysPerTable)
        const done = new Set<number>()
        for (let steps = 0; ; steps += 1) {
          expect(steps).toBeLessThan(1_000)
          const request = { start: undefined, end: undefined, done }
          const plan = planRange(model.state.levels, request, OPTIONS, model.inFlight)
          if (plan === undefined) break
          model.begin(plan)
          for (const number of model.finish(0, given.keysPerTable)) done.add(number)
          model.check()
        }
        const filled = model.state.levels.filter((tables) => tables.length > 0)
        expect(filled.length).toBeLessThanOrEqual(1)
        expect(model.entries).toBe(model.liveKeys)
      }),
      { seed: 7, numRuns: 150 },
    )
  })
})

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
    const plan = pickCompaction(model.state.levels, OPTIONS, model.inFlight)!
    const release = model.inFlight.reserve(plan)
    expect(model.inFlight.conflicts(plan)).toBe(true)
    expect(model.inFlight.holds(plan.sources[0]![0]!)).toBe(true)
    expect(() => model.inFlight.reserve(plan)).toThrow(/where none runs/)
    expect(pickCompaction(model.state.levels, OPTIONS, model.inFlight)).toBeUndefined()
    release()
    release()
    expect([model.inFlight.count, model.inFlight.conflicts(plan)]).toEqual([0, false])
  })
})
