// Errors of the operating system, as callers of the public API see them.
import { SettError } from '../base/errors.ts'

/** Gives them a code of ours and a next step; all other errors pass as they are. */
export function systemFailure(location: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error
  return new SettError(
    'LEVEL_IO_ERROR',
    `${location} cannot be used (${(error as Error).message}). Check the path and its ` +
      'permissions, or choose another place.',
    error,
  )
}
