// Writes one table file: header, data blocks by the builder kernel, filter, range tombstones, properties, index,
// footer. Any thread; the memory is the writer's alone. A table counts only once finish() returned: until
// then the owner closes and removes the file.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import { KIB } from '../base/limits.ts'
import type { LazyValues } from '../cursor/lazy-values.ts'
import { type KernelHeap, loadU32, loadU64, storeU32, storeU64 } from '../cursor/words.ts'
import { checksum } from '../format/checksum.ts'
import { FOOTER_BYTES } from '../format/file-footer.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import { CODEC_NONE, type PackedForm } from '../format/packed-form.ts'
import type { SegmentUse } from '../format/segments/segment-meta.ts'
import {
  ALONE_HEADER_MAX,
  ALONE_RESTARTS,
  encodeAloneHeader,
  encodeTrailer,
  TRAILER_COVERED,
} from '../format/sstable-block.ts'
import { filterBlocks } from '../format/sstable-filter.ts'
import { encodeFooter, type TablePart } from '../format/sstable-footer.ts'
import { encodeIndex, type IndexEntry } from '../format/sstable-index.ts'
import { encodeProperties } from '../format/sstable-properties.ts'
import type { ExpiryStep, TableMeta } from '../format/table-meta.ts'
import type { OpenFile } from '../io/file-system.ts'
import { syncFileOrPoison } from '../io/final-sync.ts'
import {
  BLOCK_ENTRY_FIRST_KEY,
  BLOCK_ENTRY_FIRST_KEY_LENGTH,
  BLOCK_ENTRY_LAST_KEY,
  BLOCK_ENTRY_LAST_KEY_LENGTH,
  BLOCK_ENTRY_LENGTH,
  BLOCK_ENTRY_OFFSET,
  BLOCK_ENTRY_PAYLOAD,
  BLOCK_ENTRY_SIZE,
  BLOCK_TRAILER,
  BUILDER_BASE_VERSION,
  BUILDER_BLOCK_COUNT,
  BUILDER_BLOCK_SIZE,
  BUILDER_BLOCKS,
  BUILDER_BLOCKS_CAPACITY,
  BUILDER_EARLIEST_EXPIRY,
  BUILDER_ENTRIES,
  BUILDER_FILE_NUMBER,
  BUILDER_FILE_OFFSET,
  BUILDER_HASH_COUNT,
  BUILDER_HASHES,
  BUILDER_HASHES_CAPACITY,
  BUILDER_KEY_BYTES,
  BUILDER_KEYS,
  BUILDER_KEYS_CAPACITY,
  BUILDER_LARGEST_VERSION,
  BUILDER_LATEST_EXPIRY,
  BUILDER_OUT,
  BUILDER_OUT_CAPACITY,
  BUILDER_OUT_USED,
  BUILDER_SALT,
  BUILDER_SMALLEST_VERSION,
  BUILDER_STOP_AT_BLOCK,
  BUILDER_TOMBSTONES,
  BUILDER_VALUE_BYTES,
  DESC_EXPIRES_AT,
  DESC_FLAGS,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_LAZY,
  DESC_META,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  FILTER_HEADER,
} from '../kernel/layout.ts'
import { BlockPacker } from '../packing/block-packer.ts'
import { roomiest, type WriterMemory, type WriterShape } from './writer-workspace.ts'

export interface TablePlan {
  readonly file: OpenFile
  readonly number: number
  /** 8 bytes. */
  readonly salt: Buffer
  readonly baseVersion: number
  readonly newestWal: number
  readonly shape: WriterShape
}

/** Blocks are written once there are so many bytes of them: they still lie in the processor's cache then. */
const WRITE_BYTES = 256 * KIB
const STOPPED_OUT = 1
const STOPPED_LISTS = 2
const STOPPED_BLOCK = 4
const RANGE_TOMBSTONES_BYTES = 8

export class TableWriter {
  readonly #machine: KernelHeap
  readonly #memory: WriterMemory
  readonly #lazy: LazyValues
  readonly #plan: TablePlan
  readonly #builder: number
  readonly #packer: BlockPacker
  /** Some block is compressed. */
  #packed = false

