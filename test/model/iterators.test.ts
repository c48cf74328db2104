// Iterators held open across rotations: each sees the state of the moment it was made, and none holds up writers.
import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Database } from '../../src/index.ts'
import { bytesOf, comparePairs, type PairIterator, takeUpTo } from './compare.ts'
import { prng, seededBytes } from './prng.ts'
import { scratchDirectory } from './scratch-directory.ts'
import { type Pair, SortedMap } from './sorted-map.ts'
import { openStore, type Store } from './store.ts'

const ROTATIONS = 20
const SEED = 4711

interface Held {
  readonly iterator: PairIterator
  readonly expected: readonly Pair[]
  at: number
}

async function checkSome(held: Held, count: number): Promise<void> {
  const expected = held.expected.slice(held.at, held.at + count)
  held.at += expected.length
  comparePairs(await takeUpTo(held.iterator, count), expected)
}

/** Writes until the database has flushed once more; waits for nothing but its own commits. */
async function writeThroughRotation(store: Store, map: SortedMap, round: number): Promise<number> {
  const random = prng(SEED, round)
  const flushesBefore = store.stats().flushes
  let writes = 0
  for (; store.stats().flushes === flushesBefore; writes++) {
    if (writes > 50_000) throw new Error(`no flush after ${writes} writes: the store stalls`)
    const key = `key-${random.below(3_000)}`
    if (random.chance(0.2)) {
      map.del(key)
      await store.del(bytesOf(key))
    } else {
      const value = seededBytes(round * 100_000 + writes, random.below(200))
      map.put(key, value)
      await store.put(bytesOf(key), value)
    }
  }
  return writes
}

describe.each([0, 2])('20 iterators across 20 rotations, workers: %i', (workers) => {
  let directory = ''
  let store: Store

  beforeEach(async () => {
    directory = scratchDirectory('iterators')
    store = await openStore(Database, directory, {
      workers,
      memtableSize: 64 * 1024,
      memoryBudget: 8 * 1024 * 1024,
      blockSize: 512,
      tableSize: 32 * 1024,
      durability: 'none',
    })
  })

  afterEach(async () => {
    await store.close()
    rmSync(directory, { recursive: true })
  })

  it(`each sees exactly its snapshot and writers go on (seed ${SEED})`, async () => {
    const map = new SortedMap()
    const open: Held[] = []
    for (let round = 0; round < ROTATIONS; round++) {
      const writes = await writeThroughRotation(store, map, round)
      expect(writes).toBeGreaterThan(0)
      const reverse = round % 2 === 1
      const iterator = store.iterator({ reverse }) as PairIterator
      open.push({ iterator, expected: map.range({ reverse }), at: 0 })
      for (const held of open) await checkSome(held, 10)
    }
    await store.compactRange()
    for (const held of open) {
      await checkSome(held, held.expected.length + 1)
      expect(held.at).toBe(held.expected.length)
      await held.iterator.close()
    }
    comparePairs(await store.iterator().all(), map.range({}))
  }, 60_000)
})
