// Ten thousand calls at once, none awaited: all settle, in order, within the memory that was asked for.
import { afterAll, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import { drainSyncWorker } from '../../src/pool/sync-worker.ts'
import { drainProcessPool } from '../../src/pool/worker-pool.ts'
import { prng } from '../model/prng.ts'
import { sharedTemporaryDirectory } from '../support/temp-directory.ts'
import { inTime } from './field.ts'

const CALLS = 10_000
const BUDGET = 16 << 20
const SLACK = 64 << 20

const directory = sharedTemporaryDirectory()

afterAll(async () => {
  await drainProcessPool()
  await drainSyncWorker()
})

it.each(['sync', 'none'] as const)(
  `${CALLS} puts, batches and gets at once, durability %s`,
  async (durability) => {
    const database = await open(`${directory}/${durability}`, {
      durability,
      workers: 2,
      memtableSize: 256 * 1024,
      memoryBudget: BUDGET,
      tableSize: 128 * 1024,
    })
    // Threads and code are there before memory is measured.
    for (let i = 0; i < 500; i++) await database.put('warm', `${i} ${'v'.repeat(1000)}`)
    await database.compactRange()
    await database.del('warm')
    const random = prng(1)
    const before = process.memoryUsage.rss()
    let most = before
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss())
    }, 5)
    const model = new Map<string, string>()
    const settledOrder: number[] = []
    const versions: number[] = []
    const reads: Promise<boolean>[] = []
    const commits: Promise<unknown>[] = []
    const onCommit = (version: number): void => void versions.push(version)
    for (let i = 0; i < CALLS; i++) {
      const key = `key ${random.below(500)}`
      const value = `${i} ${'v'.repeat(random.below(1500))}`
      if (i % 3 === 2) {
        // What a read finds is never newer than what was asked for before it.
        reads.push(
          database.get(key).then((found) => found === undefined || Number.parseInt(found, 10) < i),
        )
        continue
      }
      const done = (): void => void settledOrder.push(i)
      const other = `other ${random.below(500)}`
      const write =
        i % 3 === 0
          ? database.put(key, value, { onCommit })
          : database.batch(
              [
                { type: 'put', key, value },
                { type: 'put', key: other, value },
              ],
              { onCommit },
            )
      commits.push(write.then(done))
      model.set(key, value)
      if (i % 3 === 1) model.set(other, value)
    }
    const results = await inTime(Promise.all([Promise.all(reads), Promise.all(commits)]))
    clearInterval(watch)
    expect(results[0].every((right) => right)).toBe(true)
    expect(settledOrder).toEqual([...settledOrder].sort((a, b) => a - b))
    expect(settledOrder).toHaveLength(Math.ceil((CALLS * 2) / 3))
    expect(versions).toEqual([...versions].sort((a, b) => a - b))
    expect(new Set(versions).size).toBe(settledOrder.length)
    const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
    expect(await database.iterator().all()).toEqual(expected)
    expect(most - before).toBeLessThan(BUDGET + SLACK)
    await database.close()
    const again = await open(`${directory}/${durability}`, { workers: 0 })
    expect(await again.iterator().all()).toEqual(expected)
    await again.close()
  },
)
