// What must hold of the levels after every install, so that the first hit of a lookup is the
// newest. Pure.
import { assert } from '../base/assert.ts'
import { compareBytes } from '../base/bytes.ts'
import type { Levels } from '../manifest/levels.ts'
import { hullOf, tableOverlaps } from './plan.ts'

/**
 * Throws SETT_INTERNAL: level 0 is not newest first, a deeper level is not sorted and disjoint, or
 * a table is there twice.
 */
export function checkVersionOrder(levels: Levels): void {
  const seen = new Set<number>()
  levels.forEach((tables, level) => {
    tables.forEach((table, i) => {
      assert(!seen.has(table.number), `table ${table.number} is in the levels once`)
      seen.add(table.number)
      assert(
        compareBytes(table.smallestKey, table.largestKey) <= 0,
        `the bounds of table ${table.number} ascend`,
      )
      const before = tables[i - 1]
      if (before === undefined) return
      if (level > 0) {
        assert(
          compareBytes(before.largestKey, table.smallestKey) < 0,
          `tables ${before.number} and ${table.number} of level ${level} are sorted and disjoint`,
        )
      } else if (tableOverlaps(before, hullOf([table]))) {
        assert(
          before.smallestVersion > table.largestVersion,
          `level 0 is newest first at tables ${before.number} and ${table.number}`,
        )
      }
    })
  })
}
