// Twin of the memtable kernels: a sorted array of record addresses (u32) at the arena's end,
// ascending towards it. All state lies in the arena, so any twin over the same memory reads what
// another one linked.
import type { Kernels } from '../../src/kernel/kernels.ts'
import {
  ARENA_COUNT,
  ARENA_END,
  ARENA_HEADER,
  ARENA_NODE_START,
  DESC_EXPIRES_AT,
  DESC_FLAGS,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_META,
  DESC_PREFIX,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  RECORD_KEY_LENGTH,
  RECORD_META,
  RECORD_TAG,
  RECORD_VALUE_LENGTH,
  RECORD_VERSION,
  TAG_COMMIT_END,
  TAG_EXPIRY,
  TAG_META,
} from '../../src/kernel/layout.ts'
import { isPointer } from './pointer.ts'

/** What the kernel's tree may take; the twin refuses at the same size. */
const NODE_BYTES_PER_ENTRY = 27
const NODE_BYTES_BASE = 8192

const align = (value: number) => Math.ceil(value / 8) * 8

class Arena {
  readonly bytes: Buffer
  readonly start: number

  constructor(bytes: Buffer, start: number) {
    this.bytes = bytes
    this.start = start
  }

  get count(): number {
    return this.bytes.readUInt32LE(this.start + ARENA_COUNT)
  }

  get end(): number {
    return this.bytes.readUInt32LE(this.start + ARENA_END)
  }

  record(i: number): number {
    return this.bytes.readUInt32LE(this.end - 4 * (this.count - i))
  }

  tag(record: number): number {
    return this.bytes[record + RECORD_TAG]!
  }

  version(record: number): number {
    return Number(this.bytes.readBigUInt64LE(record + RECORD_VERSION))
  }

  keyAddress(record: number): number {
    const expires = (this.tag(record) & TAG_EXPIRY) !== 0
    return record + (expires ? RECORD_HEADER_WITH_EXPIRY : RECORD_HEADER)
  }

  keyLength(record: number): number {
    return this.bytes.readUInt16LE(record + RECORD_KEY_LENGTH)
  }

  valueLength(record: number): number {
    return this.bytes.readUInt32LE(record + RECORD_VALUE_LENGTH)
  }

  key(record: number): Buffer {
    const at = this.keyAddress(record)
    return this.bytes.subarray(at, at + this.keyLength(record))
  }

  size(record: number): number {
    const header = this.keyAddress(record) - record
    return align(header + this.keyLength(record) + this.valueLength(record))
  }

