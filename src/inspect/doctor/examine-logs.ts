// The logs in words: what the next open will refuse, leave out or remove.
import { SettError } from '../../base/errors.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { ManifestState } from '../../manifest/apply-edit.ts'
import { type JudgedLogs, judgeLogs } from '../judge-logs.ts'
import { type Findings, REPAIR_NEXT } from './findings.ts'

export function examineLogs(
  fs: FileSystem,
  directory: string,
  state: ManifestState,
  findings: Findings,
): void {
  let logs: JudgedLogs
  try {
    logs = judgeLogs(fs, directory, state)
  } catch (error) {
    if (!(error instanceof SettError) || error.code !== 'SETT_NEWER_FORMAT') throw error
    findings.problem(directory, error.message, 'Open it with a newer release')
    return
  }
  const { problems, tornEnds, leftovers } = logs
  for (const { file, offset, expected, found } of problems) {
    findings.problem(file, `Expected ${expected}, found ${found}`, REPAIR_NEXT, offset)
  }
  for (const { file, offset, bytes } of tornEnds) {
    const what = `It ends in a write that a crash cut short (${bytes} bytes)`
    findings.note(file, what, 'Nothing: the next open leaves that unfinished write out', offset)
  }
  for (const file of leftovers) {
    findings.note(file, 'Nothing refers to this log', 'Nothing: the next open removes it')
  }
}
