// Twin of the merge kernels: picks the least head of all sources anew for every entry. Between calls all
// state lies in the merge state and its key scratch, in the form the kernels use, so either may go on.
import type { Kernels } from '../../src/kernel/kernels.ts'
import {
  DESC_IN_PLACE,
  DESC_LAZY,
  DESC_SIZE,
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  MERGE_DONE,
  MERGE_DROP_TOMBSTONES,
  MERGE_DROPPED,
  MERGE_DROPPED_VERSION,
  MERGE_FULL,
  MERGE_HORIZONS,
  MERGE_KEY_SCRATCH,
  MERGE_KEYS_ONLY,
  MERGE_LOWER,
  MERGE_LOWER_INCLUSIVE,
  MERGE_LOWER_LENGTH,
  MERGE_NOW,
  MERGE_OUT,
  MERGE_OUT_CAPACITY,
  MERGE_OUT_COUNT,
  MERGE_PRIVATE,
  MERGE_PRIVATE_2,
  MERGE_READ_VERSION,
  MERGE_REFILL,
  MERGE_REVERSE,
  MERGE_SLAB,
  MERGE_SLAB_CAPACITY,
  MERGE_SLAB_USED,
  MERGE_SNAPSHOT_COUNT,
  MERGE_SNAPSHOTS,
  MERGE_SOURCE_COUNT,
  MERGE_SOURCES,
  MERGE_UPPER,
  MERGE_UPPER_INCLUSIVE,
  MERGE_UPPER_LENGTH,
  MERGE_WANTED,
  SOURCE_END,
  SOURCE_LAST,
  SOURCE_NEXT,
  SOURCE_SIZE,
} from '../../src/kernel/layout.ts'
import { type Descriptor, Memory, readDescriptor, writeDescriptor } from './block.ts'

// MERGE_PRIVATE: length of the key in the scratch and these flags.
const KEY_LENGTH_BITS = 0x1ffff
/** An entry inside the near bound was seen: no later one can lie outside it. */
const INSIDE = 1 << 17
/** Reverse scan: slot OUT_COUNT and the slab behind SLAB_USED hold an entry that a newer version of its key
 * may still replace. */
const CANDIDATE = 1 << 18
const ENDED = 1 << 19
/** There is a key in the scratch. */
const HAS_KEY = 1 << 20

/** A value, in its place or in a segment. */
function hasValue({ tag }: Descriptor): boolean {
  return [KIND_PUT, KIND_POINTER].includes(tag & KIND_MASK)
}

interface Head {
  source: number
  at: number
  entry: Descriptor
  key: Buffer
}

class Merge {
  readonly memory: Memory
  private readonly state: number

  constructor(memory: Memory, state: number) {
    this.memory = memory
    this.state = state
  }

  get(field: number): number {
    return this.memory.u32(this.state + field)
  }

  set(field: number, value: number): void {
    this.memory.setU32(this.state + field, value)
  }

  get64(field: number): number {
    return this.memory.u64(this.state + field)
  }

  set64(field: number, value: number): void {
    this.memory.setU64(this.state + field, value)
  }

  flag(flag: number): boolean {
    return (this.get(MERGE_PRIVATE) & flag) !== 0
  }

  raise(flag: number): void {
    this.set(MERGE_PRIVATE, this.get(MERGE_PRIVATE) | flag)
  }

  lower(flag: number): void {
    this.set(MERGE_PRIVATE, this.get(MERGE_PRIVATE) & ~flag)
  }

  /** True when the entry's key is the one the merge is at; otherwise it becomes that key. */
  sameKey(key: Buffer): boolean {
    if ((this.get(MERGE_PRIVATE) & HAS_KEY) === 0) return false
    const scratch = this.get(MERGE_KEY_SCRATCH)
    const current = this.memory.slice(scratch, this.get(MERGE_PRIVATE) & KEY_LENGTH_BITS)
    return current.equals(key)
  }

