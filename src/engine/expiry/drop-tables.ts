// Removing tables in which everything has expired is a compaction whose outcome is known without reading them. Main
// thread.
import type { CompactionPlan } from '../../compaction/plan.ts'
import type { MergeResult } from '../compaction/join-parts.ts'

export function dropTables(plan: CompactionPlan): MergeResult {
  const tables = plan.sources.flat()
  const entries = tables.reduce((sum, table) => sum + table.entries, 0)
  return {
    kind: 'tables',
    tables: [],
    segments: [],
    entriesIn: entries,
    entriesOut: 0,
    entriesDropped: entries,
    droppedVersion: tables.reduce((newest, table) => Math.max(newest, table.largestVersion), 0),
    bytesRead: 0,
    bytesWritten: 0,
    parts: [],
  }
}
