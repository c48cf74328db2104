// Tables of long keys end early, for want of room for the bounds of their blocks: a job has a number for each of them.
import { expect, it } from 'vitest'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { ends, start } from '../../../support/small-engine.ts'

const SIZE = 16 * 1024 * 1024
const KEY_LENGTH = 60_000
const KEYS = 250

it.each(['none', 'lz4'])(
  'flushes and compacts a memtable of long keys (%s)',
  async (compression) => {
    const engine = await start(memoryFileSystem(), {
      memtableSize: SIZE,
      tableSize: SIZE,
      memoryBudget: 8 * SIZE,
      blockSize: 65_536,
      durability: 'none',
      compression,
    })
    for (let i = 0; i < KEYS; i++) {
      await engine.put(String(i).padStart(5, '0').padEnd(KEY_LENGTH, 'k'), '', {})
    }
    await ends(engine.compactRange(undefined, undefined))
    const { levels } = engine.stats()
    expect(levels.reduce((sum, { tables }) => sum + tables, 0)).toBeGreaterThan(24)
    expect(levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(KEYS)
    await engine.close()
  },
)
