// Drives mergeCompact over sources: batches of the entries that compaction or flush must keep. One thread;
// the caller must have used up a batch before it asks for the next (its descriptors point into the sources).
import { assert } from '../base/assert.ts'
import { KEY_LENGTH_MAX } from '../base/limits.ts'
import {
  DESC_SIZE,
  MERGE_DONE,
  MERGE_DROP_TOMBSTONES,
  MERGE_DROPPED,
  MERGE_DROPPED_VERSION,
  MERGE_FULL,
  MERGE_HORIZONS,
  MERGE_KEY_SCRATCH,
  MERGE_OUT,
  MERGE_OUT_CAPACITY,
  MERGE_OUT_COUNT,
  MERGE_REFILL,
  MERGE_SNAPSHOT_COUNT,
  MERGE_SNAPSHOTS,
  MERGE_SOURCE_COUNT,
  MERGE_SOURCES,
  MERGE_STATE_SIZE,
  MERGE_WANTED,
  SOURCE_SIZE,
} from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import type { RunSource } from './run-source.ts'
import { Scratch } from './scratch.ts'
import { type KernelHeap, loadU32, loadU64, storeU32, storeU64 } from './words.ts'

export interface CompactRequest {
  readonly sources: readonly RunSource[]
  /** Ascending, at least one. */
  readonly snapshots: readonly number[]
  /** One for each: what expires by then has expired for all who read there or later, ms since 1970. Without them
   * nothing expires. */
  readonly horizons?: readonly number[] | undefined
  readonly dropTombstones: boolean
}

/** Entries per batch. */
export const COMPACT_BATCH = 256

export function compactScratchBytes(sourceCount: number, snapshotCount: number): number {
  return (
    MERGE_STATE_SIZE +
    sourceCount * SOURCE_SIZE +
    snapshotCount * 16 +
    COMPACT_BATCH * DESC_SIZE +
    KEY_LENGTH_MAX +
    1 +
    64
  )
}

export class CompactMerge {
  readonly #machine: KernelHeap
  readonly #sources: readonly RunSource[]
  readonly #state: number
  readonly #slots: number
  /** Address of the batch's first descriptor. */
  readonly batch: number
  /** Source to refill before the kernel runs again, -1 none. */
  #wanted = -1
  #done = false

  constructor(machine: KernelHeap, scratch: Region, request: CompactRequest) {
    assert(request.snapshots.length > 0, 'compaction knows at least one read version')
    const { sources, snapshots, horizons } = request
    assert(
      horizons === undefined || horizons.length === snapshots.length,
      'snapshots have horizons',
    )
    const { bytes, u32 } = machine.heap
    const parts = new Scratch(scratch)
    this.#machine = machine
    this.#sources = sources
    this.#state = parts.take(MERGE_STATE_SIZE)
    this.#slots = parts.take(sources.length * SOURCE_SIZE)
    const versions = parts.take(snapshots.length * 8)
    const times = parts.take(snapshots.length * 8)
    this.batch = parts.take(COMPACT_BATCH * DESC_SIZE)
    bytes.fill(0, this.#state, this.#state + MERGE_STATE_SIZE)
    bytes.fill(0, this.#slots, this.#slots + sources.length * SOURCE_SIZE)
    for (let i = 0; i < snapshots.length; i++) {
      storeU64(u32, versions + i * 8, snapshots[i] as number)
      storeU64(u32, times + i * 8, horizons?.[i] ?? 0)
    }
    const set = (field: number, value: number) => storeU32(u32, this.#state + field, value)
    set(MERGE_SOURCES, this.#slots)
    set(MERGE_SOURCE_COUNT, sources.length)
    set(MERGE_OUT, this.batch)
    set(MERGE_OUT_CAPACITY, COMPACT_BATCH)
    set(MERGE_SNAPSHOTS, versions)
    set(MERGE_SNAPSHOT_COUNT, snapshots.length)
    set(MERGE_HORIZONS, horizons === undefined ? 0 : times)
    set(MERGE_DROP_TOMBSTONES, request.dropTombstones ? 1 : 0)
    set(MERGE_KEY_SCRATCH, parts.take(KEY_LENGTH_MAX + 1))
  }

  /** Entries left out so far; one that expired and became a tombstone is not among them. */
  get dropped(): number {
    return loadU64(this.#machine.heap.u32, this.#state + MERGE_DROPPED)
  }

  /** Highest version left out or expired so far, 0 none. */
  get droppedVersion(): number {
    return loadU64(this.#machine.heap.u32, this.#state + MERGE_DROPPED_VERSION)
  }

  /** Entries taken from the sources so far. */
  get entriesIn(): number {
    let sum = 0
    for (const source of this.#sources) sum += source.entries
    return sum
  }

  get bytesRead(): number {
    let sum = 0
    for (const source of this.#sources) sum += source.bytesRead
    return sum
  }

  /** The next batch; returns its count, or -1 at the end. A batch may be empty before the end. */
  next(): number {
    const { kernels, heap } = this.#machine
    const { u32 } = heap
    if (this.#done) return -1
    if (this.#wanted >= 0) {
      const source = this.#sources[this.#wanted]
      assert(source !== undefined, 'the merge asks for one of its sources')
      source.refill(this.#slots + this.#wanted * SOURCE_SIZE)
      this.#wanted = -1
    }
    storeU32(u32, this.#state + MERGE_OUT_COUNT, 0)
    const status = kernels.mergeCompact(this.#state)
    if (status === MERGE_REFILL) this.#wanted = loadU32(u32, this.#state + MERGE_WANTED)
    else if (status === MERGE_DONE) this.#done = true
    else assert(status === MERGE_FULL, 'the merge kernel answers with a known status')
    return loadU32(u32, this.#state + MERGE_OUT_COUNT)
  }

  /** Closes the sources. Idempotent. */
  close(): void {
    this.#done = true
    for (const source of this.#sources) source.close()
  }
}
