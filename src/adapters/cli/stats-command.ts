// stats: what a database holds and does, as tables.
import type { EngineStats } from '../../engine/types.ts'
import { READING, type Target, withDatabase } from './record-commands.ts'
import { count, formatTable, megabytes } from './table.ts'
import { EXIT, line, type Terminal } from './terminal.ts'

export async function stats(terminal: Terminal, target: Target): Promise<number> {
  const { figures, options } = await withDatabase(target, READING, async (database) => ({
    figures: database.stats(),
    options: database.explain(),
  }))
  if (target.json) {
    line(terminal.stdout, JSON.stringify(figures))
    return EXIT.ok
  }
  line(terminal.stdout, levelTable(figures))
  const { segments } = figures
  if (segments.count > 0) {
    line(
      terminal.stdout,
      `\nvalue log: ${count(segments.count)} ${segments.count === 1 ? 'segment' : 'segments'}, ` +
        `${megabytes(segments.bytes)} MB, of which ${megabytes(segments.liveBytes)} MB are in use`,
    )
  }
  const memory = figures.memtables.reduce((sum, { entries }) => sum + entries, 0)
  line(terminal.stdout, `\nversion ${count(figures.version)}`)
  line(
    terminal.stdout,
    `in the log, not yet in tables: ${count(memory)} ${memory === 1 ? 'entry' : 'entries'}`,
  )
  line(terminal.stdout, `log files ${figures.wals}, torn ends cut ${figures.tornTailsCut}`)
  line(terminal.stdout, `\n${options}`)
  return EXIT.ok
}

export function levelTable(figures: EngineStats): string {
  const used = figures.levels.filter(({ tables }) => tables > 0)
  return formatTable(
    ['level', 'tables', 'entries', 'MB'],
    used.map(({ level, tables, entries, bytes }) => [
      String(level),
      count(tables),
      count(entries),
      megabytes(bytes),
    ]),
  )
}

export function workerTable(figures: EngineStats): string {
  return formatTable(
    ['worker', 'flushes', 'compactions', 'other', 'busy ms'],
    figures.workers.map(({ worker, flushes, compactions, otherJobs, busyMs }) => [
      worker === 0 ? 'main' : String(worker),
      count(flushes),
      count(compactions),
      count(otherJobs),
      count(busyMs),
    ]),
  )
}
