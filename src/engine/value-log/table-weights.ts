// What tables weigh, added up once per table: each may point into hundreds of segments, and every pick asks for all of
// them. Main thread. Tables never change, and go with the levels that name them.
import { weightOf } from '../../format/table-meta.ts'
import type { TableMeta } from '../../manifest/levels.ts'

const weights = new WeakMap<TableMeta, number>()

/** Bytes of a table, and of the values it points to. */
export function weigh(table: TableMeta): number {
  if (table.segments === undefined) return table.size
  let bytes = weights.get(table)
  if (bytes === undefined) {
    bytes = weightOf(table)
    weights.set(table, bytes)
  }
  return bytes
}
