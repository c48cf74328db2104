// What a verification found, gathered while it runs. Main thread.
import { CorruptionError, type CorruptionPlace, SettError } from '../../base/errors.ts'

export type VerifiedKind = 'manifest' | 'wal' | 'table' | 'segment'

/** Damage, or a file that is not what the manifest says. */
export interface VerifyProblem extends CorruptionPlace {
  readonly kind: VerifiedKind
}

export interface VerifiedFiles {
  readonly files: number
  readonly bytes: number
  /** Of tables; records of logs; values in segments; files the manifest names. */
  readonly entries: number
}

export interface VerifyReport {
  /** No problem was found. */
  readonly ok: boolean
  readonly manifest: VerifiedFiles
  readonly wals: VerifiedFiles
  readonly tables: VerifiedFiles
  /** Of the value log. */
  readonly segments: VerifiedFiles
  readonly problems: readonly VerifyProblem[]
  /** Names of files of ours that nothing refers to: leftovers, which the next open removes. No problem. */
  readonly stray: readonly string[]
}

export interface VerifyProgress {
  readonly bytes: number
  readonly totalBytes: number
}

export interface VerifyOptions {
  /** Called now and then, with bytes read so far. */
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
  /** Ends the verification with LEVEL_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

type Counts = { -readonly [Name in keyof VerifiedFiles]: VerifiedFiles[Name] }

export class ReportBuilder {
  readonly #counts: Record<VerifiedKind, Counts> = {
    manifest: { files: 0, bytes: 0, entries: 0 },
    wal: { files: 0, bytes: 0, entries: 0 },
    table: { files: 0, bytes: 0, entries: 0 },
    segment: { files: 0, bytes: 0, entries: 0 },
  }
  readonly #problems: VerifyProblem[] = []

  add(kind: VerifiedKind, bytes: number, entries: number): void {
    const counts = this.#counts[kind]
    counts.files += 1
    counts.bytes += bytes
    counts.entries += entries
  }

  problem(kind: VerifiedKind, { file, offset, expected, found }: CorruptionPlace): void {
    this.#problems.push({ kind, file, offset, expected, found })
  }

  /** Runs a check; damage goes into the report, anything else is thrown. */
  check<T>(kind: VerifiedKind, file: string, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      const place = damageOf(error, file)
      if (place === undefined) throw error
      this.problem(kind, place)
      return undefined
    }
  }

  finish(stray: readonly string[]): VerifyReport {
    const { manifest, wal: wals, table: tables, segment: segments } = this.#counts
    const problems = this.#problems.sort(
      (a, b) => a.file.localeCompare(b.file) || a.offset - b.offset,
    )
    return { ok: problems.length === 0, manifest, wals, tables, segments, problems, stray }
  }
}

/** undefined: the error is none of the files'. */
export function damageOf(error: unknown, file: string): CorruptionPlace | undefined {
  if (error instanceof CorruptionError) return error
  if (!(error instanceof SettError)) return undefined
  if (error.code === 'SETT_NEWER_FORMAT') {
    return { file, offset: 8, expected: 'a format version of this release', found: 'a newer one' }
  }
  if (error.code === 'SETT_INTERNAL') {
    return { file, offset: 0, expected: 'levels in order', found: error.message }
  }
  return undefined
}