  enterKey(key: Buffer): void {
    key.copy(this.memory.bytes, this.get(MERGE_KEY_SCRATCH))
    this.lower(KEY_LENGTH_BITS)
    this.raise(key.length | HAS_KEY)
  }

  /** The first source without a descriptor at hand that is not at its end either, or -1. */
  wanting(): number {
    for (let i = 0; i < this.get(MERGE_SOURCE_COUNT); i++) {
      const source = this.get(MERGE_SOURCES) + SOURCE_SIZE * i
      const dry = this.memory.u32(source + SOURCE_NEXT) === this.memory.u32(source + SOURCE_END)
      if (dry && this.memory.u32(source + SOURCE_LAST) === 0) return i
    }
    return -1
  }

  /** The head that comes first in iteration order. */
  first(): Head | undefined {
    let best: Head | undefined
    for (let i = 0; i < this.get(MERGE_SOURCE_COUNT); i++) {
      const source = this.get(MERGE_SOURCES) + SOURCE_SIZE * i
      const at = this.memory.u32(source + SOURCE_NEXT)
      if (at === this.memory.u32(source + SOURCE_END)) continue
      const entry = readDescriptor(this.memory, at)
      const key = this.memory.slice(entry.key, entry.keyLength)
      const head = { source, at, entry, key }
      if (best === undefined || this.order(head, best) < 0) best = head
    }
    return best
  }

  private order(a: Head, b: Head): number {
    const order = Buffer.compare(a.key, b.key) || b.entry.version - a.entry.version
    return this.get(MERGE_REVERSE) !== 0 ? -order : order
  }

  consume(head: Head): void {
    this.memory.setU32(head.source + SOURCE_NEXT, head.at + DESC_SIZE)
  }

  /** Runs `step` on the heads in order until it, a full output or a dry source ends the call. */
  run(step: (head: Head) => number, end: () => void): number {
    if (this.flag(ENDED)) return MERGE_DONE
    for (;;) {
      if (this.get(MERGE_OUT_COUNT) >= this.get(MERGE_OUT_CAPACITY)) return MERGE_FULL
      const wanted = this.wanting()
      if (wanted >= 0) {
        this.set(MERGE_WANTED, wanted)
        return MERGE_REFILL
      }
      const head = this.first()
      const status = head === undefined ? MERGE_DONE : step(head)
      if (status === MERGE_DONE) {
        end()
        this.raise(ENDED)
      }
      if (status !== 0) return status
    }
  }
}

class Scan extends Merge {
  start(): number {
    this.settleCandidate()
    const reverse = this.get(MERGE_REVERSE) !== 0
    return this.run(
      (head) => (reverse ? this.backward(head) : this.forward(head)),
      () => this.finishCandidate(),
    )
  }

  private bound(key: Buffer, upper: boolean): boolean {
    const length = this.get(upper ? MERGE_UPPER_LENGTH : MERGE_LOWER_LENGTH)
    if (length === 0) return true
    const bound = this.memory.slice(this.get(upper ? MERGE_UPPER : MERGE_LOWER), length)
    const order = upper ? Buffer.compare(bound, key) : Buffer.compare(key, bound)
    const inclusive = this.get(upper ? MERGE_UPPER_INCLUSIVE : MERGE_LOWER_INCLUSIVE) !== 0
    return order > 0 || (order === 0 && inclusive)
  }

  /** 0 = inside; 1 = before the near bound; 2 = past the far one. */
  private place(key: Buffer): number {
    const reverse = this.get(MERGE_REVERSE) !== 0
    if (!this.flag(INSIDE)) {
      if (!this.bound(key, reverse)) return 1
      this.raise(INSIDE)
    }
    return this.bound(key, !reverse) ? 0 : 2
  }

  private shown(entry: Descriptor): boolean {
    const now = this.get64(MERGE_NOW)
    const expired = entry.expiresAt > 0 && entry.expiresAt <= now
    return hasValue(entry) && !expired
  }

