// Looks at a database directory and tells what is wrong and what to do. Reads only: not even the lock is taken. Main
// thread. Data blocks are not read; `verify` does that.
import { CorruptionError, SettError } from '../../base/errors.ts'
import { FORMAT_VERSION } from '../../base/limits.ts'
import { type FileKind, manifestPath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { LockState } from '../../io/lock-holder.ts'
import { type RecoveredManifest, readManifest } from '../../manifest/read-manifest.ts'
import { type DirectoryEntry, listEntries } from '../directory-entries.ts'
import type { DoctorRequest } from './doctor-request.ts'
import { examineEntries } from './examine-entries.ts'
import { examineLogs } from './examine-logs.ts'
import { examineStores } from './examine-stores.ts'
import { type DoctorReport, Findings, type KindSizes, REPAIR_NEXT } from './findings.ts'

/** Kinds of files whose sizes are told by themselves. */
const COUNTED: ReadonlySet<FileKind> = new Set(['sst', 'wal', 'vlog', 'manifest'])

/** Looks at a database in use until nothing has moved, at most so often. */
const LOOKS = 3

export function examine(request: DoctorRequest): DoctorReport {
  let report = look(request)
  if (request.lock.state !== 'held') return report
  for (let looks = 1; looks < LOOKS && !report.healthy; looks++) {
    const again = look(request)
    const moved = again.manifest?.lastEdit !== report.manifest?.lastEdit
    report = again
    if (!moved) break
  }
  return report
}

function look(request: DoctorRequest): DoctorReport {
  const { fs, directory, lock } = request
  const findings = new Findings()
  const entries = listEntries(fs, directory)
  tellLock(directory, lock, findings)
  const manifest = manifestOf(fs, directory, entries, findings)
  examineEntries(request, { entries, manifest }, findings)
  if (manifest !== undefined) {
    examineStores(fs, directory, manifest.state, findings)
    examineLogs(fs, directory, manifest.state, findings)
  }
  const { record } = lock
  return {
    directory,
    healthy: findings.all.every(({ severity }) => severity === 'note'),
    lock: {
      state: lock.state,
      ...(record === undefined
        ? {}
        : { pid: record.pid, host: record.host, since: record.started }),
    },
    ...(manifest === undefined ? {} : { manifest: manifestFacts(manifest) }),
    sizes: {
      tables: sizesOf(entries, (kind) => kind === 'sst'),
      logs: sizesOf(entries, (kind) => kind === 'wal'),
      segments: sizesOf(entries, (kind) => kind === 'vlog'),
      manifests: sizesOf(entries, (kind) => kind === 'manifest'),
      others: sizesOf(entries, (kind) => kind === undefined || !COUNTED.has(kind)),
    },
    freeBytes: fs.spaceSync(directory).freeBytes,
    findings: findings.all,
  }
}

function manifestFacts({
  number,
  clean,
  state,
}: RecoveredManifest): NonNullable<DoctorReport['manifest']> {
  return {
    number,
    formatVersion: FORMAT_VERSION,
    lastEdit: state.editNumber,
    closedCleanly: clean,
    tables: state.levels.flat().length,
    logs: state.wals.length,
    segments: state.segments.length,
  }
}

function sizesOf(
  entries: readonly DirectoryEntry[],
  counts: (kind: FileKind | undefined) => boolean,
): KindSizes {
  const some = entries.filter(({ file, kind }) => kind === 'file' && counts(file?.kind))
  return { files: some.length, bytes: some.reduce((sum, { size }) => sum + size, 0) }
}

function tellLock(directory: string, lock: LockState, findings: Findings): void {
  const { state, record, running } = lock
  const who = record === undefined ? 'a process' : `process ${record.pid} on ${record.host}`
  const since = record === undefined ? '' : `, since ${record.started}`
  if (state === 'held') {
    const what = `It is open to write in ${who}${since}; what changes meanwhile may be told wrongly`
    findings.note(directory, what, 'Close it there and look again')
  } else if (state === 'stale') {
    const gone = running === true ? 'does not hold it any more' : 'is gone'
    const what = `LOCK still names ${who}${since}, which ${gone}: it ended without closing`
    findings.note(
      directory,
      what,
      'Nothing: the kernel let go of the lock, and the next open recovers',
    )
  } else if (state === 'unknown') {
    const what = 'Whether it is open elsewhere cannot be found out here'
    findings.warning(directory, what, 'See to it that one process opens it')
  }
}

function manifestOf(
  fs: FileSystem,
  directory: string,
  entries: readonly DirectoryEntry[],
  findings: Findings,
): RecoveredManifest | undefined {
  const strange = entries.find(
    ({ file, kind }) => (file?.kind === 'current' || file?.kind === 'manifest') && kind !== 'file',
  )
  // Told with the entries.
  if (strange?.file?.kind === 'current') return undefined
  try {
    const manifest = readManifest(fs, directory)
    if (manifest === undefined) {
      findings.note(directory, 'It holds no database', 'Check the path, or open it to create one')
    } else if (manifest.tornBytes > 0) {
      const what = `A crash cut the last change of the manifest short (${manifest.tornBytes} bytes)`
      const next = 'Nothing: the next open leaves it out'
      findings.note(manifestPath(directory, manifest.number), what, next)
    }
    return manifest
  } catch (error) {
    if (error instanceof CorruptionError) {
      const { file, offset, expected, found } = error
      findings.problem(file, `Expected ${expected}, found ${found}`, REPAIR_NEXT, offset)
      return undefined
    }
    if (error instanceof SettError && error.code === 'SETT_NEWER_FORMAT') {
      findings.problem(directory, error.message, 'Open it with a newer release')
      return undefined
    }
    if (strange !== undefined) return undefined
    throw error
  }
}
