// The three iterators of abstract-level over one PageSource each. Main thread. The read version is pinned when
// the iterator is created, so it sees nothing that was written later.
import { AbstractIterator, AbstractKeyIterator, AbstractValueIterator } from 'abstract-level'
import { MIB } from '../base/limits.ts'
import type { TurnBudget } from '../base/turn-budget.ts'
import type { Data, Engine } from '../engine/types.ts'
import type { Database } from './database.ts'
import { AbortError } from './level/abort-error.ts'
import { PageSource, type Pair, type PrivateRange, type Wanted } from './page-source.ts'

/** What an iterator takes from its database. */
export interface IteratorParts {
  readonly engine: Engine
  readonly budget: TurnBudget
}

/** A page costs so many point reads, so the clock is read for every one. */
const PAGE_COST = 16
/** nextv() gives fewer entries than it was asked for once their values have so many bytes. */
const LARGE_BYTES: number = 16 * MIB

/** Reading with the turn rule and the abort signal; shared by the three iterators. */
class PagedReads {
  readonly #source: PageSource
  readonly #budget: TurnBudget
  readonly #signal: AbortSignal | undefined
  readonly #pageMax: number

  constructor(parts: IteratorParts, range: PrivateRange, wanted: Wanted) {
    this.#pageMax = parts.engine.options.scanPageSize
    this.#source = new PageSource(parts.engine, range, wanted, this.#pageMax)
    this.#budget = parts.budget
    this.#signal = range.signal
  }

  next(room: number): Pair | undefined | Promise<Pair | undefined> {
    const pair = this.#source.next(room)
    const wait = this.#budget.spend(1)
    return wait || this.#signal !== undefined ? this.#later(pair, wait) : pair
  }

  nextv(size: number): Pair[] | Promise<Pair[]> {
    const pairs = this.#source.take(Math.min(size, this.#pageMax))
    if (pairs.length < size && pairs.length > 0) return this.#fill(pairs, size, LARGE_BYTES)
    const wait = this.#budget.spend(PAGE_COST)
    return wait || this.#signal !== undefined ? this.#later(pairs, wait) : pairs
  }

  all(room: number): Promise<Pair[]> {
    return this.#fill([], room, Number.POSITIVE_INFINITY)
  }

  seek(target: Data): void {
    this.#source.seek(target)
  }

  release(): void {
    this.#source.release()
  }

  /** Adds pairs until there are `size` of them, or so many bytes, or the range ends, letting the event loop turn. */
  async #fill(pairs: Pair[], size: number, bytes: number): Promise<Pair[]> {
    let room = bytes
    while (pairs.length < size && room > 0) {
      const more = this.#source.take(Math.min(size - pairs.length, this.#pageMax))
      if (more.length === 0) break
      for (const pair of more) {
        pairs.push(pair)
        room -= pair[1]?.length ?? 0
      }
      if (this.#budget.spend(PAGE_COST)) await this.#later(undefined, true)
    }
    return this.#signal === undefined ? pairs : this.#later(pairs, false)
  }

  /** Delivers the answer one turn or one microtask later, unless the signal was aborted meanwhile. */
  async #later<T>(answer: T, wait: boolean): Promise<T> {
    if (wait) await this.#budget.turn()
    else await undefined
    if (this.#signal?.aborted === true) throw new AbortError(this.#signal.reason)
    return answer
  }
}

export class EntryIterator<K, V> extends AbstractIterator<Database<K, V>, K, V> {
  readonly #reads: PagedReads

  constructor(
    db: Database<K, V>,
    parts: IteratorParts,
    range: PrivateRange & { readonly keys: boolean; readonly values: boolean },
  ) {
    super(db, range as object)
    this.#reads = attach(this, () => new PagedReads(parts, range, range))
  }

  _next(): Pair | undefined | Promise<Pair | undefined> {
    return this.#reads.next(this.limit - this.count)
  }

  _nextv(size: number): Pair[] | Promise<Pair[]> {
    return this.#reads.nextv(size)
  }

  _all(): Promise<Pair[]> {
    return this.#reads.all(this.limit - this.count)
  }

  _seek(target: Data): void {
    this.#reads.seek(target)
  }

  async _close(): Promise<void> {
    this.#reads.release()
  }
}

export class KeyIterator<K, V> extends AbstractKeyIterator<Database<K, V>, K> {
  readonly #reads: PagedReads

  constructor(db: Database<K, V>, parts: IteratorParts, range: PrivateRange) {
    super(db, range as object)
    this.#reads = attach(this, () => new PagedReads(parts, range, { keys: true, values: false }))
  }

  _next(): Data | undefined | Promise<Data | undefined> {
    const pair = this.#reads.next(this.limit - this.count)
    return pair instanceof Promise ? pair.then((late) => late?.[0]) : pair?.[0]
  }

  _nextv(size: number): (Data | undefined)[] | Promise<(Data | undefined)[]> {
    const pairs = this.#reads.nextv(size)
    return pairs instanceof Promise ? pairs.then(keysOf) : keysOf(pairs)
  }

  async _all(): Promise<(Data | undefined)[]> {
    return keysOf(await this.#reads.all(this.limit - this.count))
  }

  _seek(target: Data): void {
    this.#reads.seek(target)
  }

  async _close(): Promise<void> {
    this.#reads.release()
  }
}

export class ValueIterator<K, V> extends AbstractValueIterator<Database<K, V>, K, V> {
  readonly #reads: PagedReads

  constructor(db: Database<K, V>, parts: IteratorParts, range: PrivateRange) {
    super(db, range as object)
    this.#reads = attach(this, () => new PagedReads(parts, range, { keys: false, values: true }))
  }

  _next(): Data | undefined | Promise<Data | undefined> {
    const pair = this.#reads.next(this.limit - this.count)
    return pair instanceof Promise ? pair.then((late) => late?.[1]) : pair?.[1]
  }

  _nextv(size: number): (Data | undefined)[] | Promise<(Data | undefined)[]> {
    const pairs = this.#reads.nextv(size)
    return pairs instanceof Promise ? pairs.then(valuesOf) : valuesOf(pairs)
  }

  async _all(): Promise<(Data | undefined)[]> {
    return valuesOf(await this.#reads.all(this.limit - this.count))
  }

  _seek(target: Data): void {
    this.#reads.seek(target)
  }

  async _close(): Promise<void> {
    this.#reads.release()
  }
}

interface Attached {
  readonly db: { detachResource(resource: never): void }
}

/** An iterator whose source cannot be made is no longer the database's to close. */
function attach(iterator: Attached, make: () => PagedReads): PagedReads {
  try {
    return make()
  } catch (error) {
    iterator.db.detachResource(iterator as never)
    throw error
  }
}

function keysOf(pairs: readonly Pair[]): (Data | undefined)[] {
  return pairs.map((pair) => pair[0])
}

function valuesOf(pairs: readonly Pair[]): (Data | undefined)[] {
  return pairs.map((pair) => pair[1])
}
