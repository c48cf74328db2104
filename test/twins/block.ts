// Twin of the block kernels (FORMAT §6.1): reads entries the slow, obvious way, key by key. Any bytes give a
// value or -1. Also home of Memory, the byte access that the block, builder and merge twins share.
import { KEY_LENGTH_MAX } from '../../src/base/limits.ts'
import type { Kernels } from '../../src/kernel/kernels.ts'
import {
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
  TAG_EXPIRY,
  TAG_META,
} from '../../src/kernel/layout.ts'
import { isPointer } from './pointer.ts'

/** Little-endian access to a wasm memory by address. */
export class Memory {
  readonly bytes: Buffer
  readonly view: DataView

  constructor(memory: WebAssembly.Memory) {
    this.bytes = Buffer.from(memory.buffer)
    this.view = new DataView(memory.buffer)
  }

  u32(address: number): number {
    return this.view.getUint32(address, true)
  }

  setU32(address: number, value: number): void {
    this.view.setUint32(address, value, true)
  }

  /** A u64 below 2^53. */
  u64(address: number): number {
    return Number(this.view.getBigUint64(address, true))
  }

  setU64(address: number, value: number): void {
    this.view.setBigUint64(address, BigInt(value), true)
  }

  slice(address: number, length: number): Buffer {
    return this.bytes.subarray(address, address + length)
  }
}

/** One entry as a descriptor holds it. */
export interface Descriptor {
  key: number
  keyLength: number
  value: number
  valueLength: number
  version: number
  expiresAt: number
  tag: number
  meta: number
  flags: number
}

export function readDescriptor(memory: Memory, at: number): Descriptor {
  return {
    key: memory.u32(at + DESC_KEY),
    keyLength: memory.u32(at + DESC_KEY_LENGTH),
    value: memory.u32(at + DESC_VALUE),
    valueLength: memory.u32(at + DESC_VALUE_LENGTH),
    version: memory.u64(at + DESC_VERSION),
    expiresAt: memory.u64(at + DESC_EXPIRES_AT),
    tag: memory.bytes[at + DESC_TAG]!,
    meta: memory.bytes[at + DESC_META]!,
    flags: memory.u32(at + DESC_FLAGS),
  }
}

/** Writes a descriptor; its prefix is taken from the key bytes. */
export function writeDescriptor(memory: Memory, at: number, from: Descriptor): void {
  const prefix = Buffer.alloc(8)
  memory.slice(from.key, Math.min(8, from.keyLength)).copy(prefix)
  memory.view.setBigUint64(at + DESC_PREFIX, prefix.readBigUInt64BE(), true)
  memory.setU32(at + DESC_KEY, from.key)
  memory.setU32(at + DESC_KEY_LENGTH, from.keyLength)
  memory.setU32(at + DESC_VALUE, from.value)
  memory.setU32(at + DESC_VALUE_LENGTH, from.valueLength)
  memory.setU64(at + DESC_VERSION, from.version)
  memory.setU64(at + DESC_EXPIRES_AT, from.expiresAt)
  memory.setU32(at + DESC_TAG, from.tag | (from.meta << 8))
  memory.setU32(at + DESC_FLAGS, from.flags)
}

class Damage extends Error {}

export function check(good: boolean): void {
  if (!good) throw new Damage('block')
}

export interface Entry {
  shared: number
  key: Buffer
  valueAt: number
  valueLength: number
  tag: number
  version: number
  meta: number
  expiresAt: number
  next: number
}

export const NO_KEY: Buffer = Buffer.alloc(0)

/** A payload with its restart array's frame checked: at least one restart, the first at 0. */
export class Block {
  readonly bytes: Buffer
  readonly baseVersion: number
  readonly count: number
  readonly end: number

  constructor(bytes: Buffer, baseVersion: number) {
    this.bytes = bytes
    this.baseVersion = baseVersion
    check(bytes.length >= 4)
    this.count = bytes.readUInt32LE(bytes.length - 4)
    this.end = bytes.length - 4 - 4 * this.count
    check(this.count > 0 && this.end > 0)
    check(this.restart(0) === 0)
  }

  /** Offset of a restart; the end of the entries for index `count`. */
  restart(index: number): number {
    return index === this.count ? this.end : this.bytes.readUInt32LE(this.end + 4 * index)
  }

  /** The entry at `offset`, which must end at or before `end`. */
  entry(offset: number, end: number, previous: Buffer): Entry {
    let at = offset
    const byte = (): number => {
      check(at < end)
      return this.bytes[at++]!
    }
    const varint = (): number => {
      let value = 0
      for (let i = 0; i < 8; i++) {
        const part = byte()
        value += (part & 127) * 2 ** (7 * i)
        if (part < 128) return value
      }
      throw new Damage('varint')
    }
    const shared = varint()
    const other = varint()
    const valueLength = varint()
    const tag = byte()
    const version = this.baseVersion + varint()
    const meta = (tag & TAG_META) !== 0 ? byte() : 0
    const expiresAt = (tag & TAG_EXPIRY) !== 0 ? varint() : 0
    const kind = tag & KIND_MASK
    check([KIND_PUT, KIND_DELETE, KIND_POINTER].includes(kind) && (tag & 0xc0) === 0)
    check(version < 2 ** 53 && expiresAt < 2 ** 53)
    check(shared <= previous.length && shared + other <= KEY_LENGTH_MAX)
    check(at + other + valueLength <= end)
    const rest = this.bytes.subarray(at, at + other)
    const valueAt = at + other
    if (kind === KIND_POINTER) {
      check(isPointer(this.bytes.subarray(valueAt, valueAt + valueLength)))
    }
    return {
      shared,
      key: Buffer.concat([previous.subarray(0, shared), rest]),
      valueAt,
      valueLength,
      tag,
      version,
      meta,
      expiresAt,
      next: valueAt + valueLength,
    }
  }

