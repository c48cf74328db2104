// One commit group: the commits of a turn, encoded as one run behind one frame header. Main thread.
import { FRAME_HEADER_BYTES, LINK_BYTES } from '../format/wal-frame.ts'
import type { WalFile } from '../wal/wal-file.ts'
import type { LoggedMemtable } from './memtables.ts'

type Callback = readonly [onCommit: (version: number) => void, version: number]

/** Of every group that was done before anybody asked for its promise. */
export const DONE: Promise<void> = Promise.resolve()

export class CommitGroup {
  readonly target: LoggedMemtable
  /** Address of the reserved header (and link, while the WAL has no frame yet). */
  readonly start: number
  /** Address of the first record. */
  readonly records: number
  /** Address behind the last record; fixed when the group closes. */
  end = 0
  /** Address of the frame header, once placed. */
  frame = 0
  commits = 0
  recordCount = 0
  lastVersion = 0
  /** Of values that its commits point to, in segments. */
  storedBytes = 0
  /** Some commit of the group wants to be on disk before its promise resolves. */
  wantsSync = false
  /** It is in its log, durable or not. */
  logged = false
  /** It goes out inside the call that made its only commit, whose callback runs after that call. */
  atOnce = false
  #callbacks: Callback[] | undefined
  #promise: Promise<void> | undefined
  #resolve: (() => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor(target: LoggedMemtable) {
    this.target = target
    const reserved = target.wal.hasFrames ? FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + LINK_BYTES
    this.start = target.memtable.reserve(reserved)
    this.records = this.start + reserved
    target.unfinished += 1
  }

  /** That are still to be written to its log. */
  get unloggedBytes(): number {
    if (this.logged) return 0
    return (this.end === 0 ? this.target.memtable.recordEnd : this.end) - this.start
  }

  /** Settles every commit of the group. */
  get promise(): Promise<void> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    return this.#promise
  }

  resolve(): void {
    if (this.#resolve === undefined) this.#promise = DONE
    else this.#resolve()
  }

  /** No commit of it was made: no callback runs. Its promise is rejected later. */
  failed(): void {
    this.#callbacks = undefined
  }

  reject(error: Error): void {
    this.failed()
    if (this.#reject === undefined) this.#promise = Promise.reject(error)
    else this.#reject(error)
  }

  /** Fixes where the frame begins, when its turn to be written has come: the link is left out when an
   * earlier group of the WAL carries it by now. */
  placeFrame(): number {
    this.frame = this.target.wal.hasFrames ? this.records - FRAME_HEADER_BYTES : this.start
    return this.frame
  }

  onCommit(callback: (version: number) => void, version: number): void {
    this.#callbacks ??= []
    this.#callbacks.push([callback, version])
  }

  /** Runs the callbacks; what one throws is handed to `report`, the others still run. */
  runCallbacks(report: (error: unknown) => void): void {
    if (this.#callbacks === undefined) return
    for (const [callback, version] of this.#callbacks) {
      try {
        callback(version)
      } catch (error) {
        report(error)
      }
    }
  }
}

/** What the logs of groups are to grow by. Zeros behind the last frame are part of the file already. */
export function logGrowth(groups: readonly (CommitGroup | undefined)[]): number {
  const unlogged = new Map<WalFile, number>()
  for (const group of groups) {
    if (group === undefined) continue
    const { wal } = group.target
    unlogged.set(wal, (unlogged.get(wal) ?? 0) + group.unloggedBytes)
  }
  let growth = 0
  for (const [wal, bytes] of unlogged) growth += Math.max(0, bytes - wal.zeros)
  return growth
}
