// LevelDB through its Node binding, at its defaults (4 MiB write buffer, 8 MiB cache, snappy).
import { ClassicLevel } from 'classic-level'
import type { Peer } from '../lib/peer.ts'
import { levelStore } from './level-store.ts'

/** Bytes fetched at a time; its default of 16 KiB would halve the scan. */
const PAGE_BYTES = 2 ** 20
const FIRST = Buffer.alloc(0)
const LAST = Buffer.alloc(32, 0xff)

export const classicLevel: Peer = {
  name: 'classic-level',
  durability: 'sync: false (acked when the log is in the kernel)',
  persistent: true,
  answers: true,
  async open(location) {
    const db = new ClassicLevel<Buffer, Buffer>(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    })
    await db.open()
    return levelStore(db, {
      iterator: () => db.iterator({ highWaterMarkBytes: PAGE_BYTES }),
      async settle() {
        await db.compactRange(FIRST, LAST)
        return { tableShare: undefined, layout: 'compactRange over all keys' }
      },
      busyMs: () => undefined,
    })
  },
}
