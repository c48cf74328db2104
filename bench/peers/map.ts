// A plain Map: what JavaScript alone can do in memory. It orders its keys once, when it settles.
import type { Pair, Peer } from '../lib/peer.ts'
import { PAGE } from './level-store.ts'

export const map: Peer = {
  name: 'map',
  durability: 'none, in memory',
  persistent: false,
  answers: true,
  async open() {
    const entries = new Map<string, Buffer>()
    let ordered: string[] = []
    const put = (key: Buffer, value: Buffer): void => {
      entries.set(key.toString('latin1'), Buffer.from(value))
    }
    return {
      async writeBatch(pairs) {
        for (const [key, value] of pairs) put(key, value)
      },
      put: async (key, value) => put(key, value),
      getSync: (key) => entries.get(key.toString('latin1')),
      get: async (key) => entries.get(key.toString('latin1')),
      async scan(visit) {
        for (let at = 0; at < ordered.length; at += PAGE) {
          const keys = ordered.slice(at, at + PAGE)
          visit(keys.map((key): Pair => [Buffer.from(key, 'latin1'), entries.get(key)!]))
        }
      },
      async settle() {
        ordered = [...entries.keys()].sort()
        return { tableShare: undefined, layout: 'in memory' }
      },
      busyMs: () => undefined,
      close: async () => undefined,
    }
  },
}
