// Drives mergeScan and mergeCompact over sources that are refilled in pieces through small buffers which are
// wiped before every refill, so whatever still pointed into them would show.
import type { Kernels } from '../../../src/kernel/kernels.ts'
import * as layout from '../../../src/kernel/layout.ts'
import { readDescriptor } from '../../twins/block.ts'
import {
  Areas,
  newMemory,
  putDescriptor,
  type Seeded,
  type TestEntry,
  takeEntries,
} from './block-support.ts'

export interface Bound {
  readonly key: Buffer
  readonly inclusive: boolean
}

export interface MergeCase {
  /** Each in iteration order. */
  readonly sources: readonly (readonly TestEntry[])[]
  readonly reverse: boolean
  readonly readVersion: number
  readonly now: number
  readonly lower?: Bound | undefined
  readonly upper?: Bound | undefined
  readonly keysOnly: boolean
  readonly outCapacity: number
  readonly slabCapacity: number
  /** Most entries per refill. */
  readonly refillMax: number
  /** Take finished output also at refills, not only when full. */
  readonly takeAtRefill: boolean
  readonly snapshots: readonly number[]
  /** One per snapshot; without them nothing expires. */
  readonly horizons?: readonly number[]
  readonly dropTombstones: boolean
}

export interface MergeOutcome {
  readonly entries: TestEntry[]
  /** Per call: status, count and slab use. */
  readonly trace: string[]
  readonly flags: number[]
  readonly dropped: number
  readonly droppedVersion: number
  readonly refills: number
  readonly fulls: number
}

type MergeKernels = Pick<Kernels, 'mergeScan' | 'mergeCompact'>
const KEY_ROOM = layout.DESC_SIZE + 128

/** Entries with this meta byte are delivered as lazy ones. */
export const LAZY_META = 255

function isLazy(entry: TestEntry): boolean {
  return entry.meta === LAZY_META
}

/** One run of a case; the same seed gives the same refills, so two implementations can be compared. */
export class MergeRun {
  private readonly shared: WebAssembly.Memory
  private readonly areas: Areas
  private readonly state: number
  private readonly buffers: number[] = []
  private readonly taken: number[] = []
  private readonly one: MergeCase
  private readonly random: Seeded
  private readonly bufferBytes: number
  /** Values that outlive a refill: large ones, and what lazy tokens stand for. */
  private readonly kept = new Map<TestEntry, number>()

  constructor(one: MergeCase, random: Seeded) {
    this.one = one
    this.random = random
    const longest = Math.max(64, ...one.sources.flat().map((e) => e.key.length + e.value.length))
    this.bufferBytes = one.refillMax * (KEY_ROOM + longest)
    const all = one.sources.flat()
    const values = all.reduce((sum, entry) => sum + entry.value.length, 0)
    const bytes = one.sources.length * this.bufferBytes + one.slabCapacity + values
    this.shared = newMemory(bytes + one.outCapacity * layout.DESC_SIZE + 400_000)
    this.areas = new Areas(this.shared)
    for (const entry of all) {
      const length = entry.value.length
      const fits = 4 * length <= one.slabCapacity && length + entry.key.length <= one.slabCapacity
      if (isLazy(entry) || !fits) this.kept.set(entry, this.areas.bytes(entry.value))
    }
    this.state = this.areas.take(layout.MERGE_STATE_SIZE)
    this.fillState()
  }

  private fillState(): void {
    const { one, areas } = this
    const set = (field: number, value: number) => areas.memory.setU32(this.state + field, value)
    const set64 = (field: number, value: number) => areas.memory.setU64(this.state + field, value)
    set(layout.MERGE_SOURCES, areas.take(layout.SOURCE_SIZE * one.sources.length))
    set(layout.MERGE_SOURCE_COUNT, one.sources.length)
    set(layout.MERGE_REVERSE, Number(one.reverse))
    set64(layout.MERGE_READ_VERSION, one.readVersion)
    set64(layout.MERGE_NOW, one.now)
    if (one.lower !== undefined) {
      set(layout.MERGE_LOWER, areas.bytes(one.lower.key))
      set(layout.MERGE_LOWER_LENGTH, one.lower.key.length)
      set(layout.MERGE_LOWER_INCLUSIVE, Number(one.lower.inclusive))
    }
    if (one.upper !== undefined) {
      set(layout.MERGE_UPPER, areas.bytes(one.upper.key))
      set(layout.MERGE_UPPER_LENGTH, one.upper.key.length)
      set(layout.MERGE_UPPER_INCLUSIVE, Number(one.upper.inclusive))
    }
    // A canary of 64 bytes follows each output.
    set(layout.MERGE_OUT, areas.take(layout.DESC_SIZE * one.outCapacity + 64))
    set(layout.MERGE_OUT_CAPACITY, one.outCapacity)
    set(layout.MERGE_SLAB, areas.take(one.slabCapacity + 64))
    set(layout.MERGE_SLAB_CAPACITY, one.slabCapacity)
    set(layout.MERGE_KEYS_ONLY, Number(one.keysOnly))
    set(layout.MERGE_SNAPSHOTS, areas.take(8 * one.snapshots.length))
    one.snapshots.forEach((snapshot, i) => {
      areas.memory.setU64(this.get(layout.MERGE_SNAPSHOTS) + 8 * i, snapshot)
    })
    set(layout.MERGE_SNAPSHOT_COUNT, one.snapshots.length)
    if (one.horizons !== undefined) {
      set(layout.MERGE_HORIZONS, areas.take(8 * one.horizons.length))
      one.horizons.forEach((horizon, i) => {
        areas.memory.setU64(this.get(layout.MERGE_HORIZONS) + 8 * i, horizon)
      })
    }
    set(layout.MERGE_DROP_TOMBSTONES, Number(one.dropTombstones))
    set(layout.MERGE_KEY_SCRATCH, areas.take(65_536 + 64))
    for (const at of this.canaries()) areas.memory.slice(at, 64).fill(0xa5)
    for (let i = 0; i < one.sources.length; i++) {
      this.buffers.push(areas.take(this.bufferBytes))
      this.taken.push(0)
    }
  }

