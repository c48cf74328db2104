// verify, doctor, repair: what the command line does for a database that is, or may be, in trouble.
// The first two only read.

import { repair } from '../../api/repair.ts'
import { systemFailure } from '../../api/system-failure.ts'
import { resolveOptions } from '../../base/options.ts'
import type { Loss } from '../../engine/repair/report.ts'
import type { VerifiedFiles } from '../../engine/verify/report.ts'
import { verifyLocation } from '../../engine/verify/verify-location.ts'
import { examine } from '../../inspect/doctor/doctor.ts'
import type { DoctorReport, KindSizes } from '../../inspect/doctor/findings.ts'
import { lockState } from '../../io/lock-holder.ts'
import { entryFacts, nodeFileSystem } from '../../io/node-file-system.ts'
import { startProgress } from './ingest/progress.ts'
import type { Target } from './record-commands.ts'
import { count, formatTable, megabytes } from './table.ts'
import { EXIT, line, type Terminal } from './terminal.ts'
import { toText } from './text-form.ts'

type CareTarget = Pick<Target, 'db' | 'options' | 'json' | 'form'>

export async function verify(terminal: Terminal, target: CareTarget): Promise<number> {
  const { workers, workerUrl, lockTimeout, lock } = target.options
  const options = resolveOptions({ workers, workerUrl, lockTimeout, lock })
  const progress = await startProgress(terminal, 'verify', 100, 'percent')
  const report = await verifyLocation(target.db, options, {
    onProgress: ({ bytes, totalBytes }) =>
      progress.update(Math.floor((100 * bytes) / Math.max(1, totalBytes)), bytes),
  })
    .catch((error: unknown) => {
      throw systemFailure(target.db, error)
    })
    .finally(() => progress.stop())
  if (target.json) {
    line(terminal.stdout, JSON.stringify(report))
    return report.ok ? EXIT.ok : EXIT.error
  }
  const row = (name: string, { files, bytes, entries }: VerifiedFiles): string[] => [
    name,
    count(files),
    megabytes(bytes),
    count(entries),
  ]
  const { manifest, wals, tables, segments, problems } = report
  const rows = [
    row('manifest', manifest),
    row('logs', wals),
    row('tables', tables),
    row('segments', segments),
  ]
  line(terminal.stdout, formatTable(['kind', 'files', 'MB', 'entries'], rows))
  for (const { file, offset, expected, found } of problems) {
    line(terminal.stdout, `\n${file} at ${offset}: expected ${expected}, found ${found}`)
  }
  line(
    terminal.stdout,
    report.ok ? '\nEverything verifies.' : `\n${some(problems.length, 'problem')}.`,
  )
  return report.ok ? EXIT.ok : EXIT.error
}

export async function doctor(terminal: Terminal, target: CareTarget): Promise<number> {
  const fs = nodeFileSystem
  const directory = target.db
  let report: DoctorReport
  try {
    const lock = await lockState(fs, directory)
    report = examine({ fs, directory, lock, facts: entryFacts })
  } catch (error) {
    throw systemFailure(directory, error)
  }
  if (target.json) line(terminal.stdout, JSON.stringify(report))
  else line(terminal.stdout, doctorText(report))
  return report.healthy ? EXIT.ok : EXIT.error
}

function doctorText({ lock, manifest, sizes, freeBytes, findings, healthy }: DoctorReport): string {
  const size = (name: string, { files, bytes }: KindSizes): string =>
    `${name} ${count(files)} (${megabytes(bytes)} MB)`
  const { tables, logs, segments, manifests, others } = sizes
  const holder =
    lock.pid === undefined ? '' : ` · process ${lock.pid} on ${lock.host}, ${lock.since}`
  const files = [
    size('tables', tables),
    size('logs', logs),
    size('segments', segments),
    size('manifests', manifests),
    size('others', others),
  ]
  const parts = [
    `lock      ${lock.state}${holder}`,
    manifest === undefined
      ? 'manifest  none can be read'
      : `manifest  ${manifest.number}, format ${manifest.formatVersion}, edit ${manifest.lastEdit}, ` +
        `${manifest.closedCleanly ? 'closed cleanly' : 'not closed'}; names ` +
        `${some(manifest.tables, 'table')}, ${some(manifest.logs, 'log')} and ` +
        some(manifest.segments, 'segment'),
    `files     ${files.join(' · ')}`,
    `space     ${megabytes(freeBytes)} MB free`,
  ]
  for (const { severity, file, offset, what, next } of findings) {
    const place = offset === undefined ? file : `${file} at ${offset}`
    parts.push(`\n${severity}: ${place}\n  ${what}.\n  Next: ${next}.`)
  }
  parts.push(
    healthy ? '\nHealthy, as far as can be seen without reading the data.' : '\nNot healthy.',
  )
  return parts.join('\n')
}

export async function repairCommand(terminal: Terminal, target: CareTarget): Promise<number> {
  const report = await repair(target.db, target.options)
  const { kept, lost, notes, moved, manifest } = report
  if (target.json) {
    const plain = lost.map((loss) => ({ ...loss, ...keyRange(loss, target) }))
    line(terminal.stdout, JSON.stringify({ ...report, lost: plain }))
    return lost.length === 0 ? EXIT.ok : EXIT.error
  }
  line(
    terminal.stdout,
    `manifest ${manifest}: ${some(kept.tables, 'table')} kept, ${count(kept.salvagedTables)} salvaged, ` +
      `${some(kept.logRecords, 'record')} from logs; ${count(kept.entries)} entries now`,
  )
  if (kept.segments + kept.salvagedSegments > 0) {
    const salvaged = `${count(kept.salvagedSegments)} salvaged`
    line(terminal.stdout, `values: ${some(kept.segments, 'segment')} kept, ${salvaged}`)
  }
  for (const note of notes) line(terminal.stdout, `note: ${note}.`)
  for (const loss of lost) {
    const { file, offset, length, why } = loss
    const bytes = length === 0 ? '' : ` (${count(length)} bytes)`
    line(terminal.stdout, `lost: ${file} at ${offset}${bytes}: ${why}`)
    const { keys } = keyRange(loss, target)
    const values = loss.values === undefined ? '' : `${some(loss.values, 'value')} `
    if (keys !== undefined) {
      line(terminal.stdout, `  ${values}of keys from ${keys.first} to ${keys.last}`)
    }
  }
  const to =
    moved.names.length === 0
      ? 'nothing moved'
      : `${some(moved.names.length, 'file')} moved to ${moved.to}`
  line(
    terminal.stdout,
    `${lost.length === 0 ? 'nothing lost' : some(lost.length, 'loss', 'es')}; ${to}`,
  )
  return lost.length === 0 ? EXIT.ok : EXIT.error
}

function keyRange(
  { keys }: Loss,
  { form }: CareTarget,
): { keys?: { readonly first: string; readonly last: string } } {
  if (keys === undefined) return {}
  return { keys: { first: toText(keys.first, form), last: toText(keys.last, form) } }
}

function some(amount: number, what: string, plural = 's'): string {
  return `${count(amount)} ${what}${amount === 1 ? '' : plural}`
}
