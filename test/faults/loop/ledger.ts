// What became of every commit handed over, and what may therefore be found: now, after a kill, after a power cut.
import type { WriteOperation } from '../../../src/engine/types.ts'
import { type Bounds, History, type Safety } from '../../crash/history.ts'

/** 'unknown': a sync failed, so nobody can tell whether the disk has it. 'rejected': it must never show up. */
export type Outcome = 'pending' | 'acked' | 'unknown' | 'rejected'

export interface Entry {
  readonly operations: readonly WriteOperation[]
  outcome: Outcome
  /** Of an acked one: what it survives. */
  safety: Safety
}

export interface Allowed {
  readonly history: History
  readonly bounds: Bounds
}

export class Ledger {
  #entries: Entry[]

  constructor(entries: readonly Entry[] = []) {
    this.#entries = entries.map((entry) => ({ ...entry }))
  }

  copy(): Ledger {
    return new Ledger(this.#entries)
  }

  hand(operations: readonly WriteOperation[]): Entry {
    const entry: Entry = { operations, outcome: 'pending', safety: 'kill' }
    this.#entries.push(entry)
    return entry
  }

  /** Those acked so far. */
  get acked(): readonly Entry[] {
    return this.#entries.filter(({ outcome }) => outcome === 'acked')
  }

  /** In the database that is open: what was acked, and nothing else. */
  live(): Allowed {
    const history = historyOf(this.acked)
    return { history, bounds: { least: history.last, most: history.last } }
  }

  /** After the end of the process, or of the machine: a beginning of what was handed over and not rejected. */
  after(danger: Safety): Allowed {
    const kept = this.#entries.filter(({ outcome }) => outcome !== 'rejected')
    const least = kept.findLastIndex(
      ({ outcome, safety }) => outcome === 'acked' && (danger === 'kill' || safety === 'power'),
    )
    const history = historyOf(kept)
    return { history, bounds: { least: least + 1, most: history.last } }
  }

  /** So many commits of after() were found; what a recovery shows is durable. */
  found(commits: number): void {
    this.#entries = this.#entries
      .filter(({ outcome }) => outcome !== 'rejected')
      .slice(0, commits)
      .map(({ operations }) => ({ operations, outcome: 'acked', safety: 'power' }))
  }
}

function historyOf(entries: readonly Entry[]): History {
  const history = new History()
  for (const { operations } of entries) history.hand(operations, 0)
  return history
}
