// The bound on space, on a database without a disk: a set of values is overwritten five times, and nobody calls
// collectGarbage().
import { describe, expect, test } from 'vitest'
import { baseLevelSize } from '../../../src/compaction/level-targets.ts'
import { prng } from '../../model/prng.ts'
import { type TreeShape, ValueTree } from './value-tree.ts'

const MIB = 1024 * 1024
const KEYS = 4_096
const ROUNDS = 5

/** A gigabyte under the preset `balanced`; each key stands for several. */
function gigabyte(
  given: Pick<TreeShape, 'entryBytes' | 'speed' | 'parallel' | 'paced'>,
): ValueTree {
  const options = { memtableSize: 64 * MIB, l0CompactTrigger: 5 }
  return new ValueTree({
    ...given,
    valueBytes: MIB / 4,
    memtableBytes: options.memtableSize,
    pick: {
      l0CompactTrigger: 5,
      l0StallTrigger: 15,
      baseLevelSize: baseLevelSize(options),
      levelSizeMultiplier: 10,
      tableSize: 64 * MIB,
    },
  })
}

function overwrite(tree: ValueTree, order: 'random' | 'in order' | 'skewed'): void {
  const random = prng(7)
  for (let key = 0; key < KEYS; key += 1) tree.put(key)
  tree.most = 0
  for (let i = 0; i < ROUNDS * KEYS; i += 1) {
    const any = random.below(KEYS)
    if (order === 'random') tree.put(any)
    else if (order === 'in order') tree.put(i % KEYS)
    else tree.put(Math.floor((any * any) / KEYS))
  }
}

describe.each(['random', 'in order', 'skewed'] as const)(
  'a gigabyte overwritten five times, %s',
  (order) => {
    test.each([
      // Values of 1 KiB, of 16 KiB, and more.
      [256 * 60, 1, 1],
      [16 * 60, 1, 1],
      [60, 2, 1],
      [256 * 60, 0.5, 3],
    ])(
      'entries of %i bytes, jobs at %d × the speed of writes, %i at a time: nobody is slowed much',
      (entryBytes, speed, parallel) => {
        const tree = gigabyte({ entryBytes, speed, parallel })
        overwrite(tree, order)
        expect(tree.most).toBeLessThan(2.5)
        expect(tree.delays.garbage).toBeLessThan(0.02)
        // What is read and written again to free something costs less than what the program writes.
        expect((tree.flushed + tree.compacted) / tree.written).toBeLessThan(2)
        tree.settle()
        expect(tree.amplification).toBeLessThan(1.5)
      },
    )

    test.each([
      [256 * 60, 0.5, 1],
      [256 * 60, 0.25, 1],
      [60, 0.1, 1],
      [256 * 60, 0.16, 3],
    ])(
      'entries of %i bytes, jobs at %d × the speed of writes, %i at a time: writers are slowed',
      (entryBytes, speed, parallel) => {
        const tree = gigabyte({ entryBytes, speed, parallel })
        overwrite(tree, order)
        expect(tree.most).toBeLessThan(2.5)
        // Writers get what jobs can do, for a byte that is written costs about another one.
        const share = tree.written / tree.clock
        expect(share).toBeGreaterThan(Math.min(0.95, 0.9 * speed * parallel))
        tree.settle()
        expect(tree.amplification).toBeLessThan(1.5)
      },
    )
  },
)

describe.each([0.1, 1, 4])('times to live of %d × the time it takes to write all', (round) => {
  test.each([
    // Share that expires; bytes of an entry; speed of jobs.
    [0.15, 60, 1],
    [0.15, 256 * 60, 1],
    [0.5, 16 * 60, 1],
  ])('for %d of the puts, entries of %i bytes', (share, entryBytes, speed) => {
    const tree = gigabyte({ entryBytes, speed, parallel: 1 })
    const random = prng(11)
    const some = (): number | undefined =>
      random.chance(share) ? (round * KEYS * (MIB / 4) * (1 + random.below(100))) / 100 : undefined
    for (let key = 0; key < KEYS; key += 1) tree.put(key)
    tree.most = 0
    for (let i = 0; i < ROUNDS * KEYS; i += 1) tree.put(random.below(KEYS), some())
    expect(tree.most).toBeLessThan(2.5)
    expect((tree.flushed + tree.compacted) / tree.written).toBeLessThan(2.5)
    tree.settle()
    expect(tree.amplification).toBeLessThan(1.5)
  })
})

test('without being slowed, writers leave jobs behind', () => {
  const tree = gigabyte({ entryBytes: 256 * 60, speed: 0.25, parallel: 1, paced: false })
  overwrite(tree, 'random')
  expect(tree.most).toBeGreaterThan(4)
})

test('what is only loaded is written once', () => {
  const tree = gigabyte({ entryBytes: 960, speed: 1, parallel: 1 })
  for (let key = 0; key < KEYS; key += 1) tree.put((key * 1_001) % KEYS)
  tree.settle()
  expect((tree.flushed + tree.compacted) / tree.written).toBeLessThan(1.05)
})

test('what is only loaded is no garbage, however slow jobs are', () => {
  const tree = gigabyte({ entryBytes: 256 * 60, speed: 0.05, parallel: 1 })
  for (let key = 0; key < KEYS; key += 1) tree.put((key * 1_001) % KEYS)
  expect(tree.delays.garbage).toBe(0)
})
