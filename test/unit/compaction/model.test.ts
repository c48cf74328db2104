// Whole compactions on a model whose tables have contents: whatever plans run beside each other,
// and in whatever order they end, every lookup that takes the first hit finds the newest entry a reader may see, and
// the segment its value lies in.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { checkVersionOrder } from '../../../src/compaction/invariant.ts'
import { levelTargets } from '../../../src/compaction/level-targets.ts'
import {
  type PickMoment,
  type PickOptions,
  pickCompaction,
  type ValuesMoment,
} from '../../../src/compaction/pick.ts'
import { garbageHeldBack } from '../../../src/compaction/pick-garbage.ts'
import {
  buildPlan,
  type CompactionPlan,
  hullOf,
  overlapSpan,
  rangesOverlap,
} from '../../../src/compaction/plan.ts'
import { planRange } from '../../../src/compaction/plan-range.ts'
import { levelScores } from '../../../src/compaction/score.ts'
import {
  chooseDoomed,
  Doomed,
  garbageOf,
  garbageShare,
  type SegmentFill,
} from '../../../src/compaction/values/doom.ts'
import { planValues } from '../../../src/compaction/values/pick-values.ts'
import { Segments } from '../../../src/engine/value-log/segments.ts'
import type { SegmentMeta, SegmentUse } from '../../../src/format/segments/segment-meta.ts'
import { storedBytes } from '../../../src/format/table-meta.ts'
import { applyEdit, EMPTY_STATE, type ManifestState } from '../../../src/manifest/apply-edit.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import { makeTable } from './levels-text.ts'

