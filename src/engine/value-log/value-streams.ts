// putStream: values taken from a source chunk by chunk, written to a segment of their own as they come, and committed
// once the source has ended. Main thread. Per stream at most a part of the value is in memory; so many run at once,
// the others wait. Invariant: until its commit has its place in the queue, a stream that fails or is stopped leaves
// nothing.
import type { Clock } from '../../base/clock.ts'
import { SettError } from '../../base/errors.ts'
import { TurnBudget } from '../../base/turn-budget.ts'
import { checkKey, checkValueLength, copyData } from '../commit/commit-operations.ts'
import type { DiskReserve } from '../disk/disk-reserve.ts'
import type { Health } from '../health.ts'
import type { Data, StreamOptions, ValueInput } from '../types.ts'
import type { WriteQueue } from '../write-queue.ts'
import { dataChunks } from './data-chunks.ts'
import { GatheredBytes } from './gathered-bytes.ts'
import { NewSegment, type NewSegmentParts, type StoredValues } from './new-segment.ts'

export interface ValueStreamsParts {
  readonly clock: Clock
  readonly segment: NewSegmentParts
  readonly writes: Pick<WriteQueue, 'put' | 'putStored'>
  readonly reserve: DiskReserve
  readonly health: Health
  /** Values of no more bytes become a plain put. */
  readonly plainBytes: number
  /** Streams that write at one time. */
  readonly parallel: number
}

interface Stream {
  readonly key: Data
  readonly source: ValueInput
  readonly options: StreamOptions
  readonly expiresAt: number
  /** Once set, ends whatever the stream waits for outside of this engine. */
  interrupt: ((error: unknown) => void) | undefined
  /** Why it must end. */
  stopped: { readonly error: unknown } | undefined
}

/** A value that came whole, or the segment it is in. */
type Taken = Buffer | NewSegment

export class ValueStreams {
  readonly #parts: ValueStreamsParts
  /** A source may have every chunk ready. */
  readonly #budget: TurnBudget
  readonly #active = new Map<Stream, Promise<unknown>>()
  /** Segments of streams that have their place among the commits. */
  readonly #finishing = new Set<Promise<unknown>>()
  readonly #waiting: (() => void)[] = []
  #running = 0
  #stopped = false

  constructor(parts: ValueStreamsParts) {
    this.#parts = parts
    this.#budget = new TurnBudget(parts.clock)
  }

  get busy(): boolean {
    return this.#active.size > 0
  }

  async put(
    key: Data,
    source: ValueInput,
    options: StreamOptions,
    expiresAt: number,
  ): Promise<void> {
    const stream: Stream = {
      key: copyData(key),
      source,
      options,
      expiresAt,
      interrupt: undefined,
      stopped: undefined,
    }
    const { signal } = options
    const abort = (): void => stop(stream, aborted(signal!.reason))
    signal?.addEventListener('abort', abort)
    if (signal?.aborted === true) abort()
    const taking = this.#take(stream)
    this.#active.set(stream, taking)
    let committed: Promise<void>
    try {
      const taken = await taking
      // In the turn in which the value ended, so that this is its place among the commits.
      committed = this.#commit(stream, taken)
    } finally {
      this.#active.delete(stream)
      signal?.removeEventListener('abort', abort)
    }
    return committed
  }

  /** Ends the streams whose source has not ended; resolves when nothing of them is left. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const stream of this.#active.keys()) stop(stream, closing())
    await Promise.allSettled(this.#active.values())
  }

  /** Resolves when no segment is being written any more, whatever became of the commits. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#finishing)
  }

  async #take(stream: Stream): Promise<Taken> {
    const { health } = this.#parts
    health.checkWritable()
    if (this.#stopped) throw closing()
    checkKey(stream.key)
    await this.#enter(stream)
    let taken: Taken | undefined
    try {
      taken = await this.#read(stream)
      return taken
    } finally {
      // A segment still has its file and its part, and may wait long for the disk.
      if (!(taken instanceof NewSegment)) this.#leave()
    }
  }

  #leave(): void {
    this.#running -= 1
    this.#waiting.shift()?.()
  }

  async #enter(stream: Stream): Promise<void> {
    while (this.#running >= this.#parts.parallel) {
      let pass: (() => void) | undefined
      const turn = new Promise<void>((resolve) => {
        pass = resolve
        this.#waiting.push(resolve)
      })
      try {
        await interruptible(stream, turn)
      } catch (error) {
        const place = this.#waiting.indexOf(pass!)
        if (place >= 0) this.#waiting.splice(place, 1)
        // Its turn had come: it is another's.
        else this.#waiting.shift()?.()
        throw error
      }
    }
    this.#running += 1
  }

  /** The value, whole or in a segment, when the source has ended. */
  async #read(stream: Stream): Promise<Taken> {
    const { plainBytes, health } = this.#parts
    const first = new GatheredBytes()
    let length = 0
    let segment: NewSegment | undefined
    try {
      for (;;) {
        if (this.#budget.spend(1)) await this.#budget.turn()
        const chunk = await interruptible(stream, stream.source.next())
        if (chunk === undefined) return segment ?? first.take()
        health.checkWritable()
        length += chunk.length
        checkValueLength(length)
        if (segment === undefined && length <= plainBytes) {
          first.add(chunk)
          continue
        }
        if (segment === undefined) {
          segment = this.#begin(stream.key)
          await this.#append(segment, first.take())
        }
        await this.#append(segment, chunk)
      }
    } catch (error) {
      segment?.abandon()
      throw error
    }
  }

  #begin(key: Data): NewSegment {
    const { segment: parts } = this.#parts
    try {
      const segment = new NewSegment(parts)
      segment.begin(typeof key === 'string' ? Buffer.from(key) : key)
      return segment
    } catch (error) {
      throw parts.failed(error)
    }
  }

  async #append(segment: NewSegment, bytes: Uint8Array): Promise<void> {
    const { segment: parts, reserve } = this.#parts
    try {
      for (const chunk of dataChunks(bytes)) {
        reserve.spend(chunk.length)
        await segment.append(chunk)
      }
    } catch (error) {
      throw parts.failed(error)
    }
  }

  #commit({ key, options, expiresAt }: Stream, taken: Taken): Promise<void> {
    const { writes } = this.#parts
    if (!(taken instanceof NewSegment)) return writes.put(key, taken, options, expiresAt)
    const stored = this.#finish(taken)
    this.#finishing.add(stored)
    const over = (): void => {
      this.#finishing.delete(stored)
      this.#leave()
    }
    stored.then(over, over)
    return writes.putStored(key, stored, options, expiresAt)
  }

  async #finish(segment: NewSegment): Promise<StoredValues> {
    try {
      const pointer = await segment.end()
      await segment.finish()
      const stored = segment.stored([pointer])
      segment.release()
      return stored
    } catch (error) {
      segment.abandon()
      throw this.#parts.segment.failed(error)
    }
  }
}

/** Settles as the work does, unless the stream is stopped first. */
function interruptible<T>(stream: Stream, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    stream.interrupt = reject
    if (stream.stopped !== undefined) reject(stream.stopped.error)
    work.then(resolve, reject)
  })
}

function stop(stream: Stream, error: unknown): void {
  stream.stopped ??= { error }
  stream.interrupt?.(stream.stopped.error)
}

function aborted(cause: unknown): SettError {
  return new SettError('LEVEL_ABORTED', 'putStream was aborted; nothing was stored.', cause)
}

function closing(): SettError {
  return new SettError(
    'LEVEL_DATABASE_NOT_OPEN',
    'The database was closed before the value had come to its end: nothing of it was stored. Open it again.',
  )
}
