// What putStream takes: sources of a value, and options, checked. A source of any kind becomes one that the engine can
// ask for the next bytes; it is asked only when the bytes before are dealt with.
import type { Transcoder } from 'abstract-level'
import { SettError } from '../../base/errors.ts'
import type { StreamOptions, ValueInput } from '../../engine/types.ts'
import { checkedData, isPlain } from '../checked-data.ts'
import { type CommitOptions, type ExpiryOptions, writeOptions } from '../write-options.ts'

/** Bytes, or text, which is stored as UTF-8; each text for itself, so a surrogate pair must not be parted. */
export type ValueChunk = Uint8Array | string

/** Where a value comes from: a Node `Readable`, a web `ReadableStream`, or anything that iterates over chunks. */
export type ValueStreamSource =
  | AsyncIterable<ValueChunk>
  | Iterable<ValueChunk>
  | ReadableStream<ValueChunk>

export interface PutStreamOptions<K> extends CommitOptions, ExpiryOptions {
  readonly keyEncoding?: string | Transcoder.PartialEncoding<K> | undefined
  /** Ends it with LEVEL_ABORTED, unless the source has ended before. */
  readonly signal?: AbortSignal | undefined
}

/** A source that somebody must cancel, unless it has ended. */
interface OpenSource extends ValueInput {
  /** No more is wanted. Never throws; may be called when it has ended. */
  cancel(reason: unknown): void
}

/** Throws SETT_INVALID_OPTION. */
export function streamOptions(given: object | null | undefined): StreamOptions {
  const { signal }: { signal?: unknown } = Object.assign(Object.create(null), given)
  if (signal === undefined || signal instanceof AbortSignal) {
    // Its own in any case, so that nothing shows through it.
    return { ...writeOptions(given ?? undefined), signal }
  }
  throw new SettError(
    'SETT_INVALID_OPTION',
    "Option 'signal' of putStream() must be an AbortSignal.",
  )
}

/** Throws LEVEL_INVALID_VALUE. */
export function valueSource(given: unknown): OpenSource {
  if (isPlain(given)) return new IteratedSource([given][Symbol.iterator]())
  if (given instanceof ReadableStream && !given.locked) return new ReaderSource(given.getReader())
  const source = given as Partial<Iterable<unknown> & AsyncIterable<unknown> & Destroyable> | null
  const begin: (() => Iteration) | undefined =
    source?.[Symbol.asyncIterator] ?? source?.[Symbol.iterator]
  const locked = given instanceof ReadableStream
  if (typeof begin === 'function' && !ArrayBuffer.isView(given) && !locked) {
    return new IteratedSource(Reflect.apply(begin, source, []), source!)
  }
  throw new SettError(
    'LEVEL_INVALID_VALUE',
    'The source of a value must be a Readable, a ReadableStream that nobody reads, or an iterable of Uint8Array ' +
      'or string.',
  )
}

type Iteration = Iterator<unknown> | AsyncIterator<unknown>

/** As Node's streams are. */
interface Destroyable {
  destroy(): void
  on(event: 'error', listener: () => void): unknown
}

class IteratedSource implements OpenSource {
  readonly #iterator: Iteration
  readonly #owner: Partial<Destroyable> | undefined

  constructor(iterator: Iteration, owner?: Partial<Destroyable>) {
    this.#iterator = iterator
    this.#owner = owner
    // The iterator of a stream listens from its first next() on, which may be long after the stream failed; it tells
    // of the failure even then. Until it is asked, and when it never is, nobody else would listen.
    if (typeof owner?.destroy === 'function' && typeof owner.on === 'function') {
      owner.on('error', () => undefined)
    }
  }

  async next(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#iterator.next()
    return done === true ? undefined : chunkBytes(value)
  }

  cancel(): void {
    // The iterator of a stream would wait for the chunk it was asked for.
    if (typeof this.#owner?.destroy === 'function') this.#owner.destroy()
    else quietly(() => this.#iterator.return?.())
  }
}

class ReaderSource implements OpenSource {
  readonly #reader: ReadableStreamDefaultReader<unknown>

  constructor(reader: ReadableStreamDefaultReader<unknown>) {
    this.#reader = reader
  }

  async next(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#reader.read()
    if (!done) return chunkBytes(value)
    this.#reader.releaseLock()
    return undefined
  }

  cancel(reason: unknown): void {
    quietly(() => this.#reader.cancel(reason))
  }
}

function chunkBytes(chunk: unknown): Uint8Array {
  const data = checkedData(chunk, 'value')
  return typeof data === 'string' ? Buffer.from(data) : data
}

/** How a source takes it that no more is wanted is its own affair: the failure that led to it is told. */
function quietly(end: () => unknown): void {
  Promise.resolve()
    .then(end)
    .catch(() => undefined)
}
