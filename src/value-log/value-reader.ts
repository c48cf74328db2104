// Values out of segments, verified and unpacked. One thread. Small ones go through a fixed piece of the heap, with one
// read; larger ones part by part. What it borrows of the heap beyond that it gives back before the call returns, also
// of calls that wait for the disk: their bytes arrive in ordinary memory.
import type { KernelHeap } from '../cursor/words.ts'
import { checksum } from '../format/checksum.ts'
import { CODEC_NONE } from '../format/packed-form.ts'
import {
  PART_COVERED,
  PART_HEADER_BYTES,
  type PartHeader,
  partBytes,
} from '../format/segments/segment-part.ts'
import { readWhole, shortFile } from '../io/read-whole.ts'
import { copyIn, copyOut } from '../memory/copy-shared.ts'
import type { Region } from '../memory/shared-heap.ts'
import { type PackedBlock, unpackBlock, unpackCopy, unpackRoom } from '../packing/unpack-block.ts'
import type { OpenSegment } from './open-segments.ts'
import { isSealed } from './part-seal.ts'
import { ValueWalk, type WantedValue } from './value-walk.ts'

/** Values of up to so many bytes are read through the fixed piece. */
export const SMALL_VALUE_MAX: number = 64 * 1024

/** Takes a verified value, or part of one: `length` bytes of `bytes` from `at` on. They are the heap's, to be copied
 * before it returns; a buffer of no other bytes was made for it, and is its own. */
export type TakeBytes<T> = (bytes: Buffer, at: number, length: number) => T

/** Memory that is soon given back; HeapAllocator is one. */
export interface BriefMemory {
  allocateBriefly(length: number): Region | undefined
  free(region: Region): void
}

export interface ValueReaderParts extends KernelHeap {
  readonly memory: BriefMemory
  /** VALUE_READER_BYTES, 8-aligned, the reader's alone. */
  readonly scratch: number
}

// The fixed piece: a salt, a hash, and room for a small value.
const HASH_AT = 8
const ROOM_AT = 16
const SMALL_ROOM: number = roomFor(SMALL_VALUE_MAX)
export const VALUE_READER_BYTES: number = ROOM_AT + SMALL_ROOM

/** Room in which a part of so many bytes is read and unpacked: it is read to the end, its payload begins at the start.
 * Behind the stored bytes there are up to 7 of padding, less than the trailer that unpackRoom counts on; before them
 * the header, for which the margin has room when nothing is packed. */
export function roomFor(payloadLength: number): number {
  return (unpackRoom(payloadLength) + 7) & ~7
}

export class ValueReader {
  readonly #machine: KernelHeap
  readonly #memory: BriefMemory
  readonly #scratch: number
  /** Whose salt lies in the heap. */
  #salted: OpenSegment | undefined

  constructor(parts: ValueReaderParts) {
    this.#machine = parts
    this.#memory = parts.memory
    this.#scratch = parts.scratch
  }

  /** xxh64(key, 0) of a key in the heap. */
  keyHash(address: number, length: number): bigint {
    const { kernels, heap } = this.#machine
    const hash = this.#scratch + HASH_AT
    kernels.hash64(address, length, 0, hash)
    return heap.bytes.readBigUInt64LE(hash)
  }

  /** Reads a value on the calling thread. Throws CorruptionError, or what the file system throws. */
  read<T>(segment: OpenSegment, wanted: WantedValue, take: TakeBytes<T>): T {
    const walk = new ValueWalk(segment, wanted)
    if (walk.isSingle) return this.readPart(walk, take)
    let whole: Buffer | undefined
    while (whole === undefined || walk.position < wanted.valueLength) {
      const { position } = walk
      this.readPart(walk, (bytes, at, length) => {
        // Only now: a pointer to nothing must not cost the memory it claims.
        whole ??= Buffer.allocUnsafeSlow(wanted.valueLength)
        copyOut(bytes, at, at + length, whole.subarray(position))
      })
    }
    return take(whole, 0, whole.length)
  }

  /** As read(), without blocking the thread. The caller pins the segment until it settles. */
  async readAsync<T>(segment: OpenSegment, wanted: WantedValue, take: TakeBytes<T>): Promise<T> {
    const walk = new ValueWalk(segment, wanted)
    if (walk.isSingle) return this.readPartAsync(walk, take)
    let whole: Buffer | undefined
    while (whole === undefined || walk.position < wanted.valueLength) {
      const { position } = walk
      await this.readPartAsync(walk, (bytes, at, length) => {
        whole ??= Buffer.allocUnsafeSlow(wanted.valueLength)
        copyOut(bytes, at, at + length, whole.subarray(position))
      })
    }
    return take(whole, 0, whole.length)
  }

