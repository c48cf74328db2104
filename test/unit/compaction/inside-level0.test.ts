// A merge inside level 0 makes one table, for whose writer there is memory: what counts is what its inputs hold, not
// how little of it is stored.
import { expect, it } from 'vitest'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { insideBytesMax, planInsideLevel0 } from '../../../src/compaction/pick-level0.ts'
import { plainBytes, type TableMeta } from '../../../src/format/table-meta.ts'
import { makeTable } from './levels-text.ts'

const TABLE_SIZE = 1000
const OPTIONS = {
  baseLevelSize: 4000,
  levelSizeMultiplier: 10,
  l0CompactTrigger: 4,
  l0StallTrigger: 12,
  tableSize: TABLE_SIZE,
}

it.each([1, 5, 20])('takes no more than its writer has room for, compressed %i times', (times) => {
  const level0: TableMeta[] = []
  for (let number = 40; number > 0; number--) {
    const packing = { codec: 1, payloadBytes: 400 * times }
    level0.push({ ...makeTable(number, 'a', 'z', 400), ...(times > 1 && { packing }) })
  }
  const levels = [level0, [], [], [], [], [], []]
  const plan = planInsideLevel0(levels, OPTIONS, new InFlight())
  const bytes = plan?.sources.flat().reduce((sum, table) => sum + plainBytes(table), 0) ?? 0
  expect(bytes).toBeLessThanOrEqual(insideBytesMax(TABLE_SIZE))
})