  private forward(head: Head): number {
    const { entry, key } = head
    const place = this.place(key)
    if (place === 2) return MERGE_DONE
    const readable = place === 0 && entry.version <= this.get64(MERGE_READ_VERSION)
    if (readable && !this.sameKey(key)) {
      if (this.shown(entry)) {
        const bytes = this.emit(entry)
        if (bytes < 0) return MERGE_FULL
        this.set(MERGE_OUT_COUNT, this.get(MERGE_OUT_COUNT) + 1)
        this.set(MERGE_SLAB_USED, this.get(MERGE_SLAB_USED) + bytes)
      }
      this.enterKey(key)
    }
    this.consume(head)
    return 0
  }

  private backward(head: Head): number {
    const { entry, key } = head
    const place = this.place(key)
    if (place === 2) return MERGE_DONE
    if (place === 0 && entry.version <= this.get64(MERGE_READ_VERSION)) {
      if (!this.sameKey(key)) {
        const had = this.flag(CANDIDATE)
        this.finishCandidate()
        this.enterKey(key)
        if (had && this.get(MERGE_OUT_COUNT) >= this.get(MERGE_OUT_CAPACITY)) return MERGE_FULL
      }
      this.lower(CANDIDATE)
      if (this.shown(entry)) {
        if (this.emit(entry) < 0) return MERGE_FULL
        this.raise(CANDIDATE)
        this.set(MERGE_PRIVATE_2, this.get(MERGE_OUT) + DESC_SIZE * this.get(MERGE_OUT_COUNT))
      }
    }
    this.consume(head)
    return 0
  }

  /** Writes an entry to slot OUT_COUNT, its bytes behind SLAB_USED: how many, or -1 when they do not fit. */
  private emit(entry: Descriptor): number {
    const slab = this.get(MERGE_SLAB) + this.get(MERGE_SLAB_USED)
    const capacity = this.get(MERGE_SLAB_CAPACITY)
    const room = capacity - this.get(MERGE_SLAB_USED)
    const { memory } = this
    const out = { ...entry, key: slab, flags: entry.flags & DESC_LAZY }
    let copied = 0
    if (this.get(MERGE_KEYS_ONLY) !== 0) {
      Object.assign(out, { value: 0, valueLength: 0, flags: 0 })
    } else if (out.flags === 0) {
      const large = entry.valueLength > Math.floor(capacity / 4)
      if (large || entry.keyLength + entry.valueLength > capacity) out.flags = DESC_IN_PLACE
      else copied = entry.valueLength
    }
    if (entry.keyLength + copied > room) return -1
    memory.slice(entry.key, entry.keyLength).copy(memory.bytes, slab)
    if (this.valueInSlab(out)) {
      out.value = slab + entry.keyLength
      memory.slice(entry.value, copied).copy(memory.bytes, out.value)
    }
    writeDescriptor(memory, this.get(MERGE_OUT) + DESC_SIZE * this.get(MERGE_OUT_COUNT), out)
    return entry.keyLength + copied
  }

  /** Whether an output entry's value lies in the slab, behind its key. */
  private valueInSlab(entry: Descriptor): boolean {
    return entry.flags === 0 && this.get(MERGE_KEYS_ONLY) === 0
  }

  private candidateBytes(entry: Descriptor): number {
    return entry.keyLength + (this.valueInSlab(entry) ? entry.valueLength : 0)
  }

  private finishCandidate(): void {
    if (!this.flag(CANDIDATE)) return
    const entry = readDescriptor(this.memory, this.get(MERGE_PRIVATE_2))
    this.set(MERGE_OUT_COUNT, this.get(MERGE_OUT_COUNT) + 1)
    this.set(MERGE_SLAB_USED, this.get(MERGE_SLAB_USED) + this.candidateBytes(entry))
    this.lower(CANDIDATE)
  }

