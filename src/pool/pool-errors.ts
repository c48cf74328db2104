// Why a job was not done, as the caller sees it.
import { SettError } from '../base/errors.ts'

export function workerFailed(why: string, cause?: unknown): SettError {
  return new SettError(
    'SETT_WORKER_FAILED',
    `A background worker failed: ${why}. Retry; if it lasts, check the option workerUrl and the memory ` +
      'of this machine, or open with workers: 0.',
    cause,
  )
}

export function cancelledError(): SettError {
  return new SettError(
    'SETT_BUSY',
    'The job was cancelled before it started. Nothing was changed; run it again if it is still wanted.',
  )
}

export function executorClosedError(): SettError {
  return new SettError(
    'SETT_BUSY',
    'The database is closing and starts no more jobs. Nothing was changed; reopen it to go on.',
  )
}
