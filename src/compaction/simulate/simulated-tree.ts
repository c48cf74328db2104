// The levels of a simulated database, and what installing a plan does to them. State of one simulation.
import { assert } from '../../base/assert.ts'
import type { CompactionPlan } from '../plan.ts'
import { KEY_SPACE, type SyntheticLevels, type SyntheticTable } from './synthetic-table.ts'

export class SimulatedTree {
  levels: SyntheticLevels
  readonly #tables = new Map<number, SyntheticTable>()
  /** By level: bytes, and places the tables cover. */
  readonly #bytes: number[]
  readonly #places: number[]

  constructor(levels: number) {
    this.levels = Array.from({ length: levels }, () => [])
    this.#bytes = Array.from({ length: levels }, () => 0)
    this.#places = Array.from({ length: levels }, () => 0)
  }

  get bytes(): number {
    return this.#bytes.reduce((sum, bytes) => sum + bytes, 0)
  }

  levelBytes(): readonly number[] {
    return [...this.#bytes]
  }

  /** Tables whose range holds a key, for a key anywhere. */
  tablesPerKey(): number {
    return this.#places.reduce((sum, places) => sum + places, 0) / KEY_SPACE
  }

  flushed(tables: readonly SyntheticTable[]): void {
    this.#replace(0, new Set(), [...tables].reverse())
  }

  /** The tables of a plan. */
  inputs(plan: CompactionPlan): SyntheticTable[] {
    return plan.inputs.map(({ number }) => {
      const table = this.#tables.get(number)
      assert(table !== undefined, 'a plan takes tables that are there')
      return table
    })
  }

  install(plan: CompactionPlan, outputs: readonly SyntheticTable[]): void {
    const gone = new Set(plan.inputs.map(({ number }) => number))
    if (plan.inputLevel !== plan.outputLevel) this.#replace(plan.inputLevel, gone, [])
    this.#replace(plan.outputLevel, gone, outputs)
  }

  #replace(level: number, gone: ReadonlySet<number>, coming: readonly SyntheticTable[]): void {
    const order = level === 0 ? newestFirst : byKey
    const kept: SyntheticTable[] = []
    const next = [...coming].sort(order)
    let taken = 0
    for (const table of this.levels[level]!) {
      if (gone.has(table.number)) {
        this.#tables.delete(table.number)
        continue
      }
      while (taken < next.length && order(next[taken]!, table) < 0) kept.push(next[taken++]!)
      kept.push(table)
    }
    kept.push(...next.slice(taken))
    for (const table of next) this.#tables.set(table.number, table)
    this.levels = this.levels.map((tables, i) => (i === level ? kept : tables))
    let bytes = 0
    let places = 0
    for (const { size, from, to } of kept) {
      bytes += size
      places += to - from
    }
    this.#bytes[level] = bytes
    this.#places[level] = places
  }
}

function newestFirst(a: SyntheticTable, b: SyntheticTable): number {
  return b.largestVersion - a.largestVersion || b.number - a.number
}

function byKey(a: SyntheticTable, b: SyntheticTable): number {
  return a.from - b.from
}
