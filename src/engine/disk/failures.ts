// What the system refused, as callers of the engine see it: a code of ours, the next step, and the system's error as
// the cause. Everything else passes as it is.
import { SettError } from '../../base/errors.ts'

export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code of an error of the operating system; undefined: it is none. */
export function systemCode(error: unknown): string | undefined {
  const code = errorCode(error)
  return code !== undefined && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

export function isDiskFull(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** The process, or the machine, has no descriptor left. */
export function lacksDescriptors(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'EMFILE' || code === 'ENFILE'
}

/** A file could not be created, or its directory synced, because the directory is not there. */
export function lacksDirectory(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Of a read. */
export function readError(error: unknown): unknown {
  if (systemCode(error) === undefined) return error
  return new SettError(
    'LEVEL_IO_ERROR',
    `Reading the database failed (${reasonOf(error)}). Try again; if it goes on, check the disk and the ` +
      'limit on open files.',
    error,
  )
}

/** Of a commit whose bytes could not be written. */
export function writeError(error: unknown, what = 'Writing the log'): SettError {
  if (error instanceof SettError) return error
  if (isDiskFull(error)) {
    return new SettError(
      'SETT_DISK_FULL',
      'The disk is full: this commit was not stored. Free some space; writes then go on by themselves.',
      error,
    )
  }
  return new SettError(
    'LEVEL_IO_ERROR',
    `${what} failed (${reasonOf(error)}): this commit was not stored. Retry it, or check the disk.`,
    error,
  )
}

/** Of a flush or a compaction, told to those who wait for it. */
export function backgroundError(error: unknown): Error {
  if (isDiskFull(error)) {
    return new SettError(
      'SETT_DISK_FULL',
      'The disk is full: tables that writers wait for could not be written. Free some space; the work is ' +
        'tried again by itself.',
      error,
    )
  }
  if (systemCode(error) === undefined) {
    return error instanceof Error ? error : new Error(String(error))
  }
  return new SettError(
    'LEVEL_IO_ERROR',
    `Background work that writers wait for failed (${reasonOf(error)}). It is tried again by itself; check ` +
      'the disk.',
    error,
  )
}
