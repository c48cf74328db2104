// Does nothing: what the harness itself costs, an upper bound of every row. Its scans are as long as what was put.
import { type NodeEngine, PAGE, type Pair, type Store } from './engine.ts'

const KEY = Buffer.alloc(16)
const VALUE_BYTES = 100

function nullStore(valueBytes: number): Store {
  const value = Buffer.alloc(valueBytes)
  const pairs: readonly Pair[] = Array.from({ length: PAGE }, () => [KEY, value])
  const keys: readonly Uint8Array[] = Array.from({ length: PAGE }, () => KEY)
  let entries = 0
  const eachPage = <Item>(page: readonly Item[], visit: (page: readonly Item[]) => void): void => {
    for (let rest = entries; rest > 0; rest -= PAGE) {
      visit(rest < PAGE ? page.slice(0, rest) : page)
    }
  }
  return {
    async writeBatch({ length }) {
      entries += length
    },
    deleteBatch: async () => undefined,
    async put() {
      entries++
    },
    get: async () => value,
    getSync: () => value,
    getMany: async ({ length }) => Array.from({ length }, () => value),
    scan: async (visit) => eachPage(pairs, visit),
    scanKeys: async (visit) => eachPage(keys, visit),
    seek: async (_, count) => pairs.slice(0, count),
    deleteRange: async () => undefined,
    compact: async () => undefined,
    settle: async () => ({ tableShare: undefined, layout: 'nothing' }),
    close: async () => undefined,
  }
}

export const nothing: NodeEngine = {
  name: 'null',
  kind: 'bound',
  durability: { os: 'none: nothing is kept', sync: 'none: nothing is kept' },
  persistent: false,
  answers: false,
  load: async () => ({
    version: process.version,
    open: async (_, { valueBytes = VALUE_BYTES }) => nullStore(valueBytes),
  }),
}