  private get(field: number): number {
    return this.areas.memory.u32(this.state + field)
  }

  private canaries(): number[] {
    const { one } = this
    return [
      this.get(layout.MERGE_OUT) + layout.DESC_SIZE * one.outCapacity,
      this.get(layout.MERGE_SLAB) + one.slabCapacity,
      this.get(layout.MERGE_KEY_SCRATCH) + 65_536,
    ]
  }

  private refill(index: number): void {
    const { areas, one } = this
    const source = this.get(layout.MERGE_SOURCES) + layout.SOURCE_SIZE * index
    const all = one.sources[index]!
    const from = this.taken[index]!
    const piece = all.slice(from, from + this.random.int(0, one.refillMax))
    const buffer = this.buffers[index]!
    areas.memory.slice(buffer, this.bufferBytes).fill(0xee)
    const local = new Areas(this.shared)
    local.take(buffer - 64, 1)
    const at = local.take(layout.DESC_SIZE * piece.length)
    piece.forEach((entry, i) => {
      const flags = isLazy(entry) ? layout.DESC_LAZY : 0
      const valueAt = this.kept.get(entry)
      putDescriptor(local, at + layout.DESC_SIZE * i, entry, { flags, valueAt })
    })
    this.taken[index] = from + piece.length
    areas.memory.setU32(source + layout.SOURCE_NEXT, at)
    areas.memory.setU32(source + layout.SOURCE_END, at + layout.DESC_SIZE * piece.length)
    const last = from + piece.length === all.length && this.random.chance(0.7)
    areas.memory.setU32(source + layout.SOURCE_LAST, Number(last))
  }

  /** `implementations` take turns: with two, each continues what the other began. */
  run(
    bind: readonly ((memory: WebAssembly.Memory) => MergeKernels)[],
    kernel: 'mergeScan' | 'mergeCompact',
  ): MergeOutcome {
    const { memory } = this.areas
    const kernels = bind.map((one) => one(this.shared))
    const outcome = { entries: [] as TestEntry[], trace: [] as string[], flags: [] as number[] }
    let refills = 0
    let fulls = 0
    for (let call = 0; ; call++) {
      const status = kernels[call % kernels.length]![kernel](this.state)
      const count = this.get(layout.MERGE_OUT_COUNT)
      const used = this.get(layout.MERGE_SLAB_USED)
      const wanted = status === layout.MERGE_REFILL ? this.get(layout.MERGE_WANTED) : '-'
      outcome.trace.push(`${status} ${count} ${used} ${wanted}`)
      for (const at of this.canaries()) {
        if (!memory.slice(at, 64).every((byte) => byte === 0xa5)) throw new Error('canary')
      }
      const take = status !== layout.MERGE_REFILL || kernel === 'mergeCompact'
      if (take || this.one.takeAtRefill) this.take(outcome)
      if (status === layout.MERGE_FULL && ++fulls > 100_000) throw new Error('no end')
      if (status === layout.MERGE_DONE) break
      if (status === layout.MERGE_REFILL) {
        refills++
        this.refill(this.get(layout.MERGE_WANTED))
      }
    }
    const dropped = memory.u64(this.state + layout.MERGE_DROPPED)
    const droppedVersion = memory.u64(this.state + layout.MERGE_DROPPED_VERSION)
    return { ...outcome, dropped, droppedVersion, refills, fulls }
  }

  private take(outcome: { entries: TestEntry[]; flags: number[] }): void {
    const { memory } = this.areas
    const out = this.get(layout.MERGE_OUT)
    const count = this.get(layout.MERGE_OUT_COUNT)
    outcome.entries.push(...takeEntries(memory, out, count))
    for (let i = 0; i < count; i++) {
      outcome.flags.push(readDescriptor(memory, out + layout.DESC_SIZE * i).flags)
    }
    memory.setU32(this.state + layout.MERGE_OUT_COUNT, 0)
    memory.setU32(this.state + layout.MERGE_SLAB_USED, 0)
  }
}
