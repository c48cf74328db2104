// Twin of the table builder (FORMAT §6.1). All state lies in the builder structure and the regions it names:
// the open block's entries behind BUILDER_OUT_USED, its restart offsets at the very end of the output region,
// its last key behind BUILDER_KEYS_USED (or, when it is also its first key, there).
import { RESTART_INTERVAL } from '../../src/base/limits.ts'
import { hash64 } from '../../src/base/xxh64.ts'
import type { Kernels } from '../../src/kernel/kernels.ts'
import * as layout from '../../src/kernel/layout.ts'
import { type Descriptor, Memory, readDescriptor } from './block.ts'

// Kernel-private fields, from BUILDER_OPEN on.
const OPEN_BYTES = layout.BUILDER_OPEN
const OPEN_ENTRIES = layout.BUILDER_OPEN + 4
const OPEN_RESTARTS = layout.BUILDER_OPEN + 8
const LAST_KEY = layout.BUILDER_OPEN + 12
const LAST_KEY_LENGTH = layout.BUILDER_OPEN + 16
const STOPPED = layout.BUILDER_OPEN + 20
const CLOSED = layout.BUILDER_OPEN + 24

const STOPPED_OUT = 1
const STOPPED_LIST = 2
const STOPPED_ALONE = 3
const STOPPED_BLOCK = 4

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return bytes
}

function sharedLength(a: Buffer, b: Buffer): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

class Builder {
  private readonly memory: Memory
  private readonly at: number

  constructor(memory: Memory, at: number) {
    this.memory = memory
    this.at = at
  }

  get(field: number): number {
    return this.memory.u32(this.at + field)
  }

  set(field: number, value: number): void {
    this.memory.setU32(this.at + field, value)
  }

  private add(field: number, value: number): void {
    this.set(field, this.get(field) + value)
  }

  private get64(field: number): number {
    return this.memory.u64(this.at + field)
  }

  private set64(field: number, value: number): void {
    this.memory.setU64(this.at + field, value)
  }

  start(): void {
    const size = layout.BUILDER_STOP_AT_BLOCK - layout.BUILDER_OUT_USED
    this.memory.slice(this.at + layout.BUILDER_OUT_USED, size).fill(0)
  }

  private blockEntry(index: number): number {
    return this.get(layout.BUILDER_BLOCKS) + layout.BLOCK_ENTRY_SIZE * index
  }

  /** The user key before the next entry; empty at the start of a table. */
  /** True for a key other than the one before, and for the first of a table. */
  private isNewKey(key: Buffer): boolean {
    if (this.get(OPEN_BYTES) === 0 && this.get(layout.BUILDER_BLOCK_COUNT) === 0) return true
    return !key.equals(this.lastKey())
  }

  private lastKey(): Buffer {
    if (this.get(OPEN_BYTES) > 0) {
      return this.memory.slice(this.get(LAST_KEY), this.get(LAST_KEY_LENGTH))
    }
    const count = this.get(layout.BUILDER_BLOCK_COUNT)
    if (count === 0) return Buffer.alloc(0)
    const block = this.blockEntry(count - 1)
    return this.memory.slice(
      this.memory.u32(block + layout.BLOCK_ENTRY_LAST_KEY),
      this.memory.u32(block + layout.BLOCK_ENTRY_LAST_KEY_LENGTH),
    )
  }

  private encode(entry: Descriptor, shared: number): Buffer {
    const key = this.memory.slice(entry.key, entry.keyLength)
    const value = this.memory.slice(entry.value, entry.valueLength)
    const head = [
      ...varint(shared),
      ...varint(key.length - shared),
      ...varint(value.length),
      entry.tag,
      ...varint(entry.version - this.get64(layout.BUILDER_BASE_VERSION)),
      ...((entry.tag & layout.TAG_META) !== 0 ? [entry.meta] : []),
      ...((entry.tag & layout.TAG_EXPIRY) !== 0 ? varint(entry.expiresAt) : []),
    ]
    return Buffer.concat([Buffer.from(head), key.subarray(shared), value])
  }

