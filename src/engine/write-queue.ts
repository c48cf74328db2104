// Group commit. Main thread. A commit is encoded at once, unlinked, into the open group; the group closes in the
// next turn of the event loop, or at once if its writer is alone, and goes: WAL write → (sync) → link → visible →
// promises. At most one group is in flight; later ones go out in order. A rejected group is never linked.
import type { TimerHandle } from '../base/clock.ts'
import { FRAME_HAS_LINK, FRAME_HEADER_BYTES, LINK_BYTES, writeLink } from '../format/wal-frame.ts'
import { KIND_PUT, TAG_COMMIT_END } from '../kernel/layout.ts'
import { EXPIRY_BYTES, recordBytes } from '../memtable/memtable.ts'
import {
  type BatchLook,
  checkCommitBytes,
  checkKey,
  checkValue,
  commitBytes,
  copiedBytes,
  copyData,
  copyOperation,
  type Expiries,
  isPut,
  KIND_OF,
  lengthBound,
  lookAtBatch,
  putBytes,
} from './commit/commit-operations.ts'
import { LargeCommit } from './commit/large-commit.ts'
import { LoneWriter } from './commit/lone-writer.ts'
import { type Commit, type WaitingCommit, WaitingCommits } from './commit/waiting-commits.ts'
import type { WriteQueueParts } from './commit/write-queue-parts.ts'
import { CommitGroup, logGrowth } from './commit-group.ts'
import { writeError } from './disk/failures.ts'
import type { Data, WriteOperation, WriteOptions } from './types.ts'
import type { StoredValues } from './value-log/new-segment.ts'

/** Groups this long, or after a slow write, are written without blocking the thread (handoff §0). */
const ASYNC_WRITE_BYTES = 256 * 1024
const SLOW_WRITE_MS = 2
/** A lone commit this long, of some 500 small records, waits for the turn all the same: to encode and link it in one go
 * would hold up the event loop twice as long, and beside that a turn costs little. */
const LONE_BYTES = 64 * 1024
const FRAME_ROOM = FRAME_HEADER_BYTES + LINK_BYTES

export class WriteQueue {
  readonly #parts: WriteQueueParts
  #open: CommitGroup | undefined
  #inFlight: CommitGroup | undefined
  readonly #queued: CommitGroup[] = []
  readonly #waiting = new WaitingCommits()
  readonly #lone: LoneWriter
  /** Gathers what is read only so that it comes into the caches. */
  #seen = 0
  #turnScheduled = false
  #lastWriteMs = 0
  /** Until it is up no group goes out. */
  #pause: TimerHandle | undefined
  #idle: (() => void)[] = []
  walWrites = 0
  walBytes = 0

