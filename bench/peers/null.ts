// Does nothing: what the harness itself costs, an upper bound of every row.
import { VALUE_BYTES } from '../lib/dataset.ts'
import type { Pair, Peer } from '../lib/peer.ts'
import { PAGE } from './level-store.ts'

const VALUE = Buffer.alloc(VALUE_BYTES)
const PAIRS: readonly Pair[] = Array.from({ length: PAGE }, () => [VALUE, VALUE])
const PAGES = 500

export const nothing: Peer = {
  name: 'null',
  durability: 'none',
  persistent: false,
  answers: false,
  open: async () => ({
    writeBatch: async () => undefined,
    put: async () => undefined,
    getSync: () => VALUE,
    get: async () => VALUE,
    async scan(visit) {
      for (let page = 0; page < PAGES; page++) visit(PAIRS)
    },
    settle: async () => ({ tableShare: undefined, layout: 'nothing' }),
    busyMs: () => undefined,
    close: async () => undefined,
  }),
}
