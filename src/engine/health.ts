// Whether the engine may write, and why not. Main thread. The first fatal error is final: from then on writes
// are refused with it until the database is reopened, reads go on.
import { SettError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { reasonOf } from './disk/failures.ts'

export class Health {
  readonly #readOnly: boolean
  readonly #logger: Logger
  #poison: SettError | undefined
  /** A caller learned of it. */
  #told = false
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

  /** The error of poison(), for a caller who learns of it by this. */
  tell(): SettError | undefined {
    this.#told ||= this.#poison !== undefined
    return this.#poison
  }

  /** Poisoned by work nobody waited for, and no caller has been refused since. */
  get untold(): SettError | undefined {
    return this.#told ? undefined : this.#poison
  }

  get closing(): boolean {
    return this.#closing
  }

  beginClose(): void {
    this.#closing = true
  }

  /** Throws unless writes are possible. */
  checkWritable(): void {
    const poison = this.tell()
    if (poison !== undefined) throw poison
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
    return this.#refuseWrites(
      `${what} failed (${reasonOf(cause)}), so the database is read-only from here on. Check the disk, then ` +
        'close and reopen the database: everything acknowledged is recovered.',
      cause,
    )
  }

  /** As poison(): files are not where they were. */
  directoryLost(cause: unknown): SettError {
    return this.#refuseWrites(
      `The directory of the database is gone (${reasonOf(cause)}), so nothing more is written. Put it back, ` +
        'then close and reopen the database.',
      cause,
    )
  }

  #refuseWrites(message: string, cause: unknown): SettError {
    if (this.#poison === undefined) {
      this.#poison = isPoison(cause) ? cause : new SettError('SETT_POISONED', message, cause)
      this.#logger.error({ err: cause }, this.#poison.message)
      for (const listener of this.#onPoison) listener(this.#poison)
    }
    return this.#poison
  }
}

function isPoison(error: unknown): error is SettError {
  return error instanceof SettError && error.code === 'SETT_POISONED'
}