  /** The last restart for which `before` holds of its entry; 0 when there is none. */
  search(before: (entry: Entry) => boolean): number {
    let low = 0
    let high = this.count - 1
    let lowOffset = 0
    let highOffset = this.end
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      const offset = this.restart(middle)
      check(offset > lowOffset && offset < highOffset)
      if (before(this.entry(offset, this.end, NO_KEY))) {
        low = middle
        lowOffset = offset
      } else {
        high = middle - 1
        highOffset = offset
      }
    }
    return low
  }
}

/** Runs `read` over the block; damage found on the way gives -1. */
export function guarded(
  bytes: Buffer,
  baseVersion: number,
  read: (block: Block) => number,
): number {
  try {
    return read(new Block(bytes, baseVersion))
  } catch (error) {
    if (error instanceof Damage) return -1
    throw error
  }
}

/** blockGet here has no use for a guide. */
export type BlockKernels = Pick<Kernels, 'blockGet' | 'blockSeek' | 'blockRestarts' | 'blockDecode'>

export function blockTwin(shared: WebAssembly.Memory): BlockKernels {
  const memory = new Memory(shared)
  return {
    blockRestarts: (address, length) =>
      guarded(memory.slice(address, length), 0, (block) => {
        for (let i = 0; i < block.count; i++) check(block.restart(i) < block.restart(i + 1))
        return block.count
      }),

    blockSeek: (address, length, keyAt, keyLength) =>
      guarded(memory.slice(address, length), 0, (block) => {
        const key = memory.slice(keyAt, keyLength)
        return block.search((entry) => Buffer.compare(entry.key, key) < 0)
      }),

    blockGet: (address, length, _guide, baseVersion, keyAt, keyLength, maxVersion, out) =>
      guarded(memory.slice(address, length), baseVersion, (block) => {
        const key = memory.slice(keyAt, keyLength)
        const start = block.search((entry) => {
          const order = Buffer.compare(entry.key, key)
          return order < 0 || (order === 0 && entry.version > maxVersion)
        })
        let previous: Buffer = NO_KEY
        for (let at = block.restart(start); at < block.end; ) {
          const entry = block.entry(at, block.end, previous)
          const order = Buffer.compare(entry.key, key)
          if (order > 0) return 0
          if (order === 0 && entry.version <= maxVersion) {
            const value = address + entry.valueAt
            writeDescriptor(memory, out, { ...entry, key: keyAt, keyLength, value, flags: 0 })
            return 1
          }
          previous = entry.key
          at = entry.next
        }
        return previous.equals(key) ? 2 : 0
      }),

    blockDecode: (address, length, baseVersion, from, to, reverse, ...output) =>
      guarded(memory.slice(address, length), baseVersion, (block) => {
        const [out, capacity, keys, keysCapacity, stopped] = output
        const last = Math.min(to, block.count)
        const decoder = new Decoder(memory, block, address, { out, capacity, keys, keysCapacity })
        let done = 0
        while (from + done < last) {
          const fits = decoder.interval(reverse !== 0 ? last - 1 - done : from + done, reverse)
          if (!fits) break
          done++
        }
        memory.setU32(stopped, reverse !== 0 ? last - done : from + done)
        return done === 0 && from < last ? -2 : decoder.count
      }),
  }
}

interface DecodeArea {
  out: number
  capacity: number
  keys: number
  keysCapacity: number
}

class Decoder {
  count = 0
  private keysUsed = 0
  private readonly memory: Memory
  private readonly block: Block
  private readonly address: number
  private readonly area: DecodeArea

  constructor(memory: Memory, block: Block, address: number, area: DecodeArea) {
    this.memory = memory
    this.block = block
    this.address = address
    this.area = area
  }

  /** Decodes one restart interval; false, with nothing added, when it does not fit. */
  interval(index: number, reverse: number): boolean {
    const { block, area, memory } = this
    const start = block.restart(index)
    const end = block.restart(index + 1)
    check(start < end && end <= block.end)
    const found: Descriptor[] = []
    let keysUsed = this.keysUsed
    let keyAt = 0
    let previous: Buffer = NO_KEY
    for (let at = start; at < end; ) {
      if (this.count + found.length === area.capacity) return false
      const entry = block.entry(at, end, previous)
      // A further version of the same key shares the key's bytes.
      if (!(entry.shared === previous.length && entry.key.length === previous.length)) {
        if (keysUsed + entry.key.length > area.keysCapacity) return false
        keyAt = area.keys + keysUsed
        entry.key.copy(memory.bytes, keyAt)
        keysUsed += entry.key.length
      }
      const value = this.address + entry.valueAt
      const keyLength = entry.key.length
      found.push({ ...entry, key: keyAt, keyLength, value, flags: 0 })
      previous = entry.key
      at = entry.next
    }
    if (reverse !== 0) found.reverse()
    for (const one of found) writeDescriptor(memory, area.out + DESC_SIZE * this.count++, one)
    this.keysUsed = keysUsed
    return true
  }
}
