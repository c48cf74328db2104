// Writes values into a new segment part by part, without ever holding one whole. Main thread, asynchronous; the caller
// syncs the file and names it. Invariant: `length` is where the parts written so far end; a full part waits until it is
// known whether the value goes on.
import { hash64 } from '../base/xxh64.ts'
import { FOOTER_BYTES } from '../format/file-footer.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import {
  encodePartHeader,
  encodeSegmentFooter,
  PART_COVERED,
  PART_HEADER_BYTES,
  PART_PAYLOAD_MAX,
  partBytes,
} from '../format/segments/segment-part.ts'
import type { ValuePointer } from '../format/segments/value-pointer.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import type { Kernels } from '../kernel/kernels.ts'
import { copyIn } from '../memory/copy-shared.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'

/** What a part is checksummed with. */
export interface PartMemory {
  readonly kernels: Kernels
  readonly heap: SharedHeap
  /** 8-aligned address of PART_SCRATCH_BYTES, dirty between two calls: all writers of a heap may share them. */
  readonly scratch: number
}

/** Salt and checksum in front of the longest part. */
export const PART_SCRATCH_BYTES: number = 16 + PART_HEADER_BYTES + PART_PAYLOAD_MAX

const NO_PART = Buffer.alloc(0)

export interface NewFile {
  readonly fs: FileSystem
  readonly path: string
  readonly number: number
  /** 8 random bytes. */
  readonly salt: Buffer
}

export class ValueStreamWriter {
  readonly file: OpenFile
  readonly #number: number
  readonly #salt: Buffer
  readonly #memory: PartMemory
  /** The part being filled: header, then payload. */
  #part: Buffer = Buffer.allocUnsafeSlow(PART_HEADER_BYTES + PART_PAYLOAD_MAX)
  #filled = 0
  #length: number = FILE_HEADER_BYTES
  #keyHash = 0n
  /** Where the value's first part lies, and how much of the value is in parts already written. */
  #from = 0
  #position = 0
  #values = 0
  #valueBytes = 0

  /** Creates the file; throws what the system says. */
  constructor({ fs, path, number, salt }: NewFile, memory: PartMemory) {
    this.#number = number
    this.#salt = salt
    this.#memory = memory
    this.file = fs.openSync(path, 'create')
    try {
      this.file.writeSync(encodeFileHeader({ kind: 'vlog', number, salt, parameter: 0 }), 0)
    } catch (error) {
      this.file.closeSync()
      throw error
    }
  }

  /** Bytes written. */
  get length(): number {
    return this.#length
  }

  /** The value of this key follows. */
  begin(key: Uint8Array): void {
    this.#keyHash = hash64(key, 0n)
    this.#from = this.#length
    this.#position = 0
  }

  /** More of the value; the bytes must stay as they are until this resolves. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#filled === PART_PAYLOAD_MAX) await this.#writePart(false)
      const taken = Math.min(bytes.length - at, PART_PAYLOAD_MAX - this.#filled)
      this.#part.set(bytes.subarray(at, at + taken), PART_HEADER_BYTES + this.#filled)
      this.#filled += taken
      at += taken
    }
  }

  /** The value is complete. */
  async end(): Promise<ValuePointer> {
    await this.#writePart(true)
    this.#values += 1
    this.#valueBytes += this.#position
    return {
      segment: this.#number,
      offset: this.#from,
      valueLength: this.#position,
      storedLength: this.#length - this.#from,
    }
  }

  /** Writes the footer: the file is complete, and not synced. */
  async finish(): Promise<SegmentMeta> {
    const size = this.#length + FOOTER_BYTES
    const footer = encodeSegmentFooter({
      values: this.#values,
      valueBytes: this.#valueBytes,
      fileSize: size,
      fileNumber: this.#number,
      salt: this.#salt,
    })
    await this.file.write(footer, this.#length)
    this.#length = size
    return { number: this.#number, size, salt: this.#salt.toString('hex') }
  }

  /** Nothing more is written: closes the file, and keeps no part. */
  close(): void {
    this.#part = NO_PART
    this.file.closeSync()
  }

  async #writePart(last: boolean): Promise<void> {
    const payloadLength = this.#filled
    const length = partBytes(payloadLength)
    encodePartHeader(this.#part, 0, {
      payloadLength,
      codec: 0,
      storedLength: payloadLength,
      keyHash: this.#keyHash,
      position: this.#position,
      last,
    })
    this.#part.fill(0, PART_HEADER_BYTES + payloadLength, length)
    this.#seal(PART_HEADER_BYTES + payloadLength)
    await this.file.write(this.#part.subarray(0, length), this.#length)
    this.#length += length
    this.#position += payloadLength
    this.#filled = 0
  }

  /** Puts the checksum of the first `end` bytes of the part into its header. */
  #seal(end: number): void {
    const { kernels, heap, scratch } = this.#memory
    const data = scratch + 16
    heap.bytes.set(this.#salt, scratch)
    copyIn(heap.bytes, data, this.#part.subarray(PART_COVERED, end))
    kernels.checksum(data, end - PART_COVERED, scratch, this.#number, this.#length, scratch + 8)
    this.#part.set(heap.bytes.subarray(scratch + 8, scratch + 16), 0)
  }
}
