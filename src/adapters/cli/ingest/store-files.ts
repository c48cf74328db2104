// Stores listed files in batches: several files are read at a time, batches go out as they fill, and the bytes in
// flight are bounded. Remembers every digest for the comparison later.
import type { Database } from '../../../api/database.ts'
import { KIB, MIB, VALUE_LENGTH_MAX } from '../../../base/limits.ts'
import { ByteGate } from './byte-gate.ts'
import { readSource } from './read-source.ts'
import { streamSource } from './stream-source.ts'
import type { OnSkip, SourceFile } from './walk.ts'

export interface StoredFile {
  readonly key: Buffer
  readonly digest: Buffer
  readonly size: number
}

export interface StoreJob {
  readonly database: Database<Buffer, Buffer>
  readonly files: readonly SourceFile[]
  /** Longest value that goes into a batch; longer ones are streamed. */
  readonly bytesMax: number
  readonly onSkip: OnSkip
  readonly onProgress: (files: number, bytes: number) => void
  readonly stopped: () => boolean
}

/** Bytes read or being written; not more than one commit may have, or the database might refuse to keep them. */
const IN_FLIGHT_BYTES: number = 32 * MIB
/** Larger files are streamed. */
export const WHOLE_BYTES: number = 4 * MIB
const READERS = 8
const BATCH_BYTES: number = MIB
const BATCH_FILES = 256
/** What a file costs beside its bytes. */
const OVERHEAD: number = KIB

interface Put {
  readonly type: 'put'
  readonly key: Buffer
  readonly value: Buffer
}

export async function storeFiles(job: StoreJob): Promise<StoredFile[]> {
  const store = new Store(job)
  await Promise.all(Array.from({ length: READERS }, () => store.read()))
  await store.finish()
  return store.stored
}

class Store {
  readonly stored: StoredFile[] = []
  readonly #job: StoreJob
  readonly #inFlightMax: number
  readonly #wholeMax: number
  readonly #gate: ByteGate
  readonly #writes = new Set<Promise<void>>()
  #next = 0
  #batch: Put[] = []
  #batchFiles: StoredFile[] = []
  #batchBytes = 0
  #bytes = 0
  #failure: { readonly error: unknown } | undefined

  constructor(job: StoreJob) {
    this.#job = job
    this.#inFlightMax = Math.min(IN_FLIGHT_BYTES, job.bytesMax)
    this.#wholeMax = Math.min(WHOLE_BYTES, job.bytesMax)
    this.#gate = new ByteGate(this.#inFlightMax)
  }

  /** Takes files one after the other until none is left. */
  async read(): Promise<void> {
    const { files, stopped, onSkip, bytesMax } = this.#job
    while (this.#next < files.length && !stopped() && this.#failure === undefined) {
      const file = files[this.#next++]!
      const { path, key, size } = file
      if (size > this.#wholeMax) {
        await this.#stream(file)
        continue
      }
      const room = Math.min(size, bytesMax) + OVERHEAD
      // A full gate may be waiting for the batch that is being filled.
      if (this.#gate.taken + room > this.#inFlightMax) this.#send()
      await this.#gate.enter(room)
      const result = await readSource(path, { bytesMax })
      this.#gate.leave(room)
      if (result.ok) await this.#add(key, result.bytes, result.digest)
      else onSkip(result.reason, path)
    }
  }

  async finish(): Promise<void> {
    this.#send()
    await Promise.all(this.#writes)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Takes about a mebibyte of memory, whatever the size of the file. */
  async #stream(file: SourceFile): Promise<void> {
    const { database, onSkip } = this.#job
    if (file.size > VALUE_LENGTH_MAX) return onSkip('too large', file.path)
    try {
      const result = await streamSource(database, file)
      if (!result.ok) return onSkip(result.reason, file.path)
      this.#storedOne({ key: file.key, digest: result.digest, size: result.size })
      this.#told()
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  #storedOne(file: StoredFile): void {
    this.stored.push(file)
    this.#bytes += file.size
  }

  #told(): void {
    this.#job.onProgress(this.stored.length, this.#bytes)
  }

  async #add(key: Buffer, value: Buffer, digest: Buffer): Promise<void> {
    const room = value.length + OVERHEAD
    if (this.#gate.taken + room > this.#inFlightMax) this.#send()
    await this.#gate.enter(room)
    // A large file goes alone: with others the commit might be larger than one may be.
    if (this.#batchBytes + room > BATCH_BYTES) this.#send()
    this.#batch.push({ type: 'put', key, value })
    this.#batchFiles.push({ key, digest, size: value.length })
    this.#batchBytes += room
    const full = this.#batchBytes >= BATCH_BYTES || this.#batch.length >= BATCH_FILES
    // Whoever waits at the gate may wait for these very bytes.
    if (full || this.#gate.waiting > 0) this.#send()
  }

  #send(): void {
    if (this.#batch.length === 0) return
    const write = this.#write(this.#batch, this.#batchFiles, this.#batchBytes)
    this.#batch = []
    this.#batchFiles = []
    this.#batchBytes = 0
    this.#writes.add(write)
    write.then(() => this.#writes.delete(write))
  }

  /** Never rejects: the first failure is kept and thrown at the end. */
  async #write(batch: Put[], files: readonly StoredFile[], room: number): Promise<void> {
    try {
      await this.#job.database.batch(batch)
      for (const file of files) this.#storedOne(file)
      this.#told()
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      this.#gate.leave(room)
    }
  }
}
