// Verified data blocks, unpacked, in a region of the heap: slots of one size, CLOCK eviction. One thread writes and
// reads it. A slot in use is pinned; memory is touched only by blocks that come in, so an idle cache costs
// nothing. Blocks longer than a slot go past it.
import { assert } from '../base/assert.ts'
import { alignUp } from '../base/bytes.ts'
import { KIB } from '../base/limits.ts'
import type { KernelHeap } from '../cursor/words.ts'
import type { Region } from '../memory/shared-heap.ts'
import { unpackRoom } from '../packing/unpack-block.ts'
import { readTableBlock, readTableBlockAsync, roomOf, type TableBlocks } from './table-blocks.ts'

export interface CacheStats {
  readonly hits: number
  readonly misses: number
  /** Bytes of the slots that hold a block. */
  readonly bytes: number
}

/** What lets the cache take memory it never used: `'misses'`, each block that comes in; `'hits'`, each block that was
 * found again, so that reading once through everything takes next to none. */
export type CacheGrowth = 'misses' | 'hits'

/** Slots a cache that grows on hits begins with: fewer would be passed on before anything is found again. */
const FIRST_SLOTS = 64

/** A slot has room for a guide behind its block: what unpacking needs there, and a part of what the block has above
 * 4 KiB. Then every second or third entry of some hundred bytes is sampled. */
const GUIDE_SHARE = 32
/** The lookup in a block, since it came in, for which its guide is made: where the cache is too small for the data,
 * most blocks are not asked for so often. */
const GUIDE_AFTER = 3
const GUIDED = 254
const UNGUIDED = 255

/** No slot: the block is too long for one, or all are pinned. */
export const NO_SLOT = -1

function guideRoom(blockSize: number): number {
  return Math.max(0, Math.floor((blockSize - 4 * KIB) / GUIDE_SHARE))
}

export class BlockCache {
  readonly slotBytes: number
  readonly #machine: KernelHeap
  readonly #base: number
  readonly #count: number
  /** Per slot: whose block it holds, which, seen since the hand passed, and users. */
  readonly #owners: (TableBlocks | undefined)[] = []
  readonly #ordinals: Int32Array
  readonly #seen: Uint8Array
  readonly #pins: Uint16Array
  /** How often a key was looked up in the block; GUIDED, UNGUIDED. */
  readonly #guides: Uint8Array
  readonly #free: number[] = []
  /** Slots ever used; those above were never touched. */
  #touched = 0
  readonly #growsOnHits: boolean
  #held = 0
  #hand = 0
  /** Slots with users. */
  #pinned = 0
  #waiting: ((released: boolean) => void)[] = []
  #hits = 0
  #misses = 0

  constructor(
    machine: KernelHeap,
    region: Region,
    blockSize: number,
    growth: CacheGrowth = 'misses',
  ) {
    this.slotBytes = alignUp(unpackRoom(blockSize) + guideRoom(blockSize), 64)
    this.#growsOnHits = growth === 'hits'
    this.#machine = machine
    this.#base = alignUp(region.address, 64)
    const room = region.address + region.length - this.#base
    this.#count = Math.max(0, Math.floor(room / this.slotBytes))
    this.#ordinals = new Int32Array(this.#count)
    this.#seen = new Uint8Array(this.#count)
    this.#pins = new Uint16Array(this.#count)
    this.#guides = new Uint8Array(this.#count)
  }

