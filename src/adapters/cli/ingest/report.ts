// What ingest prints at the end: tables for people, one object for --json. Pure.
import type { EngineStats } from '../../../engine/types.ts'
import { levelTable, workerTable } from '../stats-command.ts'
import { count, decimal, formatTable, megabytes, perSecond } from '../table.ts'
import type { Checked, Folder } from './check-files.ts'
import type { PhaseFigures } from './phase.ts'
import type { SkipReason } from './walk.ts'

export interface IngestReport {
  readonly source: string
  readonly database: string
  readonly interrupted: boolean
  readonly files: number
  readonly bytes: number
  readonly links: number
  readonly namesNotUtf8: number
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>
  readonly write: PhaseFigures
  readonly read: PhaseFigures | undefined
  readonly checked: Checked | undefined
  readonly folders: readonly Folder[]
  readonly stats: EngineStats
}

const FOLDERS_SHOWN = 10

export function skippedFiles(report: IngestReport): number {
  return Object.values(report.skipped).reduce((sum, files) => sum + files, 0)
}

/** Files that did not come back as they were stored, or folders with a wrong count. */
export function failures(report: IngestReport): number {
  const { checked, folders } = report
  const miscounted = folders.filter(({ expected, found }) => found < expected).length
  return (checked?.missing ?? 0) + (checked?.different ?? 0) + miscounted
}

export function describeIngest(report: IngestReport): string {
  const parts = [phaseTable(report)]
  if (report.stats.levels.some(({ tables }) => tables > 0)) parts.push(levelTable(report.stats))
  if (report.stats.workers.length > 0) parts.push(workerTable(report.stats))
  if (report.folders.length > 0) parts.push(folderTable(report.folders))
  parts.push(closing(report))
  return parts.join('\n\n')
}

function phaseTable(report: IngestReport): string {
  const head = ['phase', 'files', 'MB', 'seconds', 'MB/s', 'ops/s', 'loop p50', 'p99', 'max ms']
  const row = (
    name: string,
    done: Pick<Checked, 'files' | 'bytes'>,
    at: PhaseFigures,
  ): string[] => [
    name,
    count(done.files),
    megabytes(done.bytes),
    decimal(at.ms / 1000, 2),
    decimal(perSecond(done.bytes / 1e6, at.ms)),
    count(perSecond(done.files, at.ms)),
    decimal(at.delayP50, 2),
    decimal(at.delayP99, 2),
    decimal(at.delayMax, 2),
  ]
  const rows = [row('write', report, report.write)]
  if (report.checked !== undefined && report.read !== undefined) {
    rows.push(row('read', report.checked, report.read))
  }
  return formatTable(head, rows)
}

function folderTable(folders: readonly Folder[]): string {
  const shown = folders.slice(0, FOLDERS_SHOWN)
  const rows = shown.map(({ name, found }) => [name, count(found)])
  const rest = folders.length - shown.length
  const table = formatTable(['folder', 'files by prefix scan'], rows)
  return rest > 0 ? `${table}\n… and ${count(rest)} more` : table
}

function closing(report: IngestReport): string {
  const { stats, links, namesNotUtf8, checked } = report
  const lines = [
    `flushes ${count(stats.flushes)}, compactions ${count(stats.compactions)}, ` +
      `writers waited ${decimal(stats.stallMs)} ms and were slowed for ${decimal(stats.delayMs)} ms`,
  ]
  if (links > 0) lines.push(`${count(links)} symbolic links not followed`)
  if (namesNotUtf8 > 0) lines.push(`${count(namesNotUtf8)} names are not UTF-8, kept as raw bytes`)
  for (const [reason, files] of Object.entries(report.skipped)) {
    lines.push(`${count(files)} skipped: ${reason}`)
  }
  if (report.interrupted) {
    lines.push(`interrupted: ${count(report.files)} files are stored, the rest is not`)
  } else if (checked !== undefined) {
    const bad = failures(report)
    lines.push(
      bad === 0
        ? `all ${count(checked.files)} files read back with the same SHA-256`
        : `${count(checked.missing)} files missing, ${count(checked.different)} different`,
    )
  }
  return lines.join('\n')
}
