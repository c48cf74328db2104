// A ring of messages over a SharedArrayBuffer with one writer and one reader, each on any thread. A message
// is a u32 length and its bytes, padded to 4; one that would cross the end starts at 0 behind a wrap
// marker. Invariant: the bytes in [head, tail) are the reader's, all others the writer's; tail is stored
// by the writer only, head by the reader only.
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { SettError } from '../base/errors.ts'
import { whenChanged } from './signal.ts'

// Words, 128 bytes apart so that no two threads write one cache line.
/** Published end, in bytes modulo 2^32. Writer → reader. */
const TAIL = 0
/** Consumed end, in bytes modulo 2^32. Reader → writer. */
const HEAD = 32
/** 1 while the reader waits on TAIL. Set by the reader, cleared by either. */
const READER_WAITS = 64
/** 1 while the writer waits on HEAD. Set by the writer, cleared by either. */
const WRITER_WAITS = 96
/** 1 once the reader is gone: a writer must not wait for space any more. */
const CLOSED = 128
/** Bytes before the messages. */
export const RING_HEADER_BYTES = 640

const WRAP = 0xffff_ffff
/** A writer publishes by itself after this many bytes; publishing each message costs four times as much. */
const PUBLISH_BYTES: number = 64 * 1024
/** How long a blocked writer sleeps between two looks at its peer. */
const WAIT_SLICE_MS = 100

export interface SpaceWait {
  /** Total patience; then the write fails with SETT_WORKER_FAILED. */
  readonly timeoutMs: number
  /** False once the reader cannot drain any more. Asked after each slice. */
  readonly alive?: () => boolean
}

/** `capacity`: message bytes, a power of two of at least 64. The longest message is capacity / 2 - 4. */
export function createRing(capacity: number): SharedArrayBuffer {
  const powerOfTwo = Number.isInteger(Math.log2(capacity))
  assert(powerOfTwo && capacity >= 64 && capacity <= 2 ** 30, 'a ring holds a power of two')
  return new SharedArrayBuffer(RING_HEADER_BYTES + capacity)
}

/** Views both sides have over a ring. */
interface RingViews {
  readonly words: Int32Array
  readonly lengths: Uint32Array
  readonly bytes: Buffer
  readonly capacity: number
}

function viewRing(buffer: SharedArrayBuffer): RingViews {
  const capacity = buffer.byteLength - RING_HEADER_BYTES
  assert(capacity >= 64 && (capacity & (capacity - 1)) === 0, 'a ring holds a power of two')
  return {
    words: new Int32Array(buffer, 0, RING_HEADER_BYTES / 4),
    lengths: new Uint32Array(buffer, RING_HEADER_BYTES, capacity / 4),
    bytes: Buffer.from(buffer as unknown as ArrayBuffer, RING_HEADER_BYTES, capacity),
    capacity,
  }
}

export class RingWriter {
  readonly #views: RingViews
  /** Written so far; published up to #published; both modulo 2^32. */
  #tail: number
  #published: number
  /** The reader's head when last looked at: space is never less than this says. */
  #head: number

  constructor(buffer: SharedArrayBuffer) {
    this.#views = viewRing(buffer)
    this.#tail = Atomics.load(this.#views.words, TAIL)
    this.#published = this.#tail
    this.#head = Atomics.load(this.#views.words, HEAD)
  }

  /** Before the first write of another thread's turn as the ring's one writer. */
  resume(): void {
    const { words } = this.#views
    this.#tail = Atomics.load(words, TAIL)
    this.#published = this.#tail
    this.#head = Atomics.load(words, HEAD)
  }

  get messageMax(): number {
    return this.#views.capacity / 2 - 4
  }

