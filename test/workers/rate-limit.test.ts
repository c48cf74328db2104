// The rate limit where it holds jobs up in threads. Bounds are from below only: a machine may be as slow as it likes.
import { afterAll, expect, it } from 'vitest'
import { type CompactionNotice, type Database, open } from '../../src/index.ts'
import { BURST_BYTES } from '../../src/pool/pace.ts'
import { drainProcessPool } from '../../src/pool/worker-pool.ts'
import { sharedTemporaryDirectory } from '../support/temp-directory.ts'

const directory = sharedTemporaryDirectory()
const LIMIT = 1 << 20
const SMALL = { memtableSize: 4 << 20, memoryBudget: 64 << 20, workers: 1 } as const
const QUIET = { l0CompactTrigger: 100, l0StallTrigger: 'off', idleAfter: 'off' } as const

afterAll(() => drainProcessPool())

/** Two level-0 tables of the same keys, so many KiB each. */
async function prepared(name: string, kib: number): Promise<Database> {
  const shape = { durability: 'none', compression: 'none' } as const
  const options = { ...SMALL, ...QUIET, ...shape, compactionRateLimit: LIMIT }
  const db = await open(`${directory}/${name}`, options)
  for (let round = 0; round < 2; round++) {
    for (let from = 0; from < kib; from += 50) {
      const operations = Array.from({ length: 50 }, (_, i) => {
        const noise = Math.sin(from + i + round * 10_000).toString(36)
        return { type: 'put' as const, key: `k${from + i}`, value: noise.padEnd(1000, noise) }
      })
      await db.batch(operations)
    }
    await db.flush()
  }
  return db
}

it('a compaction in a worker writes no faster than it may', async () => {
  const db = await prepared('slow', 700)
  const ends: CompactionNotice[] = []
  db.on('compaction', (notice) => void (notice.phase === 'end' && ends.push(notice)))
  await db.compactRange()
  await new Promise((resolve) => setImmediate(resolve))
  const [end] = ends
  expect(end).toMatchObject({ phase: 'end' })
  if (end?.phase !== 'end') return
  expect(end.bytes).toBeGreaterThan(BURST_BYTES)
  // Blocks that are being filled when the table ends are not waited for.
  const leastMs = (1000 * (end.bytes - BURST_BYTES)) / LIMIT
  expect(end.ms).toBeGreaterThan(0.9 * leastMs)
  await db.close()
})

it('goes on in haste when the limit is lifted, and when the database closes', async () => {
  for (const end of ['lifted', 'closed'] as const) {
    const db = await prepared(end, 3_000)
    // It would take three quarters of a minute, longer than this test may.
    db.tune({ compactionRateLimit: 65_536 })
    const work = db.compactRange().catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 100))
    if (end === 'lifted') db.tune({ compactionRateLimit: 'off' })
    else await db.close()
    await work
    await db.close()
  }
}, 40_000)
