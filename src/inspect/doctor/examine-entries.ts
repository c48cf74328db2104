// The entries of a directory one by one: whose they are, what they are, who may read them.
import type { RecoveredManifest } from '../../manifest/read-manifest.ts'
import { type DirectoryEntry, notAFile } from '../directory-entries.ts'
import type { DoctorRequest } from './doctor-request.ts'
import { type Findings, REPAIR_NEXT } from './findings.ts'

/** Bits of group and others. */
const OTHERS = 0o077

interface Seen {
  readonly entries: readonly DirectoryEntry[]
  readonly manifest: RecoveredManifest | undefined
}

export function examineEntries(
  request: DoctorRequest,
  { entries, manifest }: Seen,
  findings: Findings,
): void {
  const { directory } = request
  const own = request.facts?.(`${directory}/.`)
  if (own !== undefined && (own.mode & OTHERS) !== 0) {
    const what = `Others may look into the directory (mode ${octal(own.mode)})`
    findings.warning(directory, what, `chmod 700 ${directory}`)
  }
  const named = namesOf(manifest)
  for (const entry of entries) {
    const { file, path, name } = entry
    if (file === undefined) {
      const what = 'This file is none of the database’s'
      findings.note(path, what, 'Keep it elsewhere: Sett neither opens nor deletes it')
    } else if (file.kind === 'lostFound') {
      const what = 'A repair moved files here that are no part of the database any more'
      findings.note(path, what, 'Look at what it reported as lost, then delete the folder')
    } else if (entry.kind !== 'file') {
      tellStrange(request, entry, { findings, needed: named.has(name) || file.kind === 'current' })
    } else {
      tellMode(request, path, findings)
      const counted = manifest === undefined || named.has(name) || SINGLE.has(file.kind)
      if (!counted && file.kind !== 'wal') {
        findings.note(path, 'Nothing refers to this file', 'Nothing: the next open removes it')
      }
    }
  }
}

const SINGLE: ReadonlySet<string> = new Set(['current', 'lock', 'keys'])

function namesOf(manifest: RecoveredManifest | undefined): Set<string> {
  if (manifest === undefined) return new Set()
  const { state, number } = manifest
  const digits = (n: number): string => String(n).padStart(6, '0')
  return new Set([
    `MANIFEST-${digits(number)}`,
    ...state.levels.flat().map((table) => `${digits(table.number)}.sst`),
    ...state.segments.map((segment) => `${digits(segment.number)}.vlog`),
    ...state.wals.map((wal) => `${digits(wal.number)}.wal`),
  ])
}

function tellStrange(
  { facts }: DoctorRequest,
  entry: DirectoryEntry,
  { findings, needed }: { readonly findings: Findings; readonly needed: boolean },
): void {
  const type = facts?.(entry.path)?.type
  const what = type === undefined ? (notAFile(entry) ?? 'no file') : `a ${type}`
  const said = `There is ${what} under the name of a file; it is never followed or opened`
  if (needed) findings.problem(entry.path, said, REPAIR_NEXT)
  else findings.problem(entry.path, said, 'Remove it: the database does not need it')
}

function tellMode({ facts }: DoctorRequest, path: string, findings: Findings): void {
  const mode = facts?.(path)?.mode
  if (mode === undefined || (mode & OTHERS) === 0) return
  findings.warning(path, `Others may use this file (mode ${octal(mode)})`, `chmod 600 ${path}`)
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}
