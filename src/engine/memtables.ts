// The active memtable with its WAL, and the immutable ones waiting for their flush, oldest first. Main thread.
// The next WAL is born (header, directory, manifest edit, each synced) while the active one fills, so
// that a rotation is only a swap.
import { SettError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { WalLink } from '../format/wal-frame.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { syncDirectoryLater, syncFailure } from '../io/final-sync.ts'
import type { Kernels } from '../kernel/kernels.ts'
import type { ManifestLog } from '../manifest/manifest-log.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'
import { arenaBytes, Memtable } from '../memtable/memtable.ts'
import { type WalEnd, WalFile } from '../wal/wal-file.ts'
import { errorCode } from './disk/failures.ts'
import type { FileNumbering } from './file-numbering.ts'
import type { Health } from './health.ts'
import type { ObsoleteFiles } from './obsolete-files.ts'
import type { StopCause } from './pressure/stall-watch.ts'
import type { MemoryFill } from './pressure/write-rate.ts'
import type { StoredValues } from './value-log/new-segment.ts'

/** A memtable nothing more is encoded into, and the WAL that holds its records. */
export interface FrozenMemtable {
  readonly memtable: Memtable
  readonly walNumber: number
  /** undefined: the WAL of an earlier open, replayed and sealed. */
  readonly wal: WalFile | undefined
  readonly unfinished: number
  /** Each lets go of a segment that records of its WAL may point to. */
  readonly keeps: (() => void)[]
}

/** A memtable of this open with its WAL. */
export interface LoggedMemtable {
  memtable: Memtable
  readonly walNumber: number
  readonly wal: WalFile
  /** Groups encoded and not yet linked or rejected. */
  unfinished: number
  /** No new group joins it. */
  frozen: boolean
  /** Each lets go of a segment that records of its WAL, rejected ones too, may point to. */
  readonly keeps: (() => void)[]
  /** Of values in segments that are kept so. */
  keptBytes: number
  /** Sixteenths of its fill of which was told. */
  told: number
}

export interface MemtablesParts {
  readonly directory: string
  readonly fs: FileSystem
  readonly random: Random
  readonly heap: SharedHeap
  readonly kernels: Kernels
  readonly allocator: HeapAllocator
  readonly numbering: FileNumbering
  readonly manifest: ManifestLog
  readonly health: Health
  readonly syncFile: (file: OpenFile) => Promise<void>
  readonly obsolete: ObsoleteFiles
  /** Bytes of a WAL known to be durable. */
  readonly syncedLength: (wal: WalFile) => number
  /** All frames of a WAL are written. */
  readonly logEnded: (wal: WalFile) => void
  readonly memtableSize: number
  /** Active and immutable memtables together. */
  readonly memtableCount: number
  /** Bytes of all their arenas, at most, while a flush is due that gives some back. */
  readonly arenaBytesMax: number
}

/** A memtable tells how full it gets in so many steps. With the first, the thread that will flush it is started; with
 * half of them, or when a few commits like the last fill it, the next log is born: that takes several syncs. */
const STEPS = 16
const FEW_COMMITS = 4

/**
 * Of values in segments its records may point to, a memtable keeps so many times memtableSize before it makes way for
 * another: overwritten ones become free with its flush only. A large value is longer than memtableSize/4, so that there
 * are some sixteen to a flush, which then costs little beside writing them.
 */
const KEPT_SIZES = 4

export interface MemtablesEvents {
  /** The set of memtables changed: publish a new view. */
  changed(): void
  /** An immutable memtable is complete, or a commit waits for the flush of one. */
  flushable(): void
  /** A flush will be due before long. */
  flushComes(): void
  /** A waiting commit may find room now. */
  roomChanged(): void
  /** The next log could not be born: no room will come until this is mended. */
  blocked(error: unknown): void
  /** Level 0 is so full that rotation must wait. Throws when waiting will not help. */
  stalled(): boolean
}

export class Memtables {
  active: LoggedMemtable
  /** Oldest first. */
  immutables: FrozenMemtable[] = []
  /** Why advance() said last that a commit must wait. */
  waitsFor: StopCause = 'disk'
  readonly #parts: MemtablesParts
  readonly #events: MemtablesEvents
  #next: WalFile | undefined
  #preparing: Promise<void> | undefined
  readonly #links = new Map<WalFile, WalLink>()

  constructor(parts: MemtablesParts, events: MemtablesEvents, first: WalFile) {
    this.#parts = parts
    this.#events = events
    this.active = this.#logged(first, parts.memtableSize)
  }

  /** Immutable memtables whose groups have all finished, oldest first, up to the first of which that is not true. */
  get flushable(): readonly FrozenMemtable[] {
    const unfinished = this.immutables.findIndex((frozen) => frozen.unfinished > 0)
    return unfinished < 0 ? this.immutables : this.immutables.slice(0, unfinished)
  }

  /** Bytes in memory that are in no table yet. */
  get usedBytes(): number {
    const frozen = this.immutables.reduce((sum, { memtable }) => sum + memtable.usedBytes, 0)
    return frozen + this.active.memtable.usedBytes
  }

  /** How full they are, for back-pressure. */
  get fill(): MemoryFill {
    const { usedBytes, arena } = this.active.memtable
    return { frozen: this.immutables.length, active: usedBytes / arena.length }
  }

  /** Logs with commits that are in no table yet, but for those of earlier opens. */
  get logs(): WalFile[] {
    const wals = [...this.immutables.map(({ wal }) => wal), this.active.wal]
    return wals.filter((wal) => wal !== undefined)
  }

  get durableEdit(): number {
    return this.#parts.manifest.lastDurableEdit
  }

  /** The link the first frame of a WAL must carry. */
  linkOf(wal: WalFile): WalLink {
    return this.#links.get(wal) ?? wal.linkFor(undefined, true)
  }

  /** What the first WAL of this open follows (recovery knows). */
  linkFirst(predecessor: WalEnd | undefined): void {
    this.#links.set(this.active.wal, this.active.wal.linkFor(predecessor, true))
  }

  /** Creates a WAL and makes it known: after this its first frame may be written. */
  static async bear(parts: MemtablesParts): Promise<WalFile> {
    parts.manifest.requireOwner()
    const salt = Buffer.alloc(8)
    parts.random.fill(salt)
    const { fs, directory, manifest, numbering, obsolete } = parts
    const number = numbering.take()
    let wal: WalFile | undefined
    try {
      wal = WalFile.create(fs, directory, number, salt)
      await syncNew(parts, wal.file)
      // What failed meanwhile may have been a sync of this very directory: it is not asked again.
      if (parts.health.poisoned !== undefined) throw parts.health.poisoned
      await syncDirectoryLater(fs, directory)
      const walsAdded = [{ number, salt: wal.saltHex }]
      await manifest.append({ walsAdded, nextFileNumber: numbering.next })
      return wal
    } catch (error) {
      wal?.file.closeSync()
      // Without a usable manifest the edit that names it may be on disk all the same.
      if (manifest.usable && errorCode(error) !== 'EEXIST') obsolete.removeWal(number)
      throw error
    }
  }

  /** Makes room for a commit: rotates, or gives an unused memtable a larger arena. `ownBytes` > 0 asks for an
   * arena of that commit's own. Returns false when it must wait; roomChanged() follows. */
  advance(ownBytes: number, count: number, closeGroup: () => void): boolean {
    const length = this.#arenaLength(ownBytes, count)
    if (this.#isUnused(this.active)) return this.#regrow(length)
    if (this.#next === undefined) {
      this.prepare()
      return this.#mustWait('disk')
    }
    const { memtableCount } = this.#parts
    if (this.#events.stalled()) return this.#mustWait('level0')
    if (this.immutables.length + 1 >= memtableCount) return this.#mustWait('memtables')
    if (this.#overBudget(length)) return this.#mustWait('memory')
    const region = this.#parts.allocator.allocate(length, 64)
    if (region === undefined) return this.#noRegion(length)
    closeGroup()
    const { heap, kernels } = this.#parts
    const memtable = Memtable.create(heap, kernels, region)
    const previous = this.active
    const wal = this.#next
    this.active = logged(wal, memtable)
    this.#next = undefined
    this.#freeze(previous)
    this.#events.changed()
    // It is full at once, and the commit behind it would wait for the birth of the log after this one.
    if (ownBytes > 0) this.prepare()
    return true
  }

  /** Freezes the active memtable, if it holds anything, so that it will be flushed. Returns false when that
   * must wait. */
  rotate(closeGroup: () => void): boolean {
    return this.#isUnused(this.active) || this.advance(0, 0, closeGroup)
  }

  /** As rotate(), so that what the active memtable keeps may become free. No commit depends on it: whatever stands
   * against it, whoever needs the room is told. Returns whether it was done. */
  ease(closeGroup: () => void): boolean {
    try {
      return this.rotate(closeGroup)
    } catch {
      return false
    }
  }

  /** The commit being encoded points to these. */
  keep({ bytes, release }: StoredValues): void {
    this.active.keeps.push(release)
    this.active.keptBytes += bytes
  }

  /** The active memtable keeps so much that it should make way for another. */
  get keepsMuch(): boolean {
    return this.active.keptBytes >= KEPT_SIZES * this.#parts.memtableSize
  }

  /** Starts bearing the next WAL. */
  prepare(): void {
    if (this.#next !== undefined || this.#preparing !== undefined) return
    if (this.#parts.health.closing || this.#parts.health.poisoned !== undefined) return
    this.#preparing = Memtables.bear(this.#parts).then(
      (wal) => {
        this.#preparing = undefined
        this.#next = wal
        this.#events.roomChanged()
      },
      (error: unknown) => {
        this.#preparing = undefined
        this.#events.blocked(error)
      },
    )
  }

  /** A group of this memtable was linked or rejected. */
  groupFinished(target: LoggedMemtable): void {
    if (!target.frozen) this.#tell(target)
    if (!target.frozen || target.unfinished > 0) return
    this.#parts.logEnded(target.wal)
    this.#recordLink(target)
    this.#events.flushable()
  }

  /** Once per step: there may be a group for each put. */
  #tell(target: LoggedMemtable): void {
    const { usedBytes, arena } = target.memtable
    const kept = target.keptBytes / (KEPT_SIZES * this.#parts.memtableSize)
    const steps = Math.floor(Math.max(usedBytes / arena.length, Math.min(1, kept)) * STEPS)
    if (steps <= target.told) return
    const few = FEW_COMMITS * (steps - target.told)
    target.told = steps
    if (steps >= STEPS / 2 || steps + few >= STEPS) this.prepare()
    this.#events.flushComes()
  }

  /** Something unknown may lie behind the WAL's end and cannot be cut off. Rotates, and seals the WAL at its
   * end before anything is written elsewhere, so that a rejected commit never shows up. Throws, once it is sealed, when
   * there is no other WAL. */
  async retireDamaged(target: LoggedMemtable, closeGroup: () => void): Promise<void> {
    const another = target.frozen || this.advance(0, 0, closeGroup)
    // The next group of this log is written over what is left behind its end.
    if (another && target.unfinished > 1) return
    const { poisoned } = this.#parts.health
    if (poisoned !== undefined) throw poisoned
    const { wal } = target
    await this.#parts.syncFile(wal.file)
    const { number, length, lastVersion, digest } = wal
    await this.#parts.manifest.append({ walsSealed: [{ number, length, lastVersion, digest }] })
    if (another) return
    throw new SettError('LEVEL_IO_ERROR', 'No other log is at hand. Reopen the database.')
  }

  /** The flush of the oldest immutable memtable is installed. */
  removeOldest(): FrozenMemtable {
    const oldest = this.immutables.shift()
    if (oldest === undefined) throw new SettError('SETT_INTERNAL', 'No memtable is being flushed.')
    if (oldest.wal !== undefined) this.#links.delete(oldest.wal)
    return oldest
  }

  /** Waits for a WAL being born; returns every WAL of this open that is still needed, oldest first. */
  async settle(): Promise<WalFile[]> {
    await this.#preparing
    return this.#next === undefined ? this.logs : [...this.logs, this.#next]
  }

  #arenaLength(ownBytes: number, count: number): number {
    const { memtableSize } = this.#parts
    if (ownBytes === 0) return memtableSize
    return Math.max(memtableSize, arenaBytes(ownBytes, count, 256))
  }

  #logged(wal: WalFile, length: number): LoggedMemtable {
    const { heap, kernels, allocator } = this.#parts
    const region = allocator.allocate(length, 64)
    if (region === undefined) throw heapFull(length)
    const memtable = Memtable.create(heap, kernels, region)
    return logged(wal, memtable)
  }

  /** One that keeps segments is not, though all its commits were rejected: until its log is dropped, a power cut may
   * undo the cut behind which they lie. */
  #isUnused({ memtable, wal, unfinished, keeps }: LoggedMemtable): boolean {
    return !wal.hasFrames && unfinished === 0 && memtable.entries === 0 && keeps.length === 0
  }

  #regrow(length: number): boolean {
    const { allocator, heap, kernels } = this.#parts
    const { arena } = this.active.memtable
    const region = arena.length >= length ? arena : allocator.allocate(length, 64)
    if (region === undefined) return this.#noRegion(length)
    this.active.memtable = Memtable.create(heap, kernels, region)
    this.#events.changed()
    if (region !== arena) allocator.free(arena)
    return true
  }

  #mustWait(cause: StopCause): false {
    this.waitsFor = cause
    // What rested until somebody wants its room is flushed now.
    this.#events.flushable()
    return false
  }

  /** Large commits have memtables larger than others. */
  #overBudget(length: number): boolean {
    if (this.immutables.length === 0) return false
    const arenas = [...this.immutables, this.active].map(({ memtable }) => memtable.arena.length)
    return arenas.reduce((sum, bytes) => sum + bytes, length) > this.#parts.arenaBytesMax
  }

  /** Room comes back when a flush ends; with none under way it never will. */
  #noRegion(length: number): boolean {
    if (this.immutables.length === 0) throw heapFull(length)
    return this.#mustWait('memory')
  }

  #freeze(target: LoggedMemtable): void {
    target.frozen = true
    this.immutables.push(target)
    if (target.unfinished === 0) this.groupFinished(target)
  }

  /** All frames of the WAL are written: the next one can name its end. */
  #recordLink({ wal }: LoggedMemtable): void {
    const index = this.immutables.findIndex((other) => other.wal === wal)
    const successor = this.immutables[index + 1] ?? this.active
    if (successor.wal === undefined) return
    const synced = this.#parts.syncedLength(wal) === wal.length
    this.#links.set(successor.wal, successor.wal.linkFor(wal, synced))
  }
}

function logged(wal: WalFile, memtable: Memtable): LoggedMemtable {
  return {
    memtable,
    walNumber: wal.number,
    wal,
    unfinished: 0,
    frozen: false,
    told: 0,
    keeps: [],
    keptBytes: 0,
  }
}

async function syncNew({ syncFile }: MemtablesParts, file: OpenFile): Promise<void> {
  try {
    await syncFile(file)
  } catch (error) {
    throw syncFailure(file.path, error)
  }
}

function heapFull(length: number): SettError {
  return new SettError(
    'SETT_OUT_OF_MEMORY',
    `The heap has no ${length} bytes in one piece left for a memtable. Raise memoryBudget, or lower ` +
      'memtableSize or the cache sizes.',
  )
}
