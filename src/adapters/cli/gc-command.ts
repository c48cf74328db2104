// gc: frees segments of the value log, and tells of each what came of it.
import type { CollectedSegment } from '../../engine/value-log/report.ts'
import { startProgress } from './ingest/progress.ts'
import { type Target, withDatabase } from './record-commands.ts'
import { count, decimal, formatTable, megabytes } from './table.ts'
import { EXIT, line, type Terminal } from './terminal.ts'

export interface GcInput {
  /** undefined: the default of collectGarbage(). */
  readonly ratio: number | undefined
  /** Merges everything first, so that what was overwritten or deleted counts. */
  readonly compact: boolean
}

export async function gc(terminal: Terminal, target: Target, input: GcInput): Promise<number> {
  const { ratio, compact } = input
  const report = await withDatabase(target, { createIfMissing: false }, async (database) => {
    if (compact) await database.compactRange()
    const { segments, bytesCompacted: before } = database.stats()
    const progress = await startProgress(terminal, 'gc', segments.count)
    database.on('collection', ({ phase }) => {
      // The last one may be told of when the database is being closed.
      if (phase !== 'end' || database.status !== 'open') return
      const { segments: now, bytesCompacted } = database.stats()
      progress.update(segments.count - now.count, bytesCompacted - before)
    })
    const given = ratio === undefined ? {} : { ratio }
    return await database.collectGarbage(given).finally(() => progress.stop())
  })
  if (target.json) {
    line(terminal.stdout, JSON.stringify(report))
    return EXIT.ok
  }
  const head = ['segment', 'MB', 'garbage %', 'freed MB', 'why not']
  line(terminal.stdout, formatTable(head, report.segments.map(rowOf)))
  const { bytesFreed } = report
  line(terminal.stdout, `\n${megabytes(bytesFreed)} MB freed.`)
  return EXIT.ok
}

function rowOf({ number, size, liveBytes, freed, reason }: CollectedSegment): string[] {
  const garbage = decimal((100 * (size - liveBytes)) / size)
  return [count(number), megabytes(size), garbage, megabytes(freed), reason ?? '']
}
