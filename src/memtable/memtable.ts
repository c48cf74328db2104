// A memtable: one arena of the shared heap. Records are encoded upwards, still unlinked, by the main thread; the
// link kernel then makes a run of them visible to every thread. Tree nodes grow down from the end. The
// owner keeps room between the two (see `fits`), so linking cannot fail for want of space.
import { assert } from '../base/assert.ts'
import type { Kernels } from '../kernel/kernels.ts'
import {
  ARENA_COUNT,
  ARENA_HEADER,
  ARENA_NODE_START,
  LINK_RESERVE,
  LINK_RESERVE_PER_RECORD,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  TAG_EXPIRY,
} from '../kernel/layout.ts'
import { copyIn } from '../memory/copy-shared.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'

/** What `expiresAt` adds to a record. */
export const EXPIRY_BYTES: number = RECORD_HEADER_WITH_EXPIRY - RECORD_HEADER

/** Bytes a record that does not expire takes in an arena. */
export function recordBytes(keyLength: number, valueLength: number): number {
  return (RECORD_HEADER + keyLength + valueLength + 7) & ~7
}

/** Arena length that surely takes `count` records of `bytes` in all, beside `overhead` (frame headers). */
export function arenaBytes(bytes: number, count: number, overhead: number): number {
  const raw = ARENA_HEADER + bytes + overhead + LINK_RESERVE + LINK_RESERVE_PER_RECORD * (count + 1)
  return Math.ceil(raw / 64) * 64
}

export interface ExpiringEntry {
  readonly key: string | Uint8Array
  readonly value: string | Uint8Array | undefined
  /** ms since 1970, a whole number above 0 and below 2^53 */
  readonly expiresAt: number
}

export class Memtable {
  readonly arena: Region
  /** First free address; everything below it is encoded. */
  recordEnd: number
  /** Records encoded and not yet linked; each keeps node space reserved. */
  pending = 0
  /** Longest key + value encoded. */
  largestEntry = 0
  readonly #heap: SharedHeap
  readonly #kernels: Kernels

  private constructor(heap: SharedHeap, kernels: Kernels, arena: Region) {
    this.#heap = heap
    this.#kernels = kernels
    this.arena = arena
    this.recordEnd = arena.address + ARENA_HEADER
  }

  /** An empty memtable in a fresh region of at least 64 KiB. */
  static create(heap: SharedHeap, kernels: Kernels, arena: Region): Memtable {
    kernels.memtableInit(arena.address, arena.address + arena.length)
    return new Memtable(heap, kernels, arena)
  }

  /** Takes over an arena that a replay job filled; nothing more is encoded into it. */
  static adopt(
    { heap, kernels }: { readonly heap: SharedHeap; readonly kernels: Kernels },
    arena: Region,
    filled: { readonly cutAt: number; readonly largestEntry: number },
  ): Memtable {
    const memtable = new Memtable(heap, kernels, arena)
    memtable.recordEnd = arena.address + ARENA_HEADER + filled.cutAt
    memtable.largestEntry = filled.largestEntry
    return memtable
  }

  /** Entries linked. */
  get entries(): number {
    return this.#heap.u32[(this.arena.address + ARENA_COUNT) >>> 2]!
  }

  /** Bytes of records and nodes. */
  get usedBytes(): number {
    const nodes = this.arena.address + this.arena.length - this.#nodeStart()
    return this.recordEnd - this.arena.address + nodes
  }

  /** Whether `bytes` more, holding `count` records, can be encoded and later linked. */
  fits(bytes: number, count: number): boolean {
    const reserve = LINK_RESERVE + LINK_RESERVE_PER_RECORD * (this.pending + count)
    return this.recordEnd + bytes + reserve <= this.#nodeStart()
  }

  /** Leaves `length` bytes (8-aligned) for a frame header; returns their address. */
  reserve(length: number): number {
    const address = this.recordEnd
    this.recordEnd = address + length
    return address
  }

  /** Encodes one record (FORMAT §4) and returns its address. The caller checked `fits`. */
  encode(
    tag: number,
    version: number,
    key: string | Uint8Array,
    value: string | Uint8Array | undefined,
  ): number {
    const record = this.recordEnd
    this.#placeData(record, RECORD_HEADER, key, value)
    this.#stamp(record, tag, version)
    return record
  }

  /** As encode, for an entry that expires: its record takes EXPIRY_BYTES more. */
  encodeExpiring(tag: number, version: number, entry: ExpiringEntry): number {
    const record = this.recordEnd
    const { key, value, expiresAt } = entry
    this.#placeData(record, RECORD_HEADER_WITH_EXPIRY, key, value)
    const word = (record + RECORD_HEADER) >>> 2
    this.#heap.u32[word] = expiresAt
    this.#heap.u32[word + 1] = expiresAt / 4294967296
    this.#stamp(record, tag | TAG_EXPIRY, version)
    return record
  }

  /** Key, value and their lengths, behind `header` bytes. */
  #placeData(
    record: number,
    header: number,
    key: string | Uint8Array,
    value: string | Uint8Array | undefined,
  ): void {
    const { bytes, u32 } = this.#heap
    const keyAt = record + header
    const keyLength = place(bytes, key, keyAt)
    const valueLength = value === undefined ? 0 : place(bytes, value, keyAt + keyLength)
    const word = record >>> 2
    u32[word] = valueLength
    u32[word + 1] = keyLength
    let end = keyAt + keyLength + valueLength
    if (keyLength + valueLength > this.largestEntry) this.largestEntry = keyLength + valueLength
    while ((end & 7) !== 0) bytes[end++] = 0
    this.recordEnd = end
    this.pending += 1
  }

  #stamp(record: number, tag: number, version: number): void {
    const { u32 } = this.#heap
    const word = record >>> 2
    u32[word + 1] = u32[word + 1]! | (tag << 16)
    u32[word + 2] = version
    u32[word + 3] = version / 4294967296
  }

  /** Adds tag bits to a record not yet linked. */
  markTag(record: number, bits: number): void {
    const word = (record >>> 2) + 1
    this.#heap.u32[word] = this.#heap.u32[word]! | (bits << 16)
  }

  /** Links the run [first, end) of `count` records: it is visible from now on. */
  link(first: number, end: number, count: number): void {
    const linked = this.#kernels.memtableLink(this.arena.address, first, end)
    assert(linked === count, `a run of ${count} records links whole (${linked})`)
    this.pending -= count
  }

  /** Takes back what was encoded since these values were read. */
  undo(recordEnd: number, pending: number): void {
    this.recordEnd = recordEnd
    this.pending = pending
  }

  /** Gives up a run that was never linked. Its bytes are reused only if nothing was encoded behind it. */
  abandon(start: number, end: number, count: number): void {
    if (this.recordEnd === end) this.recordEnd = start
    this.pending -= count
  }

  #nodeStart(): number {
    return this.#heap.u32[(this.arena.address + ARENA_NODE_START) >>> 2]!
  }
}

/** Copies data to `at`, strings as UTF-8; returns the bytes written. */
export function place(target: Buffer, data: string | Uint8Array, at: number): number {
  if (typeof data === 'string') {
    // Without an encoding argument Buffer.write goes straight to the UTF-8 writer; without a length Node 20 writes
    // nothing where 2 GiB or more lie behind `at`.
    if (data.length === 0) return 0
    return target.write(data, at, Math.min(data.length * 3, target.length - at))
  }
  copyIn(target, at, data)
  return data.length
}

/** Exact bytes of data once placed. */
export function dataLength(data: string | Uint8Array): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length
}
