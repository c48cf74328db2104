// A plain Map: what JavaScript alone can do in memory. Its keys are put in order when something asks for order, at the
// latest when it settles.
import { type NodeEngine, PAGE, type Pair, type ScanOptions, type Store } from './engine.ts'

class MapStore implements Store {
  readonly #entries = new Map<string, Uint8Array>()
  #ordered: readonly string[] | undefined

  async writeBatch(pairs: readonly Pair[]): Promise<void> {
    for (const [key, value] of pairs) this.#put(key, value)
  }

  async deleteBatch(keys: readonly Uint8Array[]): Promise<void> {
    for (const key of keys) this.#delete(nameOf(key))
  }

  async put(key: Buffer, value: Buffer): Promise<void> {
    this.#put(key, value)
  }

  async get(key: Buffer): Promise<Uint8Array | undefined> {
    return this.getSync(key)
  }

  getSync(key: Buffer): Uint8Array | undefined {
    return this.#entries.get(key.toString('latin1'))
  }

  async getMany(keys: Buffer[]): Promise<readonly (Uint8Array | undefined)[]> {
    return keys.map((key) => this.getSync(key))
  }

  async scan(
    visit: (page: readonly Pair[]) => void,
    { reverse = false }: ScanOptions = {},
  ): Promise<void> {
    const names = this.#order()
    for (let at = 0; at < names.length; at += PAGE) {
      const page = reverse
        ? names.slice(Math.max(0, names.length - at - PAGE), names.length - at).reverse()
        : names.slice(at, at + PAGE)
      visit(page.map((name) => this.#pair(name)))
    }
  }

  async scanKeys(visit: (page: readonly Uint8Array[]) => void): Promise<void> {
    const names = this.#order()
    for (let at = 0; at < names.length; at += PAGE) visit(names.slice(at, at + PAGE).map(bytesOf))
  }

  async seek(from: Buffer, count: number): Promise<readonly Pair[]> {
    const at = this.#firstFrom(nameOf(from))
    return this.#order()
      .slice(at, at + count)
      .map((name) => this.#pair(name))
  }

  async deleteRange(from: Buffer, to: Buffer): Promise<void> {
    const doomed = this.#order().slice(this.#firstFrom(nameOf(from)), this.#firstFrom(nameOf(to)))
    for (const name of doomed) this.#delete(name)
  }

  async settle(): Promise<{ tableShare: undefined; layout: string }> {
    this.#order()
    return { tableShare: undefined, layout: 'in memory' }
  }

  async close(): Promise<void> {
    this.#entries.clear()
    this.#ordered = undefined
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    const before = this.#entries.size
    this.#entries.set(nameOf(key), Buffer.from(value))
    if (this.#entries.size !== before) this.#ordered = undefined
  }

  #delete(name: string): void {
    if (this.#entries.delete(name)) this.#ordered = undefined
  }

  #order(): readonly string[] {
    this.#ordered ??= [...this.#entries.keys()].sort()
    return this.#ordered
  }

  /** Position of the first key ≥ `name`. */
  #firstFrom(name: string): number {
    const names = this.#order()
    let [low, high] = [0, names.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (names[middle]! < name) low = middle + 1
      else high = middle
    }
    return low
  }

  #pair(name: string): Pair {
    return [bytesOf(name), this.#entries.get(name)!]
  }
}

/** Latin-1, so that strings compare as their bytes do. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

function bytesOf(name: string): Buffer {
  return Buffer.from(name, 'latin1')
}

export const map: NodeEngine = {
  name: 'map',
  kind: 'bound',
  durability: { os: 'none: in memory, gone with the process' },
  persistent: false,
  answers: true,
  load: async () => ({ version: process.version, open: async () => new MapStore() }),
}