  /** How many entries come before (key, version) in order. */
  position(key: Buffer, version: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.order(this.record(middle), key, version) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  order(record: number, key: Buffer, version: number): number {
    return Buffer.compare(this.key(record), key) || version - this.version(record)
  }

  /** Start addresses of the records in [first, end), or undefined when one is malformed. */
  walk(first: number, end: number): number[] | undefined {
    if (first % 8 !== 0 || first < this.start + ARENA_HEADER || end > this.end) return undefined
    const records: number[] = []
    let at = first
    while (at < end) {
      if (end - at < RECORD_HEADER || !this.plausible(at)) return undefined
      if (this.size(at) > end - at || !this.pointsWell(at)) return undefined
      records.push(at)
      at += this.size(at)
    }
    return at === end ? records : undefined
  }

  plausible(record: number): boolean {
    const tag = this.tag(record)
    const kind = tag & KIND_MASK
    const below2to53 = (at: number) => this.bytes.readBigUInt64LE(at) < 1n << 53n
    return (
      [KIND_PUT, KIND_DELETE, KIND_POINTER].includes(kind) &&
      (tag & 0x40) === 0 &&
      ((tag & TAG_META) !== 0 || this.bytes[record + RECORD_META] === 0) &&
      below2to53(record + RECORD_VERSION) &&
      ((tag & TAG_EXPIRY) === 0 || below2to53(record + RECORD_HEADER))
    )
  }

  /** A value pointer, where the tag says that there is one, is well formed. */
  pointsWell(record: number): boolean {
    if ((this.tag(record) & KIND_MASK) !== KIND_POINTER) return true
    const at = this.keyAddress(record) + this.keyLength(record)
    return isPointer(this.bytes.subarray(at, at + this.valueLength(record)))
  }

  insert(record: number): void {
    const { bytes, count, end } = this
    const at = this.position(this.key(record), this.version(record))
    const same =
      at < count && this.order(this.record(at), this.key(record), this.version(record)) === 0
    if (same) {
      bytes.writeUInt32LE(record, end - 4 * (count - at))
      return
    }
    const base = end - 4 * count
    bytes.copyWithin(base - 4, base, base + 4 * at)
    bytes.writeUInt32LE(record, base - 4 + 4 * at)
    bytes.writeUInt32LE(count + 1, this.start + ARENA_COUNT)
  }

  describe(record: number, at: number): void {
    const { bytes } = this
    const tag = this.tag(record)
    const key = this.keyAddress(record)
    const keyLength = this.keyLength(record)
    const prefix = Buffer.alloc(8)
    this.key(record).copy(prefix)
    bytes.fill(0, at, at + DESC_SIZE)
    bytes.writeBigUInt64LE(prefix.readBigUInt64BE(), at + DESC_PREFIX)
    bytes.writeUInt32LE(key, at + DESC_KEY)
    bytes.writeUInt32LE(keyLength, at + DESC_KEY_LENGTH)
    bytes.writeUInt32LE(key + keyLength, at + DESC_VALUE)
    bytes.writeUInt32LE(this.valueLength(record), at + DESC_VALUE_LENGTH)
    bytes.writeBigUInt64LE(BigInt(this.version(record)), at + DESC_VERSION)
    const expires = (tag & TAG_EXPIRY) !== 0
    const expiresAt = expires ? bytes.readBigUInt64LE(record + RECORD_HEADER) : 0n
    bytes.writeBigUInt64LE(expiresAt, at + DESC_EXPIRES_AT)
    bytes[at + DESC_TAG] = tag & ~TAG_COMMIT_END
    bytes[at + DESC_META] = bytes[record + RECORD_META]!
    bytes.writeUInt32LE(0, at + DESC_FLAGS)
  }
}

export type MemtableKernels = Pick<
  Kernels,
  'memtableInit' | 'memtableLink' | 'memtableGet' | 'memtablePage'
>

export function memtableTwin(memory: WebAssembly.Memory): MemtableKernels {
  const bytes = Buffer.from(memory.buffer)
  return {
    memtableInit(start, end) {
      bytes.fill(0, start, start + ARENA_HEADER)
      bytes.writeUInt32LE(end, start + ARENA_END)
      bytes.writeUInt32LE(end, start + ARENA_NODE_START)
    },
    memtableLink(start, first, end) {
      const arena = new Arena(bytes, start)
      const records = arena.walk(first, end)
      if (records === undefined) return -2
      const entries = arena.count + records.length
      if (end + NODE_BYTES_PER_ENTRY * entries + NODE_BYTES_BASE > arena.end) return -1
      for (const record of records) arena.insert(record)
      const taken = align(NODE_BYTES_PER_ENTRY * arena.count)
      bytes.writeUInt32LE(arena.end - taken, start + ARENA_NODE_START)
      return records.length
    },
    memtableGet(start, keyAt, keyLength, maxVersion) {
      const arena = new Arena(bytes, start)
      const key = bytes.subarray(keyAt, keyAt + keyLength)
      const at = arena.position(key, maxVersion)
      const found = at < arena.count && Buffer.compare(arena.key(arena.record(at)), key) === 0
      return found ? arena.record(at) : 0
    },
    memtablePage(start, mode, keyAt, keyLength, version, reverse, out, capacity) {
      const arena = new Arena(bytes, start)
      const key = bytes.subarray(keyAt, keyAt + keyLength)
      const step = reverse === 0 ? 1 : -1
      let at = reverse === 0 ? 0 : arena.count - 1
      if (mode !== 0) {
        at = arena.position(key, version)
        const exact = at < arena.count && arena.order(arena.record(at), key, version) === 0
        if (reverse === 0 && mode === 2 && exact) at++
        if (reverse !== 0 && !(mode === 1 && exact)) at--
      }
      let filled = 0
      for (; filled < capacity && at >= 0 && at < arena.count; at += step, filled++) {
        arena.describe(arena.record(at), out + filled * DESC_SIZE)
      }
      return filled
    },
  }
}
