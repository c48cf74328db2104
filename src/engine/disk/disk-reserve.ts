// Keeps the last of the volume for deletes, flushes and compactions, which give room back: puts stop before it is
// gone. Main thread. The system is asked every few MiB of puts, and at each put while they are refused, so they go
// on by themselves as soon as there is room.
import { SettError } from '../../base/errors.ts'
import { MIB } from '../../base/limits.ts'
import type { Logger } from '../../base/logger.ts'
import type { FileSystem } from '../../io/file-system.ts'
import { lacksDirectory } from './failures.ts'

const RESERVE_SHARE = 0.02
const RESERVE_MOST = 64 * MIB
/** Bytes of puts between two looks, at most; less when there is less room. */
const LOOK_BYTES = 4 * MIB
/** Of the room that is left, puts may take so much before the next look: tables grow by it, too. */
const LOOK_SHARE = 0.25

export interface DiskReserveParts {
  readonly fs: FileSystem
  readonly directory: string
  readonly logger: Logger
  /** Bytes of memory that will become tables: their room is spoken for. */
  readonly unflushed: () => number
  /** The directory is not there any more. */
  readonly lost: (cause: unknown) => Error
}

export class DiskReserve {
  readonly #parts: DiskReserveParts
  /** Bytes of puts until the next look. */
  #allowance = 0
  #toldUnknown = false

  constructor(parts: DiskReserveParts) {
    this.#parts = parts
  }

  /** So many bytes are about to be put: throws SETT_DISK_FULL when the volume has none to spare, SETT_POISONED
   * when the directory is gone. */
  spend(bytes: number): void {
    this.#allowance -= bytes
    if (this.#allowance < 0) this.#look(bytes)
  }

  /** The room may have changed: the next put asks. */
  forget(): void {
    this.#allowance = 0
  }

  #look(bytes: number): void {
    const space = this.#space()
    if (space === undefined) {
      this.#allowance = LOOK_BYTES
      return
    }
    const reserve = Math.min(space.totalBytes * RESERVE_SHARE, RESERVE_MOST)
    const spare = space.freeBytes - reserve - bytes - this.#parts.unflushed()
    if (spare >= 0) {
      this.#allowance = Math.min(LOOK_BYTES, spare * LOOK_SHARE)
      return
    }
    this.#allowance = 0
    throw new SettError(
      'SETT_DISK_FULL',
      `The volume has ${space.freeBytes} bytes left, of which ${Math.ceil(reserve)} are kept for deletes and ` +
        'compaction: this commit was not stored. Free some space; writes then go on by themselves.',
    )
  }

  #space(): { readonly freeBytes: number; readonly totalBytes: number } | undefined {
    const { fs, directory, logger, lost } = this.#parts
    try {
      const space = fs.spaceSync(directory)
      // A volume without a limit says 0.
      return space.totalBytes > 0 ? space : undefined
    } catch (error) {
      if (lacksDirectory(error)) throw lost(error)
      if (!this.#toldUnknown) {
        this.#toldUnknown = true
        const what =
          'The system does not tell how full the volume is, so none of it is kept in reserve'
        logger.warn({ err: error, path: directory }, what)
      }
      return undefined
    }
  }
}
