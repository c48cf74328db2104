// Whether the engine may write, and why not. Main thread. The first fatal error is final: from then on writes
// are refused with it until the database is reopened, reads go on.
import { SettError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'

export class Health {
  readonly #readOnly: boolean
  readonly #logger: Logger
  #poison: SettError | undefined
  #closing = false
  readonly #onPoison: ((error: SettError) => void)[] = []
  /** Last error of a background job that is being retried; shown to writers who wait for that job. */
  background: Error | undefined

  constructor(readOnly: boolean, logger: Logger) {
    this.#readOnly = readOnly
    this.#logger = logger
  }

  onPoison(listener: (error: SettError) => void): void {
    this.#onPoison.push(listener)
  }

  get poisoned(): SettError | undefined {
    return this.#poison
  }

  get closing(): boolean {
    return this.#closing
  }

  beginClose(): void {
    this.#closing = true
  }

  /** Throws unless writes are possible. */
  checkWritable(): void {
    if (this.#poison !== undefined) throw this.#poison
    if (this.#readOnly) {
      throw new SettError(
        'LEVEL_READONLY',
        'The database was opened with readOnly: true. Open it without that option to write.',
      )
    }
    this.checkOpen()
  }

  /** Throws once closing has begun. */
  checkOpen(): void {
    if (this.#closing) {
      throw new SettError(
        'LEVEL_DATABASE_NOT_OPEN',
        'The database is closed. Open it again to use it.',
      )
    }
  }

  /** Turns the database read-only for good. */
  poison(what: string, cause: unknown): SettError {
    if (this.#poison === undefined) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      this.#poison = new SettError(
        'SETT_POISONED',
        `${what} failed (${reason}), so the database is read-only from here on. Check the disk, then ` +
          'close and reopen the database: everything acknowledged is recovered.',
        cause,
      )
      this.#logger.error({ err: cause }, this.#poison.message)
      for (const listener of this.#onPoison) listener(this.#poison)
    }
    return this.#poison
  }
}

/** The error a rejected commit carries when its bytes could not be written. */
export function writeError(cause: unknown): SettError {
  const code = errorCode(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SettError(
      'SETT_DISK_FULL',
      'The disk is full: this commit was not stored. Free some space; writes then go on by themselves.',
      cause,
    )
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new SettError(
    'LEVEL_IO_ERROR',
    `Writing the log failed (${reason}): this commit was not stored. Retry it, or check the disk.`,
    cause,
  )
}

export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}
