// What is counted of a table's entries when it is read again; the builder kernel counts while it is written.
import { type KernelHeap, loadU32, loadU64 } from '../cursor/words.ts'
import {
  DESC_EXPIRES_AT,
  DESC_KEY_LENGTH,
  DESC_SIZE,
  DESC_TAG,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
  KIND_DELETE,
  KIND_MASK,
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
  #neverExpires = false

  /** Counts the descriptors [first, end). */
  add({ heap }: KernelHeap, first: number, end: number): void {
    const { u32, bytes } = heap
    for (let at = first; at < end; at += DESC_SIZE) {
      const version = loadU64(u32, at + DESC_VERSION)
      if (version < this.smallestVersion) this.smallestVersion = version
      if (version > this.largestVersion) this.largestVersion = version
      this.keyBytes += loadU32(u32, at + DESC_KEY_LENGTH)
      this.valueBytes += loadU32(u32, at + DESC_VALUE_LENGTH)
      if (((bytes[at + DESC_TAG] as number) & KIND_MASK) === KIND_DELETE) this.tombstones += 1
      this.#addExpiry(loadU64(u32, at + DESC_EXPIRES_AT))
    }
    this.entries += (end - first) / DESC_SIZE
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
