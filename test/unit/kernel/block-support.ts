// What the block, builder and merge tests share: a memory cut into areas, seeded randomness, entries as plain
// objects, and descriptors written from them and read back.
import {
  DESC_SIZE,
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  TAG_EXPIRY,
  TAG_META,
} from '../../../src/kernel/layout.ts'
import { Memory, readDescriptor, writeDescriptor } from '../../twins/block.ts'

export const PAGE = 65_536

export function newMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}

/** mulberry32: the same numbers for the same seed. */
export class Seeded {
  private state: number

  constructor(seed: number) {
    this.state = seed
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** Uniform integer in [low, high]. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) bytes[i] = this.int(0, 255)
    return bytes
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!
  }
}

export interface TestEntry {
  readonly key: Buffer
  readonly value: Buffer
  readonly version: number
  readonly tag: number
  readonly meta: number
  readonly expiresAt: number
}

/** Order of entries everywhere: key ascending, version descending. */
export function compareEntries(a: TestEntry, b: TestEntry): number {
  return Buffer.compare(a.key, b.key) || b.version - a.version
}

export function isTombstone(entry: TestEntry): boolean {
  return (entry.tag & KIND_MASK) === KIND_DELETE
}

/** FORMAT §9. */
export function randomPointer(random: Seeded): Buffer {
  const bytes = Buffer.alloc(24)
  bytes.writeBigUInt64LE(BigInt(random.int(1, 1000)), 0)
  bytes.writeBigUInt64LE(BigInt(random.int(8, 2 ** 40)) * 8n, 8)
  const length = random.chance(0.2) ? 0 : random.int(1, 2 ** random.int(3, 30))
  const parts = Math.max(1, Math.ceil(length / 2 ** 20))
  const fewest = length === 0 ? 0 : parts
  bytes.writeUInt32LE(length, 16)
  bytes.writeUInt32LE(32 * parts + 8 * random.int(fewest, Math.ceil(length / 8)), 20)
  return bytes
}

/** A put, pointer or delete with random flags; deletes have no value. */
export function randomEntry(random: Seeded, key: Buffer, version: number): TestEntry {
  const deleted = random.chance(0.15)
  const meta = random.chance(0.1) ? random.int(1, 255) : 0
  const expiresAt = random.chance(0.15) ? random.int(1, 2_000) : 0
  const flags = (meta > 0 ? TAG_META : 0) | (expiresAt > 0 ? TAG_EXPIRY : 0)
  const pointer = !deleted && random.chance(0.15)
  const kind = deleted ? KIND_DELETE : pointer ? KIND_POINTER : KIND_PUT
  const plain = deleted ? Buffer.alloc(0) : random.bytes(random.int(0, 24))
  const value = pointer ? randomPointer(random) : plain
  return { key, value, version, tag: kind | flags, meta, expiresAt }
}

/** A bump allocator over a memory; address 0 is never given out. */
export class Areas {
  readonly memory: Memory
  private top = 64

  constructor(shared: WebAssembly.Memory) {
    this.memory = new Memory(shared)
  }

  take(length: number, alignment = 8): number {
    const at = Math.ceil(this.top / alignment) * alignment
    this.top = at + length
    if (this.top > this.memory.bytes.length) throw new Error('test memory too small')
    return at
  }

  bytes(bytes: Buffer): number {
    const at = this.take(bytes.length, 1)
    bytes.copy(this.memory.bytes, at)
    return at
  }

  descriptors(entries: readonly TestEntry[], flags = 0): number {
    const at = this.take(DESC_SIZE * entries.length)
    entries.forEach((entry, i) => {
      putDescriptor(this, at + DESC_SIZE * i, entry, { flags })
    })
    return at
  }
}

/** The value is copied behind the key unless `extra.valueAt` says where it lies. */
export function putDescriptor(
  areas: Areas,
  at: number,
  entry: TestEntry,
  extra: { flags: number; valueAt?: number | undefined } = { flags: 0 },
): void {
  const { version, expiresAt, tag, meta } = entry
  const key = areas.bytes(entry.key)
  const value = extra.valueAt ?? areas.bytes(entry.value)
  const keyLength = entry.key.length
  const valueLength = entry.value.length
  const { flags } = extra
  const all = { key, keyLength, value, valueLength, version, expiresAt, tag, meta, flags }
  writeDescriptor(areas.memory, at, all)
}

/** Reads descriptors back as entries with copies of their bytes; checks each stored prefix. */
export function takeEntries(memory: Memory, at: number, count: number): TestEntry[] {
  const entries: TestEntry[] = []
  for (let i = 0; i < count; i++) {
    const found = readDescriptor(memory, at + DESC_SIZE * i)
    const { version, expiresAt, tag, meta } = found
    const key = Buffer.from(memory.slice(found.key, found.keyLength))
    const prefix = Buffer.alloc(8)
    key.copy(prefix)
    const stored = memory.view.getBigUint64(at + DESC_SIZE * i, true)
    if (stored !== prefix.readBigUInt64BE()) throw new Error(`prefix of entry ${i} is wrong`)
    const value = Buffer.from(memory.slice(found.value, found.valueLength))
    entries.push({ key, value, version, tag, meta, expiresAt })
  }
  return entries
}

/** Readable form of entries for comparisons. */
export function show(entries: readonly TestEntry[]): string[] {
  return entries.map(
    ({ key, value, version, tag, meta, expiresAt }) =>
      `${key.toString('hex')}@${version} tag ${tag}/${meta} until ${expiresAt} = ${value.toString('hex')}`,
  )
}
