// The block cache.
import { BLOCK_TRAILER } from '../../../src/kernel/layout.ts'
import { readBlockCopy } from '../../../src/sstable/table-blocks.ts'
import type { TableHandle } from '../../../src/sstable/table-reader.ts'
import { Bench, SHAPE } from '../../../test/unit/sstable/support.ts'
import type { Area, Case } from '../case.ts'
import { sortedEntries } from '../input.ts'

const ENTRIES = 2_048
const BLOCK_SIZE = 4_096
const HEAP_BYTES = 4 * 2 ** 20
const TABLE_BYTES = 2 ** 20
const ENOUGH_SLOTS = 128
/** Fewer than blocks: each is gone by the time it is asked for again. */
const FEW_SLOTS = 8

/** A table over a file system in memory, so that a miss costs what the cache makes of it, not what a disk does. */
function oneTable(bench: Bench): TableHandle {
  const shape = { ...SHAPE, blockSize: BLOCK_SIZE, tableSize: TABLE_BYTES }
  const [meta, ...more] = bench.write(sortedEntries(ENTRIES), shape)
  if (meta === undefined || more.length > 0) throw new Error('the entries make one table')
  return bench.open().get(meta)
}

/** `slots` decide whether a block is found. */
function fetched(name: string, slots: number): Case {
  return {
    name,
    prepare() {
      const bench = new Bench(HEAP_BYTES)
      const table = oneTable(bench)
      const cache = bench.cache(slots, BLOCK_SIZE)
      const ordinals = Array.from({ length: table.blockCount }, (_, ordinal) => ordinal)
      const misses = (): number => cache.stats.misses
      const found = (ordinal: number): Buffer => {
        const at = cache.address(cache.fetch(table, ordinal))
        const length = table.blockLength(ordinal) - BLOCK_TRAILER
        return Buffer.from(bench.heap.bytes.subarray(at, at + length))
      }
      for (const ordinal of ordinals) cache.fetch(table, ordinal)
      let missed = 0
      return {
        operations: ordinals.length,
        ours: {
          run() {
            const before = misses()
            for (const ordinal of ordinals) cache.fetch(table, ordinal)
            missed = misses() - before
          },
          answer: () => ({ missed, blocks: ordinals.map(found) }),
        },
        expected: {
          missed: slots < ordinals.length ? ordinals.length : 0,
          blocks: ordinals.map((ordinal) => readBlockCopy(table, ordinal)),
        },
      }
    },
  }
}

export const cacheArea: Area = {
  name: 'cache',
  cases: [
    fetched('block found', ENOUGH_SLOTS),
    fetched('block missing: read from memory, verify', FEW_SLOTS),
  ],
}
