// The oracle: what each commit writes, in the order they were handed over, which of them is visible, and what was
// promised about it. Never looks at files. Invariant: what is visible is a beginning of that order, without those that
// were refused.

export interface Write {
  readonly key: string
  /** undefined: deleted. */
  readonly value: string | undefined
}

/** What a commit survives: nothing, the end of the process, or that of the machine. */
export type Safety = 0 | 1 | 2
export const KILL: Safety = 1
export const POWER: Safety = 2

export interface Commit {
  readonly number: number
  readonly writes: readonly Write[]
  /** Nobody is told the moment it becomes visible. */
  readonly silent: boolean
  visible: boolean
  safety: Safety
}

export interface Range {
  readonly gte?: string
  readonly lt?: string
  readonly reverse?: boolean
}

export type Pair = readonly [key: string, value: string]

interface Versioned {
  readonly moment: number
  readonly value: string | undefined
}

export class Model {
  /** All keys there may be, in order. */
  readonly keys: readonly string[]
  #base = new Map<string, string>()
  readonly #changes = new Map<string, Versioned[]>()
  /** Handed over since the base, the refused ones left out, oldest first. */
  #order: Commit[] = []
  /** So many of them are visible: the first ones. */
  #shown = 0
  #numbers = 0
  /** Number of the newest visible commit. */
  #moment = 0

  constructor(keys: readonly string[]) {
    this.keys = [...keys].sort()
  }

  /** To be read at later on. */
  get moment(): number {
    return this.#moment
  }

  get nextNumber(): number {
    return this.#numbers + 1
  }

  hand(writes: readonly Write[], silent: boolean): Commit {
    const commit: Commit = { number: ++this.#numbers, writes, silent, visible: false, safety: 0 }
    this.#order.push(commit)
    return commit
  }

  /** Throws when an earlier one that would have been told of is not visible yet. */
  show(commit: Commit): void {
    while (!commit.visible) {
      const earlier = this.#order[this.#shown]
      if (earlier === undefined) throw new Error(`commit ${commit.number} was refused`)
      if (earlier !== commit && !earlier.silent) {
        throw new Error(`commit ${commit.number} is visible before commit ${earlier.number}`)
      }
      earlier.visible = true
      this.#shown += 1
      this.#moment = earlier.number
      for (const { key, value } of earlier.writes) {
        const changes = this.#changes.get(key)
        const change = { moment: earlier.number, value }
        if (changes === undefined) this.#changes.set(key, [change])
        else changes.push(change)
      }
    }
  }

  /** It was not stored, and never will be. */
  refuse(commit: Commit): void {
    if (commit.visible) throw new Error(`commit ${commit.number} is visible, and was refused`)
    this.#order.splice(this.#order.indexOf(commit), 1)
  }

  promise(commit: Commit, safety: Safety): void {
    if (commit.safety < safety) commit.safety = safety
  }

  /** The same for all commits up to that number. */
  promiseUpTo(number: number, safety: Safety): void {
    for (const commit of this.#order) if (commit.number <= number) this.promise(commit, safety)
  }

  /** What only the cache held is gone. */
  forgetKillSafety(): void {
    for (const commit of this.#order) if (commit.safety < POWER) commit.safety = 0
  }

  get(key: string, moment: number = this.#moment): string | undefined {
    const changes = this.#changes.get(key)
    if (changes !== undefined) {
      for (let i = changes.length - 1; i >= 0; i--) {
        if (changes[i]!.moment <= moment) return changes[i]!.value
      }
    }
    return this.#base.get(key)
  }

  range({ gte, lt, reverse = false }: Range, moment: number = this.#moment): Pair[] {
    const pairs: Pair[] = []
    for (const key of this.keys) {
      if ((gte !== undefined && key < gte) || (lt !== undefined && key >= lt)) continue
      const value = this.get(key, moment)
      if (value !== undefined) pairs.push([key, value])
    }
    return reverse ? pairs.reverse() : pairs
  }

  /** Takes what was found at the next open for the truth. Throws unless it is what the commits up to one of those it
   * may be left: all that were promised this safety, and of the later ones the first so many. */
  reopen(found: ReadonlyMap<string, string>, safety: Safety): void {
    const least = this.#order.findLastIndex((commit) => commit.safety >= safety) + 1
    const content = new Map(this.#base)
    const differing = new Set<string>()
    const compare = (key: string): void => {
      if (found.get(key) === content.get(key)) differing.delete(key)
      else differing.add(key)
    }
    for (const key of new Set([...found.keys(), ...content.keys()])) compare(key)
    let match = differing.size === 0 ? 0 : -1
    let fewest = differing.size
    for (const [i, { writes }] of this.#order.entries()) {
      for (const { key, value } of writes) {
        if (value === undefined) content.delete(key)
        else content.set(key, value)
        compare(key)
      }
      if (differing.size === 0) match = i + 1
      fewest = Math.min(fewest, differing.size)
    }
    if (match < least) throw new Error(this.#missing(match, least, fewest))
    this.#base = new Map(found)
    this.#changes.clear()
    this.#order = []
    this.#shown = 0
    this.#moment = this.#numbers
  }

  #missing(match: number, least: number, fewest: number): string {
    const name = (count: number): string => {
      const commit = this.#order[count - 1]
      return commit === undefined ? 'those of the open before' : `up to ${commit.number}`
    }
    if (match >= 0) return `found are the commits ${name(match)}, but promised ${name(least)}`
    return `no commit left what was found: ${fewest} keys differ from the nearest; promised ${name(least)}`
  }
}
