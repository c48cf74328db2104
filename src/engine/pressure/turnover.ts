// How much of what merges take down makes as much there obsolete: nearly all while a set of keys is overwritten,
// nothing while it is loaded, and what a snapshot keeps does not count. Follows the levels from one state to the next;
// what is long ago fades. Main thread.
import { bytesOf } from '../../compaction/level-targets.ts'
import type { Levels } from '../../manifest/levels.ts'
import { weigh } from '../value-log/table-weights.ts'

/** Of two sums, of which what came lately counts most. */
class Share {
  #left = 0
  #expected = 0

  get value(): number {
    return this.#left / Math.max(1, this.#expected)
  }

  add(left: number, expected: number, window: number): void {
    const kept = Math.exp(-Math.max(left, expected) / window)
    this.#expected = this.#expected * kept + expected
    // What expires makes room for what came before it, none for what is to come.
    this.#left = Math.min(this.#left * kept + left, this.#expected)
  }
}

export class Turnover {
  #levels: Levels = []
  /** By level, values included. */
  #bytes: readonly number[] = []
  /** Merges into the level that holds most show it for certain … */
  readonly #deep = new Share()
  /** … and those above sooner, but with little below them they show too little. */
  readonly #above = new Share()

  /** Of what goes down, so much makes as much obsolete, 0 to 1; 0 while nothing was merged yet. */
  get share(): number {
    return Math.max(this.#deep.value, this.#above.value)
  }

  /** Bytes of the level that holds most, level 0 aside: it has each key once. */
  get settled(): number {
    return Math.max(0, ...this.#bytes.slice(1))
  }

  /** Of what was seen `window` bytes ago 1 / e still counts. */
  follow(levels: Levels, window: number): void {
    const [before, bytes] = [this.#levels, this.#bytes]
    const { settled } = this
    this.#levels = levels
    this.#bytes = levels.map((tables, level) =>
      tables === before[level] ? bytes[level]! : bytesOf(tables, weigh),
    )
    const output = levels.findLastIndex((tables, level) => tables !== before[level])
    // What comes into level 0, and what is merged there, shows little; nor does the first state.
    if (output <= 0 || bytes.length !== levels.length || settled === 0) return
    const gone = this.#bytes.map((now, level) => bytes[level]! - now)
    const down = Math.max(0, sum(gone.slice(0, output)))
    const left = Math.max(0, sum(gone))
    // If all were overwritten, evenly: of the rest what is obsolete lies deeper.
    const met = Math.min(1, bytes[output]! / settled)
    const share = met === 1 ? this.#deep : this.#above
    share.add(left, down * met, window)
  }
}

function sum(all: readonly number[]): number {
  return all.reduce((result, one) => result + one, 0)
}