  append(descriptors: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const entry = readDescriptor(this.memory, descriptors + layout.DESC_SIZE * i)
      const reason = this.appendOne(entry)
      this.set(STOPPED, reason)
      if (reason !== 0) return i
    }
    this.set(STOPPED, 0)
    return count
  }

  /** 0 when the entry was taken, otherwise why not. */
  private appendOne(entry: Descriptor): number {
    if ((entry.flags & layout.DESC_LAZY) !== 0) return STOPPED_ALONE
    const key = this.memory.slice(entry.key, entry.keyLength)
    const isNew = this.isNewKey(key)
    const blockSize = this.get(layout.BUILDER_BLOCK_SIZE)
    const restart = this.get(OPEN_ENTRIES) % RESTART_INTERVAL === 0
    let bytes = this.encode(entry, restart ? 0 : sharedLength(key, this.lastKey()))
    if (this.get(OPEN_BYTES) > 0 && this.payloadWith(bytes, restart) > blockSize) {
      bytes = this.encode(entry, 0)
      if (bytes.length + 8 > blockSize) return STOPPED_ALONE
      if (this.get(layout.BUILDER_STOP_AT_BLOCK) !== 0) return STOPPED_BLOCK
      this.finishBlock()
    }
    const opens = this.get(OPEN_BYTES) === 0
    if (opens && bytes.length + 8 > blockSize) return STOPPED_ALONE
    if (!this.listsHaveRoom(key, isNew)) return STOPPED_LIST
    if (!this.outHasRoom(bytes, opens || restart)) return STOPPED_OUT
    if (opens) this.openBlock(key, isNew)
    this.write(bytes, opens || restart)
    this.setLastKey(key)
    this.countEntry(entry, key, isNew)
    return 0
  }

  private payloadWith(bytes: Buffer, restart: boolean): number {
    const restarts = this.get(OPEN_RESTARTS) + (restart ? 1 : 0)
    return this.get(OPEN_BYTES) + bytes.length + 4 * restarts + 4
  }

  private listsHaveRoom(key: Buffer, isNew: boolean): boolean {
    const capacity = this.get(layout.BUILDER_BLOCKS_CAPACITY)
    const reserve = isNew ? capacity >>> 3 : 0
    if (this.get(layout.BUILDER_BLOCK_COUNT) + 1 + reserve > capacity) return false
    if (!isNew) return true
    const hashes = this.get(layout.BUILDER_HASH_COUNT)
    if (hashes >= this.get(layout.BUILDER_HASHES_CAPACITY)) return false
    // The key needs its bytes once: as the first key of a block or as the last so far.
    const used = this.get(layout.BUILDER_KEYS_USED)
    return used + key.length <= this.get(layout.BUILDER_KEYS_CAPACITY)
  }

  private outHasRoom(bytes: Buffer, restart: boolean): boolean {
    const restarts = this.get(OPEN_RESTARTS) + (restart ? 1 : 0)
    const waiting = 4 * restarts
    const stored = this.payloadWith(bytes, restart) + layout.BLOCK_TRAILER
    const used = this.get(layout.BUILDER_OUT_USED)
    return used + stored + waiting <= this.get(layout.BUILDER_OUT_CAPACITY)
  }

  private openBlock(key: Buffer, isNew: boolean): void {
    const count = this.get(layout.BUILDER_BLOCK_COUNT)
    const block = this.blockEntry(count)
    let first = this.memory.u32(this.blockEntry(count - 1) + layout.BLOCK_ENTRY_LAST_KEY)
    if (isNew) first = this.keepKey(key)
    this.memory.setU32(block + layout.BLOCK_ENTRY_FIRST_KEY, first)
    this.memory.setU32(block + layout.BLOCK_ENTRY_FIRST_KEY_LENGTH, key.length)
  }

  private keepKey(key: Buffer): number {
    const used = this.get(layout.BUILDER_KEYS_USED)
    const at = this.get(layout.BUILDER_KEYS) + used
    key.copy(this.memory.bytes, at)
    this.set(layout.BUILDER_KEYS_USED, used + key.length)
    return at
  }

  private write(bytes: Buffer, restart: boolean): void {
    const out = this.get(layout.BUILDER_OUT)
    const open = this.get(OPEN_BYTES)
    bytes.copy(this.memory.bytes, out + this.get(layout.BUILDER_OUT_USED) + open)
    if (restart) {
      this.add(OPEN_RESTARTS, 1)
      const end = out + this.get(layout.BUILDER_OUT_CAPACITY)
      this.memory.setU32(end - 4 * this.get(OPEN_RESTARTS), open)
    }
    this.set(OPEN_BYTES, open + bytes.length)
    this.add(OPEN_ENTRIES, 1)
  }

  /** The open block's last key: its bytes are its first key's, or wait behind BUILDER_KEYS_USED. */
  private setLastKey(key: Buffer): void {
    const block = this.blockEntry(this.get(layout.BUILDER_BLOCK_COUNT))
    const first = this.memory.u32(block + layout.BLOCK_ENTRY_FIRST_KEY)
    const length = this.memory.u32(block + layout.BLOCK_ENTRY_FIRST_KEY_LENGTH)
    let at = first
    if (!this.memory.slice(first, length).equals(key)) {
      at = this.get(layout.BUILDER_KEYS) + this.get(layout.BUILDER_KEYS_USED)
      key.copy(this.memory.bytes, at)
    }
    this.set(LAST_KEY, at)
    this.set(LAST_KEY_LENGTH, key.length)
  }

  private countEntry(entry: Descriptor, key: Buffer, isNew: boolean): void {
    if (isNew) {
      const hashes = this.get(layout.BUILDER_HASHES)
      const at = hashes + 8 * this.get(layout.BUILDER_HASH_COUNT)
      this.memory.view.setBigUint64(at, hash64(key, 0n), true)
      this.add(layout.BUILDER_HASH_COUNT, 1)
    }
    const { version, expiresAt } = entry
    const before = this.get64(layout.BUILDER_ENTRIES)
    const smallest = this.get64(layout.BUILDER_SMALLEST_VERSION)
    const largest = this.get64(layout.BUILDER_LARGEST_VERSION)
    const earliest = this.get64(layout.BUILDER_EARLIEST_EXPIRY)
    const latest = this.get64(layout.BUILDER_LATEST_EXPIRY)
    const deleted = (entry.tag & layout.KIND_MASK) === layout.KIND_DELETE
    this.set64(layout.BUILDER_ENTRIES, before + 1)
    this.set64(layout.BUILDER_TOMBSTONES, this.get64(layout.BUILDER_TOMBSTONES) + Number(deleted))
    this.set64(
      layout.BUILDER_SMALLEST_VERSION,
      before === 0 ? version : Math.min(smallest, version),
    )
    this.set64(layout.BUILDER_LARGEST_VERSION, Math.max(largest, version))
    if (expiresAt > 0 && (earliest === 0 || expiresAt < earliest)) {
      this.set64(layout.BUILDER_EARLIEST_EXPIRY, expiresAt)
    }
    const never = expiresAt === 0 || (before > 0 && latest === 0)
    this.set64(layout.BUILDER_LATEST_EXPIRY, never ? 0 : Math.max(latest, expiresAt))
    this.set64(layout.BUILDER_KEY_BYTES, this.get64(layout.BUILDER_KEY_BYTES) + entry.keyLength)
    const valueBytes = this.get64(layout.BUILDER_VALUE_BYTES) + entry.valueLength
    this.set64(layout.BUILDER_VALUE_BYTES, valueBytes)
  }

  finishBlock(): void {
    const payload = this.closeBlock()
    if (payload > 0) this.sealBlock(0, payload)
  }

  closeBlock(): number {
    const open = this.get(OPEN_BYTES)
    if (open === 0) return 0
    const { memory } = this
    const start = this.get(layout.BUILDER_OUT) + this.get(layout.BUILDER_OUT_USED)
    const end = this.get(layout.BUILDER_OUT) + this.get(layout.BUILDER_OUT_CAPACITY)
    const restarts = this.get(OPEN_RESTARTS)
    let at = start + open
    for (let i = 1; i <= restarts; i++, at += 4) memory.setU32(at, memory.u32(end - 4 * i))
    memory.setU32(at, restarts)
    const payload = at + 4 - start
    this.set(CLOSED, payload)
    return payload
  }

  sealBlock(codec: number, stored: number): void {
    const { memory } = this
    const start = this.get(layout.BUILDER_OUT) + this.get(layout.BUILDER_OUT_USED)
    const trailer = start + stored
    const payload = this.get(CLOSED)
    memory.setU32(trailer, codec === 0 ? 0 : codec + 256 * stored)
    memory.setU32(trailer + 4, payload)
    const position = this.get64(layout.BUILDER_FILE_OFFSET) + this.get(layout.BUILDER_OUT_USED)
    const sum = hash64(memory.slice(start, stored + 8), this.seed(position))
    memory.view.setBigUint64(trailer + 8, sum, true)
    this.listBlock(position, stored + layout.BLOCK_TRAILER, payload)
    this.add(layout.BUILDER_OUT_USED, stored + layout.BLOCK_TRAILER)
    for (const field of [OPEN_BYTES, OPEN_ENTRIES, OPEN_RESTARTS, CLOSED]) this.set(field, 0)
  }

  private seed(position: number): bigint {
    const bytes = Buffer.alloc(24)
    this.memory.slice(this.get(layout.BUILDER_SALT), 8).copy(bytes)
    bytes.writeBigUInt64LE(BigInt(this.get64(layout.BUILDER_FILE_NUMBER)), 8)
    bytes.writeBigUInt64LE(BigInt(position), 16)
    return hash64(bytes, 0n)
  }

  /** Completes the open block's entry; its last key becomes part of the key area. */
  private listBlock(position: number, length: number, payload: number): void {
    const { memory } = this
    const block = this.blockEntry(this.get(layout.BUILDER_BLOCK_COUNT))
    memory.setU64(block + layout.BLOCK_ENTRY_OFFSET, position)
    memory.setU32(block + layout.BLOCK_ENTRY_LENGTH, length)
    memory.setU32(block + layout.BLOCK_ENTRY_PAYLOAD, payload)
    memory.setU32(block + layout.BLOCK_ENTRY_LAST_KEY, this.get(LAST_KEY))
    memory.setU32(block + layout.BLOCK_ENTRY_LAST_KEY_LENGTH, this.get(LAST_KEY_LENGTH))
    memory.setU32(block + layout.BLOCK_ENTRY_ENTRIES, this.get(OPEN_ENTRIES))
    const sameKey =
      this.get(LAST_KEY) === memory.u32(block + layout.BLOCK_ENTRY_FIRST_KEY) &&
      this.get(LAST_KEY_LENGTH) === memory.u32(block + layout.BLOCK_ENTRY_FIRST_KEY_LENGTH)
    if (!sameKey) {
      this.add(layout.BUILDER_KEYS_USED, this.get(LAST_KEY_LENGTH))
    }
    this.add(layout.BUILDER_BLOCK_COUNT, 1)
  }

  drained(): void {
    const out = this.get(layout.BUILDER_OUT)
    const used = this.get(layout.BUILDER_OUT_USED)
    this.memory.slice(out + used, this.get(OPEN_BYTES)).copy(this.memory.bytes, out)
    this.set64(layout.BUILDER_FILE_OFFSET, this.get64(layout.BUILDER_FILE_OFFSET) + used)
    this.set(layout.BUILDER_OUT_USED, 0)
  }

  alone(descriptor: number, storedLength: number, payload: number): number {
    const entry = readDescriptor(this.memory, descriptor)
    const key = this.memory.slice(entry.key, entry.keyLength)
    const isNew = this.isNewKey(key)
    if (!this.listsHaveRoom(key, isNew)) return 0
    this.openBlock(key, isNew)
    this.setLastKey(key)
    this.set(OPEN_ENTRIES, 1)
    const position = this.get64(layout.BUILDER_FILE_OFFSET)
    this.listBlock(position, storedLength, payload)
    this.set(OPEN_ENTRIES, 0)
    this.set64(layout.BUILDER_FILE_OFFSET, position + storedLength)
    this.countEntry(entry, key, isNew)
    return 1
  }
}

export type BuilderKernels = Pick<
  Kernels,
  | 'builderStart'
  | 'builderAppend'
  | 'builderStopped'
  | 'builderCloseBlock'
  | 'builderSealBlock'
  | 'builderFinishBlock'
  | 'builderDrained'
  | 'builderAlone'
>

export function builderTwin(shared: WebAssembly.Memory): BuilderKernels {
  const memory = new Memory(shared)
  return {
    builderStart: (builder) => new Builder(memory, builder).start(),
    builderAppend: (builder, descriptors, count) =>
      new Builder(memory, builder).append(descriptors, count),
    builderStopped: (builder) => new Builder(memory, builder).get(STOPPED),
    builderCloseBlock: (builder) => new Builder(memory, builder).closeBlock(),
    builderSealBlock: (builder, codec, stored) =>
      new Builder(memory, builder).sealBlock(codec, stored),
    builderFinishBlock: (builder) => new Builder(memory, builder).finishBlock(),
    builderDrained: (builder) => new Builder(memory, builder).drained(),
    builderAlone: (builder, descriptor, storedLength, payload) =>
      new Builder(memory, builder).alone(descriptor, storedLength, payload),
  }
}