  constructor(machine: KernelHeap, memory: WriterMemory, lazy: LazyValues, plan: TablePlan) {
    this.#machine = machine
    this.#memory = memory
    this.#lazy = lazy
    this.#plan = plan
    this.#builder = memory.builder
    this.#packer = new BlockPacker(machine, plan.shape.compression, memory.packer)
    const { u32, bytes } = machine.heap
    const set = (field: number, value: number) => storeU32(u32, memory.builder + field, value)
    bytes.set(plan.salt, memory.salt)
    set(BUILDER_OUT, memory.out.address)
    set(BUILDER_OUT_CAPACITY, Math.min(memory.out.length, WRITE_BYTES))
    set(BUILDER_BLOCKS, memory.blocks.address)
    set(BUILDER_BLOCKS_CAPACITY, Math.floor(memory.blocks.length / BLOCK_ENTRY_SIZE))
    set(BUILDER_KEYS, memory.keys.address)
    set(BUILDER_KEYS_CAPACITY, memory.keys.length)
    set(BUILDER_HASHES, memory.hashes.address)
    set(BUILDER_HASHES_CAPACITY, Math.floor(memory.hashes.length / 8))
    set(BUILDER_BLOCK_SIZE, plan.shape.blockSize)
    set(BUILDER_SALT, memory.salt)
    set(BUILDER_STOP_AT_BLOCK, plan.shape.compression === 'none' ? 0 : 1)
    storeU64(u32, memory.builder + BUILDER_FILE_NUMBER, plan.number)
    storeU64(u32, memory.builder + BUILDER_BASE_VERSION, plan.baseVersion)
    storeU64(u32, memory.builder + BUILDER_FILE_OFFSET, FILE_HEADER_BYTES)
    machine.kernels.builderStart(memory.builder)
    const { number, salt, baseVersion: parameter } = plan
    plan.file.writeSync(encodeFileHeader({ kind: 'sst', number, salt, parameter }), 0)
  }

