// The manifest of an open database: main thread, one append at a time. Invariant: `state` is what
// the edits known durable make; a failed append changes nothing, and after one whose outcome on
// disk is unknown nothing is ever appended again. Nothing is written once the directory is not ours any more: every
// writable open starts a manifest of its own, so CURRENT names the latest owner's.
import { SettError } from '../base/errors.ts'
import { checksumSeed } from '../format/checksum.ts'
import { type CurrentFile, encodeCurrent } from '../format/current-file.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import { encodeEditPayload, type ManifestEdit, sealEdit } from '../format/manifest-edit.ts'
import { currentPath, currentTempPath, manifestPath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { applyEdit, type ManifestState, snapshotEdit } from './apply-edit.ts'
import { readCurrent } from './read-manifest.ts'

/** Above this a write does not block the thread. */
const ASYNC_WRITE_BYTES = 65_536

export interface ManifestParts {
  readonly fs: FileSystem
  readonly directory: string
  /** A fresh file number. */
  readonly number: number
  /** 8 random bytes */
  readonly salt: Uint8Array
  /** fdatasync, wherever the caller wants it done. */
  readonly sync: (file: OpenFile) => Promise<void>
  /** Throws SETT_POISONED once the directory's lock is lost. */
  readonly checkLock?: () => void
}

export class ManifestLog {
  readonly number: number
  readonly #parts: ManifestParts
  readonly #file: OpenFile
  #state: ManifestState
  #length: number = FILE_HEADER_BYTES
  #checksum: bigint
  /** Ends when every append so far has. */
  #tail: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #loss: SettError | undefined
  #onFailure: (error: unknown) => void = () => undefined
  #closed = false
  /** CURRENT was made to name this manifest. */
  #named = false

  private constructor(parts: ManifestParts, file: OpenFile, state: ManifestState) {
    this.#parts = parts
    this.#file = file
    this.#state = state
    this.number = parts.number
    const salt = Buffer.from(parts.salt)
    this.#checksum = checksumSeed({ salt, fileNumber: parts.number, position: FILE_HEADER_BYTES })
  }

  /**
   * Writes a new manifest that starts with a snapshot of `state`, then points CURRENT at it; all of
   * it durable.
   */
  static async create(parts: ManifestParts, state: ManifestState): Promise<ManifestLog> {
    const { fs, directory, number, sync } = parts
    const salt = Buffer.from(parts.salt)
    const file = fs.openSync(manifestPath(directory, number), 'create')
    try {
      file.writeSync(encodeFileHeader({ kind: 'manifest', number, salt, parameter: 0 }), 0)
      const log = new ManifestLog(parts, file, state)
      const next = Math.max(state.nextFileNumber, number + 1)
      await log.#append({ ...snapshotEdit(state), nextFileNumber: next })
      // The manifest's own name is durable before CURRENT names it.
      await fs.syncDirectory(directory)
      log.requireOwner()
      await writeCurrent({ fs, directory, sync }, { manifest: number })
      log.#named = true
      return log
    } catch (error) {
      file.closeSync()
      throw error
    }
  }

  /** What the durable edits make. */
  get state(): ManifestState {
    return this.#state
  }

  get lastDurableEdit(): number {
    return this.#state.editNumber
  }

  /** False once an append failed whose outcome on disk is unknown; no other will succeed. */
  get usable(): boolean {
    return this.#failure === undefined
  }

  /** Appends no more: after a failure elsewhere nothing may be built on what is on disk. */
  stop(cause: unknown): void {
    this.#failure ??= cause
  }

  /** `listener` runs when the manifest becomes unusable by an append. */
  onFailure(listener: (error: unknown) => void): void {
    this.#onFailure = listener
  }

  /** Bytes of the manifest. */
  get length(): number {
    return this.#length
  }

  /** False, for good, once somebody else has the directory; asked before anything is created or deleted in it. */
  stillOwned(): boolean {
    if (this.#loss === undefined) {
      this.#loss = this.#findLoss()
      if (this.#loss !== undefined) this.#fail(this.#loss)
    }
    return this.#loss === undefined
  }

  /** Throws unless `stillOwned()`. */
  requireOwner(): void {
    if (!this.stillOwned()) throw this.#loss
  }

  /** Makes an edit durable, after those asked for before; resolves with the state it made. A function makes the edit of
   * the state it will change. */
  append(edit: ManifestEdit | ((state: ManifestState) => ManifestEdit)): Promise<ManifestState> {
    const turn = this.#tail.then(() => this.#append(edit))
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  /**
   * Waits for the appends under way and marks the manifest as complete: the next open demands
   * exactly it.
   */
  async closeClean(): Promise<void> {
    await this.#tail
    this.#requireUsable()
    this.requireOwner()
    this.#closed = true
    const clean = { length: this.#length, lastChecksum: this.#checksum }
    await writeCurrent(this.#parts, { manifest: this.number, clean })
    this.#file.closeSync()
  }

  /** Lets go of the file and leaves it as after a crash. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
    this.#file.closeSync()
  }

  async #append(
    asked: ManifestEdit | ((state: ManifestState) => ManifestEdit),
  ): Promise<ManifestState> {
    this.#requireUsable()
    this.requireOwner()
    const edit = typeof asked === 'function' ? asked(this.#state) : asked
    const state = applyEdit(this.#state, edit)
    const { bytes, checksum } = sealEdit(encodeEditPayload(edit), state.editNumber, this.#checksum)
    await this.#write(bytes)
    try {
      await this.#parts.sync(this.#file)
    } catch (error) {
      this.#fail(error)
      throw error
    }
    this.#state = state
    this.#checksum = checksum
    this.#length += bytes.length
    return state
  }

  /**
   * A write refused for want of space is undone and may be tried again; any other failure is final.
   */
  async #write(bytes: Buffer): Promise<void> {
    try {
      if (bytes.length <= ASYNC_WRITE_BYTES) this.#file.writeSync(bytes, this.#length)
      else await this.#file.write(bytes, this.#length)
    } catch (error) {
      if (!isFull(error)) this.#fail(error)
      else this.#undo()
      throw error
    }
  }

  #undo(): void {
    try {
      this.#file.truncateSync(this.#length)
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#failure = error
    this.#onFailure(error)
  }

  #findLoss(): SettError | undefined {
    const { fs, directory, number, checkLock } = this.#parts
    try {
      checkLock?.()
      if (!this.#named) return undefined
      if (fs.statSync(currentPath(directory)) === undefined) {
        return lost(`CURRENT is gone from ${directory}`)
      }
      const { manifest } = readCurrent(fs, directory)
      return manifest === number
        ? undefined
        : lost(`CURRENT in ${directory} names another manifest`)
    } catch (error) {
      // A look that fails, for want of descriptors for instance, is no sign of another owner.
      return error instanceof SettError && error.code === 'SETT_POISONED' ? error : undefined
    }
  }

  #requireUsable(): void {
    if (this.#loss !== undefined) throw this.#loss
    if (this.#failure !== undefined) {
      throw new SettError(
        'SETT_POISONED',
        'An earlier write failed, so what is on disk is unknown. Reopen the database.',
        this.#failure,
      )
    }
    if (this.#closed) {
      throw new SettError('LEVEL_DATABASE_NOT_OPEN', 'The database is closed. Open it again.')
    }
  }
}

/** Replaces CURRENT: the new content is durable under another name before it takes the real one. */
async function writeCurrent(
  parts: Pick<ManifestParts, 'fs' | 'directory' | 'sync'>,
  current: CurrentFile,
): Promise<void> {
  const { fs, directory, sync } = parts
  const temp = currentTempPath(directory)
  if (fs.statSync(temp) !== undefined) fs.removeSync(temp)
  const file = fs.openSync(temp, 'create')
  try {
    file.writeSync(encodeCurrent(current), 0)
    await sync(file)
  } finally {
    file.closeSync()
  }
  fs.renameSync(temp, currentPath(directory))
  await fs.syncDirectory(directory)
}

function lost(what: string): SettError {
  return new SettError(
    'SETT_POISONED',
    `${what}, so another process has the database by now. This one writes and deletes nothing more in it. ` +
      'Close it, see to it that one process opens the database, and open it again.',
  )
}

function isFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT'
}
