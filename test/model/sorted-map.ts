// The oracle: a sorted map so simple that it is right by inspection. Keys are latin1 strings, whose order by code
// unit is the order of the bytes.

export interface Bounds {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
  readonly limit?: number
}

export type Pair = readonly [key: string, value: Buffer]

export class SortedMap {
  readonly #keys: string[]
  readonly #values: Map<string, Buffer>

  constructor(from?: SortedMap) {
    this.#keys = from === undefined ? [] : from.#keys.slice()
    this.#values = new Map(from === undefined ? [] : from.#values)
  }

  get size(): number {
    return this.#keys.length
  }

  get(key: string): Buffer | undefined {
    return this.#values.get(key)
  }

  put(key: string, value: Buffer): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#lowerBound(key), 0, key)
    this.#values.set(key, value)
  }

  del(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#lowerBound(key), 1)
  }

  range(bounds: Bounds): Pair[] {
    const { gt, gte, lt, lte, reverse = false, limit = -1 } = bounds
    let from = 0
    let to = this.#keys.length
    if (gte !== undefined) from = this.#lowerBound(gte)
    else if (gt !== undefined) from = this.#lowerBound(`${gt}\0`)
    if (lt !== undefined) to = this.#lowerBound(lt)
    else if (lte !== undefined) to = this.#lowerBound(`${lte}\0`)
    const keys = from < to ? this.#keys.slice(from, to) : []
    if (reverse) keys.reverse()
    const taken = limit < 0 ? keys : keys.slice(0, limit)
    return taken.map((key) => [key, this.#values.get(key)!])
  }

  clear(bounds: Bounds): void {
    for (const [key] of this.range(bounds)) this.del(key)
  }

  #lowerBound(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
