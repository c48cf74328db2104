// One write-ahead log being written, owned by the write queue on the main thread. It knows where
// the good bytes end, how far zeros lie behind them, and what the next frame must say; it never
// schedules, syncs or writes frames itself. Invariant: `length`, `lastVersion` and `digest` describe
// exactly the frames reported by appended(); no zeros are written before `length`.
import { assert } from '../base/assert.ts'
import { checksumSeed } from '../format/checksum.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import {
  FRAME_CHECKED,
  FRAME_HEADER_BYTES,
  type FrameFields,
  type WalLink,
  writeFrameHeader,
} from '../format/wal-frame.ts'
import { walPath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import type { Kernels } from '../kernel/kernels.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'

/** What sealing a frame works with. */
export interface FrameMemory {
  readonly kernels: Kernels
  readonly heap: SharedHeap
  /**
   * 8-aligned address of WAL_SCRATCH_BYTES that only sealFrame uses; may be shared by all WALs of a
   * heap.
   */
  readonly scratch: number
}

/** Salt and running digest, where the kernel can see them. */
export const WAL_SCRATCH_BYTES = 16

/** Where a WAL ended. */
export interface WalEnd {
  readonly number: number
  readonly length: number
  readonly lastVersion: number
}

const NO_WAL: WalLink = { number: 0, length: 0, lastVersion: 0, synced: true }

export class WalFile implements WalEnd {
  readonly number: number
  readonly salt: Buffer
  readonly saltHex: string
  readonly file: OpenFile
  readonly #saltLow: number
  readonly #saltHigh: number
  #length: number = FILE_HEADER_BYTES
  /** Where the file ends: at `length`, or behind the zeros that follow it. */
  #fileEnd: number = FILE_HEADER_BYTES
  #lastVersion = 0
  #digestLow: number
  #digestHigh: number
  /** What its first frame says, or will say. */
  #link: WalLink | undefined
  // The frame sealed last, not yet reported as written.
  #sealedBytes = 0
  #sealedVersion = 0
  #sealedDigestLow = 0
  #sealedDigestHigh = 0

  private constructor(file: OpenFile, number: number, salt: Buffer) {
    this.file = file
    this.number = number
    this.salt = salt
    this.saltHex = salt.toString('hex')
    this.#saltLow = salt.readUInt32LE(0)
    this.#saltHigh = salt.readUInt32LE(4)
    const digest = checksumSeed({ salt, fileNumber: number, position: 0 })
    this.#digestLow = Number(digest & 0xffffffffn)
    this.#digestHigh = Number(digest >> 32n)
  }

  /**
   * Creates `number`.wal and writes its header; the caller syncs file and directory before it names
   * it.
   */
  static create(fs: FileSystem, directory: string, number: number, salt: Uint8Array): WalFile {
    const copy = Buffer.from(salt)
    const file = fs.openSync(walPath(directory, number), 'create')
    try {
      file.writeSync(encodeFileHeader({ kind: 'wal', number, salt: copy, parameter: 0 }), 0)
    } catch (error) {
      file.closeSync()
      throw error
    }
    return new WalFile(file, number, copy)
  }

  /** End of the last good frame: where the next one goes. */
  get length(): number {
    return this.#length
  }

  /** Bytes behind the last good frame in which the next ones are written without changing the file's length. */
  get zeros(): number {
    return this.#fileEnd - this.#length
  }

  /** Highest version in it, 0: it has no frame. */
  get lastVersion(): number {
    return this.#lastVersion
  }

  get hasFrames(): boolean {
    return this.#length > FILE_HEADER_BYTES
  }

  /** Digest of the frames up to `length`, 16 hex digits. */
  get digest(): string {
    return hexWord(this.#digestHigh) + hexWord(this.#digestLow)
  }

  /**
   * The link this file's first frame must carry. A predecessor without frames passes on its own
   * link, so that the chain always names bytes: an empty file can lose nothing and would hide the
   * loss of what came before it.
   */
  linkFor(predecessor: WalFile | WalEnd | undefined, synced: boolean): WalLink {
    assert(!this.hasFrames, 'a link stands in the first frame only')
    this.#link = linkTo(predecessor, synced)
    return this.#link
  }

  /**
   * Completes the frame whose 48-byte header lies at `frameAddress`, directly before its payload,
   * for the current end of this file. Returns the frame's length. Call appended() once those bytes
   * are written.
   */
  sealFrame(
    memory: FrameMemory,
    frameAddress: number,
    payloadLength: number,
    fields: FrameFields,
  ): number {
    const { kernels, heap, scratch } = memory
    const { u32 } = heap
    const salt = scratch >>> 2
    const digest = salt + 2
    u32[salt] = this.#saltLow
    u32[salt + 1] = this.#saltHigh
    u32[digest] = this.#digestLow
    u32[digest + 1] = this.#digestHigh
    writeFrameHeader(u32, frameAddress, payloadLength, fields)
    const frameLength = FRAME_HEADER_BYTES + payloadLength
    const checked = frameAddress + FRAME_CHECKED
    const length = frameLength - FRAME_CHECKED
    kernels.checksum(checked, length, scratch, this.number, this.#length, frameAddress)
    kernels.hash64(frameAddress, 8, scratch + 8, scratch + 8)
    this.#sealedBytes = frameLength
    this.#sealedVersion = fields.lastVersion
    this.#sealedDigestLow = u32[digest]!
    this.#sealedDigestHigh = u32[digest + 1]!
    return frameLength
  }

  /** The frame sealed last is in the file, whole. */
  appended(): void {
    assert(this.#sealedBytes > 0, 'a frame is sealed before it is appended')
    this.#length += this.#sealedBytes
    if (this.#length > this.#fileEnd) this.#fileEnd = this.#length
    this.#sealedBytes = 0
    if (this.#sealedVersion > this.#lastVersion) this.#lastVersion = this.#sealedVersion
    this.#digestLow = this.#sealedDigestLow
    this.#digestHigh = this.#sealedDigestHigh
  }

  /** Writes zeros from the end of the file up to `end`. When this throws, cut() takes back what there is of them. */
  fill(end: number): void {
    const from = this.#fileEnd
    // Fresh bytes are zeros; whoever watches a file system's writers may spoil what was written from.
    this.#fileEnd = end
    this.file.writeSync(new Uint8Array(end - from), from)
  }

  /** Ends the file behind the last good frame. */
  cut(): void {
    this.file.truncateSync(this.#length)
    this.#fileEnd = this.#length
  }

  /** The link of this file if it has no frame, as its successor must repeat it. */
  static inheritedLink(wal: WalFile): WalLink | undefined {
    return wal.hasFrames ? undefined : (wal.#link ?? NO_WAL)
  }
}

function linkTo(predecessor: WalFile | WalEnd | undefined, synced: boolean): WalLink {
  if (predecessor === undefined) return NO_WAL
  if (predecessor instanceof WalFile) {
    const inherited = WalFile.inheritedLink(predecessor)
    if (inherited !== undefined) return inherited
  }
  const { number, length, lastVersion } = predecessor
  return { number, length, lastVersion, synced }
}

function hexWord(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
