// The closed list of error kinds. Every error a caller can see is a SettError with a stable `code`
// and a message that ends in the caller's next step. Messages never hold key or value bytes.

/** Codes shared with the Level community, and our own (`SETT_…`). */
export type SettErrorCode =
  | 'LEVEL_LOCKED'
  | 'LEVEL_CORRUPTION'
  | 'LEVEL_IO_ERROR'
  | 'LEVEL_DATABASE_NOT_OPEN'
  | 'LEVEL_INVALID_KEY'
  | 'LEVEL_INVALID_VALUE'
  | 'LEVEL_READONLY'
  | 'LEVEL_NOT_FOUND'
  | 'LEVEL_EXISTS'
  | 'LEVEL_ABORTED'
  | 'SETT_CONFLICT'
  | 'SETT_HISTORY_GONE'
  | 'SETT_TOO_LARGE'
  | 'SETT_DISK_FULL'
  | 'SETT_POISONED'
  | 'SETT_READ_ONLY'
  | 'SETT_BUSY'
  | 'SETT_INVALID_OPTION'
  | 'SETT_WRONG_KEY'
  | 'SETT_NEWER_FORMAT'
  | 'SETT_CODEC_UNAVAILABLE'
  | 'SETT_NOT_A_DATABASE'
  | 'SETT_LOCK_UNAVAILABLE'
  | 'SETT_OUT_OF_MEMORY'
  | 'SETT_WORKER_FAILED'
  | 'SETT_INTERNAL'

/** Base of every error Sett throws. Test by `code`; `cause` keeps what lies beneath. */
export class SettError extends Error {
  readonly code: SettErrorCode
  constructor(code: SettErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code
  }
}

/** Where damage was found. */
export interface CorruptionPlace {
  readonly file: string
  readonly offset: number
  readonly expected: string
  readonly found: string
}

/** Bytes on disk are not what was written there. Next step: restore the file, or repair. */
export class CorruptionError extends SettError {
  readonly file: string
  readonly offset: number
  readonly expected: string
  readonly found: string
  constructor(place: CorruptionPlace, cause?: unknown) {
    super(
      'LEVEL_CORRUPTION',
      `${place.file} is damaged at offset ${place.offset}: expected ${place.expected}, found ` +
        `${place.found}. Restore this file from a backup; nothing was changed.`,
      cause,
    )
    this.file = place.file
    this.offset = place.offset
    this.expected = place.expected
    this.found = place.found
  }
}

/** What `read` gives; undefined where that is damaged. Throws everything else it throws. */
export function unlessCorrupt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof CorruptionError) return undefined
    throw error
  }
}

/** The plain-data form in which an error crosses a thread border. */
export interface ErrorRecord {
  readonly name: string
  readonly code: string
  readonly message: string
  readonly stack: string
  readonly place?: CorruptionPlace
}

export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof CorruptionError) {
    const { file, offset, expected, found } = error
    return { ...plainRecord(error), place: { file, offset, expected, found } }
  }
  return plainRecord(error)
}

function plainRecord(error: unknown): ErrorRecord {
  if (!(error instanceof Error)) {
    return { name: 'Error', code: 'SETT_INTERNAL', message: String(error), stack: '' }
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'SETT_INTERNAL'
  return { name: error.name, code, message: error.message, stack: error.stack ?? '' }
}

/** Rebuilds an error on the receiving thread; system codes (ENOSPC, …) stay readable in `code`. */
export function fromErrorRecord(record: ErrorRecord): Error {
  if (record.place !== undefined) return new CorruptionError(record.place)
  if (/^(LEVEL|SETT)_/.test(record.code)) {
    return new SettError(record.code as SettErrorCode, record.message)
  }
  const error = new Error(record.message)
  error.name = record.name
  error.stack = record.stack
  return Object.assign(error, { code: record.code })
}
