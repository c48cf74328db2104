// Writes values as parts into segments (FORMAT §9), one after the other, each read back before it counts. Any thread;
// one per job, in memory of its own. Invariant: a segment that finish() returns is durable and right.
import { assert } from '../base/assert.ts'
import type { Compression } from '../base/option-table.ts'
import { type KernelHeap, storeU32 } from '../cursor/words.ts'
import { FOOTER_BYTES } from '../format/file-footer.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import { CODEC_NONE } from '../format/packed-form.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import {
  encodeSegmentFooter,
  PART_FLAGS,
  PART_HEADER_BYTES,
  PART_KEY_HASH,
  PART_LAST,
  PART_PACKING,
  PART_PAYLOAD_LENGTH,
  PART_PAYLOAD_MAX,
  PART_POSITION,
  partBytes,
} from '../format/segments/segment-part.ts'
import type { ValuePointer } from '../format/segments/value-pointer.ts'
import { segmentPath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { syncFileOrPoison } from '../io/final-sync.ts'
import { readWhole } from '../io/read-whole.ts'
import type { Region } from '../memory/shared-heap.ts'
import { BlockPacker } from '../packing/block-packer.ts'
import type { OpenSegment } from './open-segments.ts'
import { isSealed, sealPart } from './part-seal.ts'
import { checkSegment } from './segment-check.ts'
import { carveSegmentMemory, SEGMENT_WRITE_BYTES, type SegmentMemory } from './segment-workspace.ts'
import { ValueWalk } from './value-walk.ts'

export interface SegmentShape {
  /** A segment is closed after so many bytes, or values. */
  readonly segmentSize: number
  readonly segmentMaxEntries: number
  readonly compression: Compression
}

export interface SegmentsPlan {
  readonly fs: FileSystem
  readonly directory: string
  readonly shape: SegmentShape
  readonly takeNumber: () => number
  readonly randomFill: (target: Uint8Array) => void
  /** Bytes were written, a few hundred kilobytes at a time; may throw. */
  readonly written: () => void
}

/** Bytes in the heap. */
interface Span {
  readonly address: number
  readonly length: number
}

interface OpenedFile {
  readonly file: OpenFile
  readonly number: number
  readonly salt: Buffer
  values: number
  valueBytes: number
}

export class SegmentWriter {
  /** Finished ones. */
  readonly segments: SegmentMeta[] = []
  readonly #machine: KernelHeap
  readonly #memory: SegmentMemory
  readonly #plan: SegmentsPlan
  #packer: BlockPacker | undefined
  #open: OpenedFile | undefined
  /** File offset of the buffer, and bytes in it. */
  #position = 0
  #used = 0
  #finishedBytes = 0

  /** `workspace`: segmentWriterBytes(…) for this writer alone. */
  constructor(machine: KernelHeap, workspace: Region, plan: SegmentsPlan) {
    this.#machine = machine
    this.#memory = carveSegmentMemory(workspace, plan.shape.compression)
    this.#plan = plan
  }

  get bytesWritten(): number {
    return this.#finishedBytes + this.#position + this.#used
  }

  /** Appends the value of a key, both in the heap. */
  put(key: Span, value: Span): ValuePointer {
    const open = this.#begin(key)
    const offset = this.#position + this.#used
    let position = 0
    do {
      const length = Math.min(value.length - position, PART_PAYLOAD_MAX)
      const last = position + length === value.length
      this.#putPart({ address: value.address + position, length }, position, last)
      position += length
    } while (position < value.length)
    return this.#end(open, offset, value.length)
  }

  /** Appends the value of a key as it is stored in another segment: every part is verified and sealed for its new
   * place, and none is unpacked. Throws CorruptionError when it is not that key's value. */
  copy(key: Span, source: OpenSegment, pointer: ValuePointer): ValuePointer {
    const open = this.#begin(key)
    const { heap } = this.#machine
    const { hash, otherSalt } = this.#memory
    heap.bytes.set(source.salt, otherSalt)
    const walk = new ValueWalk(source, { ...pointer, keyHash: heap.bytes.readBigUInt64LE(hash) })
    const offset = this.#position + this.#used
    while (walk.left > 0) this.#copyPart(source, walk)
    return this.#end(open, offset, pointer.valueLength)
  }

  /** Ends the last segment. All are durable then, but for their directory entries. */
  finish(): readonly SegmentMeta[] {
    if (this.#open !== undefined) this.#finishSegment(this.#open)
    return this.segments
  }

  /** Gives up, as TablesWriter does: closes what is open; the outputs stay. Returns what went wrong, if anything. */
  abandon(): unknown {
    const file = this.#open?.file
    this.#open = undefined
    try {
      file?.closeSync()
      return undefined
    } catch (error) {
      return error
    }
  }

  /** The segment the next value goes to; hashes its key. */
  #begin(key: Span): OpenedFile {
    const { segmentSize, segmentMaxEntries } = this.#plan.shape
    const open = this.#open
    const full =
      open !== undefined &&
      (this.#position + this.#used >= segmentSize || open.values >= segmentMaxEntries)
    if (full) this.#finishSegment(open)
    this.#machine.kernels.hash64(key.address, key.length, 0, this.#memory.hash)
    return this.#open ?? this.#startSegment()
  }

  #end(open: OpenedFile, offset: number, valueLength: number): ValuePointer {
    open.values += 1
    open.valueBytes += valueLength
    const storedLength = this.#position + this.#used - offset
    return { segment: open.number, offset, valueLength, storedLength }
  }

  #putPart(payload: Span, position: number, last: boolean): void {
    const { bytes, u32 } = this.#machine.heap
    const part = this.#memory.buffer.address + this.#used
    const body = part + PART_HEADER_BYTES
    bytes.copyWithin(body, payload.address, payload.address + payload.length)
    const { codec, length } = this.#pack(body, payload.length)
    storeU32(u32, part + PART_PAYLOAD_LENGTH, payload.length)
    storeU32(u32, part + PART_PACKING, codec === CODEC_NONE ? 0 : (length << 8) | codec)
    bytes.copyWithin(part + PART_KEY_HASH, this.#memory.hash, this.#memory.hash + 8)
    storeU32(u32, part + PART_POSITION, position)
    storeU32(u32, part + PART_FLAGS, last ? PART_LAST : 0)
    bytes.fill(0, body + length, part + partBytes(length))
    this.#add(part, length)
  }

  #pack(address: number, length: number): { readonly codec: number; readonly length: number } {
    const { compression } = this.#plan.shape
    if (compression === 'none' || length === 0) return { codec: CODEC_NONE, length }
    this.#packer ??= new BlockPacker(this.#machine, compression, this.#memory.packer)
    return this.#packer.pack(address, length)
  }

  #copyPart(source: OpenSegment, walk: ValueWalk): void {
    const machine = this.#machine
    const { bytes } = machine.heap
    const part = this.#memory.buffer.address + this.#used
    // As much as the longest part: what comes behind a shorter one is read again.
    const read = Math.min(walk.left, partBytes(PART_PAYLOAD_MAX))
    readWhole(source.file, bytes.subarray(part, part + read), walk.offset)
    const header = walk.header(bytes, part)
    const { storedLength } = header
    const saltAddress = this.#memory.otherSalt
    const place = { fileNumber: source.number, saltAddress, position: walk.offset }
    walk.check(header, isSealed(machine, place, part, storedLength))
    walk.advance(header)
    bytes.fill(0, part + PART_HEADER_BYTES + storedLength, part + partBytes(storedLength))
    this.#add(part, storedLength)
  }

  /** A part whose checksum is still missing lies behind those in the buffer. */
  #add(part: number, storedLength: number): void {
    assert(this.#open !== undefined, 'a part is written to an open segment')
    const { number: fileNumber } = this.#open
    const position = this.#position + this.#used
    const place = { fileNumber, saltAddress: this.#memory.salt, position }
    sealPart(this.#machine, place, part, storedLength)
    this.#used += partBytes(storedLength)
    if (this.#used >= SEGMENT_WRITE_BYTES) this.#drain()
  }

  #drain(): void {
    if (this.#used === 0) return
    assert(this.#open !== undefined, 'parts are written to an open segment')
    const { address } = this.#memory.buffer
    const { bytes } = this.#machine.heap
    this.#open.file.writeSync(bytes.subarray(address, address + this.#used), this.#position)
    this.#position += this.#used
    this.#used = 0
    this.#plan.written()
  }

  #startSegment(): OpenedFile {
    const { fs, directory, takeNumber, randomFill } = this.#plan
    const number = takeNumber()
    const path = segmentPath(directory, number)
    const file = fs.openSync(path, 'create')
    const salt = Buffer.alloc(8)
    randomFill(salt)
    const open = { file, number, salt, values: 0, valueBytes: 0 }
    this.#open = open
    file.writeSync(encodeFileHeader({ kind: 'vlog', number, salt, parameter: 0 }), 0)
    this.#machine.heap.bytes.set(salt, this.#memory.salt)
    this.#position = FILE_HEADER_BYTES
    return open
  }

  #finishSegment({ file, number, salt, values, valueBytes }: OpenedFile): void {
    this.#drain()
    const size = this.#position + FOOTER_BYTES
    const footer = { values, valueBytes, fileSize: size, fileNumber: number, salt }
    file.writeSync(encodeSegmentFooter(footer), this.#position)
    syncFileOrPoison(file)
    const meta = { number, size, salt: salt.toString('hex') }
    const { salt: saltAddress, buffer } = this.#memory
    const found = checkSegment(this.#machine, { file, meta, saltAddress, buffer })
    const same = found.values === values && found.valueBytes === valueBytes
    assert(same, 'a segment holds the values that were written')
    file.closeSync()
    this.#open = undefined
    this.#position = 0
    this.#finishedBytes += size
    this.segments.push(meta)
  }
}
