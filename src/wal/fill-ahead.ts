// Writes zeros ahead of the frames of a log that is synced group by group, so that an fdatasync finds the file's length
// and blocks as they were and has no journal to commit: 100 µs against 140 (handoff §1, ext4). Main thread, before the
// frame it makes room for, so zeros never meet a frame. Invariant: no commit fails for want of them.
import type { WalFile } from './wal-file.ts'

/** Longer frames are appended: for them the journal is the smaller part. */
const FRAME_BYTES_MAX = 64 * 1024
const AHEAD_BYTES = 256 * 1024
/** Of a memtable: a log hardly grows beyond it. */
const MEMTABLE_SHARE = 4
/** Zeros end where a page does. */
const PAGE_BYTES = 4096

export interface FillAheadParts {
  readonly memtableSize: number
  /** Takes so many bytes of the volume; throws when it has none to spare. */
  readonly spend: (bytes: number) => void
}

export class FillAhead {
  readonly #parts: FillAheadParts
  /** The log of the last frame, if that was synced and short. */
  #last: WalFile | undefined
  /** It could not be filled: the rest of it is appended. */
  #refused: WalFile | undefined

  constructor(parts: FillAheadParts) {
    this.#parts = parts
  }

  get #aheadBytes(): number {
    return Math.min(AHEAD_BYTES, Math.floor(this.#parts.memtableSize / MEMTABLE_SHARE))
  }

  /** A frame of so many bytes is about to be written to the log. The second in a row that is synced is the first to lie
   * in zeros: a database that is opened for one commit has no use for them. */
  before(wal: WalFile, frameBytes: number, synced: boolean): void {
    const again = this.#last === wal
    this.#last = synced && frameBytes < FRAME_BYTES_MAX ? wal : undefined
    if (!again || this.#last === undefined) return
    if (frameBytes <= wal.zeros || this.#refused === wal) return
    const end = wal.length + frameBytes + this.#aheadBytes
    this.#fill(wal, frameBytes, Math.ceil(end / PAGE_BYTES) * PAGE_BYTES)
  }

  #fill(wal: WalFile, frameBytes: number, end: number): void {
    try {
      // The frame itself counts already, as on its way to the log.
      this.#parts.spend(end - wal.length - frameBytes)
      wal.fill(end)
    } catch {
      // Whatever it was, the frame's own write meets it too, or does without.
      this.#refused = wal
      cutZeros(wal)
    }
  }
}

/** Ends the file behind its last frame; true: there was something to cut off. What cannot be cut off is zeros, which
 * are an end as well. */
export function cutZeros(wal: WalFile): boolean {
  if (wal.zeros === 0) return false
  try {
    wal.cut()
    return true
  } catch {
    return false
  }
}
