// Reads a segment once through: header, footer, every part, how the parts follow each other, what they hold. Any
// thread, in memory of its own. Where a part is damaged it goes on at the next one that verifies, so that one flipped
// bit hides nothing behind it.
import { assert } from '../base/assert.ts'
import { CorruptionError, type CorruptionPlace } from '../base/errors.ts'
import type { KernelHeap } from '../cursor/words.ts'
import { FILE_HEADER_BYTES } from '../format/file-header.ts'
import { CODEC_NONE, refuseNewerCodec } from '../format/packed-form.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import {
  decodePartHeader,
  PART_HEADER_BYTES,
  PART_KEY_HASH,
  PART_PAYLOAD_MAX,
  PART_POSITION,
  type PartHeader,
  partBytes,
  SEGMENT_FRAME_BYTES,
  type SegmentFooter,
} from '../format/segments/segment-part.ts'
import type { OpenFile } from '../io/file-system.ts'
import { readWhole } from '../io/read-whole.ts'
import type { Region } from '../memory/shared-heap.ts'
import { unpackBlock } from '../packing/unpack-block.ts'
import { isSealed } from './part-seal.ts'
import { checkSegmentEnds, valuesEnd } from './segment-ends.ts'

/** The longest part, and behind it one unpacked. */
export const SEGMENT_CHECK_BYTES: number = partBytes(PART_PAYLOAD_MAX) + PART_PAYLOAD_MAX

export interface SegmentCheck {
  readonly file: OpenFile
  readonly meta: SegmentMeta
  /** Address of 8 bytes, for the salt. */
  readonly saltAddress: number
  /** At least SEGMENT_CHECK_BYTES, 8-aligned. */
  readonly buffer: Region
}

export interface SegmentWatch {
  /** Is told of damage behind the header, after which the check goes on; without it the first one is thrown. */
  readonly damaged?: (error: CorruptionError) => void
  /** After each read. */
  readonly read?: (bytes: number) => void
}

/** Throws CorruptionError, SETT_NEWER_FORMAT, or SETT_CODEC_UNAVAILABLE. Returns what the footer says. */
export function checkSegment(
  machine: KernelHeap,
  check: SegmentCheck,
  watch: SegmentWatch = {},
): SegmentFooter {
  const { file, meta, saltAddress } = check
  const footer = checkSegmentEnds(file, meta)
  machine.heap.bytes.set(footer.salt, saltAddress)
  watch.read?.(SEGMENT_FRAME_BYTES)
  const walk = new PartWalk(machine, check, watch)
  walk.run()
  const { values, valueBytes } = walk
  const counted = values === footer.values && valueBytes === footer.valueBytes
  // What is missing of a damaged one has been told.
  if (!walk.whole || counted) return footer
  const expected = `${footer.values} values of ${footer.valueBytes} bytes in all, as the footer says`
  const found = `${values} of ${valueBytes}`
  const error = new CorruptionError({ file: file.path, offset: valuesEnd(meta), expected, found })
  if (watch.damaged === undefined) throw error
  watch.damaged(error)
  return footer
}

/** Why no part is at an offset. */
type Fault = 'header' | 'length' | 'checksum' | 'padding'

const FAULTS: Readonly<Record<Fault, { readonly expected: string; readonly found: string }>> = {
  header: { expected: 'a part of a value', found: 'bytes that are none' },
  length: { expected: 'a part that ends before the footer', found: 'a longer one' },
  checksum: { expected: 'a part with its own checksum', found: 'other bytes' },
  padding: { expected: 'zeros behind a part', found: 'others' },
}

/** No search for the next part begins once so many times the segment's bytes were hashed, whatever lies in it. */
const HASHED_TIMES = 4

class PartWalk {
  readonly #machine: KernelHeap
  readonly #check: SegmentCheck
  readonly #watch: SegmentWatch
  readonly #end: number
  /** [#windowStart, #windowEnd) of the file is in the buffer. */
  #windowStart: number = FILE_HEADER_BYTES
  #windowEnd: number = FILE_HEADER_BYTES
  /** The part before, of a value that goes on. */
  #before: PartHeader | undefined
  /** Parts may be missing before the next one. */
  #gap = false
  #hashed = 0
  whole = true
  values = 0
  valueBytes = 0

