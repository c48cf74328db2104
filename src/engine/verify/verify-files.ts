// Verifies tables, logs and segments in jobs, a file each, several at a time, behind all other work. Main thread;
// reads only.
import { SettError } from '../../base/errors.ts'
import type { SegmentMeta } from '../../format/segments/segment-meta.ts'
import { notAFile } from '../../inspect/directory-entries.ts'
import { segmentPath, tablePath, walPath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { JobReport, VerifyResult, VerifySpec, WalExtent } from '../../jobs/job.ts'
import { verifyWorkspaceBytes } from '../../jobs/workspace.ts'
import type { TableMeta } from '../../manifest/levels.ts'
import { type CancelFlag, PRIORITY } from '../../pool/executor.ts'
import { errorCode } from '../disk/failures.ts'
import type { JobRunner } from '../job-runner.ts'
import { damageOf, type ReportBuilder, type VerifiedKind, type VerifyOptions } from './report.ts'

export interface VerifyScope {
  readonly fs: FileSystem
  readonly directory: string
  readonly runner: JobRunner
  /** Jobs at a time. */
  readonly parallel: number
  readonly tables: readonly TableMeta[]
  readonly wals: readonly WalExtent[]
  readonly segments: readonly SegmentMeta[]
  /** False: the log was flushed and removed while it waited for its turn. */
  readonly isNamed: (wal: number) => boolean
  readonly cancel: CancelFlag
}

interface Unit {
  readonly kind: VerifiedKind
  readonly number: number
  readonly path: string
  readonly bytes: number
  /** What the job is given to look at. */
  readonly files: Omit<VerifySpec, 'kind' | 'directory' | 'workspace'>
}

export async function verifyFiles(
  scope: VerifyScope,
  report: ReportBuilder,
  options: VerifyOptions,
): Promise<void> {
  const units = unitsOf(scope)
  const totalBytes = units.reduce((sum, { bytes }) => sum + bytes, 0)
  const readBytes = new Map<Unit, number>()
  const progress = (unit: Unit, bytes: number): void => {
    readBytes.set(unit, bytes)
    const sum = [...readBytes.values()].reduce((total, each) => total + each, 0)
    options.onProgress?.({ bytes: Math.min(sum, totalBytes), totalBytes })
  }
  const waiting = units.values()
  const failures: unknown[] = []
  const lane = async (): Promise<void> => {
    for (const unit of waiting) {
      if (failures.length > 0) return
      try {
        await verifyUnit(scope, report, unit, (bytes) => progress(unit, bytes))
        progress(unit, unit.bytes)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  // All lanes end before an error is told: none may read on behind the caller's back.
  await Promise.all(Array.from({ length: Math.max(1, scope.parallel) }, lane))
  if (failures.length > 0) throw failures[0]
}

function unitsOf({ directory, wals, tables, segments }: VerifyScope): Unit[] {
  const metas = new Map(segments.map((segment) => [segment.number, segment]))
  const ofWal = (wal: WalExtent): Unit => {
    const { number, length: bytes } = wal
    const path = walPath(directory, number)
    return {
      kind: 'wal',
      number,
      path,
      bytes,
      files: { tables: [], wals: [wal], pointed: segments },
    }
  }
  const ofTable = (table: TableMeta): Unit => {
    const { number, size: bytes, segments: uses = [] } = table
    const pointed = uses.flatMap((use) => metas.get(use.number) ?? [])
    const path = tablePath(directory, number)
    return { kind: 'table', number, path, bytes, files: { tables: [table], pointed } }
  }
  const ofSegment = (segment: SegmentMeta): Unit => {
    const { number, size: bytes } = segment
    const path = segmentPath(directory, number)
    return { kind: 'segment', number, path, bytes, files: { tables: [], segments: [segment] } }
  }
  return [...wals.map(ofWal), ...tables.map(ofTable), ...segments.map(ofSegment)]
}

async function verifyUnit(
  scope: VerifyScope,
  report: ReportBuilder,
  unit: Unit,
  progress: (bytes: number) => void,
): Promise<void> {
  const { fs, directory, runner, cancel, isNamed } = scope
  const { kind, path, files } = unit
  if (cancel.cancelled) throw new SettError('SETT_BUSY', 'The verification was cancelled.')
  const gone = (): boolean => kind === 'wal' && !isNamed(unit.number)
  const there = fs.statSync(path)
  const wrong = there === undefined ? 'no file' : notAFile(there)
  if (wrong !== undefined) {
    const expected = `a regular file, since the manifest names it`
    if (!gone()) report.problem(kind, { file: path, offset: 0, expected, found: wrong })
    return
  }
  try {
    const result = await runner.run<VerifyResult>({
      priority: PRIORITY.verify,
      workspaceBytes: verifyWorkspaceBytes(files.tables, files.segments),
      cancel,
      onReport: (told: JobReport) => told.kind === 'progress' && progress(told.bytesRead),
      spec: (workspace): VerifySpec => ({ kind: 'verify', directory, ...files, workspace }),
    })
    if (gone()) return
    report.add(kind, result.bytesRead, result.entries)
    for (const problem of result.problems) report.problem(kind, problem)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && gone()) return
    const place = damageOf(error, path)
    if (place === undefined) throw error
    report.problem(kind, place)
  }
}
