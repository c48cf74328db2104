// Keeps the last of the volume for deletes, flushes and compactions, which give room back: puts stop before it is
// gone, and before the files pass the quota of the option maxDiskBytes. Main thread. A look is taken every few MiB of
// puts, and at each put while they are refused, so they go on by themselves as soon as there is room.
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

/** The option maxDiskBytes. */
export interface DiskQuota {
  readonly maxDiskBytes: number
  /** Bytes of the database's files, and of what is on its way to them. */
  readonly used: () => number
}

export interface DiskReserveParts {
  readonly fs: FileSystem
  readonly directory: string
  readonly logger: Logger
  /** Bytes of memory that will become tables, and those by which the logs, which stay until then, and the segments of
   * large values are to grow. */
  readonly spokenFor: () => number
  /** undefined: the files may take what the volume has. */
  readonly quota: DiskQuota | undefined
  /** A put is about to be refused for want of room. */
  readonly refused: () => void
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

  /** So many bytes are put. Throws as cover() does. */
  spend(bytes: number): void {
    if (!this.covers(bytes)) this.cover(bytes)
    this.took(bytes)
  }

  /** Whether so many bytes may be put without a look. */
  covers(bytes: number): boolean {
    return bytes <= this.#allowance
  }

  /** Looks whether so many bytes may be put: throws SETT_DISK_FULL when the volume, or the quota, has none to spare,
   * SETT_POISONED when the directory is gone. */
  cover(bytes: number): void {
    this.#allowance = bytes + this.#look(bytes)
  }

  /** So many of the bytes that were covered were put. */
  took(bytes: number): void {
    this.#allowance -= bytes
  }

  /** Bytes that background work may take beyond what is spoken for, below 0 if there are too few already; Infinity:
   * nobody knows. */
  get room(): number {
    const { quota } = this.#parts
    const onVolume = this.#onVolume(reserveOf)
    return quota === undefined ? onVolume : Math.min(quota.maxDiskBytes - quota.used(), onVolume)
  }

  /** Bytes that work may take which gives room back, else as `room`: the reserve is there for that, and the quota may
   * be passed for a while, or nothing could help where there is no room. */
  get roomToFree(): number {
    return this.#onVolume(() => 0)
  }

  #onVolume(kept: typeof reserveOf): number {
    const { fs, directory, spokenFor } = this.#parts
    try {
      const space = fs.spaceSync(directory)
      if (space.totalBytes <= 0) return Number.POSITIVE_INFINITY
      return space.freeBytes - kept(space) - spokenFor()
    } catch {
      // The next put is told.
      return Number.POSITIVE_INFINITY
    }
  }

  /** The room may have changed: the next put asks. */
  forget(): void {
    this.#allowance = 0
  }

  /** Bytes that may be put beside these before the next look. */
  #look(bytes: number): number {
    // Refused below: the next put looks again.
    this.#allowance = 0
    const inQuota = this.#lookAtQuota(bytes)
    const space = this.#space()
    if (space === undefined) return Math.min(LOOK_BYTES, inQuota)
    const reserve = reserveOf(space)
    const spare = space.freeBytes - reserve - bytes - this.#parts.spokenFor()
    if (spare >= 0) return Math.min(LOOK_BYTES, spare * LOOK_SHARE, inQuota)
    throw this.#refusal(
      `The volume has ${space.freeBytes} bytes left, of which ${Math.ceil(reserve)} are kept for deletes and ` +
        'compaction: this commit was not stored. Free some space; writes then go on by themselves.',
    )
  }

  /** Bytes that may be put beside these before the next look at it. */
  #lookAtQuota(bytes: number): number {
    const { quota } = this.#parts
    if (quota === undefined) return Number.POSITIVE_INFINITY
    const used = quota.used()
    const spare = quota.maxDiskBytes - used - bytes
    if (spare >= 0) return spare * LOOK_SHARE
    throw this.#refusal(
      `The files take ${used} of the ${quota.maxDiskBytes} bytes that maxDiskBytes allows: this commit of ${bytes} ` +
        'bytes was not stored. Delete entries and call compactRange(), or open the database with a larger ' +
        'maxDiskBytes.',
    )
  }

  #refusal(message: string): SettError {
    this.#parts.refused()
    return new SettError('SETT_DISK_FULL', message)
  }

  #space(): ReturnType<FileSystem['spaceSync']> | undefined {
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

/** What puts leave of a volume. */
function reserveOf({ totalBytes }: ReturnType<FileSystem['spaceSync']>): number {
  return Math.min(totalBytes * RESERVE_SHARE, RESERVE_MOST)
}
