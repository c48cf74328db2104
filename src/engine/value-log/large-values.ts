// Values of commits that are too large for a memtable: written to segments before the commit, those that wait together
// into one segment, as a group of commits goes into one frame. Main thread; one segment at a time. When a segment
// fails, all commits with a value in it fail.
import type { Data } from '../types.ts'
import { dataChunks } from './data-chunks.ts'
import { NewSegment, type NewSegmentParts, type StoredValues } from './new-segment.ts'

export interface LargeValue {
  readonly key: Data
  /** Must stay as it is until it is stored. */
  readonly value: Data
  /** Of the value, encoded. */
  readonly bytes: number
}

interface Request {
  readonly values: readonly LargeValue[]
  readonly resolve: (stored: StoredValues) => void
  readonly reject: (error: Error) => void
}

export interface LargeValuesParts {
  readonly segment: NewSegmentParts
  /** Of the option segmentSize. */
  readonly segmentSize: number
}

export class LargeValues {
  readonly #parts: LargeValuesParts
  readonly #requests: Request[] = []
  #writing: { readonly bytes: number; readonly segment: NewSegment } | undefined
  #running: Promise<void> | undefined

  constructor(parts: LargeValuesParts) {
    this.#parts = parts
  }

  /** When it rejects nothing of the values stays. */
  store(values: readonly LargeValue[]): Promise<StoredValues> {
    return new Promise((resolve, reject) => {
      this.#requests.push({ values, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Of those that are to be stored: what is in no segment yet. */
  get unwrittenBytes(): number {
    const waiting = bytesOf(this.#requests)
    if (this.#writing === undefined) return waiting
    const { bytes, segment } = this.#writing
    return waiting + Math.max(0, bytes - segment.length)
  }

  /** Resolves once none is being written: what was rejected meanwhile may still write. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // What the caller stores in the same run goes along.
    await undefined
    while (this.#requests.length > 0) await this.#writeSegment(this.#take())
    this.#running = undefined
  }

  /** The oldest requests that fill a segment, one at least. */
  #take(): Request[] {
    let bytes = 0
    let count = 0
    for (const request of this.#requests) {
      bytes += bytesOf([request])
      if (count > 0 && bytes > this.#parts.segmentSize) break
      count += 1
    }
    return this.#requests.splice(0, count)
  }

  async #writeSegment(requests: readonly Request[]): Promise<void> {
    let segment: NewSegment | undefined
    try {
      segment = new NewSegment(this.#parts.segment)
      this.#writing = { bytes: bytesOf(requests), segment }
      const pointers: Buffer[][] = []
      for (const { values } of requests) pointers.push(await writeValues(segment, values))
      await segment.finish()
      for (const [i, { resolve }] of requests.entries()) {
        resolve(segment.stored(pointers[i]!))
      }
      segment.release()
    } catch (error) {
      segment?.abandon()
      const told = this.#parts.segment.failed(error)
      for (const { reject } of requests) reject(told)
    } finally {
      this.#writing = undefined
    }
  }
}

function bytesOf(requests: readonly Request[]): number {
  let sum = 0
  for (const { values } of requests) for (const { bytes } of values) sum += bytes
  return sum
}

async function writeValues(segment: NewSegment, values: readonly LargeValue[]): Promise<Buffer[]> {
  const pointers: Buffer[] = []
  for (const { key, value } of values) {
    segment.begin(typeof key === 'string' ? Buffer.from(key) : key)
    for (const chunk of dataChunks(value)) await segment.append(chunk)
    pointers.push(await segment.end())
  }
  return pointers
}