const KEYS = 'abcdefghijklmnopqrstuvwxyz'
const ENTRY_BYTES = 10
const SEGMENT_OVERHEAD = 192
/** Headers of segments that hold one value. */
const REST_SLACK = 1.2
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
  /** Where its value lies; undefined: in the table. */
  readonly segment?: number
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
  readonly #segments = new Segments()
  readonly #valueBytes: number
  readonly #options: PickOptions
  rewrites = 0
  /** Rewrites of tables that are not in the deepest level. */
  rewritesAbove = 0
  rest = false

  /** Values of so many bytes lie in segments; 0: in tables. */
  constructor(valueBytes = 0) {
    this.#valueBytes = valueBytes
    // Six values, so that levels above the deepest fill.
    this.#options = { ...OPTIONS, baseLevelSize: Math.max(60, 6 * valueBytes) }
  }

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
    const { entries: placed, segments } = this.#separate(sorted, () => true)
    for (const entry of placed) this.#newest.set(entry.key, entry)
    for (let at = 0; at < placed.length; at += each) {
      tablesAdded.push({ level: 0, table: this.#table(placed.slice(at, at + each)) })
    }
    this.#apply({ tablesAdded, segmentsAdded: segments })
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
    const oldestSnapshot = this.#pinned?.version ?? this.#version
    return this.#valueBytes === 0 ? { oldestSnapshot } : { oldestSnapshot, values: this.#values() }
  }

  start(): boolean {
    const plan = pickCompaction(this.state.levels, this.#options, this.inFlight, this.moment)
    if (plan !== undefined) this.begin(plan)
    return plan !== undefined
  }

  begin(plan: CompactionPlan): void {
    for (const other of this.running) expect(meet(plan, other.plan)).toBe(false)
    if (plan.collects === true) {
      this.rewrites += 1
      const deeper = this.state.levels.slice(plan.inputLevel + 1).flat()
      if (deeper.length > 0) this.rewritesAbove += 1
    } else if (plan.inputLevel + plan.outputLevel === 0) this.insideLevel0 += 1
    this.running.push({ plan, release: this.inFlight.reserve(plan) })
  }

  /** Ends one of the running compactions; returns the tables it wrote or moved. */
  finish(which: number, keysPerTable: number): readonly number[] {
    const { plan, release } = this.running.splice(which % this.running.length, 1)[0]!
    const perTable = plan.outputLevel === 0 ? KEYS.length : keysPerTable
    const { tables: outputs, segments } = plan.trivialMove
      ? { tables: plan.sources.flat(), segments: [] }
      : this.#merge(plan, perTable)
    this.#apply({
      tablesRemoved: plan.inputs,
      tablesAdded: outputs.map((table) => ({ level: plan.outputLevel, table })),
      segmentsAdded: segments,
    })
    release()
    return outputs.map(({ number }) => number)
  }

  /** Begins to rewrite one table for what the garbage of its segments is worth to somebody. */
  collect(ratio: number): boolean {
    const doomed = new Doomed(this.#fills.filter((fill) => garbageShare(fill) > ratio))
    const plan = planValues(this.state.levels, doomed, this.inFlight)
    if (plan !== undefined) this.begin(plan)
    return plan !== undefined
  }

  /** Bytes of all files over those of the entries a reader sees; at rest. */
  get amplification(): number {
    const { bytes } = this.#values().space
    return bytes / (this.liveKeys * (ENTRY_BYTES + this.#valueBytes))
  }

  get segments(): number {
    return this.state.segments.length
  }

  get #fills(): readonly SegmentFill[] {
    return this.#segments.fills(this.state.segments, this.state.levels)
  }

  #values(): ValuesMoment {
    const { levels, segments } = this.state
    const sums = this.#segments.sums(segments, levels)
    const space = { bytes: sums.bytes + storedBytes(levels.flat()), garbage: sums.garbage }
    const fills = this.#fills
    // The sums, which follow the edits, are those of a count from scratch.
    expect(sums.liveBytes).toBe(fills.reduce((sum, { used }) => sum + used, 0))
    expect(sums.garbage).toBe(fills.reduce((sum, fill) => sum + garbageOf(fill), 0))
    const chosen = chooseDoomed(fills, space)
    // Until it is at rest nothing is merged for the sake of the bound: else nothing stayed above the deepest level.
    const bound = this.rest ? space : { bytes: 0, garbage: 0 }
    return {
      doomed: chosen.length === 0 ? undefined : new Doomed(chosen),
      space: bound,
      rest: this.rest,
    }
  }

  /** Puts the values of some entries into one new segment. */
  #separate(
    entries: readonly Entry[],
    moves: (entry: Entry) => boolean,
  ): { entries: readonly Entry[]; segments: SegmentMeta[] } {
    const moving = entries.filter((entry) => this.#valueBytes > 0 && !entry.deleted && moves(entry))
    if (moving.length === 0) return { entries, segments: [] }
    this.#number += 1
    const segment = this.#number
    const moved = new Set(moving)
    const size = SEGMENT_OVERHEAD + moving.length * this.#valueBytes
    return {
      entries: entries.map((entry) => (moved.has(entry) ? { ...entry, segment } : entry)),
      segments: [{ number: segment, size, salt: '0'.repeat(16) }],
    }
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
      if (hit?.segment === undefined) continue
      expect(this.state.segments.some(({ number }) => number === hit.segment)).toBe(true)
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
  #merge(
    plan: CompactionPlan,
    keysPerTable: number,
  ): { tables: TableMeta[]; segments: SegmentMeta[] } {
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
    const tables: TableMeta[] = []
    const freed = new Set(plan.relocate?.map(({ number }) => number))
    const { entries, segments } = this.#separate(kept.flat(), (entry) => freed.has(entry.segment!))
    const filled = keys
      .map((key) => entries.filter((entry) => entry.key === key))
      .filter(({ length }) => length > 0)
    for (let at = 0; at < filled.length; at += keysPerTable) {
      tables.push(this.#table(filled.slice(at, at + keysPerTable).flat()))
    }
    return { tables, segments }
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
      ...this.#usesOf(entries),
    }
  }

  #usesOf(entries: readonly Entry[]): { segments?: SegmentUse[] } {
    const uses = new Map<number, number>()
    for (const { segment } of entries) {
      if (segment !== undefined) uses.set(segment, (uses.get(segment) ?? 0) + this.#valueBytes)
    }
    const segments = [...uses].map(([number, bytes]) => ({ number, bytes }))
    return segments.length === 0 ? {} : { segments: segments.sort((a, b) => a.number - b.number) }
  }

  #apply(edit: Parameters<typeof applyEdit>[1]): void {
    const { segments, levels } = applyEdit(this.state, edit)
    const unused = this.#segments.unused(segments, levels)
    const segmentsDropped = unused.map(({ number }) => number)
    this.state = applyEdit(this.state, { ...edit, segmentsDropped })
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
const plainSteps = [
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
] as const
const collect = fc.record({
  do: fc.constant('collect' as const),
  ratio: fc.constantFrom(0, 0.1, 0.5),
})
const plainStep = fc.oneof(...plainSteps)
const anyStep = fc.oneof(...plainSteps, { weight: 4, arbitrary: collect })
const keysPerTable = fc.integer({ min: 1, max: 6 })
const history = fc.record({
  steps: fc.array(plainStep, { minLength: 1, maxLength: 80 }),
  keysPerTable,
})
const historyOfValues = fc.record({
  steps: fc.array(anyStep, { minLength: 1, maxLength: 80 }),
  keysPerTable,
})

function play(
  model: Model,
  { steps, keysPerTable }: typeof historyOfValues extends fc.Arbitrary<infer T> ? T : never,
): void {
  for (const each of steps) {
    if (each.do === 'flush') model.flush(each.writes, each.tables)
    else if (each.do === 'pin') model.togglePin()
    else if (each.do === 'start') model.start()
    else if (each.do === 'collect') model.collect(each.ratio)
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

describe('values in segments', () => {
  test('are found, whatever is merged or collected, and at rest they take no more than the bound', () => {
    let rewrites = 0
    let rewritesAbove = 0
    let rests = 0
    fc.assert(
      fc.property(historyOfValues, (given) => {
        const model = new Model(1_000)
        play(model, given)
        model.unpin()
        while (model.running.length > 0 || model.collect(0)) {
          model.finish(0, given.keysPerTable)
          model.check()
        }
        model.rest = true
        model.settle(given.keysPerTable)
        model.check()
        rewrites += model.rewrites
        rewritesAbove += model.rewritesAbove
        if (model.liveKeys < 8 || given.steps.some((each) => each.do === 'pin')) return
        rests += 1
        expect(model.amplification).toBeLessThan(1.5 * REST_SLACK)
      }),
      { seed: 20_261_122, numRuns: 300 },
    )
    expect(rewrites).toBeGreaterThan(50)
    expect(rewritesAbove).toBeGreaterThan(0)
    expect(rests).toBeGreaterThan(30)
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
    // What is rewritten where it is for its values keeps others off no less.
    const table = plan.sources[0]![0]!
    const place = { inputLevel: 0, outputLevel: 0, upper: [table], lower: [] }
    const rewrite = { ...buildPlan(model.state.levels, place), collects: true }
    const free = model.inFlight.reserve(rewrite)
    expect([model.inFlight.holds(table), model.inFlight.conflicts(plan)]).toEqual([true, true])
    free()
  })
})