  /** Bytes of header and finished blocks. */
  get storedBytes(): number {
    const { u32 } = this.#machine.heap
    const written = loadU64(u32, this.#builder + BUILDER_FILE_OFFSET)
    return written + loadU32(u32, this.#builder + BUILDER_OUT_USED)
  }

  /** Appends entries in order; returns how many were taken. Fewer: the table has no room for another user key. */
  append(descriptors: number, count: number): number {
    const { kernels } = this.#machine
    const builder = this.#builder
    let taken = 0
    while (taken < count) {
      const at = descriptors + taken * DESC_SIZE
      taken += kernels.builderAppend(builder, at, count - taken)
      if (taken === count) break
      const reason = kernels.builderStopped(builder)
      if (reason === STOPPED_BLOCK) this.#finishBlock()
      else if (reason === STOPPED_OUT) this.drain()
      else if (reason === STOPPED_LISTS) break
      else if (this.#appendAlone(descriptors + taken * DESC_SIZE)) taken += 1
      else break
    }
    return taken
  }

  /** Writes the finished blocks; an open one stays open. */
  drain(): void {
    const used = loadU32(this.#machine.heap.u32, this.#builder + BUILDER_OUT_USED)
    if (used > 0) {
      const position = loadU64(this.#machine.heap.u32, this.#builder + BUILDER_FILE_OFFSET)
      this.#write(this.#memory.out.address, used, position)
    }
    this.#machine.kernels.builderDrained(this.#builder)
  }

  /** Closes the open block and writes everything: the output region is then free until the next append. */
  settle(): void {
    this.#finishBlock()
    this.drain()
  }

  /** Closes the open block, if any; compressed, if that pays. */
  #finishBlock(): void {
    const { kernels, heap } = this.#machine
    const builder = this.#builder
    const payload = kernels.builderCloseBlock(builder)
    if (payload === 0) return
    const start = this.#memory.out.address + loadU32(heap.u32, builder + BUILDER_OUT_USED)
    const { codec, length } = this.#pack(start, payload)
    kernels.builderSealBlock(builder, codec, length)
  }

  #pack(address: number, length: number): PackedForm {
    const packed = this.#packer.pack(address, length)
    if (packed.codec !== CODEC_NONE) this.#packed = true
    return packed
  }

  /** Writes an entry into a block of its own; false: the table has no room for another user key. */
  #appendAlone(descriptor: number): boolean {
    this.settle()
    const { kernels, heap } = this.#machine
    const { u32, bytes } = heap
    const { out } = this.#memory
    const keyLength = loadU32(u32, descriptor + DESC_KEY_LENGTH)
    const valueLength = loadU32(u32, descriptor + DESC_VALUE_LENGTH)
    const lazy = (loadU32(u32, descriptor + DESC_FLAGS) & DESC_LAZY) !== 0
    let body = out.address + ALONE_HEADER_MAX
    if (lazy) {
      const value = this.#lazy.get(loadU32(u32, descriptor + DESC_VALUE))
      this.#needRoom(ALONE_HEADER_MAX + value.room)
      body = value.readInto(body) - keyLength
    } else {
      this.#needRoom(ALONE_HEADER_MAX + keyLength + valueLength + ALONE_RESTARTS + BLOCK_TRAILER)
      const key = loadU32(u32, descriptor + DESC_KEY)
      const value = loadU32(u32, descriptor + DESC_VALUE)
      bytes.copyWithin(body, key, key + keyLength)
      bytes.copyWithin(body + keyLength, value, value + valueLength)
    }
    const start = encodeAloneHeader(bytes, body, {
      keyLength,
      valueLength,
      tag: bytes[descriptor + DESC_TAG] as number,
      meta: bytes[descriptor + DESC_META] as number,
      versionOffset: loadU64(u32, descriptor + DESC_VERSION) - this.#plan.baseVersion,
      expiresAt: loadU64(u32, descriptor + DESC_EXPIRES_AT),
    })
    const restarts = body + keyLength + valueLength
    bytes.writeUInt32LE(0, restarts)
    bytes.writeUInt32LE(1, restarts + 4)
    const payloadLength = restarts + ALONE_RESTARTS - start
    const position = loadU64(u32, this.#builder + BUILDER_FILE_OFFSET)
    const packed = this.#pack(start, payloadLength)
    const stored = packed.length + BLOCK_TRAILER
    this.#seal(start, payloadLength, position, packed)
    this.#write(start, stored, position)
    const listed = kernels.builderAlone(this.#builder, descriptor, stored, payloadLength)
    if (listed !== 0 && lazy) this.#lazy.drop(loadU32(u32, descriptor + DESC_VALUE))
    return listed !== 0
  }

  /** What the builder kernel counted; the re-read counts again, by other code. */
  #counts() {
    const { u32 } = this.#machine.heap
    const count = (field: number): number => loadU64(u32, this.#builder + field)
    return {
      entries: count(BUILDER_ENTRIES),
      tombstones: count(BUILDER_TOMBSTONES),
      smallestVersion: count(BUILDER_SMALLEST_VERSION),
      largestVersion: count(BUILDER_LARGEST_VERSION),
      earliestExpiry: count(BUILDER_EARLIEST_EXPIRY),
      latestExpiry: count(BUILDER_LATEST_EXPIRY),
      keyBytes: count(BUILDER_KEY_BYTES),
      valueBytes: count(BUILDER_VALUE_BYTES),
    }
  }

  /** Ends the table: filter, range tombstones, properties, index and footer, then the file's bytes are durable.
   * Returns what the manifest is to know of it. `segments`: what its entries refer to there; `expiring`: what of it
   * expires when. */
  finish(segments: readonly SegmentUse[], expiring: readonly ExpiryStep[]): TableMeta {
    this.settle()
    const { u32 } = this.#machine.heap
    const { plan, blocks } = { plan: this.#plan, blocks: this.#listBlocks() }
    assert(blocks.length > 0, 'a table has an entry')
    const counts = this.#counts()
    const payloads = blocks.map(({ payload }) => payload)
    const largestBlock =
      payloads.reduce((most, payload) => Math.max(most, payload), 0) + BLOCK_TRAILER
    const codec = this.#packed ? this.#packer.codec : CODEC_NONE
    const filter = this.#writeFilter(loadU64(u32, this.#builder + BUILDER_FILE_OFFSET))
    const rangeTombstones = this.#writePart(Buffer.alloc(RANGE_TOMBSTONES_BYTES), endOf(filter))
    const properties = this.#writePart(
      encodeProperties({
        ...counts,
        blockSize: plan.shape.blockSize,
        largestBlock,
        newestWal: plan.newestWal,
        blocks: blocks.length,
        codec,
        segments,
        expiring,
      }),
      endOf(rangeTombstones),
    )
    const index = this.#writePart(encodeIndex(blocks), endOf(properties))
    const { number: fileNumber, salt, file } = plan
    const size = endOf(index) + FOOTER_BYTES
    const parts = { filter, rangeTombstones, properties, index }
    file.writeSync(encodeFooter({ ...parts, fileSize: size, fileNumber, salt }), endOf(index))
    syncFileOrPoison(file)
    const { entries, tombstones, earliestExpiry, latestExpiry, smallestVersion, largestVersion } =
      counts
    const payloadBytes = payloads.reduce((sum, payload) => sum + payload, 0)
    return {
      number: fileNumber,
      size,
      salt: salt.toString('hex'),
      entries,
      tombstones,
      earliestExpiry,
      latestExpiry,
      smallestVersion,
      largestVersion,
      baseVersion: plan.baseVersion,
      largestBlock,
      newestWal: plan.newestWal,
      smallestKey: new Uint8Array(blocks[0]?.firstKey ?? []),
      largestKey: new Uint8Array(blocks.at(-1)?.lastKey ?? []),
      ...(codec === CODEC_NONE ? {} : { packing: { codec, payloadBytes } }),
      ...(segments.length === 0 ? {} : { segments }),
      ...(expiring.length === 0 ? {} : { expiring }),
    }
  }

  /** The finished blocks; their keys stay in the writer's memory. */
  #listBlocks(): Required<IndexEntry>[] {
    const { u32, bytes } = this.#machine.heap
    const count = loadU32(u32, this.#builder + BUILDER_BLOCK_COUNT)
    const entries: Required<IndexEntry>[] = []
    for (let i = 0; i < count; i++) {
      const at = this.#memory.blocks.address + i * BLOCK_ENTRY_SIZE
      const first = loadU32(u32, at + BLOCK_ENTRY_FIRST_KEY)
      const last = loadU32(u32, at + BLOCK_ENTRY_LAST_KEY)
      entries.push({
        offset: loadU64(u32, at + BLOCK_ENTRY_OFFSET),
        length: loadU32(u32, at + BLOCK_ENTRY_LENGTH),
        payload: loadU32(u32, at + BLOCK_ENTRY_PAYLOAD),
        firstKey: bytes.subarray(first, first + loadU32(u32, at + BLOCK_ENTRY_FIRST_KEY_LENGTH)),
        lastKey: bytes.subarray(last, last + loadU32(u32, at + BLOCK_ENTRY_LAST_KEY_LENGTH)),
      })
    }
    return entries
  }

  #writeFilter(position: number): TablePart {
    const { kernels, heap } = this.#machine
    const { out, hashes } = this.#memory
    const keys = loadU32(heap.u32, this.#builder + BUILDER_HASH_COUNT)
    const shape = this.#plan.shape.filter
    const blocks = filterBlocks(shape, keys)
    const length = FILTER_HEADER + 64 * blocks
    this.#needRoom(length + BLOCK_TRAILER)
    kernels.filterBuild(hashes.address, keys, shape.k, blocks, out.address)
    this.#seal(out.address, length, position)
    this.#write(out.address, length + BLOCK_TRAILER, position)
    return { offset: position, length }
  }

  /** Writes a part that was encoded outside the heap. */
  #writePart(payload: Buffer, position: number): TablePart {
    const { length } = payload
    // With the filter written the hashes are of no use any more, and the index of a full table fits in their place.
    const { address, length: room } = roomiest(this.#memory)
    if (length + BLOCK_TRAILER <= room) {
      this.#machine.heap.bytes.set(payload, address)
      this.#seal(address, length, position)
      this.#write(address, length + BLOCK_TRAILER, position)
      return { offset: position, length }
    }
    const block = Buffer.allocUnsafeSlow(length + BLOCK_TRAILER)
    payload.copy(block)
    encodeTrailer(block, length, length)
    const { salt, number: fileNumber, file } = this.#plan
    const sum = checksum(block.subarray(0, length + TRAILER_COVERED), {
      salt,
      fileNumber,
      position,
    })
    block.writeBigUInt64LE(sum, length + TRAILER_COVERED)
    file.writeSync(block, position)
    return { offset: position, length }
  }

  /** Writes the trailer behind a payload in the heap, or behind its compressed form. */
  #seal(address: number, payloadLength: number, position: number, packed?: PackedForm): void {
    const { kernels, heap } = this.#machine
    const { number } = this.#plan
    const length = packed?.length ?? payloadLength
    const trailer = address + length
    const sum = trailer + TRAILER_COVERED
    encodeTrailer(heap.bytes, trailer, payloadLength, packed)
    kernels.checksum(address, length + TRAILER_COVERED, this.#memory.salt, number, position, sum)
  }

  #write(address: number, length: number, position: number): void {
    this.#plan.file.writeSync(
      this.#machine.heap.bytes.subarray(address, address + length),
      position,
    )
  }

  #needRoom(bytes: number): void {
    if (bytes <= this.#memory.out.length) return
    throw new SettError(
      'SETT_OUT_OF_MEMORY',
      `Writing a table needs ${bytes} bytes of scratch memory and has ${this.#memory.out.length}. ` +
        'Raise memoryBudget.',
    )
  }
}

function endOf({ offset, length }: TablePart): number {
  return offset + length + BLOCK_TRAILER
}
