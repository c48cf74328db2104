// A value as a Readable. Main thread. It asks for the next piece only when the last one was taken, and holds what it
// reads from until it has ended or was destroyed.
import { Readable } from 'node:stream'
import type { AbstractSnapshot, Transcoder } from 'abstract-level'
import { SettError } from '../../base/errors.ts'
import type { ValueRange, ValueSource } from '../../engine/types.ts'
import { AbortError } from '../level/abort-error.ts'

export interface GetStreamOptions<K> {
  readonly keyEncoding?: string | Transcoder.PartialEncoding<K> | undefined
  readonly snapshot?: AbstractSnapshot | undefined
  /** First byte of the value that is wanted, from 0; default: 0. */
  readonly start?: number | undefined
  /** Last byte that is wanted, itself included, as in `fs.createReadStream`; default: the value's last. */
  readonly end?: number | undefined
  /** Bytes read ahead before the stream waits for its reader, as in any Readable; a piece has up to 1 MiB. */
  readonly highWaterMark?: number | undefined
  /** Destroys the stream with LEVEL_ABORTED. */
  readonly signal?: AbortSignal | undefined
}

export interface CheckedStreamOptions {
  readonly range: ValueRange
  readonly highWaterMark: number | undefined
  readonly signal: AbortSignal | undefined
}

/** Throws SETT_INVALID_OPTION. */
export function checkedStreamOptions(given: object | undefined): CheckedStreamOptions {
  // Of the object itself only.
  const { start, end, highWaterMark, signal }: GetStreamOptions<unknown> = Object.assign(
    Object.create(null),
    given,
  )
  for (const [name, value] of Object.entries({ start, end, highWaterMark })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw invalid(`Option '${name}' of getStream() must be a whole number of bytes from 0.`)
    }
  }
  if (end !== undefined && end < (start ?? 0)) {
    throw invalid("Option 'end' of getStream() must not be below 'start': it is the last byte.")
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid("Option 'signal' of getStream() must be an AbortSignal.")
  }
  const range = { start: start ?? 0, end: end === undefined ? Number.POSITIVE_INFINITY : end + 1 }
  return { range, highWaterMark, signal }
}

function invalid(message: string): SettError {
  return new SettError('SETT_INVALID_OPTION', message)
}

/** What a database closes before itself. */
export interface StreamOwner {
  attachResource(resource: { close(): Promise<void> }): void
  detachResource(resource: { close(): Promise<void> }): void
}

/** The bytes of a value, or of a range of it. */
export class ValueStream extends Readable {
  /** Bytes of the whole value, whatever range is read. */
  readonly valueLength: number
  readonly #source: ValueSource
  readonly #owner: StreamOwner
  readonly #signal: AbortSignal | undefined
  readonly #resource = { close: () => this.#databaseCloses() }
  /** The read under way; never rejects. */
  #reading: Promise<void> = Promise.resolve()

  constructor(source: ValueSource, owner: StreamOwner, options: CheckedStreamOptions) {
    const { highWaterMark, signal } = options
    super(highWaterMark === undefined ? {} : { highWaterMark })
    this.valueLength = source.length
    this.#source = source
    this.#owner = owner
    this.#signal = signal
    owner.attachResource(this.#resource)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  override _read(): void {
    this.#reading = this.#source.next().then(
      // In a tick of its own, so that what a listener throws is the process's to handle, as with any stream.
      (piece) => process.nextTick(() => this.push(piece ?? null)),
      (error: Error) => process.nextTick(() => this.destroy(error)),
    )
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#source.close()
    void this.#reading.then(() => {
      this.#owner.detachResource(this.#resource)
      process.nextTick(done, error)
    })
  }

  readonly #onAbort = (): void => {
    this.destroy(new AbortError(this.#signal?.reason))
  }

  #databaseCloses(): Promise<void> {
    this.destroy(
      new SettError(
        'LEVEL_DATABASE_NOT_OPEN',
        'The database was closed while a value was read from it. Open it again, and read it once more.',
      ),
    )
    return this.#reading
  }
}
