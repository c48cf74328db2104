// Reads the data blocks of a table once through: every checksum, every entry, their order and counts. Any thread,
// in memory of its own.

import { assert } from '../base/assert.ts'
import { CorruptionError } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import { Scratch } from '../cursor/scratch.ts'
import { type KernelHeap, loadU32 } from '../cursor/words.ts'
import { sameSteps, type TableMeta } from '../format/table-meta.ts'
import { readWhole } from '../io/read-whole.ts'
import { DESC_SIZE } from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { isPacked, unpackRoom } from '../packing/unpack-block.ts'
import { LastEntry } from './entry-order.ts'
import {
  malformedBlock,
  openTableBlock,
  readTableBlock,
  roomOf,
  type TableBlocks,
} from './table-blocks.ts'
import { intervalKeyBytes } from './table-source.ts'
import { COUNTED_FACTS, TableTally } from './table-tally.ts'
import { CHECK_DESCRIPTORS } from './writer-workspace.ts'

export interface CheckMemory {
  /** Takes the largest block of the table while it is read (roomOf). */
  readonly buffer: Region
  /** decodeBytes(largest block) */
  readonly decode: Region
}

export interface CheckWatch {
  /** Each batch of descriptors, and the block they are from. */
  readonly entries?: (first: number, end: number, ordinal: number) => void
  /** Is told of a damaged block, which is then left out; without it the first one is thrown. */
  readonly damaged?: (ordinal: number, error: CorruptionError) => void
  /** After each read. */
  readonly read?: (bytes: number) => void
}

export function decodeBytes(largestBlock: number): number {
  return CHECK_DESCRIPTORS * DESC_SIZE + intervalKeyBytes(largestBlock) + 16
}

/** Most a filter takes per entry, and its head. */
const FILTER_BYTES_PER_ENTRY = 8
const FILTER_HEAD = 256

/** Memory to verify a whole table: read buffer, decode area, filter, salt. */
export function checkBytes(meta: TableMeta): number {
  return checkBufferBytes(meta) + decodeBytes(meta.largestBlock) + filterBytesMax(meta) + 256
}

export function checkBufferBytes(meta: TableMeta): number {
  return Math.max(unpackRoom(meta.largestBlock), Math.min(MIB, meta.size))
}

export function filterBytesMax(meta: TableMeta): number {
  return Math.min(meta.size, FILTER_BYTES_PER_ENTRY * meta.entries + FILTER_HEAD)
}

/** Checks all data blocks and compares what they hold with the table's own and the manifest's counts. */
export function checkTable(
  machine: KernelHeap,
  table: TableBlocks,
  memory: CheckMemory,
  watch: CheckWatch = {},
): TableTally {
  const { tally, damagedBlocks } = tallyBlocks(machine, table, memory, watch)
  // What is missing has been told.
  if (damagedBlocks > 0) return tally
  const { meta, file } = table
  for (const fact of COUNTED_FACTS) {
    if (tally[fact] !== meta[fact]) {
      throw new CorruptionError({
        file: file.path,
        offset: 0,
        expected: `${fact} ${meta[fact]}`,
        found: `${tally[fact]}`,
      })
    }
  }
  if (!tally.refersTo(meta.segments ?? [])) {
    const expected = 'values in the segments that the manifest says, as many bytes in each'
    throw new CorruptionError({ file: file.path, offset: 0, expected, found: 'others' })
  }
  const { expiring } = meta
  if (expiring !== undefined && !sameSteps(tally.expiring.steps(), expiring)) {
    const expected = 'entries that expire as the manifest says'
    throw new CorruptionError({ file: file.path, offset: 0, expected, found: 'others' })
  }
  return tally
}

/** Checks all data blocks by themselves. */
export function tallyBlocks(
  machine: KernelHeap,
  table: TableBlocks,
  memory: CheckMemory,
  watch: CheckWatch,
): { readonly tally: TableTally; readonly damagedBlocks: number } {
  const check = new TableCheck(machine, table, memory, watch)
  const tally = check.run()
  return { tally, damagedBlocks: check.damagedBlocks }
}

class TableCheck {
  readonly #machine: KernelHeap
  readonly #table: TableBlocks
  readonly #buffer: Region
  readonly #watch: CheckWatch
  readonly #descriptors: number
  readonly #stopped: number
  readonly #keys: number
  readonly #keysBytes: number
  readonly #tally = new TableTally()
  readonly #last = new LastEntry()
  damagedBlocks = 0

