// Makes WALs durable, oldest first, so that what survives a power cut is always a prefix of the commits.
// Main thread; the waiting happens elsewhere. One sync is in flight at most. A failed one poisons the database.
import type { Clock, TimerHandle } from '../base/clock.ts'
import type { OpenFile } from '../io/file-system.ts'
import { cutZeros } from '../wal/fill-ahead.ts'
import type { WalFile } from '../wal/wal-file.ts'
import type { Health } from './health.ts'

export interface WalSyncerParts {
  readonly syncFile: (file: OpenFile) => Promise<void>
  readonly clock: Clock
  readonly health: Health
  /** Unsynced bytes wait this long at most, in ms; undefined: until somebody asks. */
  readonly intervalMs: () => number | undefined
}

export class WalSyncer {
  readonly #parts: WalSyncerParts
  /** WALs with bytes not known durable, oldest first. */
  #dirty: WalFile[] = []
  /** Weak: a sync may end after its WAL was forgotten. */
  readonly #synced = new WeakMap<WalFile, number>()
  #running: Promise<void> = Promise.resolve()
  #timer: TimerHandle | undefined
  syncs = 0

  constructor(parts: WalSyncerParts) {
    this.#parts = parts
  }

  /** Bytes of this WAL known to be durable. */
  syncedLength(wal: WalFile): number {
    return this.#synced.get(wal) ?? 0
  }

  /** Bytes were appended, or cut off, that nobody waits for. */
  wrote(wal: WalFile): void {
    this.#markDirty(wal)
    if (this.#timer !== undefined) return
    const { clock, health } = this.#parts
    const intervalMs = this.#parts.intervalMs()
    if (intervalMs === undefined) return
    this.#timer = clock.after(intervalMs, () => {
      this.#timer = undefined
      this.syncAll().catch((error: unknown) => health.poison('Syncing the log', error))
    })
  }

  /** Nothing more is appended: the zeros behind its last frame go. */
  ended(wal: WalFile): void {
    // To be made durable like any other change; nothing is lost meanwhile, so no time is set for it.
    if (cutZeros(wal)) this.#markDirty(wal)
  }

  /** Resolves when everything appended to this WAL and to older ones is durable. */
  sync(wal: WalFile): Promise<void> {
    this.#markDirty(wal)
    return this.syncAll()
  }

  /** Resolves when everything appended so far is durable. */
  syncAll(): Promise<void> {
    this.#running = this.#running.then(() => this.#syncDirty())
    return this.#running
  }

  /** The WAL's records are in SSTables: it needs no sync any more. */
  forget(wal: WalFile): void {
    this.#clean(wal)
    this.#synced.delete(wal)
  }

  /** Forgets the WAL and closes its file, once no sync holds the descriptor any more. */
  close(wal: WalFile): void {
    this.forget(wal)
    const close = (): void => wal.file.closeSync()
    this.#running.then(close, close)
  }

  /** Resolves when no sync holds a descriptor, whatever became of it. */
  async settled(): Promise<void> {
    await this.#running.catch(() => undefined)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  async #syncDirty(): Promise<void> {
    for (const wal of [...this.#dirty]) {
      if (!this.#dirty.includes(wal)) continue
      const { length } = wal
      // Whatever is done to the log from here on, this sync may have missed.
      this.#clean(wal)
      await this.#parts.syncFile(wal.file)
      this.syncs += 1
      this.#synced.set(wal, length)
    }
  }

  #clean(wal: WalFile): void {
    this.#dirty = this.#dirty.filter((other) => other !== wal)
  }

  #markDirty(wal: WalFile): void {
    if (!this.#dirty.includes(wal)) this.#dirty.push(wal)
  }
}