  constructor(machine: KernelHeap, check: SegmentCheck, watch: SegmentWatch) {
    assert(check.buffer.length >= SEGMENT_CHECK_BYTES, 'the buffer holds a part, and one unpacked')
    this.#machine = machine
    this.#check = check
    this.#watch = watch
    this.#end = valuesEnd(check.meta)
  }

  run(): void {
    for (let at = FILE_HEADER_BYTES; at < this.#end; ) {
      const part = this.#partAt(at)
      if (typeof part === 'string') {
        this.#tell({ offset: at, ...FAULTS[part] })
        this.#before = undefined
        this.#gap = true
        at = this.#nextPart(at)
      } else {
        this.#follow(at, part)
        this.#unpack(at, part)
        at += partBytes(part.storedLength)
      }
    }
    if (this.#before === undefined) return
    this.#tell({ offset: this.#end, expected: 'the next part of a value', found: 'the footer' })
  }

  /** The part at an offset, if its fields, its checksum and the zeros behind it are right. */
  #partAt(at: number): PartHeader | Fault {
    if (at + PART_HEADER_BYTES > this.#end) return 'header'
    const { bytes } = this.#machine.heap
    const header = decodePartHeader(bytes, this.#window(at, PART_HEADER_BYTES))
    if (header === undefined) return 'header'
    const { storedLength } = header
    const length = partBytes(storedLength)
    if (at + length > this.#end) return 'length'
    const address = this.#window(at, length)
    const { saltAddress, meta } = this.#check
    const place = { fileNumber: meta.number, saltAddress, position: at }
    this.#hashed += length
    if (!isSealed(this.#machine, place, address, storedLength)) return 'checksum'
    for (let i = address + PART_HEADER_BYTES + storedLength; i < address + length; i++) {
      if (bytes[i] !== 0) return 'padding'
    }
    return header
  }

  /** Offset of the next part that verifies, or where the values end. */
  #nextPart(from: number): number {
    const most = HASHED_TIMES * this.#check.meta.size
    for (let at = from + 8; at < this.#end && this.#hashed < most; at += 8) {
      if (typeof this.#partAt(at) !== 'string') return at
    }
    return this.#end
  }

  /** The first part of a value stands at its start, each other behind the one before it. */
  #follow(at: number, part: PartHeader): void {
    const before = this.#before
    const expected = before === undefined ? 0 : before.position + before.payloadLength
    const { position, keyHash, payloadLength, last } = part
    if (!this.#gap && position !== expected) {
      const offset = at + PART_POSITION
      this.#tell({ offset, expected: `byte ${expected} of a value`, found: `${position}` })
    } else if (before !== undefined && before.keyHash !== keyHash) {
      const offset = at + PART_KEY_HASH
      this.#tell({ offset, expected: 'the key of the part before', found: 'another' })
    }
    this.#before = last ? undefined : part
    this.#gap = false
    this.valueBytes += payloadLength
    if (last) this.values += 1
  }

  #unpack(at: number, { codec, storedLength: length, payloadLength }: PartHeader): void {
    if (codec === CODEC_NONE) return
    const { buffer, file } = this.#check
    refuseNewerCodec(codec, file.path, at)
    const offset = at + PART_HEADER_BYTES
    const block = { file: file.path, offset, codec, length, payloadLength }
    const from = this.#window(offset, length)
    try {
      unpackBlock(this.#machine, block, from, buffer.address + partBytes(PART_PAYLOAD_MAX))
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      this.#tell(error)
    }
  }

  /** Address of bytes of the file; never before those asked for last. */
  #window(at: number, length: number): number {
    const { buffer, file } = this.#check
    if (at + length > this.#windowEnd) {
      const { bytes } = this.#machine.heap
      const moved = buffer.address + at - this.#windowStart
      const kept = Math.max(0, this.#windowEnd - at)
      if (kept > 0) bytes.copyWithin(buffer.address, moved, moved + kept)
      const end = Math.min(this.#end, at + partBytes(PART_PAYLOAD_MAX))
      const target = bytes.subarray(buffer.address + kept, buffer.address + end - at)
      readWhole(file, target, at + kept)
      this.#watch.read?.(target.length)
      this.#windowStart = at
      this.#windowEnd = end
    }
    return buffer.address + at - this.#windowStart
  }

  #tell({ offset, expected, found }: Omit<CorruptionPlace, 'file'>): void {
    const { path: file } = this.#check.file
    const error = new CorruptionError({ file, offset, expected, found })
    if (this.#watch.damaged === undefined) throw error
    this.whole = false
    this.#watch.damaged(error)
  }
}
