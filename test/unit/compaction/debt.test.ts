// The bytes that wait for compaction, as stats() tells them.
import { expect, test } from 'vitest'
import { debtBytes } from '../../../src/compaction/level-targets.ts'
import { parseLevels } from './levels-text.ts'

const OPTIONS = { memtableSize: 10, l0CompactTrigger: 3, levelSizeMultiplier: 10 }
/** Deeper levels: 150 bytes where a tenth of the last level, 100, should be. */
const DEEP = ['L5: 1 a..m 150', 'L6: 2 a..z 1000']
const LEVEL_0 = ['L0: 11 a..z 10', 'L0: 12 a..z 11', 'L0: 13 a..z 12']

test('level 0 waits once it is at its trigger, deeper levels for what is above their targets', () => {
  const debt = (lines: readonly string[]): number => debtBytes(parseLevels(lines), OPTIONS)
  expect(debt([])).toBe(0)
  expect(debt(LEVEL_0.slice(0, 2))).toBe(0)
  expect(debt(LEVEL_0)).toBe(33)
  expect(debt(DEEP)).toBe(50)
  expect(debt([...LEVEL_0, ...DEEP])).toBe(83)
  expect(debt(['L6: 2 a..z 1000'])).toBe(0)
})