  /** The next part of a value. */
  readPart<T>(walk: ValueWalk, take: TakeBytes<T>): T {
    const length = walk.isSingle ? walk.left : partBytes(this.#peek(walk).storedLength)
    const { file } = walk.segment
    return this.#inRoom(walk.payloadLength, (room, end) => {
      if (room === 0) {
        const stored = Buffer.allocUnsafeSlow(length)
        readWhole(file, stored, walk.offset)
        return this.#openCopy(walk, stored, take)
      }
      const { bytes } = this.#machine.heap
      readWhole(file, bytes.subarray(end - length, end), walk.offset)
      return this.openPart(walk, end - length, room, take)
    })
  }

  /** As readPart(), without blocking the thread. */
  async readPartAsync<T>(walk: ValueWalk, take: TakeBytes<T>): Promise<T> {
    const length = walk.isSingle ? walk.left : await this.#partLength(walk)
    const stored = Buffer.allocUnsafeSlow(length)
    await readWholeAsync(walk, stored)
    return this.#inRoom(walk.payloadLength, (room, end) => {
      if (room === 0) return this.#openCopy(walk, stored, take)
      copyIn(this.#machine.heap.bytes, end - length, stored)
      return this.openPart(walk, end - length, room, take)
    })
  }

  /** Passes a part unread: what lies behind it is verified by its own place. */
  async skipPart(walk: ValueWalk): Promise<void> {
    const head = Buffer.allocUnsafe(PART_HEADER_BYTES)
    await readWholeAsync(walk, head)
    walk.advance(walk.header(head, 0))
  }

  /** Verifies the next part, which lies at a heap address, 8-aligned, and unpacks it to `target` if it is packed. */
  openPart<T>(walk: ValueWalk, address: number, target: number, take: TakeBytes<T>): T {
    const { heap } = this.#machine
    const header = walk.header(heap.bytes, address)
    walk.check(header, this.#matches(walk, header, address))
    let value = address + PART_HEADER_BYTES
    if (header.codec !== CODEC_NONE) {
      unpackBlock(this.#machine, packedPart(walk, header), value, target)
      value = target
    }
    walk.advance(header)
    return take(heap.bytes, value, header.payloadLength)
  }

  #matches({ segment, offset }: ValueWalk, header: PartHeader, address: number): boolean {
    if (this.#salted !== segment) {
      this.#machine.heap.bytes.set(segment.salt, this.#scratch)
      this.#salted = segment
    }
    const saltAddress = this.#scratch
    const place = { fileNumber: segment.number, saltAddress, position: offset }
    return isSealed(this.#machine, place, address, header.storedLength)
  }

  /** openPart() for when the heap has no room: the same, slower. */
  #openCopy<T>(walk: ValueWalk, stored: Buffer, take: TakeBytes<T>): T {
    const header = walk.header(stored, 0)
    const end = PART_HEADER_BYTES + header.storedLength
    const { salt, number } = walk.segment
    const place = { salt, fileNumber: number, position: walk.offset }
    const sum = checksum(stored.subarray(PART_COVERED, end), place)
    walk.check(header, sum === stored.readBigUInt64LE(0))
    const packed = stored.subarray(PART_HEADER_BYTES, end)
    const payload =
      header.codec === CODEC_NONE ? packed : unpackCopy(packedPart(walk, header), packed)
    walk.advance(header)
    return take(payload, 0, payload.length)
  }

  /** The header of the next part, by a read of its own. */
  #peek(walk: ValueWalk): PartHeader {
    const head = Buffer.allocUnsafe(PART_HEADER_BYTES)
    readWhole(walk.segment.file, head, walk.offset)
    return walk.header(head, 0)
  }

  async #partLength(walk: ValueWalk): Promise<number> {
    const head = Buffer.allocUnsafe(PART_HEADER_BYTES)
    await readWholeAsync(walk, head)
    return partBytes(walk.header(head, 0).storedLength)
  }

  /** Runs `work` with room for a part, from an address to an end; 0: the heap has none to spare. */
  #inRoom<T>(payloadLength: number, work: (room: number, end: number) => T): T {
    if (payloadLength <= SMALL_VALUE_MAX) {
      const room = this.#scratch + ROOM_AT
      return work(room, room + SMALL_ROOM)
    }
    const region = this.#memory.allocateBriefly(roomFor(payloadLength))
    if (region === undefined) return work(0, 0)
    try {
      return work(region.address, region.address + region.length)
    } finally {
      this.#memory.free(region)
    }
  }
}

function packedPart(walk: ValueWalk, header: PartHeader): PackedBlock {
  const { codec, storedLength: length, payloadLength } = header
  return { file: walk.file, offset: walk.offset, codec, length, payloadLength }
}

async function readWholeAsync({ segment, offset }: ValueWalk, target: Buffer): Promise<void> {
  const { file } = segment
  const found = await file.read(target, offset)
  if (found !== target.length) throw shortFile(file.path, offset, target.length, found)
}
