// A segment that large values are written to before their commit, from its creation until the manifest names it. Main
// thread. Held from the start, so that no edit drops it; whoever gets its pointers releases it. Durable first, then
// named, in every durability mode: a log never points to what a power cut could take.
import { assert } from '../../base/assert.ts'
import { MIB } from '../../base/limits.ts'
import type { Random } from '../../base/random.ts'
import {
  readValuePointer,
  VALUE_POINTER_BYTES,
  writeValuePointer,
} from '../../format/segments/value-pointer.ts'
import { segmentPath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import { syncDirectoryLater, syncFailure } from '../../io/final-sync.ts'
import type { ManifestLog } from '../../manifest/manifest-log.ts'
import { type PartMemory, ValueStreamWriter } from '../../value-log/value-stream-writer.ts'
import type { DiskWatch } from '../disk/disk-watch.ts'
import { errorCode } from '../disk/failures.ts'
import type { FileNumbering } from '../file-numbering.ts'
import type { Health } from '../health.ts'
import type { ObsoleteFiles } from '../obsolete-files.ts'
import type { Segments } from './segments.ts'

/** Synced whenever so much was written, so that the last sync, for which commits wait, is a short one. */
const SYNC_BYTES = 16 * MIB

/** Values that are durable and named. */
export interface StoredValues {
  /** 24 bytes each, in the order of the values. */
  readonly pointers: readonly Buffer[]
  /** They take in their segment. */
  readonly bytes: number
  /** Until it is called the segment stays; idempotent. */
  readonly release: () => void
}

export interface NewSegmentParts {
  readonly fs: FileSystem
  readonly directory: string
  readonly random: Random
  readonly numbering: FileNumbering
  readonly manifest: ManifestLog
  readonly health: Health
  readonly obsolete: ObsoleteFiles
  readonly segments: Segments
  readonly watch: DiskWatch
  readonly memory: PartMemory
  /** Segments that nobody holds any more may go. */
  readonly dropUnused: () => void
  /** A value could not be written: what follows for others. Returns the error of those who wait for it. */
  readonly failed: (error: unknown) => Error
}

export class NewSegment {
  readonly number: number
  readonly #parts: NewSegmentParts
  readonly #writer: ValueStreamWriter
  readonly #release: () => void
  #counted = 0
  #synced = 0
  #ended = false

  /** Throws what the system says, SETT_POISONED when the directory is not ours any more. */
  constructor(parts: NewSegmentParts) {
    const { manifest, numbering, random, fs, directory, segments, memory } = parts
    manifest.requireOwner()
    this.#parts = parts
    this.number = numbering.take()
    const salt = Buffer.alloc(8)
    random.fill(salt)
    this.#release = segments.hold(this.number)
    try {
      const path = segmentPath(directory, this.number)
      this.#writer = new ValueStreamWriter({ fs, path, number: this.number, salt }, memory)
    } catch (error) {
      this.#release()
      // Somebody else's file of that name stays.
      if (errorCode(error) !== 'EEXIST') parts.obsolete.removeSegment(this.number)
      throw error
    }
  }

  /** Bytes written. */
  get length(): number {
    return this.#writer.length
  }

  begin(key: Uint8Array): void {
    this.#writer.begin(key)
  }

  /** More of the value that was begun; the bytes must stay as they are until this resolves. */
  async append(bytes: Uint8Array): Promise<void> {
    const { watch } = this.#parts
    const { file } = this.#writer
    await watch.during('write', file.path, () => this.#writer.append(bytes))
    this.#count()
    if (this.#writer.length - this.#synced < SYNC_BYTES) return
    this.#synced = this.#writer.length
    await this.#sync()
  }

  /** Ends the value that was begun; resolves with its pointer, as bytes. */
  async end(): Promise<Buffer> {
    const { watch } = this.#parts
    const { file } = this.#writer
    const pointer = await watch.during('write', file.path, () => this.#writer.end())
    this.#count()
    const bytes = Buffer.alloc(VALUE_POINTER_BYTES)
    writeValuePointer(bytes, 0, pointer)
    return bytes
  }

  /** Makes the segment durable and names it; it stays held. After a failure it is abandoned. */
  async finish(): Promise<void> {
    assert(!this.#ended, 'a segment is finished once')
    const { fs, directory, manifest, numbering, health } = this.#parts
    let named = false
    try {
      const meta = await this.#writer.finish()
      await this.#sync()
      this.#writer.close()
      // What failed meanwhile may have been a sync of this very directory: it is not asked again.
      if (health.poisoned !== undefined) throw health.poisoned
      await syncDirectoryLater(fs, directory)
      named = true
      await manifest.append({ segmentsAdded: [meta], nextFileNumber: numbering.next })
    } catch (error) {
      // Without a usable manifest the edit that names it may be on disk all the same.
      this.#give(named && !manifest.usable)
      throw error
    }
    this.#uncount()
    this.#ended = true
  }

  /** Gives up a segment that is not finished: nothing of it stays. No call on it may be under way. */
  abandon(): void {
    if (!this.#ended) this.#give(false)
  }

  /** Its values at these pointers, and one more who needs it. The release outlives the writing by far: nothing else is
   * kept with it. */
  stored(pointers: readonly Buffer[]): StoredValues {
    const { segments, dropUnused } = this.#parts
    const letGo = segments.hold(this.number)
    const release = (): void => {
      letGo()
      dropUnused()
    }
    const bytes = pointers.reduce((sum, at) => sum + readValuePointer(at, 0)!.storedLength, 0)
    return { pointers, bytes, release }
  }

  /** Whoever wrote it needs it no more. */
  release(): void {
    this.#release()
    this.#parts.dropUnused()
  }

  #give(keepFile: boolean): void {
    this.#ended = true
    this.#uncount()
    this.#writer.close()
    this.#release()
    if (!keepFile) this.#parts.obsolete.removeSegment(this.number)
  }

  async #sync(): Promise<void> {
    const { file } = this.#writer
    const { watch } = this.#parts
    try {
      // Not by the thread that syncs the log: commits would wait behind it.
      await watch.during('sync', file.path, () => file.dataSync())
    } catch (error) {
      throw syncFailure(file.path, error)
    }
  }

  /** The bytes of a file that no manifest names yet take room, too. */
  #count(): void {
    const { segments } = this.#parts
    segments.unnamedBytes += this.#writer.length - this.#counted
    this.#counted = this.#writer.length
  }

  #uncount(): void {
    this.#parts.segments.unnamedBytes -= this.#counted
    this.#counted = 0
  }
}