  get stats(): CacheStats {
    const { slotBytes } = this
    return { hits: this.#hits, misses: this.#misses, bytes: this.#held * slotBytes }
  }

  /** Heap address of a slot's block. */
  address(slot: number): number {
    return this.#base + slot * this.slotBytes
  }

  /** For a lookup in a slot's block of that payload: address of its guide (kernels.blockGuide), 0 = it has none. */
  guide(slot: number, payloadLength: number): number {
    const before = alignUp(payloadLength, 8)
    const state = this.#guides[slot] as number
    if (state === GUIDED) return this.address(slot) + before
    if (state === UNGUIDED) return 0
    this.#guides[slot] = state + 1
    if (state + 1 < GUIDE_AFTER) return 0
    const block = this.address(slot)
    const room = Math.max(0, this.slotBytes - before)
    const made = this.#machine.kernels.blockGuide(block, payloadLength, block + before, room) === 1
    this.#guides[slot] = made ? GUIDED : UNGUIDED
    return made ? block + before : 0
  }

  /** The slot that holds a block, or NO_SLOT. Good until the next fetch unless pinned. Counts a hit, not a miss. */
  peek(table: TableBlocks, ordinal: number): number {
    const slot = (table.slots[ordinal] as number) - 1
    if (slot >= 0) {
      this.#seen[slot] = 1
      this.#hits += 1
    }
    return slot
  }

  /** The slot of a block, read and verified if need be, or NO_SLOT: then the caller reads it elsewhere. Good
   * until the next fetch unless pinned. */
  fetch(table: TableBlocks, ordinal: number): number {
    const held = this.peek(table, ordinal)
    if (held >= 0) return held
    this.#misses += 1
    const slot = this.#claim(roomOf(table, ordinal))
    if (slot < 0) return NO_SLOT
    try {
      readTableBlock(this.#machine, table, ordinal, this.address(slot))
    } catch (error) {
      this.#free.push(slot)
      throw error
    }
    this.#install(slot, table, ordinal)
    return slot
  }

  /** As fetch, without blocking the thread. The slot comes back pinned (unless NO_SLOT): unpin it. The
   * table must be pinned by the caller meanwhile. */
  async fetchAsync(table: TableBlocks, ordinal: number): Promise<number> {
    const held = this.peek(table, ordinal)
    if (held >= 0) {
      this.pin(held)
      return held
    }
    this.#misses += 1
    const slot = this.#claim(roomOf(table, ordinal))
    if (slot < 0) return NO_SLOT
    this.pin(slot)
    try {
      await readTableBlockAsync(this.#machine, table, ordinal, this.address(slot))
    } catch (error) {
      this.unpin(slot)
      this.#free.push(slot)
      throw error
    }
    const other = (table.slots[ordinal] as number) - 1
    if (other >= 0) {
      // Another call read the same block meanwhile.
      this.unpin(slot)
      this.#free.push(slot)
      this.pin(other)
      return other
    }
    this.#install(slot, table, ordinal)
    return slot
  }

  /** Keeps a slot's block where it is until unpin; counts. */
  pin(slot: number): void {
    const pins = this.#pins[slot] as number
    if (pins === 0) this.#pinned += 1
    this.#pins[slot] = pins + 1
  }

  unpin(slot: number): void {
    const pins = this.#pins[slot] as number
    assert(pins > 0, 'a cache slot is unpinned once per pin')
    this.#pins[slot] = pins - 1
    if (pins > 1) return
    this.#pinned -= 1
    for (const wake of this.#waiting.splice(0)) wake(true)
  }

  /** For whoever got NO_SLOT: true when a pinned slot was let go; false at once when none is pinned, so that there
   * never will be one. */
  released(): Promise<boolean> {
    if (this.#pinned === 0) return Promise.resolve(false)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Gives back all slots of a table that closes; none may be pinned. */
  forget(table: TableBlocks): void {
    const { slots } = table
    for (let ordinal = 0; ordinal < slots.length; ordinal++) {
      const slot = (slots[ordinal] as number) - 1
      if (slot < 0) continue
      assert(this.#pins[slot] === 0, 'no block of a closing table is in use')
      slots[ordinal] = 0
      this.#owners[slot] = undefined
      this.#free.push(slot)
      this.#held -= 1
    }
  }

  #install(slot: number, table: TableBlocks, ordinal: number): void {
    this.#owners[slot] = table
    this.#ordinals[slot] = ordinal
    this.#seen[slot] = 1
    this.#guides[slot] = 0
    this.#held += 1
    table.slots[ordinal] = slot + 1
  }

  /** A slot for a block that takes so much room, that nobody owns, or NO_SLOT. */
  #claim(room: number): number {
    if (room > this.slotBytes) return NO_SLOT
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#touched < this.#mayTouch()) return this.#touchNext()
    // Two rounds: the first may only clear the marks.
    for (let steps = 2 * this.#touched; steps > 0; steps--) {
      const slot = this.#hand
      this.#hand = slot + 1 >= this.#touched ? 0 : slot + 1
      const owner = this.#owners[slot]
      if (owner === undefined || (this.#pins[slot] as number) > 0) continue
      if (this.#seen[slot] === 1) {
        this.#seen[slot] = 0
        continue
      }
      owner.slots[this.#ordinals[slot] as number] = 0
      this.#owners[slot] = undefined
      this.#held -= 1
      return slot
    }
    // All are pinned: better a slot too early than a block read twice.
    return this.#touched < this.#count ? this.#touchNext() : NO_SLOT
  }

  #mayTouch(): number {
    return this.#growsOnHits ? Math.min(this.#count, FIRST_SLOTS + this.#hits) : this.#count
  }

  #touchNext(): number {
    this.#touched += 1
    return this.#touched - 1
  }
}