  /** Copies the message in; false when the ring is full (what was written before is then published). */
  tryWrite(message: Uint8Array): boolean {
    const { bytes, lengths, capacity } = this.#views
    assert(message.length <= this.messageMax, 'a message fits its ring')
    const need = 4 + padded(message.length)
    let at = (this.#tail >>> 0) & (capacity - 1)
    const skip = capacity - at < need ? capacity - at : 0
    if (!this.#hasSpace(skip + need)) {
      this.publish()
      return false
    }
    if (skip > 0) {
      lengths[at >>> 2] = WRAP
      at = 0
    }
    lengths[at >>> 2] = message.length
    // On Node 22 and later Buffer's copy is three times as fast into shared memory as TypedArray's set.
    Buffer.prototype.copy.call(message, bytes, at + 4)
    this.#tail = (this.#tail + skip + need) | 0
    if ((this.#tail - this.#published) >>> 0 >= Math.min(PUBLISH_BYTES, capacity / 4))
      this.publish()
    return true
  }

  /** As tryWrite, but sleeps until there is space. Never on the main thread. */
  writeBlocking(message: Uint8Array, wait: SpaceWait): void {
    const { words } = this.#views
    let waitedMs = 0
    while (!this.tryWrite(message)) {
      if (Atomics.load(words, CLOSED) !== 0 || wait.alive?.() === false) {
        throw readerGone('its reader is gone')
      }
      if (waitedMs >= wait.timeoutMs) throw readerGone(`nothing was read for ${waitedMs} ms`)
      Atomics.store(words, WRITER_WAITS, 1)
      const outcome = Atomics.wait(words, HEAD, this.#head, WAIT_SLICE_MS)
      Atomics.store(words, WRITER_WAITS, 0)
      waitedMs = outcome === 'timed-out' ? waitedMs + WAIT_SLICE_MS : 0
    }
  }

  /** Makes everything written visible to the reader, and wakes it if it waits. */
  publish(): void {
    if (this.#published === this.#tail) return
    const { words } = this.#views
    this.#published = this.#tail
    Atomics.store(words, TAIL, this.#tail)
    if (Atomics.load(words, READER_WAITS) !== 0) {
      Atomics.store(words, READER_WAITS, 0)
      Atomics.notify(words, TAIL)
    }
  }

  #hasSpace(need: number): boolean {
    const { words, capacity } = this.#views
    if (((this.#tail - this.#head) >>> 0) + need <= capacity) return true
    this.#head = Atomics.load(words, HEAD)
    return ((this.#tail - this.#head) >>> 0) + need <= capacity
  }
}

export class RingReader {
  readonly #views: RingViews
  #head: number
  /** The tail when last looked at. */
  #tail: number

  constructor(buffer: SharedArrayBuffer) {
    this.#views = viewRing(buffer)
    this.#head = Atomics.load(this.#views.words, HEAD)
    this.#tail = this.#head
  }

  /**
   * Hands every published message to `visit`, in order; returns how many. The bytes are the ring's own and
   * change after `visit` returns. A message whose visit throws counts as read.
   */
  drain(visit: (message: Buffer) => void): number {
    const { words, bytes } = this.#views
    this.#tail = Atomics.load(words, TAIL)
    let count = 0
    try {
      while (this.#head !== this.#tail) {
        const { at, length, next } = this.#next()
        this.#head = next
        count++
        visit(bytes.subarray(at, at + length))
      }
    } finally {
      this.#storeHead()
    }
    return count
  }

  /** Resolves when more was published than the last drain saw; undefined = there is more already. */
  whenPublished(clock: Clock): Promise<void> | undefined {
    const { words } = this.#views
    Atomics.store(words, READER_WAITS, 1)
    const stopped = (): boolean => Atomics.load(words, CLOSED) !== 0
    const wait = whenChanged(words, TAIL, this.#tail, { clock, stopped })
    if (wait === undefined) Atomics.store(words, READER_WAITS, 0)
    return wait
  }

  /** Tells a blocked writer that nobody reads any more, and settles a pending wait of this side. */
  close(): void {
    const { words } = this.#views
    Atomics.store(words, CLOSED, 1)
    Atomics.notify(words, HEAD)
    Atomics.notify(words, TAIL)
  }

  #next(): { at: number; length: number; next: number } {
    const { lengths, capacity } = this.#views
    const mask = capacity - 1
    let at = (this.#head >>> 0) & mask
    let start = this.#head
    if (lengths[at >>> 2] === WRAP) {
      start = (start + capacity - at) | 0
      at = 0
    }
    const length = lengths[at >>> 2]!
    const ready = (this.#tail - start) >>> 0
    const whole = ready <= capacity && length <= capacity && 4 + padded(length) <= ready
    assert(whole && at + 4 + length <= capacity, 'a message in a ring is whole')
    return { at: at + 4, length, next: (start + 4 + padded(length)) | 0 }
  }

  #storeHead(): void {
    const { words } = this.#views
    if (Atomics.load(words, HEAD) === this.#head) return
    Atomics.store(words, HEAD, this.#head)
    if (Atomics.load(words, WRITER_WAITS) !== 0) {
      Atomics.store(words, WRITER_WAITS, 0)
      Atomics.notify(words, HEAD)
    }
  }
}

function padded(length: number): number {
  return (length + 3) & ~3
}

function readerGone(why: string): SettError {
  return new SettError(
    'SETT_WORKER_FAILED',
    `A worker could not pass on its results: ${why}. Retry; if it lasts, reopen the database.`,
  )
}
