// Writes a sorted run of entries as tables: cuts between user keys, and reads each finished table back before it
// counts. Any thread; one per job.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import { SEGMENTS_PER_TABLE_MAX } from '../base/limits.ts'
import { ExpiryTally } from '../cursor/expiry-tally.ts'
import type { LazyValues } from '../cursor/lazy-values.ts'
import type { SpareMemory } from '../cursor/run-source.ts'
import { pointerOf, SegmentUses } from '../cursor/segment-uses.ts'
import { type KernelHeap, loadU32, loadU64 } from '../cursor/words.ts'
import { VALUE_POINTER_BYTES } from '../format/segments/value-pointer.ts'
import type { TableMeta } from '../format/table-meta.ts'
import { tablePath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { syncDirectoryOrPoison } from '../io/final-sync.ts'
import { DESC_EXPIRES_AT, DESC_KEY_LENGTH, DESC_SIZE, DESC_VALUE_LENGTH } from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { LastEntry } from './entry-order.ts'
import { recheckTable } from './table-recheck.ts'
import { TableWriter } from './table-writer.ts'
import {
  carveWriter,
  valueBytesMax,
  type WriterMemory,
  type WriterShape,
} from './writer-workspace.ts'

export interface TablesPlan {
  readonly fs: FileSystem
  readonly directory: string
  readonly shape: WriterShape
  /** The number of the next output. */
  readonly takeNumber: () => number
  /** Tables that may be closed only because they refer to much: there are numbers for so many more. Without: none. */
  readonly tablesAhead?: number
  /** Not above any version that comes. */
  readonly baseVersion: number
  readonly newestWal: number
  readonly lazy: LazyValues
  readonly randomFill: (target: Uint8Array) => void
  /** Each table, once it is synced and read back. */
  readonly finished: (table: TableMeta) => void
}

/** A table with values in so many segments is closed at the next user key; further versions of its last key may lie in
 * as many more as there may be. */
export const SEGMENTS_SOUGHT: number = SEGMENTS_PER_TABLE_MAX - 256

export class TablesWriter implements SpareMemory {
  readonly tables: TableMeta[] = []
  readonly #machine: KernelHeap
  readonly #memory: WriterMemory
  readonly #plan: TablesPlan
  readonly #last = new LastEntry()
  #file: OpenFile | undefined
  #writer: TableWriter | undefined
  /** The table is to be closed at the next user key. */
  #full = false
  #finishedBytes = 0
  #entries = 0
  #lent = false
  /** Of the table being written. */
  #uses = new SegmentUses()
  #expiring = new ExpiryTally()
  /** The chunk holds a pointer, or something that expires. */
  #refers = false
  #expires = false
  #tablesAhead: number

  /** `workspace`: writerBytes(…) for this writer alone. */
  constructor(machine: KernelHeap, workspace: Region, plan: TablesPlan) {
    this.#machine = machine
    this.#memory = carveWriter(workspace, plan.shape)
    this.#plan = plan
    this.#tablesAhead = plan.tablesAhead ?? 0
  }

  /** Entries of all tables so far. */
  get entries(): number {
    return this.#entries
  }

  get bytesWritten(): number {
    return this.#finishedBytes + (this.#writer?.storedBytes ?? 0)
  }

  /** Appends entries that follow all before in order. Lazy ones are fetched and their tokens dropped. */
  append(descriptors: number, count: number): void {
    const end = descriptors + count * DESC_SIZE
    for (let at = descriptors; at < end; ) {
      const sameKey = this.#last.hasKeyOf(this.#machine, at)
      assert(this.#last.isBefore(this.#machine, at), 'entries come in order')
      if (this.#full && !sameKey) this.#finishTable()
      const writer = this.#writer ?? this.#startTable()
      const chunk = this.#chunk(at, end)
      const taken = writer.append(at, chunk)
      if (taken > 0) {
        this.#entries += taken
        if (this.#refers || this.#expires) this.#count(at, taken)
        at += taken * DESC_SIZE
        this.#last.remember(this.#machine, at - DESC_SIZE)
      } else if (sameKey || this.#full) {
        throw tooManyVersions()
      }
      const { shape } = this.#plan
      this.#full = taken < chunk || writer.storedBytes >= shape.tableSize || this.#refersToMuch()
    }
  }

  /** Ends the last table and makes the directory entries durable. */
  finish(): readonly TableMeta[] {
    if (this.#writer !== undefined) this.#finishTable()
    if (this.tables.length > 0) syncDirectoryOrPoison(this.#plan.fs, this.#plan.directory)
    return this.tables
  }

  /** Gives up, and closes what is open. The outputs stay: whoever gave out their numbers removes them, for only there
   * it is known whether the directory is still ours. Returns what went wrong, if anything. */
  abandon(): unknown {
    const file = this.#file
    this.#writer = undefined
    this.#file = undefined
    try {
      file?.closeSync()
      return undefined
    } catch (error) {
      return error
    }
  }

  /** The output region is lent to the sources between appends. */
  borrow(bytes: number): number {
    const { out } = this.#memory
    if (this.#lent || bytes > out.length) return 0
    this.#writer?.settle()
    this.#lent = true
    return out.address
  }

  giveBack(address: number): void {
    assert(this.#lent && address === this.#memory.out.address, 'lent memory comes back once')
    this.#lent = false
  }

  /** As many entries as may be appended before the table's size is looked at again: one, once it is to be closed. */
  #chunk(first: number, end: number): number {
    const { u32 } = this.#machine.heap
    const { tableSize, blockSize } = this.#plan.shape
    const budget = this.#full ? 1 : Math.max(blockSize, tableSize / 64)
    this.#refers = false
    this.#expires = false
    let bytes = 0
    let at = first
    while (at < end && bytes < budget) {
      const valueLength = loadU32(u32, at + DESC_VALUE_LENGTH)
      bytes += loadU32(u32, at + DESC_KEY_LENGTH) + valueLength + 8
      if (valueLength === VALUE_POINTER_BYTES) bytes += this.#weightOf(at)
      if (loadU64(u32, at + DESC_EXPIRES_AT) > 0) this.#expires = true
      at += DESC_SIZE
    }
    return (at - first) / DESC_SIZE
  }

  /** What a value in a segment counts for when the size is looked at: a segment the table does not refer to yet ends
   * the chunk once there are many. */
  #weightOf(descriptor: number): number {
    const pointer = pointerOf(this.#machine, descriptor)
    if (pointer === undefined) return 0
    this.#refers = true
    const uses = this.#uses
    if (uses.count >= SEGMENTS_SOUGHT / 2 && !uses.has(pointer.segment)) {
      return Number.POSITIVE_INFINITY
    }
    const { shape } = this.#plan
    return pointer.storedLength * (shape.tableSize / valueBytesMax(shape))
  }

  #count(first: number, count: number): void {
    const { u32 } = this.#machine.heap
    const uses = this.#uses
    const end = first + count * DESC_SIZE
    for (let at = first; at < end; at += DESC_SIZE) {
      const pointer = pointerOf(this.#machine, at)
      if (pointer !== undefined) uses.add(pointer)
      const expiresAt = loadU64(u32, at + DESC_EXPIRES_AT)
      if (expiresAt === 0) continue
      const bytes = loadU32(u32, at + DESC_KEY_LENGTH) + loadU32(u32, at + DESC_VALUE_LENGTH)
      this.#expiring.add(expiresAt, bytes, pointer?.storedLength ?? 0)
    }
    if (uses.count > SEGMENTS_PER_TABLE_MAX) throw tooManyVersions()
  }

  /** Whether the table is to be closed for what it refers to in segments. */
  #refersToMuch(): boolean {
    const uses = this.#uses
    if (uses.count >= SEGMENTS_SOUGHT) return true
    return uses.bytes > valueBytesMax(this.#plan.shape) && this.#tablesAhead > 0
  }

  #startTable(): TableWriter {
    const { fs, directory, takeNumber, randomFill, shape, lazy } = this.#plan
    const number = takeNumber()
    const path = tablePath(directory, number)
    const file = fs.openSync(path, 'create')
    this.#file = file
    const salt = Buffer.alloc(8)
    randomFill(salt)
    const { baseVersion, newestWal } = this.#plan
    const plan = { file, number, salt, baseVersion, newestWal, shape }
    this.#writer = new TableWriter(this.#machine, this.#memory, lazy, plan)
    this.#full = false
    return this.#writer
  }

  #finishTable(): void {
    const writer = this.#writer
    const file = this.#file
    assert(writer !== undefined && file !== undefined, 'a table is finished once')
    const { shape, finished } = this.#plan
    if (writer.storedBytes < shape.tableSize && this.#refersToMuch()) this.#tablesAhead -= 1
    const meta = writer.finish(this.#uses.list(), this.#expiring.steps())
    this.#uses = new SegmentUses()
    this.#expiring = new ExpiryTally()
    recheckTable(this.#machine, this.#memory, file, meta)
    file.closeSync()
    this.#file = undefined
    this.#writer = undefined
    this.#full = false
    this.#finishedBytes += meta.size
    this.tables.push(meta)
    finished(meta)
  }
}

function tooManyVersions(): SettError {
  return new SettError(
    'SETT_TOO_LARGE',
    'A table cannot hold all versions of one key that snapshots still need. Release old snapshots, or ' +
      'raise tableSize.',
  )
}
