// Reads all logs of a directory and judges them as the next open would. Any thread, read only: damage is
// told, not thrown.
import { CorruptionError, type CorruptionPlace } from '../base/errors.ts'
import { parseFileName, walPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { ManifestState, WalState } from '../manifest/apply-edit.ts'
import { ZERO_TAIL } from '../wal/replay.ts'
import { planReplay } from '../wal/replay-order.ts'
import { inspectUnnamedWal } from '../wal/unnamed-wal.ts'
import { type SurveyedWal, surveyWal } from '../wal/wal-survey.ts'
import { notAFile } from './directory-entries.ts'

/** A log up to its first damage. */
export interface JudgedLog {
  readonly number: number
  readonly salt: string
  readonly length: number
  readonly digest: string
  readonly records: number
  /** Its header is. */
  readonly whole: boolean
}

export interface JudgedLogs {
  /** Named logs that are there. */
  readonly logs: readonly JudgedLog[]
  /** Why an open would refuse. */
  readonly problems: readonly CorruptionPlace[]
  /** Ends that a crash cut short; an open leaves them out. */
  readonly tornEnds: readonly { file: string; readonly offset: number; readonly bytes: number }[]
  /** Logs that nothing names and the next open removes. */
  readonly leftovers: readonly string[]
}

export function judgeLogs(fs: FileSystem, directory: string, state: ManifestState): JudgedLogs {
  const problems: CorruptionPlace[] = []
  const surveys = new Map<number, SurveyedWal>()
  for (const wal of state.wals) {
    const survey = surveyNamed(fs, directory, wal, problems)
    if (survey !== undefined) surveys.set(wal.number, survey)
  }
  const leftovers =
    problems.length > 0 ? [] : judgeTogether({ fs, directory, state, surveys }, problems)
  const logs: JudgedLog[] = []
  const tornEnds: { file: string; offset: number; bytes: number }[] = []
  for (const survey of surveys.values()) {
    const { number, salt, cutAt, digest, records, headerDamage, damage, contentEnd } = survey
    const whole = headerDamage === undefined
    logs.push({ number, salt, length: cutAt, digest, records, whole })
    if (damage === undefined || damage.found === ZERO_TAIL || problems.length > 0) continue
    const file = walPath(directory, number)
    tornEnds.push({ file, offset: cutAt, bytes: contentEnd - cutAt })
  }
  return { logs, problems, tornEnds, leftovers }
}

/** undefined: it is not there. */
function surveyNamed(
  fs: FileSystem,
  directory: string,
  { number, salt, sealed }: WalState,
  problems: CorruptionPlace[],
): SurveyedWal | undefined {
  const path = walPath(directory, number)
  const there = fs.statSync(path)
  const wrong = there === undefined ? 'no file' : notAFile(there)
  if (wrong !== undefined) {
    problems.push({ file: path, offset: 0, expected: 'the log the manifest names', found: wrong })
    return undefined
  }
  const survey = surveyWal({ fs, path, number, salt, length: sealed?.length })
  const { headerDamage, damage, cutAt, digest } = survey
  const tell = (offset: number, expected: string, found: string): void => {
    problems.push({ file: path, offset, expected, found })
  }
  if (headerDamage !== undefined) {
    tell(headerDamage.offset, headerDamage.expected, headerDamage.found)
  } else if (sealed !== undefined) {
    if (damage !== undefined) tell(damage.offset, damage.expected, damage.found)
    else if (cutAt !== sealed.length) tell(cutAt, `${sealed.length} bytes, as sealed`, `${cutAt}`)
    else if (digest !== sealed.digest) tell(cutAt, `digest ${sealed.digest}`, digest)
  }
  return survey
}

interface Evidence {
  readonly fs: FileSystem
  readonly directory: string
  readonly state: ManifestState
  readonly surveys: ReadonlyMap<number, SurveyedWal>
}

/** Paths of leftovers. */
function judgeTogether(
  { fs, directory, state, surveys }: Evidence,
  problems: CorruptionPlace[],
): string[] {
  const named = new Set(state.wals.map(({ number }) => number))
  try {
    const unnamed = fs.listSync(directory).flatMap((name) => {
      const file = parseFileName(name)
      if (file?.kind !== 'wal' || named.has(file.number)) return []
      if (fs.statSync(walPath(directory, file.number))?.kind !== 'file') return []
      return [inspectUnnamedWal(fs, directory, file.number)]
    })
    const { orphans } = planReplay({
      directory,
      named: state.wals,
      replayed: surveys,
      unnamed,
      lastEdit: state.editNumber,
      nextFileNumber: state.nextFileNumber,
    })
    return orphans.map((number) => walPath(directory, number))
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    const { file, offset, expected, found } = error
    problems.push({ file, offset, expected, found })
    return []
  }
}