  constructor(machine: KernelHeap, table: TableBlocks, memory: CheckMemory, watch: CheckWatch) {
    const parts = new Scratch(memory.decode)
    this.#machine = machine
    this.#table = table
    this.#buffer = memory.buffer
    this.#watch = watch
    this.#descriptors = parts.take(CHECK_DESCRIPTORS * DESC_SIZE)
    this.#stopped = parts.take(8)
    this.#keys = parts.take(0)
    this.#keysBytes = parts.free
  }

  run(): TableTally {
    const table = this.#table
    for (let from = 0; from < table.blockCount; ) from = this.#readRun(from)
    return this.#tally
  }

  /** Reads and checks neighbouring blocks, as many as the buffer takes beside room to unpack one of them; returns the
   * next ordinal. */
  #readRun(from: number): number {
    const table = this.#table
    const { address, length: capacity } = this.#buffer
    const start = table.blockOffset(from)
    let to = from
    let length = 0
    let unpacked = 0
    while (to < table.blockCount && table.blockOffset(to) === start + length) {
      const next = table.blockLength(to)
      const payload = table.payloadLength(to)
      const room = Math.max(unpacked, isPacked(next, payload) ? payload : 0)
      if (length + next + room > capacity) break
      length += next
      unpacked = room
      to += 1
    }
    if (to === from) return this.#readAlone(from)
    readWhole(table.file, this.#machine.heap.bytes.subarray(address, address + length), start)
    this.#watch.read?.(length)
    const target = address + capacity - unpacked
    for (let ordinal = from; ordinal < to; ordinal++) {
      const stored = address + table.blockOffset(ordinal) - start
      this.#orDamaged(ordinal, () => {
        const block = openTableBlock(this.#machine, table, ordinal, { stored, target })
        this.#checkBlock(ordinal, block)
      })
    }
    return to
  }

  /** A block that the buffer takes only if it is unpacked in place. */
  #readAlone(ordinal: number): number {
    const { address, length } = this.#buffer
    assert(roomOf(this.#table, ordinal) <= length, 'the read buffer holds the largest block')
    this.#orDamaged(ordinal, () => {
      readTableBlock(this.#machine, this.#table, ordinal, address)
      this.#checkBlock(ordinal, address)
    })
    this.#watch.read?.(this.#table.blockLength(ordinal))
    return ordinal + 1
  }

  #orDamaged(ordinal: number, work: () => void): void {
    const { damaged } = this.#watch
    if (damaged === undefined) {
      work()
      return
    }
    try {
      work()
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      this.damagedBlocks += 1
      damaged(ordinal, error)
    }
  }

  #checkBlock(ordinal: number, block: number): void {
    const { kernels, heap } = this.#machine
    const table = this.#table
    const payload = table.payloadLength(ordinal)
    const restarts = kernels.blockRestarts(block, payload)
    if (restarts <= 0) throw malformedBlock(table, ordinal)
    for (let from = 0; from < restarts; ) {
      const count = kernels.blockDecode(
        block,
        payload,
        table.meta.baseVersion,
        from,
        restarts,
        0,
        this.#descriptors,
        CHECK_DESCRIPTORS,
        this.#keys,
        this.#keysBytes,
        this.#stopped,
      )
      const stopped = loadU32(heap.u32, this.#stopped)
      if (count <= 0 || stopped <= from || stopped > restarts) throw malformedBlock(table, ordinal)
      this.#checkEntries(ordinal, count)
      from = stopped
    }
  }

  #checkEntries(ordinal: number, count: number): void {
    const machine = this.#machine
    const first = this.#descriptors
    const end = first + count * DESC_SIZE
    const follows = this.#last.isBefore(machine, first)
    if (!follows || machine.kernels.entriesAscend(first, count) !== 1) {
      throw new CorruptionError({
        file: this.#table.file.path,
        offset: this.#table.blockOffset(ordinal),
        expected: 'entries in order',
        found: 'entries out of order',
      })
    }
    this.#tally.add(machine, first, end)
    this.#last.remember(machine, end - DESC_SIZE)
    this.#watch.entries?.(first, end, ordinal)
  }
}