  constructor(parts: WriteQueueParts) {
    this.#parts = parts
    this.#lone = new LoneWriter(parts.clock, this.#callbackFailed)
    parts.health.onPoison((error) => this.#rejectAll(error))
  }

  /** `expiresAt`: ms since 1970; 0: never. */
  put(key: Data, value: Data, options: WriteOptions, expiresAt: number): Promise<void> {
    this.#parts.health.checkWritable()
    checkKey(key)
    checkValue(value)
    const plain = recordBytes(lengthBound(key), lengthBound(value))
    const room = expiresAt === 0 ? plain : plain + EXPIRY_BYTES
    if (this.#waiting.length === 0 && room <= this.#parts.ownMemtableBytes) {
      const { memtable } = this.#parts.memtables.active
      if (memtable.fits(room + FRAME_ROOM, 1)) {
        const { reserve } = this.#parts
        if (!reserve.covers(room)) reserve.cover(putBytes(key, value, expiresAt))
        return this.#encodePut(key, value, options, expiresAt)
      }
    }
    const expiries = expiresAt === 0 ? undefined : [expiresAt]
    return this.batch([{ type: 'put', key, value }], options, expiries)
  }

  batch(
    operations: readonly WriteOperation[],
    options: WriteOptions,
    expiries?: Expiries,
  ): Promise<void> {
    this.#parts.health.checkWritable()
    if (operations.length === 0) return Promise.resolve()
    const look = lookAtBatch(operations, this.#parts.heldValueBytes)
    this.#seen ^= look.firstBytes
    return this.#commit({ operations, options, expiries }, look)
  }

  /** As put(), of a value that a segment holds, or will once the promise resolves. The commit has its place among
   * the others from now on. */
  putStored(
    key: Data,
    stored: Promise<StoredValues>,
    options: WriteOptions,
    expiresAt: number,
  ): Promise<void> {
    const own = this.#keptOptions(options)
    const copy = copyData(key)
    const pending = stored.then((stored): Commit => {
      const operations = [{ type: 'pointer', key: copy, value: stored.pointers[0]! }] as const
      return {
        operations,
        expiries: expiresAt === 0 ? undefined : [expiresAt],
        options: own,
        stored,
      }
    })
    return this.#waitFor(0, pending)
  }

  /** A waiting commit may fit now. */
  resume(): void {
    const { stalls, memtables } = this.#parts
    for (;;) {
      const waiter = this.#waiting.head
      if (waiter?.commit === undefined) break
      try {
        const done = this.#tryCommit(waiter.commit)
        if (done === undefined) {
          stalls.stopped(memtables.waitsFor)
          return
        }
        waiter.resolve(done)
      } catch (error) {
        waiter.commit.stored?.release()
        waiter.reject(error)
      }
      // Unless a failure just told all of them.
      this.#waiting.remove(waiter)
    }
    stalls.resumed()
    // The last of them may have been refused: then no group will say so.
    this.#reportIdle()
  }

  /** The job that waiting commits depend on failed: they are told. None depends on one while values are written. */
  rejectWaiting(error: unknown): void {
    if (this.#waiting.head?.commit !== undefined) this.#rejectWaiting(error)
  }

  #rejectWaiting(error: unknown): void {
    this.#waiting.rejectAll(error)
    this.#parts.stalls.resumed()
    this.#reportIdle()
  }

  /** What the files are to grow by, for commits that are on their way to the log, and large values to a segment. */
  get growth(): number {
    const { unwrittenBytes } = this.#parts.values
    return logGrowth([this.#inFlight, ...this.#queued, this.#open]) + unwrittenBytes
  }

  /** Nothing is open, queued, waiting or in flight. */
  get idle(): boolean {
    const behind = this.#queued.length + this.#waiting.length
    return this.#inFlight === undefined && this.#open === undefined && behind === 0
  }

  /** Resolves once every commit that was made before is in a memtable's group, or was refused. */
  placed(): Promise<void> {
    return this.#waiting.passed()
  }

  /** Resolves once it was idle; more may have come since. */
  drained(): Promise<void> {
    if (this.idle) return Promise.resolve()
    return new Promise((resolve) => {
      this.#idle.push(resolve)
      this.#schedule()
    })
  }

  /** Resolves once no large value is being written: those of rejected commits may still be. */
  settled(): Promise<void> {
    return this.#parts.values.settled()
  }

  /** Ends the open group so that its memtable can be frozen. */
  closeOpenGroup(): void {
    const group = this.#open
    if (group === undefined) return
    group.end = group.target.memtable.recordEnd
    this.#queued.push(group)
    this.#open = undefined
    this.#schedule()
  }

  #commit(commit: Commit, look: BatchLook): Promise<void> {
    const { stalls, memtables } = this.#parts
    const { operations, options, expiries } = commit
    if (look.large) {
      return this.#commitLarge(new LargeCommit(operations, expiries, this.#parts), options)
    }
    if (this.#waiting.length === 0) {
      const done = this.#commitShort(commit, look) ?? this.#tryCommit(commit)
      if (done !== undefined) return done
      stalls.stopped(memtables.waitsFor)
    }
    const bytes = copiedBytes(operations)
    this.#waiting.checkRoom(bytes, this.#parts.waitingBytesMax)
    const copies = operations.map(copyOperation)
    const kept = { operations: copies, expiries, options: this.#keptOptions(options) }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commit: kept, bytes, resolve, reject })
    })
  }

  /** As #tryCommit, of one that surely fits: its exact length matters only where the disk has little room. undefined:
   * it may not fit. */
  #commitShort(commit: Commit, { bytes, puts }: BatchLook): Promise<void> | undefined {
    const { memtables, reserve, ownMemtableBytes } = this.#parts
    const { operations, expiries } = commit
    const room = bytes + EXPIRY_BYTES * (expiries?.length ?? 0)
    if (room > ownMemtableBytes) return undefined
    if (!memtables.active.memtable.fits(room + FRAME_ROOM, operations.length)) return undefined
    if (puts && !reserve.covers(room)) reserve.cover(commitBytes(operations, expiries))
    return this.#encode(commit, puts)
  }

  /** Its large values are written first; the commit waits for that, and those after it wait behind it. */
  #commitLarge(commit: LargeCommit, options: WriteOptions): Promise<void> {
    const { reserve, values, waitingBytesMax } = this.#parts
    this.#waiting.checkRoom(commit.bytes, waitingBytesMax)
    reserve.spend(commit.valueBytes)
    return this.#waitFor(commit.bytes, commit.store(values, this.#keptOptions(options)))
  }

