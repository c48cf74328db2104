// The oracle: what each commit writes, in the order they were handed over, which of them is visible, and what was
// promised about it. Never looks at files. Invariant: what is visible is a beginning of that order, without those that
// were refused.

export interface Write {
  readonly key: string
  /** undefined: deleted. */
  readonly value: string | undefined
  /** ms after which it expires; undefined: it does not. */
  readonly ttl?: number
}

/** What a reader sees: what was visible at a moment, and of that what expires later than its time. */
export interface Sight {
  readonly moment: number
  /** ms since 1970 */
  readonly now: number
}

/** What a commit survives: nothing, the end of the process, or that of the machine. */
export type Safety = 0 | 1 | 2
export const KILL: Safety = 1
export const POWER: Safety = 2

export interface Commit {
  readonly number: number
  readonly writes: readonly Write[]
  /** When it was handed over, ms since 1970. */
  readonly now: number
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

interface Lasting {
  readonly value: string | undefined
  readonly expiresAt: number
}

interface Versioned extends Lasting {
  readonly moment: number
}

export class Model {
  /** All keys there may be, in order. */
  readonly keys: readonly string[]
  #base: ReadonlyMap<string, Lasting> = new Map()
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

  hand(writes: readonly Write[], silent: boolean, now: number): Commit {
    const number = ++this.#numbers
    const commit: Commit = { number, writes, now, silent, visible: false, safety: 0 }
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
      for (const write of earlier.writes) {
        const { key } = write
        const changes = this.#changes.get(key)
        const change = { moment: earlier.number, ...lasting(write, earlier) }
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

  get(key: string, { moment, now }: Sight): string | undefined {
    const newest = this.#changes.get(key)?.findLast((change) => change.moment <= moment)
    return seen(newest ?? this.#base.get(key), now)
  }

  range({ gte, lt, reverse = false }: Range, sight: Sight): Pair[] {
    const pairs: Pair[] = []
    for (const key of this.keys) {
      if ((gte !== undefined && key < gte) || (lt !== undefined && key >= lt)) continue
      const value = this.get(key, sight)
      if (value !== undefined) pairs.push([key, value])
    }
    return reverse ? pairs.reverse() : pairs
  }

  /** Takes what was found at the next open for the truth. Throws unless it is what the commits up to one of those it
   * may be left: all that were promised this safety, and of the later ones the first so many. `now`: when it was read;
   * no reader to come begins earlier. */
  reopen(found: ReadonlyMap<string, string>, safety: Safety, now: number): void {
    const least = this.#order.findLastIndex((commit) => commit.safety >= safety) + 1
    const content = new Map(this.#base)
    const differing = new Set<string>()
    const compare = (key: string): void => {
      if (found.get(key) === seen(content.get(key), now)) differing.delete(key)
      else differing.add(key)
    }
    for (const key of new Set([...found.keys(), ...content.keys()])) compare(key)
    let match = differing.size === 0 ? 0 : -1
    let matching = new Map(content)
    let fewest = differing.size
    for (const [i, commit] of this.#order.entries()) {
      for (const write of commit.writes) {
        content.set(write.key, lasting(write, commit))
        compare(write.key)
      }
      if (differing.size === 0) {
        match = i + 1
        matching = new Map(content)
      }
      fewest = Math.min(fewest, differing.size)
    }
    if (match < least) throw new Error(this.#missing(match, least, fewest))
    this.#base = matching
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

function lasting({ value, ttl }: Write, { now }: Commit): Lasting {
  return { value, expiresAt: ttl === undefined ? Number.POSITIVE_INFINITY : now + ttl }
}

function seen(entry: Lasting | undefined, now: number): string | undefined {
  return entry === undefined || entry.expiresAt <= now ? undefined : entry.value
}
