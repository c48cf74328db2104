// What is counted of a table's entries when it is read again; the builder kernel counts while it is written.
import { readSafeU64 } from '../base/bytes.ts'
import { ExpiryTally } from '../cursor/expiry-tally.ts'
import { type KernelHeap, loadU32, loadU64 } from '../cursor/words.ts'
import type { SegmentUse } from '../format/segments/segment-meta.ts'
import {
  DESC_EXPIRES_AT,
  DESC_KEY_LENGTH,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
} from '../kernel/layout.ts'

/** What is counted of a table as its properties and the manifest have it. */
export const COUNTED_FACTS = [
  'entries',
  'tombstones',
  'earliestExpiry',
  'latestExpiry',
  'smallestVersion',
  'largestVersion',
] as const

export class TableTally {
  entries = 0
  tombstones = 0
  smallestVersion: number = Number.MAX_SAFE_INTEGER
  largestVersion = 0
  earliestExpiry = 0
  latestExpiry = 0
  keyBytes = 0
  valueBytes = 0
  /** Stored bytes referred to, by segment. */
  readonly referred: Map<number, number> = new Map()
  /** Of what expires. */
  readonly expiring: ExpiryTally = new ExpiryTally()
  #neverExpires = false

  /** Counts the descriptors [first, end). */
  add({ heap }: KernelHeap, first: number, end: number): void {
    const { u32, bytes } = heap
    for (let at = first; at < end; at += DESC_SIZE) {
      const version = loadU64(u32, at + DESC_VERSION)
      if (version < this.smallestVersion) this.smallestVersion = version
      if (version > this.largestVersion) this.largestVersion = version
      const keyLength = loadU32(u32, at + DESC_KEY_LENGTH)
      const valueLength = loadU32(u32, at + DESC_VALUE_LENGTH)
      this.keyBytes += keyLength
      this.valueBytes += valueLength
      const kind = (bytes[at + DESC_TAG] as number) & KIND_MASK
      let referred = 0
      if (kind === KIND_DELETE) this.tombstones += 1
      else if (kind === KIND_POINTER) referred = this.#refer(bytes, loadU32(u32, at + DESC_VALUE))
      const expiresAt = loadU64(u32, at + DESC_EXPIRES_AT)
      this.#addExpiry(expiresAt)
      if (expiresAt > 0) this.expiring.add(expiresAt, keyLength + valueLength, referred)
    }
    this.entries += (end - first) / DESC_SIZE
  }

  /** The bytes were found to be a pointer when they were decoded. Returns what its value takes in the segment. */
  #refer(bytes: Buffer, pointer: number): number {
    const segment = readSafeU64(bytes, pointer, '')
    const stored = bytes.readUInt32LE(pointer + 20)
    this.referred.set(segment, (this.referred.get(segment) ?? 0) + stored)
    return stored
  }

  /** Whether that is what was counted. */
  refersTo(uses: readonly SegmentUse[]): boolean {
    const { referred } = this
    return (
      uses.length === referred.size && uses.every((use) => referred.get(use.number) === use.bytes)
    )
  }

  #addExpiry(expiresAt: number): void {
    if (expiresAt === 0) {
      this.#neverExpires = true
      this.latestExpiry = 0
      return
    }
    if (this.earliestExpiry === 0 || expiresAt < this.earliestExpiry)
      this.earliestExpiry = expiresAt
    if (!this.#neverExpires && expiresAt > this.latestExpiry) this.latestExpiry = expiresAt
  }
}