  /** The options of a commit that waits: tune() may come before its turn does. */
  #keptOptions({ durability, onCommit, ttl }: WriteOptions): WriteOptions {
    const kept = durability ?? (this.#parts.durability === 'sync' ? 'sync' : 'none')
    return { durability: kept, onCommit, ttl }
  }

  /** Takes the last place among those that wait for a commit still in the making. */
  #waitFor(bytes: number, pending: Promise<Commit>): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: WaitingCommit = { commit: undefined, bytes, resolve, reject }
      this.#waiting.push(waiter)
      pending.then(
        (commit) => {
          if (this.#waiting.has(waiter)) {
            waiter.commit = commit
            this.resume()
          } else {
            commit.stored?.release()
          }
        },
        (error: unknown) => {
          if (!this.#waiting.remove(waiter)) return
          reject(error)
          this.resume()
        },
      )
    })
  }

  /** Encodes the commit, or returns undefined when there is no room yet. */
  #tryCommit(commit: Commit): Promise<void> | undefined {
    const { operations, expiries, stored } = commit
    const { memtables, reserve, ownMemtableBytes, commitBytesMax } = this.#parts
    const bytes = commitBytes(operations, expiries)
    checkCommitBytes(bytes, commitBytesMax)
    // Deletes give room back, so they may use up what puts must leave.
    const puts = operations.some(isPut)
    if (puts && !reserve.covers(bytes)) reserve.cover(bytes)
    const count = operations.length
    const own = bytes > ownMemtableBytes
    if (stored !== undefined && memtables.keepsMuch) memtables.ease(() => this.closeOpenGroup())
    if (own || !memtables.active.memtable.fits(bytes + FRAME_ROOM, count)) {
      if (!memtables.advance(own ? bytes : 0, count, () => this.closeOpenGroup())) return undefined
    }
    return this.#encode(commit, puts)
  }

  /** Encodes a commit into the open group; what it leaves behind when it throws is undone. `puts`: it takes of the
   * reserve. */
  #encode({ operations, expiries, options, stored }: Commit, puts: boolean): Promise<void> {
    const group = this.#joinGroup(options)
    const { memtable } = group.target
    const { recordEnd, pending } = memtable
    const version = this.#parts.oracle.next()
    const count = operations.length
    try {
      let record = 0
      for (let i = 0; i < count; i++) {
        const { type, key, value } = operations[i]!
        const expiresAt = expiries?.[i] ?? 0
        const tag = KIND_OF[type]
        if (expiresAt === 0) record = memtable.encode(tag, version, key, value)
        else record = memtable.encodeExpiring(tag, version, { key, value, expiresAt })
      }
      memtable.markTag(record, TAG_COMMIT_END)
    } catch (error) {
      this.#takeBack(group, recordEnd, pending)
      throw error
    }
    if (puts) this.#parts.reserve.took(memtable.recordEnd - recordEnd)
    if (stored !== undefined) {
      this.#parts.memtables.keep(stored)
      group.storedBytes += stored.bytes
    }
    return this.#joined(group, version, count, options)
  }

  /** The same for a put alone. */
  #encodePut(key: Data, value: Data, options: WriteOptions, expiresAt: number): Promise<void> {
    const group = this.#joinGroup(options)
    const { memtable } = group.target
    const { recordEnd, pending } = memtable
    const version = this.#parts.oracle.next()
    try {
      const tag = KIND_PUT | TAG_COMMIT_END
      if (expiresAt === 0) memtable.encode(tag, version, key, value)
      else memtable.encodeExpiring(tag, version, { key, value, expiresAt })
    } catch (error) {
      this.#takeBack(group, recordEnd, pending)
      throw error
    }
    this.#parts.reserve.took(memtable.recordEnd - recordEnd)
    return this.#joined(group, version, 1, options)
  }

  #takeBack(group: CommitGroup, recordEnd: number, pending: number): void {
    group.target.memtable.undo(recordEnd, pending)
    if (group.recordCount === 0) this.#dropOpenGroup(group)
  }

  #dropOpenGroup(group: CommitGroup): void {
    this.#open = undefined
    group.target.memtable.abandon(group.start, group.target.memtable.recordEnd, 0)
    group.target.unfinished -= 1
  }

  #joinGroup(options: WriteOptions): CommitGroup {
    this.#open ??= new CommitGroup(this.#parts.memtables.active)
    if ((options.durability ?? this.#parts.durability) === 'sync') this.#open.wantsSync = true
    return this.#open
  }

  #joined(
    group: CommitGroup,
    version: number,
    count: number,
    options: WriteOptions,
  ): Promise<void> {
    group.commits += 1
    group.recordCount += count
    group.lastVersion = version
    if (options.onCommit !== undefined) group.onCommit(options.onCommit, version)
    if (this.#mayGoAtOnce(group)) this.#goAtOnce(group)
    else if (!this.#turnScheduled) this.#schedule()
    return group.promise
  }

  /** Nothing of it waits: neither for other commits, nor for the disk, nor for background work. */
  #mayGoAtOnce(group: CommitGroup): boolean {
    return (
      group.commits === 1 &&
      !group.wantsSync &&
      this.#pause === undefined &&
      this.#inFlight === undefined &&
      this.#queued.length === 0 &&
      this.#waiting.length === 0 &&
      this.#lastWriteMs <= SLOW_WRITE_MS &&
      group.target.memtable.recordEnd - group.start < LONE_BYTES &&
      this.#lone.alone &&
      this.#parts.pressure.waitMs() === 0
    )
  }

  #goAtOnce(group: CommitGroup): void {
    group.atOnce = true
    this.#lone.goes(group)
    group.end = group.target.memtable.recordEnd
    this.#open = undefined
    this.#write(group)
  }

  #schedule(): void {
    if (this.#turnScheduled) return
    this.#turnScheduled = true
    this.#parts.clock.nextTurn(this.#turn)
  }

  readonly #turn = (): void => {
    this.#turnScheduled = false
    this.#pump()
  }

  /** Sends the next group out, unless one is on its way, or it is held back. */
  #pump(): void {
    if (this.#inFlight !== undefined || this.#pause !== undefined) return
    if (this.#parts.pressure.limited && this.#holdBack()) return
    if (this.#queued.length === 0) this.#closeForTurn()
    const group = this.#queued.shift()
    if (group !== undefined) this.#write(group)
    else this.#reportIdle()
  }

  /** Background work is behind: the next group waits its share. One of a frozen memtable does not: its flush waits for
   * it. */
  #holdBack(): boolean {
    const next = this.#queued[0] ?? this.#open
    if (next === undefined || next.target.frozen) return false
    const waitMs = this.#parts.pressure.waitMs()
    if (waitMs === 0) return false
    this.#pause = this.#parts.clock.after(waitMs, () => {
      this.#pause = undefined
      this.#pump()
    })
    return true
  }

  #closeForTurn(): void {
    const group = this.#open
    if (group === undefined) return
    group.end = group.target.memtable.recordEnd
    this.#open = undefined
    this.#queued.push(group)
  }

  #write(group: CommitGroup): void {
    const { heap, clock, watch, fillAhead, health } = this.#parts
    this.#inFlight = group
    this.#lone.wrote(group)
    const { wal } = group.target
    const frame = group.placeFrame()
    this.#seal(group, frame)
    const length = group.end - frame
    this.walWrites += 1
    this.walBytes += length
    this.#parts.pressure.sent(length, group.storedBytes)
    if (length >= ASYNC_WRITE_BYTES || this.#lastWriteMs > SLOW_WRITE_MS) {
      this.#writeLater(group, frame)
      return
    }
    try {
      const began = clock.monotonicMs()
      fillAhead.before(wal, length, group.wantsSync)
      // The look for their room may have found the directory gone: no write to the log would.
      if (health.poisoned !== undefined) throw health.tell()!
      wal.file.writeSync(heap.bytes, wal.length, frame, group.end)
      this.#lastWriteMs = clock.monotonicMs() - began
    } catch (error) {
      this.#writeFailed(group, error)
      return
    }
    watch.took('write', wal.file.path, this.#lastWriteMs)
    this.#written(group)
  }

  /** Without blocking the thread. */
  #writeLater(group: CommitGroup, frame: number): void {
    const { heap, clock, watch } = this.#parts
    const { wal } = group.target
    const bytes = heap.bytes.subarray(frame, group.end)
    const began = clock.monotonicMs()
    const write = (): Promise<void> => wal.file.write(bytes, wal.length)
    watch.during('write', wal.file.path, write).then(
      () => {
        this.#lastWriteMs = bytes.length >= ASYNC_WRITE_BYTES ? 0 : clock.monotonicMs() - began
        this.#written(group)
      },
      (error: unknown) => this.#writeFailed(group, error),
    )
  }

  #seal(group: CommitGroup, frame: number): void {
    const { heap, kernels, memtables, syncer, walScratch } = this.#parts
    const { wal } = group.target
    const link = wal.hasFrames ? undefined : memtables.linkOf(wal)
    if (link !== undefined) writeLink(heap.u32, frame + FRAME_HEADER_BYTES, link)
    const payloadLength = group.end - frame - FRAME_HEADER_BYTES
    wal.sealFrame({ kernels, heap, scratch: walScratch }, frame, payloadLength, {
      syncedOffset: syncer.syncedLength(wal),
      manifestEdit: memtables.durableEdit,
      lastVersion: group.lastVersion,
      recordCount: group.recordCount,
      flags: link === undefined ? 0 : FRAME_HAS_LINK,
    })
  }

  #written(group: CommitGroup): void {
    const { syncer } = this.#parts
    const { wal } = group.target
    wal.appended()
    group.logged = true
    if (!group.wantsSync) {
      syncer.wrote(wal)
      this.#finish(group)
      return
    }
    syncer.sync(wal).then(
      () => this.#finish(group),
      (error: unknown) => this.#syncFailed(group, error),
    )
  }

  #finish(group: CommitGroup): void {
    const { oracle, memtables } = this.#parts
    const { target } = group
    target.memtable.link(group.records, group.end, group.recordCount)
    oracle.publish(group.lastVersion)
    if (!group.atOnce) group.runCallbacks(this.#callbackFailed)
    group.resolve()
    target.unfinished -= 1
    this.#inFlight = undefined
    memtables.groupFinished(target)
    this.#next()
  }

  /** The commit is made all the same: the error is the application's. */
  readonly #callbackFailed = (error: unknown): void => {
    this.#parts.clock.nextTurn(() => {
      throw error
    })
  }

  #next(): void {
    if (this.#queued.length > 0 || this.#open !== undefined || this.#waiting.length > 0) {
      this.#schedule()
      if (this.#waiting.length > 0) this.resume()
    } else {
      this.#reportIdle()
    }
  }

  /** The frame is not on disk whole: forget it, and make sure no half of it stays behind. */
  #writeFailed(group: CommitGroup, cause: unknown): void {
    const { wal, memtable } = group.target
    memtable.abandon(group.start, group.end, group.recordCount)
    try {
      wal.cut()
    } catch {
      this.#retireDamaged(group, cause)
      return
    }
    group.reject(writeError(cause))
    // The cut must be durable before anything after it is: were it undone, this log would end elsewhere than the next
    // one says, and the database would not open.
    this.#parts.syncer.wrote(wal)
    this.#failureHandled(group)
  }

  /** Nothing else goes out until the damaged log is sealed. Nor is anybody told before: until then a crash may
   * bring the group back. */
  #retireDamaged(group: CommitGroup, cause: unknown): void {
    group.failed()
    const { memtables, health } = this.#parts
    memtables
      .retireDamaged(group.target, () => this.closeOpenGroup())
      .catch((error: unknown) => health.poison('Giving up a damaged log', error))
      .then(() => {
        group.reject(writeError(cause))
        this.#failureHandled(group)
      })
  }

  #failureHandled(group: CommitGroup): void {
    group.target.unfinished -= 1
    this.#inFlight = undefined
    this.#parts.memtables.groupFinished(group.target)
    this.#next()
  }

  /** After a failed fdatasync nobody can tell what is on disk: no retry, read-only until reopened. */
  #syncFailed(group: CommitGroup, cause: unknown): void {
    group.target.unfinished -= 1
    this.#inFlight = undefined
    const { health } = this.#parts
    health.poison('Syncing the log', cause)
    group.reject(health.tell()!)
    this.#reportIdle()
  }

  #rejectAll(error: Error): void {
    if (this.#open !== undefined) this.closeOpenGroup()
    if (this.#queued.length + this.#waiting.length > 0) this.#parts.health.tell()
    for (const group of this.#queued.splice(0)) {
      group.target.unfinished -= 1
      group.reject(error)
    }
    this.#rejectWaiting(error)
  }

  #reportIdle(): void {
    if (this.#idle.length === 0 || !this.idle) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