  /** Moves the candidate to slot OUT_COUNT when the caller took the entries before it at a refill. */
  private settleCandidate(): void {
    const slot = this.get(MERGE_OUT) + DESC_SIZE * this.get(MERGE_OUT_COUNT)
    if (!this.flag(CANDIDATE) || this.get(MERGE_PRIVATE_2) === slot) return
    const { memory } = this
    const entry = readDescriptor(memory, this.get(MERGE_PRIVATE_2))
    const slab = this.get(MERGE_SLAB) + this.get(MERGE_SLAB_USED)
    const length = this.candidateBytes(entry)
    memory.slice(entry.key, length).copy(memory.bytes, slab)
    const value = this.valueInSlab(entry) ? slab + entry.keyLength : entry.value
    writeDescriptor(memory, slot, { ...entry, key: slab, value })
    this.set(MERGE_PRIVATE_2, slot)
  }
}

/** What becomes of an expired entry that something older may lie below. */
const DELETION = { value: 0, valueLength: 0, expiresAt: 0, tag: KIND_DELETE, meta: 0, flags: 0 }

class Compaction extends Merge {
  start(): number {
    return this.run(
      (head) => this.step(head),
      () => undefined,
    )
  }

  /** How many snapshots are older than the version. */
  private olderSnapshots(version: number): number {
    const count = this.get(MERGE_SNAPSHOT_COUNT)
    let older = 0
    while (older < count && this.memory.u64(this.get(MERGE_SNAPSHOTS) + 8 * older) < version) {
      older++
    }
    return older
  }

  /** Nobody who sees the entry sees its value any more. */
  private expired(entry: Descriptor, rank: number): boolean {
    const horizons = this.get(MERGE_HORIZONS)
    if (horizons === 0 || rank === this.get(MERGE_SNAPSHOT_COUNT)) return false
    if (!hasValue(entry) || entry.expiresAt === 0) return false
    return entry.expiresAt <= this.memory.u64(horizons + 8 * rank)
  }

  private step(head: Head): number {
    const { entry, key } = head
    const count = this.get(MERGE_SNAPSHOT_COUNT)
    // MERGE_PRIVATE_2: the rank of the next newer version of this key. What lies between two snapshots has
    // one rank: only the newest of a rank can be seen by a snapshot.
    if (!this.sameKey(key)) {
      this.enterKey(key)
      this.set(MERGE_PRIVATE_2, count + 1)
    }
    const rank = this.olderSnapshots(entry.version)
    const needed = rank === count || rank < this.get(MERGE_PRIVATE_2)
    const expired = this.expired(entry, rank)
    const deletes = expired || (entry.tag & KIND_MASK) === KIND_DELETE
    const gone = deletes && rank === 0 && this.get(MERGE_DROP_TOMBSTONES) !== 0
    if (needed && !gone) {
      const slot = this.get(MERGE_OUT) + DESC_SIZE * this.get(MERGE_OUT_COUNT)
      this.memory.slice(head.at, DESC_SIZE).copy(this.memory.bytes, slot)
      if (expired) writeDescriptor(this.memory, slot, { ...entry, ...DELETION })
      this.set(MERGE_OUT_COUNT, this.get(MERGE_OUT_COUNT) + 1)
    } else this.set64(MERGE_DROPPED, this.get64(MERGE_DROPPED) + 1)
    if (!needed || gone || expired) {
      this.set64(MERGE_DROPPED_VERSION, Math.max(this.get64(MERGE_DROPPED_VERSION), entry.version))
    }
    this.set(MERGE_PRIVATE_2, rank)
    this.consume(head)
    return 0
  }
}

export type MergeKernels = Pick<Kernels, 'mergeScan' | 'mergeCompact'>

export function mergeTwin(shared: WebAssembly.Memory): MergeKernels {
  const memory = new Memory(shared)
  return {
    mergeScan: (state) => new Scan(memory, state).start(),
    mergeCompact: (state) => new Compaction(memory, state).start(),
  }
}
