// Sett at the defaults of its `balanced` preset but for the memtable's size and the durability class, which is that of
// the peers: the log is handed to the kernel and synced by nobody.
import { Database } from 'sett'
import type { Peer } from '../lib/peer.ts'
import { levelStore } from './level-store.ts'

export const sett: Peer = {
  name: 'sett',
  durability: `'none' (acked when the log is in the kernel)`,
  persistent: true,
  answers: true,
  async open(location, { memtableBytes }) {
    const db = new Database<Buffer, Buffer>(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      memtableSize: memtableBytes,
      durability: 'none',
    })
    await db.open()
    return levelStore(db, {
      iterator: () => db.iterator(),
      async settle() {
        await db.flush()
        await db.settle()
        const { levels, memtables } = db.stats()
        const inTables = levels.reduce((sum, { entries }) => sum + entries, 0)
        const inMemory = memtables.reduce((sum, { entries }) => sum + entries, 0)
        const held = levels.filter(({ tables }) => tables > 0)
        const layout = held.map(({ level, tables }) => `L${level}:${tables}`).join(' ')
        return { tableShare: inTables / Math.max(1, inTables + inMemory), layout }
      },
      busyMs: () => db.stats().workers.reduce((sum, { busyMs }) => sum + busyMs, 0),
    })
  },
}
