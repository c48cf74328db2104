// Reads a range page by page for an iterator. Owns the version and time it pinned (unless a snapshot gave it) until
// release(). Pages grow while they are consumed one by one, so that a seek stays cheap and a scan is fast.
import type { Data, Engine, Pin, RangeOptions, RangeReader, ReadPoint } from '../engine/types.ts'
import { checkedKey } from './checked-data.ts'
import { pointOf } from './snapshot.ts'

export type Pair = [key: Data | undefined, value: Data | undefined]

/** Range options as abstract-level hands them down: encoded, with formats for names of encodings. */
export interface PrivateRange {
  readonly gt?: Data
  readonly gte?: Data
  readonly lt?: Data
  readonly lte?: Data
  readonly reverse: boolean
  readonly limit: number
  readonly keyEncoding: 'buffer' | 'view' | 'utf8'
  readonly valueEncoding?: 'buffer' | 'view' | 'utf8'
  readonly snapshot?: unknown
  readonly signal?: AbortSignal
}

export interface Wanted {
  readonly keys: boolean
  readonly values: boolean
}

const FIRST_PAGE = 16
const GROWTH = 4
/** Read-ahead stays near this many bytes when values are large. */
const PAGE_BYTES = 1024 * 1024

export class PageSource {
  readonly #range: RangeOptions
  readonly #reader: RangeReader
  readonly #pin: Pin | undefined
  readonly #pageMax: number
  #page: Pair[] = []
  #index = 0
  #pageSize = FIRST_PAGE
  #ended = false

  constructor(engine: Engine, range: PrivateRange, wanted: Wanted, pageMax: number) {
    const given = pointOf(engine, range.snapshot)
    this.#pin = given === undefined ? engine.pin() : undefined
    this.#pageMax = pageMax
    try {
      this.#range = engineRange(range, wanted, given ?? this.#pin!)
      this.#reader = engine.range(this.#range)
    } catch (error) {
      this.#pin?.release()
      throw error
    }
  }

  /** The next pair, reading ahead by at most `room` pairs. */
  next(room: number): Pair | undefined {
    if (this.#index < this.#page.length) return this.#page[this.#index++]
    if (this.#ended) return undefined
    const page = this.#fetch(Math.min(this.#pageSize, this.#pageMax, room))
    this.#page = page
    this.#index = 1
    this.#grow(page)
    return page[0]
  }

  /** Up to `count` pairs, without reading ahead. Fewer only when much has been read, or at the end. */
  take(count: number): Pair[] {
    const ahead = this.#page.length - this.#index
    if (ahead === 0) return this.#ended ? [] : this.#fetch(count)
    const pairs = this.#page.slice(this.#index, this.#index + count)
    const taken = pairs.length
    if (taken < count && !this.#ended) {
      for (const pair of this.#fetch(count - taken)) pairs.push(pair)
    }
    // Only now: had the fetch failed, the next call must still find what was read ahead.
    this.#index += taken
    return pairs
  }

  seek(given: Data): void {
    const target = checkedKey(given)
    this.#page = []
    this.#index = 0
    this.#pageSize = FIRST_PAGE
    this.#ended = isOutside(target, this.#range)
    if (!this.#ended) this.#reader.seek(target)
  }

  release(): void {
    this.#page = []
    this.#index = 0
    this.#ended = true
    this.#pin?.release()
  }

  #fetch(limit: number): Pair[] {
    const page = this.#reader.next(limit)
    this.#ended = page.length === 0
    return page
  }

  #grow(page: readonly Pair[]): void {
    let bytes = 0
    for (const pair of page) bytes += (pair[0]?.length ?? 0) + (pair[1]?.length ?? 0)
    const fitting = Math.floor((PAGE_BYTES * page.length) / Math.max(bytes, 1))
    this.#pageSize = Math.max(1, Math.min(this.#pageSize * GROWTH, fitting, this.#pageMax))
  }
}

type Draft = { -readonly [Name in keyof RangeOptions]: RangeOptions[Name] }

/** Inclusive bounds win over exclusive ones, as elsewhere in Level. */
export function engineRange(
  range: PrivateRange,
  wanted: Wanted,
  { version, now }: Pick<ReadPoint, 'version'> & Partial<ReadPoint>,
): RangeOptions {
  // Built up property by property: spreading optional parts took an eighth of a short scan.
  const options: Draft = {
    reverse: range.reverse,
    keys: wanted.keys,
    values: wanted.values,
    keyForm: range.keyEncoding,
    valueForm: range.valueEncoding ?? 'buffer',
    version,
  }
  if (now !== undefined) options.now = now
  const { gt, gte, lt, lte } = range
  if (gte !== undefined) options.gte = checkedKey(gte)
  else if (gt !== undefined) options.gt = checkedKey(gt)
  if (lte !== undefined) options.lte = checkedKey(lte)
  else if (lt !== undefined) options.lt = checkedKey(lt)
  return options
}

function isOutside(target: Data, range: RangeOptions): boolean {
  const { gt, gte, lt, lte } = range
  if (gte !== undefined && order(target, gte) < 0) return true
  if (gt !== undefined && order(target, gt) <= 0) return true
  if (lte !== undefined && order(target, lte) > 0) return true
  return lt !== undefined && order(target, lt) >= 0
}

function order(a: Data, b: Data): number {
  return Buffer.compare(asBytes(a), asBytes(b))
}

function asBytes(data: Data): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data, 'utf8') : data
}
